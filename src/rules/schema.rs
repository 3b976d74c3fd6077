//! The JSON Schema of the rules' YAML, with the catalogues' ids, for editors and `standin rules schema`.

use serde_json::{Value, json};

use super::{catalogue, pack};

/// Draft 2020-12.
pub fn schema() -> Value {
    let id = json!({ "type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$" });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let method = json!({
        "description": "What is done to the value, or to the part that was found.",
        "enum": catalogue::methods().map(|(id, _)| id).collect::<Vec<_>>(),
    });
    let detectors: Vec<&str> = catalogue::detectors().map(|(id, _)| id).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of standin",
        "type": "object",
        "additionalProperties": false,
        "required": ["version"],
        "properties": {
            "version": { "const": 1 },
            "extends": {
                "description": "Rules asked after this file's own: a built-in name or a path from this file's folder.",
                "type": "string",
                "examples": pack::PACKS.iter().map(|pack| pack.name).collect::<Vec<_>>(),
            },
            "addresses": { "description": "IP and MAC addresses in packet headers.", "enum": ["pseudonym", "keep", "blank"] },
            "prefixes": {
                "description": "keep: addresses of one network get pseudonyms of one network (weak: networks can be told by their sizes).",
                "enum": ["pseudonym", "keep"],
            },
            "vendors": {
                "description": "keep: the vendor's half of a MAC address stays.",
                "enum": ["pseudonym", "keep"],
            },
            "payload": { "description": "Bytes behind the transport header.", "enum": ["dissect", "blank", "keep"] },
            "values": { "description": "Values that no rule names.", "enum": ["pseudonym", "blank"] },
            "vocabulary": {
                "description": "Further public words: kept where they are a whole value.",
                "type": "array",
                "items": { "type": "string", "pattern": "\\S" },
            },
            "detectors": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "disable": {
                        "description": "Detectors that are not asked.",
                        "type": "array",
                        "items": { "enum": detectors },
                    },
                },
            },
            "patterns": {
                "description": "Kinds of values of your own, found by a regex.",
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["id", "regex"],
                    "properties": {
                        "id": id,
                        "regex": { "type": "string", "format": "regex" },
                        "method": method,
                        "why": { "type": "string" },
                    },
                },
            },
            "rules": {
                "description": "The first one that applies decides.",
                "type": "array",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["id", "method"],
                    "properties": {
                        "id": id,
                        "fields": {
                            "description": "Paths; * is one level or a part of a name, ** any number of levels, [] a list's items.",
                            "type": "array",
                            "items": { "type": "string", "minLength": 1 },
                        },
                        "detect": {
                            "description": "Only the parts that these find: detectors or patterns.",
                            "type": "array",
                            "items": { "anyOf": [{ "enum": detectors }, id] },
                        },
                        "matches": { "description": "Only whole values that match.", "type": "string", "format": "regex" },
                        "equals": { "description": "Only whole values that are one of these.", "$ref": "#/$defs/texts" },
                        "method": method,
                        "why": { "description": "Shown by `standin rules explain` and in reviews.", "type": "string" },
                    },
                    "anyOf": [
                        { "required": ["fields"] },
                        { "required": ["detect"] },
                        { "required": ["matches"] },
                        { "required": ["equals"] },
                    ],
                },
            },
        },
        "$defs": { "texts": texts },
    })
}
