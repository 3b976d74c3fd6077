//! Which values were heard, and from whom: bounded, and forgetting what was not asked for lately.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use super::line::Telling;
use crate::limits::{ORIGINS_PER_VALUE, VALUE_PLACES_BYTES_MAX, VALUES_BYTES_MAX};

/// What a remembered value takes, room in its table included.
const VALUE_BYTES: usize = 72;
/// What each further origin of it takes.
const ORIGIN_BYTES: usize = 32;

/// A field of responses: the same for all that have it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Field {
    /// As [`crate::protocol::Field::path`].
    pub(super) path: Box<str>,
    /// As [`crate::protocol::Field::name`].
    pub(super) name: Box<str>,
}

/// Where a value was told.
#[derive(Clone)]
pub(super) struct Origin {
    /// By which response.
    pub(super) by: Rc<Telling>,
    pub(super) field: Rc<Field>,
    /// As [`super::Source::ordinal`].
    pub(super) ordinal: u32,
    /// As [`super::Source::token`].
    pub(super) token: Option<u32>,
}

/// Who said a value first.
pub(super) enum Heard {
    /// The client: it is its own, whoever repeats it.
    Own,
    /// A response.
    Told(Origin),
    /// Several: the first and the latest ones.
    Often(Vec<Origin>),
}

impl Heard {
    /// The responses that told it.
    pub(super) fn origins(&self) -> &[Origin] {
        match self {
            Heard::Own => &[],
            Heard::Told(origin) => std::slice::from_ref(origin),
            Heard::Often(origins) => origins,
        }
    }

    fn bytes(&self) -> usize {
        VALUE_BYTES + if let Heard::Often(origins) = self { origins.capacity() * ORIGIN_BYTES } else { 0 }
    }
}

/// Values by client, in two generations: what is used stays, the rest is forgotten with the older one. The capture alone
/// decides which.
///
/// A value is known by 64 bits of a hash: among a million of them the odds that a value is taken for another are 10^-13.
#[derive(Default)]
pub(super) struct Known {
    young: HashMap<u64, Heard>,
    old: HashMap<u64, Heard>,
    bytes: usize,
    fields: HashSet<Rc<Field>>,
    field_bytes: usize,
}

impl Known {
    /// What is remembered of a client's value.
    pub(super) fn get(&mut self, client: u64, text: &[u8]) -> Option<&Heard> {
        let key = key(client, None, text);
        self.rejuvenate(key);
        self.young.get(&key)
    }

    /// Whether the client said a value under a name.
    pub(super) fn is_said(&mut self, client: u64, name: &str, text: &[u8]) -> bool {
        let key = key(client, Some(name), text);
        self.rejuvenate(key);
        self.young.contains_key(&key)
    }

    /// The client says a value, perhaps under a name: it is its own, unless a response told it.
    pub(super) fn says(&mut self, client: u64, name: Option<&str>, text: &[u8]) {
        let key = key(client, name, text);
        self.rejuvenate(key);
        if !self.young.contains_key(&key) {
            self.insert(key, Heard::Own);
        }
    }

    /// A response tells a client a value.
    pub(super) fn tells(&mut self, client: u64, text: &[u8], origin: Origin) {
        let key = key(client, None, text);
        self.rejuvenate(key);
        let Some(heard) = self.young.get_mut(&key) else { return self.insert(key, Heard::Told(origin)) };
        self.bytes -= heard.bytes();
        match heard {
            Heard::Own => {}
            Heard::Told(first) => *heard = Heard::Often(vec![first.clone(), origin]),
            Heard::Often(origins) => {
                if origins.len() >= ORIGINS_PER_VALUE {
                    origins.remove(1);
                }
                origins.push(origin);
            }
        }
        self.bytes += heard.bytes();
    }

    /// The one copy of a field's names.
    pub(super) fn field(&mut self, path: &str, name: &str) -> Rc<Field> {
        let field = Field { path: path.into(), name: name.into() };
        if let Some(known) = self.fields.get(&field) {
            return known.clone();
        }
        self.field_bytes += VALUE_BYTES + path.len() + name.len();
        if self.field_bytes > VALUE_PLACES_BYTES_MAX {
            self.field_bytes = 0;
            self.fields = HashSet::new();
        }
        let field = Rc::new(field);
        self.fields.insert(field.clone());
        field
    }

    /// Takes a value that is asked for from the older generation into the younger.
    fn rejuvenate(&mut self, key: u64) {
        if let Some(heard) = self.old.remove(&key) {
            self.insert(key, heard);
        }
    }

    fn insert(&mut self, key: u64, heard: Heard) {
        if self.bytes > VALUES_BYTES_MAX / 2 {
            self.bytes = 0;
            self.old = std::mem::take(&mut self.young);
        }
        self.bytes += heard.bytes();
        self.young.insert(key, heard);
    }
}

fn key(client: u64, name: Option<&str>, text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (client, name).hash(&mut hasher);
    hasher.write(text);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::line::Line;

    fn origin(known: &mut Known, number: u64) -> Origin {
        let by = Rc::new(Telling::new(number, Line::new(0), "/"));
        Origin { by, field: known.field("a.b", "b"), ordinal: 0, token: None }
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let mut known = Known::default();
        let first = origin(&mut known, 0);
        known.tells(1, b"token", first.clone());
        known.tells(1, b"idle", first.clone());
        let generation = (VALUES_BYTES_MAX / 2 / VALUE_BYTES) as u64 + 1;
        for n in 0..generation * 3 {
            known.tells(1, &n.to_le_bytes(), first.clone());
            if n % 1000 == 0 {
                assert!(known.get(1, b"token").is_some());
            }
        }
        assert!(known.get(1, b"token").is_some() && known.get(1, b"idle").is_none());
        assert!((known.young.len() + known.old.len()) as u64 <= 2 * generation + 2);
    }

    #[test]
    fn clients_hear_for_themselves_and_what_they_said_first_is_theirs() {
        let mut known = Known::default();
        known.says(1, None, b"zoe");
        for number in 0..20 {
            let told = origin(&mut known, number);
            known.tells(1, b"zoe", told.clone());
            known.tells(2, b"zoe", told);
        }
        assert!(known.get(1, b"zoe").unwrap().origins().is_empty());
        let numbers: Vec<u64> = known.get(2, b"zoe").unwrap().origins().iter().map(|origin| origin.by.number).collect();
        assert_eq!(numbers, [0, 13, 14, 15, 16, 17, 18, 19]);
        assert!(known.get(3, b"zoe").is_none());
    }
}
