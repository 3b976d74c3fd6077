//! From counts, and from an API's description, to words and rules.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::openapi::Description;
use super::shape::{self, Shape};
use super::table::{CLIENTS_COUNTED, Count, DISTINCT_COUNTED, Key, Place, Table};
use crate::detect::Scanner;
use crate::protocol::Role;
use crate::rules::Policy;

/// Of a field with many values, a word is said in one of so many requests at least; else it is one of the many.
const SHARE_OF_MANY: u64 = 20;
/// A field with more distinct values than this holds quantities, not choices.
const FIGURES_MAX: usize = 16;

/// The field that holds the segments of paths.
const PATHS: &str = "http.request.path";

/// What may be kept, for a person to review.
#[derive(Debug, Default)]
pub struct Proposal {
    /// Requests that were read.
    pub requests: u64,
    /// Distinct clients that sent them.
    pub clients: usize,
    /// Words of paths: public wherever a whole value is one.
    pub words: Vec<Word>,
    /// Choices at fields.
    pub enumerations: Vec<Enumeration>,
    /// Names of parameters that do not look like identifiers.
    pub names: BTreeSet<String>,
    /// Distinct values that enough clients said and that are left out, by reason.
    pub withheld: BTreeMap<&'static str, u64>,
    /// What the reviewer should know besides.
    pub notes: Vec<String>,
}

/// A value to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The value itself.
    pub text: String,
    /// Distinct clients that said it, as far as they are told apart; 0 when a description alone names it.
    pub clients: usize,
    /// How often it was said.
    pub occurrences: u64,
    /// The API's description names it.
    pub described: bool,
}

/// The values to keep at some fields of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enumeration {
    /// Their last name.
    pub name: String,
    /// Patterns of their paths.
    pub fields: BTreeSet<String>,
    /// The values.
    pub words: Vec<Word>,
}

/// What was said by at least `least` clients and may be a word of the service.
pub(super) fn propose(table: &Table, policy: &Policy, least: usize, clients: usize) -> Proposal {
    let mut proposal = Proposal { clients, ..Proposal::default() };
    let scanner = policy.scanner();
    let values = table.values();
    let ids = ids(&values);
    let mut fields: BTreeMap<(&str, &str), Vec<Word>> = BTreeMap::new();
    for (key, count) in values.iter().filter(|(key, count)| key.place == Place::Request && count.clients() >= least) {
        let Ok(text) = std::str::from_utf8(&key.text) else { continue };
        if let Some(why) = withheld(key, text, count, table, &scanner, &ids, clients) {
            *proposal.withheld.entry(why).or_default() += 1;
            continue;
        }
        let word =
            Word { text: text.to_owned(), clients: count.clients(), occurrences: count.occurrences, described: false };
        match &*key.path {
            PATHS => proposal.words.push(word),
            path => fields.entry((path, &key.name)).or_default().push(word),
        }
    }
    for ((path, name), words) in fields {
        let again = values.iter().filter(|(key, count)| {
            key.place == Place::Answer
                && *key.name == *name
                && count.clients() >= least
                && words.iter().any(|word| word.text.as_bytes() == &*key.text)
        });
        let mut paths: BTreeSet<String> = again.map(|(key, _)| key.path.to_string()).collect();
        paths.insert(path.to_owned());
        proposal.enumerations.push(Enumeration { name: name.to_owned(), fields: paths, words });
    }
    let occurrences =
        table.withheld().iter().map(|(why, times)| format!("{times} values {why} and were not looked at"));
    proposal.notes.extend(occurrences);
    if table.swept > 0 {
        let times = table.swept;
        proposal.notes.push(format!("rare values were forgotten {times} times: there were too many to count them all"));
    }
    proposal
}

/// Texts that responses hand out as ids: a replay follows them, nobody need keep them.
fn ids<'a>(values: &[(&'a Key, &Count)]) -> HashSet<&'a [u8]> {
    let handed_out = values.iter().filter(|(key, _)| key.place == Place::Answer && shape::is_an_id(&key.name));
    handed_out.map(|(key, _)| &*key.text).collect()
}

/// Why a value is left out that enough clients said.
fn withheld(
    key: &Key,
    text: &str,
    count: &Count,
    table: &Table,
    scanner: &Scanner,
    ids: &HashSet<&[u8]>,
    clients: usize,
) -> Option<&'static str> {
    let mut found = Vec::new();
    scanner.scan(&key.text, &mut found);
    let (distinct, occurrences) = table.field(count).map_or((0, 0), |field| (field.distinct(), field.occurrences));
    // `/v2/sessions`: a surname too, but half of the clients ask for it.
    let everybody_goes_there = &*key.path == PATHS && count.clients() * 2 >= clients.min(CLIENTS_COUNTED);
    let is_figure = shape::shape(&key.text, Role::Value) == Shape::Figure;
    if !found.is_empty() {
        Some("are of a kind that a detector knows")
    } else if shape::looks_like_a_name(text) {
        Some("look like names of people or places")
    } else if shape::is_a_name(text) && !everybody_goes_there {
        Some("are common names of people or places as well")
    } else if ids.contains(&*key.text) {
        Some("are ids that responses hand out")
    } else if is_figure && distinct > FIGURES_MAX {
        Some("are numbers that may be quantities")
    } else if distinct >= DISTINCT_COUNTED && count.occurrences * SHARE_OF_MANY < occurrences {
        Some("are some of very many at their field")
    } else {
        None
    }
}

impl Proposal {
    /// Adds what an API's description names and the rules do not keep.
    pub fn describe(&mut self, description: Description, policy: &Policy) {
        let named = |text: &str| Word { text: text.to_owned(), clients: 0, occurrences: 0, described: true };
        for text in description.words.iter().filter(|text| !policy.is_vocabulary(text.as_bytes())) {
            match self.words.iter_mut().find(|word| word.text == *text) {
                Some(word) => word.described = true,
                None => self.words.push(named(text)),
            }
        }
        self.words.sort_by(|a, b| a.text.cmp(&b.text));
        for choice in description.choices {
            if policy.name_like(&choice.name) {
                *self.withheld.entry("are described for a field whose name speaks of a person").or_default() +=
                    choice.values.len() as u64;
                continue;
            }
            let known = |text: &str| policy.is_vocabulary(text.as_bytes());
            let words: Vec<Word> = choice.values.iter().filter(|text| !known(text)).map(|text| named(text)).collect();
            if !words.is_empty() {
                self.enumerations.push(Enumeration { name: choice.name, fields: choice.fields, words });
            }
        }
        self.names = description.names;
        self.notes.extend(description.notes);
    }

    /// Nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.enumerations.is_empty() && self.names.is_empty()
    }
}
