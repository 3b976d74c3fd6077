//! What the search found, and the lines of residue that it becomes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::result::Residue;
use super::search::Found;
use super::value::Value;
use crate::limits::AUDIT_SIGHTINGS_MAX;

/// Where a value was found; the later variant says more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In the bytes of a record of the file.
    Record,
    /// In a stream of bytes.
    Stream,
    /// In an inflated body.
    Body,
    /// In a field, whose path this is.
    Field(Box<str>),
}

/// How a value was encoded: the views, then the disguise.
pub type Way = Box<str>;

/// The name of a way: what is said twice, by a view and by a disguise, is said once.
pub fn way(views: &[&str], found: &Found) -> Way {
    match (views, found.disguise) {
        ([], disguise) => disguise.into(),
        (views, "raw") => views.join(" > ").into(),
        (views, disguise) => format!("{} > {disguise}", views.join(" > ")).into(),
    }
}

/// Where a value was seen, and how: sightings that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    value: usize,
    way: Way,
    place: Place,
    /// The packet or the flow; [`ANY`] for what there was no more room to tell apart.
    unit: u64,
}

const ANY: u64 = u64::MAX;

/// How often, and the first packet.
#[derive(Clone, Copy)]
struct Sightings {
    packet: u64,
    count: u64,
}

/// Sightings of values.
#[derive(Default)]
pub struct Hits {
    seen: HashMap<Key, Sightings>,
}

impl Hits {
    /// Notes one.
    pub fn add(&mut self, value: usize, way: Way, place: &Place, unit: u64, packet: u64) {
        let mut key = Key { value, way, place: place.clone(), unit };
        if self.seen.len() >= AUDIT_SIGHTINGS_MAX && !self.seen.contains_key(&key) {
            key.unit = ANY;
        }
        self.seen.entry(key).or_insert(Sightings { packet, count: 0 }).count += 1;
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// The values found, each once, in order.
    pub fn values(&self) -> BTreeSet<usize> {
        self.seen.keys().map(|key| key.value).collect()
    }

    /// Takes out as many sightings as there are of the same value, in the same way and place, where the rules keep
    /// it, and says how many that were. Value `n` of `kept` is `numbers[n]` here.
    pub fn excuse(&mut self, kept: Hits, numbers: &[usize]) -> u64 {
        let mut excused = 0;
        for (mut key, there) in kept.seen {
            key.value = numbers[key.value];
            if let Some(here) = self.seen.get_mut(&key) {
                excused += here.count.min(there.count);
                here.count = here.count.saturating_sub(there.count);
            }
        }
        self.seen.retain(|_, here| here.count > 0);
        excused
    }

    /// Lines of residue. A value that shows in a field shows in the stream and in the record, too: the best place
    /// is told.
    pub fn residue(self, values: &[Value<'_>], lines: &mut Lines) {
        let mut best: HashMap<(usize, Way), (Place, Sightings)> = HashMap::new();
        for (key, seen) in self.seen {
            let known = best.entry((key.value, key.way)).or_insert((key.place.clone(), Sightings { count: 0, ..seen }));
            if key.place > known.0 {
                *known = (key.place, seen);
            } else if key.place == known.0 {
                known.1 = Sightings { packet: known.1.packet.min(seen.packet), count: known.1.count + seen.count };
            }
        }
        for ((value, way), (place, seen)) in best {
            let field = match &place {
                Place::Record => "record",
                Place::Stream => "stream",
                Place::Body => "body",
                Place::Field(path) => path,
            };
            lines.add(values[value].kind, field, &way, seen.packet, seen.count);
        }
    }
}

/// Residue, a line for each kind, field and encoding.
#[derive(Default)]
pub struct Lines {
    lines: BTreeMap<(String, String, String), (u64, u64)>,
}

impl Lines {
    /// Adds sightings to their line.
    pub fn add(&mut self, kind: &str, field: &str, encoding: &str, packet: u64, count: u64) {
        let key = (kind.to_owned(), field.to_owned(), encoding.to_owned());
        if self.lines.len() >= crate::limits::AUDIT_LINES_MAX && !self.lines.contains_key(&key) {
            let rest = ("more".to_owned(), "more".to_owned(), "more".to_owned());
            self.lines.entry(rest).or_insert((packet, 0)).1 += count;
            return;
        }
        let line = self.lines.entry(key).or_insert((packet, 0));
        line.0 = line.0.min(packet);
        line.1 += count;
    }

    /// By packet.
    pub fn into_residue(self) -> Vec<Residue> {
        let line = |((kind, field, encoding), (packet, count))| Residue { kind, packet, field, encoding, count };
        let mut residue: Vec<Residue> = self.lines.into_iter().map(line).collect();
        residue.sort_by_key(|line| line.packet);
        residue
    }
}
