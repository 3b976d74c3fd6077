//! Fields and their values, and by how many clients each was said. Of fixed size, however long the capture.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashMap;

use super::client::Who;
use crate::limits::{LEARN_FIELDS_MAX, LEARN_VALUES_MAX};

/// Clients of a value that are told apart; it has "so many or more" then.
pub const CLIENTS_COUNTED: usize = 128;
/// Distinct values of a field that are told apart; it has many then.
pub(super) const DISTINCT_COUNTED: usize = 64;

/// In which messages a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Place {
    Request,
    Answer,
}

/// A value at a field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) place: Place,
    pub(super) path: Box<str>,
    pub(super) name: Box<str>,
    pub(super) text: Box<[u8]>,
}

/// Who said it, and how often.
#[derive(Default)]
pub(super) struct Count {
    clients: Vec<Who>,
    pub(super) occurrences: u64,
    /// The field, or the position in a path, where it was seen first.
    field: u64,
}

impl Count {
    /// At most [`CLIENTS_COUNTED`].
    pub(super) fn clients(&self) -> usize {
        self.clients.len()
    }

    /// Somebody unknown is nobody else than a known client of the same place.
    fn add(&mut self, who: Who) {
        self.occurrences += 1;
        let known = |other: &Who| other.authenticated == who.authenticated;
        if who.authenticated.is_some() && self.clients.iter().any(known) {
            return;
        }
        let same = |other: &&mut Who| {
            other.place == who.place && (who.authenticated.is_none() || other.authenticated.is_none())
        };
        let room = self.clients.len() < CLIENTS_COUNTED;
        match self.clients.iter_mut().find(same) {
            Some(other) => other.authenticated = other.authenticated.or(who.authenticated),
            None if room => self.clients.push(who),
            None => {}
        }
    }
}

/// What is said at a field altogether.
#[derive(Default)]
pub(super) struct Field {
    distinct: HashSet<u64>,
    pub(super) occurrences: u64,
}

impl Field {
    /// At most [`DISTINCT_COUNTED`].
    pub(super) fn distinct(&self) -> usize {
        self.distinct.len()
    }
}

/// The counts.
#[derive(Default)]
pub(super) struct Table {
    values: HashMap<Key, Count>,
    fields: HashMap<u64, Field>,
    hasher: RandomState,
    /// Values that were left out at once, by reason.
    withheld: BTreeMap<&'static str, u64>,
    /// Times that rare values were forgotten, since there were too many.
    pub(super) swept: u64,
}

impl Table {
    /// A client said `text` at a field; of a path segment, `behind` is the segment before it.
    pub(super) fn say(&mut self, place: Place, path: &str, name: &str, behind: Option<&str>, text: &[u8], who: Who) {
        let field = self.hasher.hash_one((place, path, behind));
        let known = self.fields.len() < LEARN_FIELDS_MAX || self.fields.contains_key(&field);
        // What does not fit is one field, with many values.
        let field = if known { field } else { 0 };
        let seen = self.fields.entry(field).or_default();
        seen.occurrences += 1;
        if seen.distinct.len() < DISTINCT_COUNTED {
            seen.distinct.insert(self.hasher.hash_one(text));
        }
        let key = Key { place, path: path.into(), name: name.into(), text: text.into() };
        if self.values.len() >= LEARN_VALUES_MAX && !self.values.contains_key(&key) {
            self.sweep();
        }
        let fresh = || Count { field, ..Count::default() };
        self.values.entry(key).or_insert_with(fresh).add(who);
    }

    /// Makes room: forgets the values with the fewest clients, as many as it takes.
    fn sweep(&mut self) {
        self.swept += 1;
        let mut least = 1;
        while self.values.len() > LEARN_VALUES_MAX / 4 * 3 && least <= CLIENTS_COUNTED {
            self.values.retain(|_, count| count.clients() > least);
            least += 1;
        }
        if least > CLIENTS_COUNTED {
            self.values.clear();
        }
    }

    /// A value is left out at once.
    pub(super) fn withhold(&mut self, why: &'static str) {
        *self.withheld.entry(why).or_default() += 1;
    }

    /// Occurrences of values that were left out at once, by reason.
    pub(super) fn withheld(&self) -> &BTreeMap<&'static str, u64> {
        &self.withheld
    }

    /// All values, in an order that does not depend on how they came.
    pub(super) fn values(&self) -> Vec<(&Key, &Count)> {
        let mut all: Vec<(&Key, &Count)> = self.values.iter().collect();
        all.sort_by_key(|(key, _)| *key);
        all
    }

    /// What is said where a value was seen first.
    pub(super) fn field(&self, count: &Count) -> Option<&Field> {
        self.fields.get(&count.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(authenticated: u64, place: u64) -> Who {
        Who { authenticated: Some(authenticated).filter(|id| *id > 0), place }
    }

    fn clients(all: &[(u64, u64)]) -> usize {
        let mut count = Count::default();
        all.iter().for_each(|&(id, place)| count.add(who(id, place)));
        count.clients()
    }

    #[test]
    fn somebody_unknown_is_a_known_client_of_the_same_place() {
        assert_eq!(clients(&[(0, 1), (0, 1), (0, 1)]), 1);
        assert_eq!(clients(&[(7, 1), (8, 1), (9, 1)]), 3);
        assert_eq!(clients(&[(0, 1), (7, 1)]), 1);
        assert_eq!(clients(&[(7, 1), (0, 1)]), 1);
        assert_eq!(clients(&[(7, 1), (7, 2), (0, 2), (0, 3)]), 3);
        assert_eq!(clients(&(1..1000).map(|n| (n, n)).collect::<Vec<_>>()), CLIENTS_COUNTED);
    }

    #[test]
    fn values_of_many_clients_outlive_a_flood_of_others() {
        let mut table = Table::default();
        for n in 1..=5 {
            table.say(Place::Request, "p", "", None, b"redeem", who(n, n));
        }
        for n in 0..3 * LEARN_VALUES_MAX as u64 {
            table.say(Place::Request, "p", "", None, format!("slug-{n}").as_bytes(), who(9, 9));
        }
        assert!(table.values.len() <= LEARN_VALUES_MAX && table.swept > 0);
        let redeem = table.values().into_iter().find(|(key, _)| &*key.text == b"redeem").unwrap().1;
        assert_eq!((redeem.clients(), redeem.occurrences), (5, 5));
        assert_eq!(table.field(redeem).unwrap().distinct(), DISTINCT_COUNTED);
    }
}
