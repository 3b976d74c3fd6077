//! Which values were heard, and from whom: bounded, and forgetting what was not asked for lately.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::rc::Rc;

use super::line::Telling;
use crate::limits::{ORIGINS_PER_VALUE, VALUE_FIELDS_KEPT, VALUES_KEPT};

/// A field of responses: the same for all that have it.
#[derive(Debug)]
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
}

/// Values by client, in two generations: what is used stays, the rest is forgotten with the older one. The capture alone
/// decides which.
///
/// A value is known by 64 bits of a hash: among a million of them the odds that a value is taken for another are 10^-13.
#[derive(Default)]
pub(super) struct Known {
    young: Table<Heard>,
    old: Table<Heard>,
    /// What the younger generation holds; a value that was told often counts as often.
    held: usize,
    fields: Table<Rc<Field>>,
    hash: RandomState,
}

/// By a hash.
type Table<T> = HashMap<u64, T, BuildHasherDefault<Hashed>>;

/// Of a key that is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.is_empty(), "keys are numbers");
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Known {
    /// What is remembered of a client's value.
    pub(super) fn get(&mut self, client: u64, text: &[u8]) -> Option<&Heard> {
        let key = self.key(client, None, text);
        self.rejuvenate(key);
        self.young.get(&key)
    }

    /// Whether the client said a value under a name.
    pub(super) fn is_said(&mut self, client: u64, name: &str, text: &[u8]) -> bool {
        let key = self.key(client, Some(name), text);
        self.rejuvenate(key);
        self.young.contains_key(&key)
    }

    /// The client says a value, perhaps under a name: it is its own, unless a response told it.
    pub(super) fn says(&mut self, client: u64, name: Option<&str>, text: &[u8]) {
        let key = self.key(client, name, text);
        self.rejuvenate(key);
        if !self.young.contains_key(&key) {
            self.insert(key, Heard::Own);
        }
    }

    /// A response tells a client a value.
    pub(super) fn tells(&mut self, client: u64, text: &[u8], origin: Origin) {
        let key = self.key(client, None, text);
        self.rejuvenate(key);
        let Some(heard) = self.young.get_mut(&key) else { return self.insert(key, Heard::Told(origin)) };
        match heard {
            Heard::Own => {}
            Heard::Told(first) => {
                *heard = Heard::Often(vec![first.clone(), origin]);
                self.held += 1;
            }
            Heard::Often(origins) => {
                match origins.len() >= ORIGINS_PER_VALUE {
                    true => drop(origins.remove(1)),
                    false => self.held += 1,
                }
                origins.push(origin);
            }
        }
    }

    /// The one copy of a field's names.
    pub(super) fn field(&mut self, path: &str, name: &str) -> Rc<Field> {
        let key = self.hash.hash_one((path, name));
        if let Some(known) = self.fields.get(&key).filter(|known| *known.path == *path && *known.name == *name) {
            return known.clone();
        }
        if self.fields.len() >= VALUE_FIELDS_KEPT {
            self.fields = Table::default();
        }
        let field = Rc::new(Field { path: path.into(), name: name.into() });
        self.fields.insert(key, field.clone());
        field
    }

    /// Takes a value that is asked for from the older generation into the younger.
    fn rejuvenate(&mut self, key: u64) {
        if !self.young.contains_key(&key)
            && let Some(heard) = self.old.remove(&key)
        {
            self.insert(key, heard);
        }
    }

    fn insert(&mut self, key: u64, heard: Heard) {
        if self.held >= VALUES_KEPT / 2 {
            self.held = 0;
            self.old = std::mem::take(&mut self.young);
        }
        self.held += heard.origins().len().max(1);
        self.young.insert(key, heard);
    }

    fn key(&self, client: u64, name: Option<&str>, text: &[u8]) -> u64 {
        self.hash.hash_one((client, name, text))
    }
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
        let generation = VALUES_KEPT as u64 / 2;
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
