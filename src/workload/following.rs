//! What a user says about which values follow which: paths to leave alone, pairs to follow whatever they hold.

use std::collections::HashMap;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::known::Origin;
use crate::limits::FORCED_KEPT;
use crate::rules::Glob;

/// Overrides of what is found by itself. In YAML `off`, or a map of `ignore` and `force`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Following {
    /// Nothing follows anything: requests go out as captured.
    pub off: bool,
    /// Fields of requests and responses that are left alone.
    pub ignore: Vec<Glob>,
    /// Pairs that are followed.
    pub force: Vec<Forced>,
}

/// A request's field that takes the latest value of a response's field, though the captured ones differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forced {
    /// The response's field.
    pub from: Glob,
    /// The request's field.
    pub to: Glob,
}

impl Following {
    /// Whether a pair takes values of a response's field.
    pub(super) fn takes(&self, path: &str) -> bool {
        self.force.iter().any(|pair| pair.from.names(path))
    }

    /// Whether a field is left alone.
    pub(super) fn ignores(&self, path: &str) -> bool {
        self.ignore.iter().any(|glob| glob.names(path))
    }
}

/// The latest values told at the fields that pairs name.
#[derive(Default)]
pub(super) struct Latest(HashMap<(u64, usize), Origin>);

impl Latest {
    /// A response tells a client a value; the first of it at a field counts.
    pub(super) fn tells(&mut self, rules: &Following, client: u64, origin: &Origin) {
        for (n, _) in rules.force.iter().enumerate().filter(|(_, pair)| pair.from.names(&origin.field.path)) {
            let same = |known: &Origin| known.by.number == origin.by.number;
            if self.0.get(&(client, n)).is_some_and(same) {
                continue;
            }
            if self.0.len() >= FORCED_KEPT {
                self.0.clear();
            }
            self.0.insert((client, n), origin.clone());
        }
    }

    /// What a request's field takes.
    pub(super) fn of(&self, rules: &Following, client: u64, path: &str) -> Option<&Origin> {
        let mut pairs = rules.force.iter().enumerate().filter(|(_, pair)| pair.to.names(path));
        pairs.find_map(|(n, _)| self.0.get(&(client, n)))
    }
}

/// The map.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    ignore: Vec<Glob>,
    #[serde(default)]
    force: Vec<Forced>,
}

impl Serialize for Following {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.off {
            true => serializer.serialize_str("off"),
            false => Written { ignore: self.ignore.clone(), force: self.force.clone() }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Following {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Following, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Following;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("`on`, `off`, or a map of `ignore` and `force`")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<Following, E> {
        Ok(Following { off: !on, ..Following::default() })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Following, E> {
        match text {
            "on" => self.visit_bool(true),
            "off" => self.visit_bool(false),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Following, A::Error> {
        let Written { ignore, force } = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Following { off: false, ignore, force })
    }
}
