//! What an OpenAPI 3 description says about a service's own words: fixed path segments, parameters, enumerations.
//!
//! Read as data: no network, no remote references; local ones are followed to a bound.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::limits::{NESTING_MAX, OPENAPI_BYTES_MAX, OPENAPI_WORDS_MAX};
use crate::protocol::name::is_identifier;
use crate::yaml::{self, YamlError};

/// Why a description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenApiError {
    /// It is no YAML or JSON.
    #[error(transparent)]
    Yaml(#[from] Box<YamlError>),
    /// It is something else.
    #[error("{file}: {what}")]
    Other {
        /// As the user gave it.
        file: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// The words of a service as its description has them.
#[derive(Debug, Default)]
pub struct Description {
    /// Fixed path segments.
    pub words: BTreeSet<String>,
    /// Enumerations.
    pub choices: Vec<Choice>,
    /// Parameters' names that are no identifiers.
    pub names: BTreeSet<String>,
    /// What was left out.
    pub notes: Vec<String>,
}

/// An enumeration.
#[derive(Debug, Default)]
pub struct Choice {
    /// The parameter's or property's name.
    pub name: String,
    /// Patterns of the fields that hold it.
    pub fields: BTreeSet<String>,
    /// Its values.
    pub values: BTreeSet<String>,
}

/// Reads a description in YAML or JSON; `file` is its name for messages.
pub fn read(file: &str, text: &str) -> Result<Description, OpenApiError> {
    let fail = |what| OpenApiError::Other { file: file.to_owned(), what };
    if text.len() > OPENAPI_BYTES_MAX {
        return Err(fail("larger than a description may be (32 MiB)"));
    }
    let json = text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
    let root: Value = match json {
        Some(json) => json,
        None => yaml::parse_large(file, text, OPENAPI_BYTES_MAX).map_err(Box::new)?,
    };
    match root.get("openapi").and_then(Value::as_str) {
        Some(version) if version.starts_with("3.") => {}
        Some(_) => return Err(fail("not OpenAPI 3 (only `openapi: 3.x` is read)")),
        None => return Err(fail("no OpenAPI description: it has no `openapi: 3.x`")),
    }
    let mut reader = Reader { root: &root, ..Reader::new(&root) };
    reader.paths();
    Ok(reader.finish())
}

/// Where a schema's values stand.
#[derive(Clone, Copy)]
enum Side {
    Request,
    Response,
}

struct Reader<'a> {
    root: &'a Value,
    description: Description,
    /// Name -> (fields, values).
    choices: BTreeMap<(String, BTreeSet<String>), BTreeSet<String>>,
    remote: u64,
    taken: usize,
    /// Schemas being read, so that a circle ends.
    open: Vec<*const Value>,
    /// Schemas that were read for a prefix of fields.
    done: BTreeSet<(usize, String, String)>,
}

impl<'a> Reader<'a> {
    fn new(root: &'a Value) -> Self {
        let (description, choices) = (Description::default(), BTreeMap::new());
        Reader { root, description, choices, remote: 0, taken: 0, open: Vec::new(), done: BTreeSet::new() }
    }

    fn finish(self) -> Description {
        let mut description = self.description;
        let choice = |((name, fields), values)| Choice { name, fields, values };
        description.choices = self.choices.into_iter().map(choice).collect();
        if self.remote > 0 {
            description.notes.push(format!("{} references to other files were not followed", self.remote));
        }
        if self.taken >= OPENAPI_WORDS_MAX {
            description
                .notes
                .push(format!("the description holds more than the {OPENAPI_WORDS_MAX} words that are taken"));
        }
        description
    }

    /// Counts a word that is taken; false when there were enough.
    fn room(&mut self) -> bool {
        self.taken += 1;
        self.taken < OPENAPI_WORDS_MAX
    }

    fn paths(&mut self) {
        let root = self.root;
        for server in list(root.get("servers")) {
            let url = server.get("url").and_then(Value::as_str).unwrap_or_default();
            let path = url.split_once("://").map_or(url, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
            self.segments(path);
        }
        for (template, item) in object(root.get("paths")) {
            self.segments(template);
            let Some(item) = self.resolve(item) else { continue };
            self.parameters(item.get("parameters"));
            for method in ["get", "put", "post", "delete", "options", "head", "patch", "trace"] {
                if let Some(operation) = item.get(method) {
                    self.operation(operation);
                }
            }
        }
    }

    /// Segments without a `{parameter}` in them.
    fn segments(&mut self, path: &str) {
        for segment in path.split(['/', '?']).filter(|segment| !segment.is_empty() && segment.len() <= 64) {
            let fixed = !segment.contains(['{', '}', '=', '&', '%']) && !segment.bytes().all(|b| b.is_ascii_digit());
            if fixed && self.room() {
                self.description.words.insert(segment.to_owned());
            }
        }
    }

    fn operation(&mut self, operation: &'a Value) {
        self.parameters(operation.get("parameters"));
        if let Some(body) = operation.get("requestBody").and_then(|body| self.resolve(body)) {
            self.content(body, Side::Request);
        }
        for (_, response) in object(operation.get("responses")) {
            if let Some(response) = self.resolve(response) {
                self.content(response, Side::Response);
            }
        }
    }

    fn parameters(&mut self, parameters: Option<&'a Value>) {
        for parameter in list(parameters) {
            let Some(parameter) = self.resolve(parameter) else { continue };
            let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
            let field = match parameter.get("in").and_then(Value::as_str) {
                Some("query") => format!("http.request.query.{}", level(name)),
                Some("header") => format!("http.request.header.{}", level(&name.to_ascii_lowercase())),
                Some("cookie") => format!("http.request.cookie.{}", level(name)),
                Some("path") => "http.request.path".to_owned(),
                _ => continue,
            };
            if !name.is_empty() && !is_identifier(name.as_bytes()) && self.room() {
                self.description.names.insert(name.to_owned());
            }
            let content = object(parameter.get("content")).filter_map(|(_, media)| media.get("schema")).next();
            if let Some(schema) = parameter.get("schema").or(content) {
                self.schema(schema, &[field], name);
            }
        }
    }

    fn content(&mut self, holder: &'a Value, side: Side) {
        for (media, content) in object(holder.get("content")) {
            let Some(schema) = content.get("schema") else { continue };
            let side = match side {
                Side::Request => "request",
                Side::Response => "response",
            };
            let kind = match media.split(';').next().unwrap_or_default().trim() {
                "application/x-www-form-urlencoded" => "form",
                "multipart/form-data" => "multipart",
                media if media.ends_with("json") => "json",
                _ => continue,
            };
            self.schema(schema, &[format!("http.{side}.body.{kind}")], "");
        }
    }

    /// The enumerations of a schema whose value stands at `fields` and is called `name`.
    fn schema(&mut self, schema: &'a Value, fields: &[String], name: &str) {
        let Some(schema) = self.resolve(schema) else { return };
        let place = (std::ptr::from_ref(schema) as usize, fields.join(" "), name.to_owned());
        let circle = self.open.contains(&std::ptr::from_ref(schema));
        if circle || self.open.len() >= NESTING_MAX || self.taken >= OPENAPI_WORDS_MAX || !self.done.insert(place) {
            return;
        }
        self.taken += 1;
        self.open.push(schema);
        self.choice(schema, fields, name);
        for part in ["allOf", "anyOf", "oneOf"].iter().flat_map(|part| list(schema.get(*part))) {
            self.schema(part, fields, name);
        }
        let below = |tail: &str| -> Vec<String> { fields.iter().map(|field| format!("{field}{tail}")).collect() };
        if let Some(items) = schema.get("items") {
            // A list in a query repeats the parameter.
            let lists = fields.iter().all(|field| field.contains(".body.json"));
            self.schema(items, &if lists { below("[]") } else { fields.to_vec() }, name);
        }
        for (property, schema) in object(schema.get("properties")) {
            self.schema(schema, &below(&format!(".{}", level(property))), property);
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            self.schema(values, &below(".*"), name);
        }
        self.open.pop();
    }

    fn choice(&mut self, schema: &Value, fields: &[String], name: &str) {
        let constant = schema.get("const").into_iter();
        for value in list(schema.get("enum")).chain(constant) {
            let text = match value {
                Value::String(text) if !text.is_empty() && text.len() <= 64 => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => continue,
            };
            if self.room() {
                let key = (name.to_owned(), fields.iter().cloned().collect());
                self.choices.entry(key).or_default().insert(text);
            }
        }
    }

    /// What a local reference stands for; itself when it is none.
    fn resolve(&mut self, mut value: &'a Value) -> Option<&'a Value> {
        for _ in 0..NESTING_MAX {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Some(value) };
            let Some(pointer) = reference.strip_prefix('#') else {
                self.remote += 1;
                return None;
            };
            value = self.root.pointer(pointer)?;
        }
        None
    }
}

/// A name as a level of a field's path; what is no identifier stands as `{}` there.
fn level(name: &str) -> &str {
    if is_identifier(name.as_bytes()) && !name.contains('.') { name } else { "{}" }
}

fn object(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    value.and_then(Value::as_object).map(Map::iter).into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).map(|items| items.iter()).into_iter().flatten()
}
