//! Which values were heard, and from whom: bounded, and forgetting what was not asked for lately.

use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::rc::Rc;

use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap};

use super::line::Telling;
use crate::limits::{ECHOES_KEPT, ORIGINS_PER_VALUE, VALUE_FIELDS_KEPT, VALUES_KEPT};

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

impl Origin {
    /// The same field of the same response: it is found wherever the other one is.
    fn is_like(&self, other: &Origin) -> bool {
        Rc::ptr_eq(&self.by, &other.by) && Rc::ptr_eq(&self.field, &other.field)
    }
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

/// Values by client. What is used stays, the rest is forgotten; the capture alone decides which.
///
/// A value is known by 64 bits of a hash: among a million of them the odds that a value is taken for another are 10^-13.
pub(super) struct Known {
    heard: Generations<Heard>,
    /// What clients said under a name though it had been told: seldom, so that looking here costs little.
    echoes: Generations<()>,
    fields: Table<Rc<Field>>,
    hash: DefaultHashBuilder,
}

/// Entries in two generations: those that are asked for stay, the others go with the older one.
struct Generations<T> {
    young: Table<T>,
    old: Table<T>,
    /// What the younger generation holds; an entry may count as several.
    held: usize,
    /// What it may hold.
    most: usize,
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

impl<T> Generations<T> {
    fn new(most: usize) -> Self {
        Generations { young: Table::default(), old: Table::default(), held: 0, most: most / 2 }
    }

    fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    /// The entry of a key; a new one is made when there is none. `counts`: as how many it counts.
    fn entry(&mut self, key: u64, counts: fn(&T) -> usize, new: impl FnOnce() -> T) -> &mut T {
        if self.held >= self.most {
            self.held = 0;
            self.old = std::mem::take(&mut self.young);
        }
        match self.young.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let entry = self.old.remove(&key).unwrap_or_else(new);
                self.held += counts(&entry);
                place.insert(entry)
            }
        }
    }

    fn get(&mut self, key: u64, counts: fn(&T) -> usize) -> Option<&mut T> {
        // Twice, for the borrow checker: a value that is known is asked for seldom.
        if !self.young.contains_key(&key) {
            let entry = self.old.remove(&key)?;
            return Some(self.entry(key, counts, || entry));
        }
        self.young.get_mut(&key)
    }
}

impl Heard {
    /// A value that was told often counts as often.
    fn counts(&self) -> usize {
        self.origins().len().max(1)
    }
}

impl Default for Known {
    fn default() -> Known {
        Known {
            heard: Generations::new(VALUES_KEPT),
            echoes: Generations::new(ECHOES_KEPT),
            fields: Table::default(),
            hash: DefaultHashBuilder::default(),
        }
    }
}

impl Known {
    /// What is remembered of a client's value.
    pub(super) fn get(&mut self, client: u64, text: &[u8]) -> Option<&Heard> {
        let key = self.hash.hash_one((client, text));
        self.heard.get(key, Heard::counts).map(|heard| &*heard)
    }

    /// Whether the client said a value under a name, though it had been told.
    pub(super) fn is_echo(&mut self, client: u64, name: &str, text: &[u8]) -> bool {
        if self.echoes.is_empty() {
            return false;
        }
        let key = self.hash.hash_one((client, name, text));
        self.echoes.get(key, |()| 1).is_some()
    }

    /// The client says a value: it is its own, unless a response told it.
    pub(super) fn says(&mut self, client: u64, text: &[u8]) {
        let key = self.hash.hash_one((client, text));
        self.heard.entry(key, Heard::counts, || Heard::Own);
    }

    /// The client says a value that was told, and not by anything like this: a field of this name tells it only as an echo.
    pub(super) fn echoes(&mut self, client: u64, name: &str, text: &[u8]) {
        let key = self.hash.hash_one((client, name, text));
        self.echoes.entry(key, |()| 1, || ());
    }

    /// A response tells a client a value.
    pub(super) fn tells(&mut self, client: u64, text: &[u8], origin: Origin) {
        let key = self.hash.hash_one((client, text));
        let mut origin = Some(origin);
        let heard = self.heard.entry(key, Heard::counts, || origin.take().map_or(Heard::Own, Heard::Told));
        let Some(origin) = origin else { return };
        match heard {
            Heard::Own => {}
            Heard::Told(first) if first.is_like(&origin) => {}
            Heard::Told(first) => {
                *heard = Heard::Often(vec![first.clone(), origin]);
                self.heard.held += 1;
            }
            Heard::Often(origins) if origins.last().is_some_and(|last| last.is_like(&origin)) => {}
            Heard::Often(origins) => {
                let is_full = origins.len() >= ORIGINS_PER_VALUE;
                if is_full {
                    origins.remove(1);
                }
                origins.push(origin);
                self.heard.held += usize::from(!is_full);
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
        assert!((known.heard.young.len() + known.heard.old.len()) as u64 <= 2 * generation + 2);
    }

    #[test]
    fn clients_hear_for_themselves_and_what_they_said_first_is_theirs() {
        let mut known = Known::default();
        known.says(1, b"zoe");
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
