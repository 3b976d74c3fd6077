//! The proposal as a rules file with comments: what a person reviews.

use std::collections::HashSet;
use std::fmt::Write;

use super::propose::{Enumeration, Proposal, Word};
use super::table::CLIENTS_COUNTED;

/// The rules file's text. `sources` says what was read, `least` by how many clients a value must have been said.
pub fn write(proposal: &Proposal, sources: &str, least: usize) -> String {
    let mut out = String::new();
    head(&mut out, proposal, sources, least);
    out.push_str("version: 1\nextends: default\n");
    if !proposal.words.is_empty() {
        out.push_str(
            "\n# Segments of paths. They stay wherever a whole value is one of them, links and locations too,\n",
        );
        out.push_str("# but not in a field whose name speaks of a person.\nvocabulary:\n");
        proposal.words.iter().for_each(|word| item(&mut out, "  ", word));
    }
    if !proposal.enumerations.is_empty() || !proposal.names.is_empty() {
        out.push_str("\nrules:\n");
    }
    let mut ids = HashSet::new();
    proposal.enumerations.iter().for_each(|choice| rule(&mut out, choice, &mut ids));
    if !proposal.names.is_empty() {
        let names =
            proposal.names.iter().map(|text| Word { text: text.clone(), clients: 0, occurrences: 0, described: true });
        let fields = ["http.request.query.{}".to_owned(), "http.request.header.{}".to_owned()].into();
        let choice = Enumeration { name: "names".into(), fields, words: names.collect() };
        rule(&mut out, &choice, &mut ids);
    }
    out
}

fn head(out: &mut String, proposal: &Proposal, sources: &str, least: usize) {
    let (requests, clients) = (proposal.requests, proposal.clients);
    let _ = write!(
        out,
        "# Proposed by `standin learn` from {sources}: {requests} requests of {clients} clients.\n\
         #\n\
         # REVIEW BEFORE USE. The words below stand here as they were captured, and with these rules they stay readable in\n\
         # every masked capture. Delete what may tell about somebody: a name, a place, a disease, a rare choice.\n\
         # A value is here because at least {least} distinct clients said it at one field (a client is an authenticated\n\
         # identity, else the first X-Forwarded-For, else an address), or because the API's description names it.\n"
    );
    for (why, values) in &proposal.withheld {
        let _ = writeln!(out, "# Left out: {values} values that {why}.");
    }
    for note in &proposal.notes {
        let _ = writeln!(out, "# Note: {note}.");
    }
    if proposal.is_empty() {
        out.push_str("# There is nothing to propose: no further value was said by so many clients.\n");
    }
}

fn rule(out: &mut String, choice: &Enumeration, ids: &mut HashSet<String>) {
    let described = choice.words.iter().all(|word| word.clients == 0);
    let _ = writeln!(out, "  - id: {}", id(&choice.name, if described { "openapi" } else { "learned" }, ids));
    out.push_str("    fields:\n");
    choice.fields.iter().for_each(|field| {
        let _ = writeln!(out, "      - {}", quoted(field));
    });
    out.push_str("    equals:\n");
    choice.words.iter().for_each(|word| item(out, "      ", word));
    out.push_str("    method: keep\n");
    let why = if described { "the API's description names these values" } else { "values that many clients share" };
    let _ = writeln!(out, "    why: {why}");
}

/// A rule's id that no other has.
fn id(name: &str, prefix: &str, ids: &mut HashSet<String>) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = name.chars().map(plain).take(40).collect();
    let id = format!("{prefix}-{}", if name.is_empty() { "value" } else { &name });
    let mut unique = id.clone();
    let mut n = 2;
    while !ids.insert(unique.clone()) {
        unique = format!("{id}-{n}");
        n += 1;
    }
    unique
}

/// A list's item, and what speaks for it.
fn item(out: &mut String, indent: &str, word: &Word) {
    let more = if word.clients == CLIENTS_COUNTED { " or more" } else { "" };
    let seen = match (word.clients, word.described) {
        (0, _) => "OpenAPI".to_owned(),
        (n, described) => {
            let openapi = if described { ", OpenAPI" } else { "" };
            format!("{n}{more} clients, {} times{openapi}", word.occurrences)
        }
    };
    let _ = writeln!(out, "{indent}- {:<28} # {seen}", quoted(&word.text));
}

/// As a JSON string, which is YAML too: a captured byte is data and nothing else.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
