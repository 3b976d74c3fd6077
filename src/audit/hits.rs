//! What the search found, and the lines of residue that it becomes.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::result::Residue;
use super::search::Found;
use super::value::Value;

/// Where a value was found; the later variant says more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// A way without the views that let plain text through as it is: a text that is kept shows in each of them.
fn bare(way: &str) -> Way {
    let through = ["raw", "percent", "json", "markup", "quoted-printable", "chunked"];
    way.split(" > ").filter(|name| !through.contains(name)).collect::<Vec<_>>().join(" > ").into()
}

/// All sightings of a value in one way.
struct Sighting {
    place: Place,
    packet: u64,
    count: u64,
}

/// Sightings by value and way.
#[derive(Default)]
pub struct Hits {
    seen: HashMap<(usize, Way), Sighting>,
}

impl Hits {
    /// Notes one. Sightings in a better place take the place of others, so that nothing is counted twice.
    pub fn add(&mut self, value: usize, way: Way, place: &Place, packet: u64) {
        let fresh = || Sighting { place: place.clone(), packet, count: 0 };
        let sighting = self.seen.entry((value, way)).or_insert_with(fresh);
        let same_rank = std::mem::discriminant(&sighting.place) == std::mem::discriminant(place);
        if same_rank {
            sighting.count += 1;
        } else if *place > sighting.place {
            *sighting = Sighting { count: 1, ..fresh() };
        }
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// The values found, each once.
    pub fn values(&self) -> HashSet<usize> {
        self.seen.keys().map(|(value, _)| *value).collect()
    }

    /// The same hits of values that are numbered otherwise: value `n` here is `numbers[n]` there.
    pub fn renumbered(&self, numbers: &[usize]) -> HashSet<(usize, Way)> {
        self.seen.keys().filter_map(|(n, way)| Some((*numbers.get(*n)?, bare(way)))).collect()
    }

    /// Takes out what was also found where the rules keep it, and says how many sightings that were.
    pub fn excuse(&mut self, kept: &HashSet<(usize, Way)>) -> u64 {
        let mut excused = 0;
        self.seen.retain(|key, sighting| {
            let keep = kept.contains(&(key.0, bare(&key.1)));
            excused += if keep { sighting.count } else { 0 };
            !keep
        });
        excused
    }

    /// Lines of residue: places of one kind together.
    pub fn residue(&self, values: &[Value<'_>], lines: &mut Lines) {
        for ((value, way), sighting) in &self.seen {
            let field = match &sighting.place {
                Place::Record => "record",
                Place::Stream => "stream",
                Place::Body => "body",
                Place::Field(path) => path,
            };
            lines.add(values[*value].kind, field, way, sighting.packet, sighting.count);
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
