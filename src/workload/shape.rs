//! The shape of a JSON text: keys and types without values, small enough to keep for every captured answer.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::endpoint::is_name;
use crate::limits::SHAPES_SHARED;

/// Keys and items that one shape may have; what has more is no shape that can be compared.
const NODES_MAX: usize = 4096;
/// Longest path in a difference, so that a strange answer does not fill the result.
const PATH_MAX: usize = 120;

/// What a JSON value looks like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// `null`, or an item of an empty list: may be anything.
    Unknown,
    /// `true` or `false`.
    Bool,
    /// A number, with a fraction or without.
    Number,
    /// A string.
    Text,
    /// A list; what its items have in common.
    List(Box<Shape>),
    /// An object. Keys that look like values (ids) are one key, `*`.
    Object(BTreeMap<Box<str>, Key>),
    /// Values of different types stand in one place of a list.
    Mixed,
}

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    shape: Shape,
    /// Every object of the list has it.
    always: bool,
}

/// Shapes kept once, however many answers have them.
#[derive(Debug, Default)]
pub struct Shapes(HashSet<Arc<Shape>>);

impl Shapes {
    /// The shape as it is shared.
    pub fn shared(&mut self, shape: Shape) -> Arc<Shape> {
        if let Some(known) = self.0.get(&shape) {
            return known.clone();
        }
        if self.0.len() >= SHAPES_SHARED {
            self.0.clear();
        }
        let shape = Arc::new(shape);
        self.0.insert(shape.clone());
        shape
    }
}

impl Shape {
    /// The shape of a JSON text; none when it is no JSON, or larger than a shape may be.
    pub fn of(json: &[u8]) -> Option<Shape> {
        let mut left = NODES_MAX;
        let mut reader = serde_json::Deserializer::from_slice(json);
        let shape = Look(&mut left).deserialize(&mut reader).ok()?;
        reader.end().ok().map(|()| shape)
    }

    /// How another value differs, with the place: its keys or types are not the same. `more`: it may have keys that this
    /// one lacks.
    pub fn difference(&self, live: &Shape, more: bool) -> Option<String> {
        let mut path = String::new();
        let (at, what) = self.compare(live, more, &mut path)?;
        let at: String = at.chars().take(PATH_MAX).collect();
        Some(if at.is_empty() { what } else { format!("{at}: {what}") })
    }

    fn compare(&self, live: &Shape, more: bool, path: &mut String) -> Option<(String, String)> {
        match (self, live) {
            (Shape::Unknown | Shape::Mixed, _) | (_, Shape::Unknown) => None,
            (Shape::List(captured), Shape::List(live)) => within(path, "[]", |path| captured.compare(live, more, path)),
            (Shape::Object(captured), Shape::Object(live)) => compare_keys(captured, live, more, path),
            (a, b) if a == b => None,
            (a, b) => Some((path.clone(), format!("{b} where {a} was"))),
        }
    }

    /// What both have in common, as items of one list.
    fn joined(self, other: Shape) -> Shape {
        match (self, other) {
            (Shape::Unknown, shape) | (shape, Shape::Unknown) => shape,
            (Shape::List(a), Shape::List(b)) => Shape::List(Box::new(a.joined(*b))),
            (Shape::Object(a), Shape::Object(b)) => Shape::Object(joined_keys(a, b)),
            (a, b) if a == b => a,
            _ => Shape::Mixed,
        }
    }
}

type Keys = BTreeMap<Box<str>, Key>;

fn compare_keys(captured: &Keys, live: &Keys, more: bool, path: &mut String) -> Option<(String, String)> {
    for (name, key) in captured {
        let found = within(path, &format!(".{name}"), |path| match live.get(name) {
            None if key.always && &**name != "*" => Some((path.clone(), "missing".to_owned())),
            None => None,
            Some(live) if key.always && !live.always => Some((path.clone(), "missing in some items".to_owned())),
            Some(live) => key.shape.compare(&live.shape, more, path),
        });
        if found.is_some() {
            return found;
        }
    }
    let new = live.keys().find(|name| !more && &***name != "*" && !captured.contains_key(*name))?;
    Some((format!("{path}.{new}"), "was not there".to_owned()))
}

fn within<T>(path: &mut String, step: &str, look: impl FnOnce(&mut String) -> T) -> T {
    let len = path.len();
    path.push_str(step);
    let found = look(path);
    path.truncate(len);
    found
}

fn joined_keys(a: Keys, mut b: Keys) -> Keys {
    let mut all = Keys::new();
    for (name, key) in a {
        let key = match b.remove(&name) {
            Some(other) => Key { shape: key.shape.joined(other.shape), always: key.always && other.always },
            None => Key { always: false, ..key },
        };
        all.insert(name, key);
    }
    all.extend(b.into_iter().map(|(name, key)| (name, Key { always: false, ..key })));
    all
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::Unknown => "null",
            Shape::Bool => "a boolean",
            Shape::Number => "a number",
            Shape::Text => "a string",
            Shape::List(_) => "a list",
            Shape::Object(_) => "an object",
            Shape::Mixed => "values of several types",
        })
    }
}

/// Reads a value's shape; counts down what it may still have.
struct Look<'a>(&'a mut usize);

impl Look<'_> {
    fn spend<E: Error>(&mut self) -> Result<(), E> {
        *self.0 = self.0.checked_sub(1).ok_or_else(|| E::custom("too large"))?;
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Unknown)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Bool)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Number)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Number)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut all = Shape::Unknown;
        // Items of a long list are looked at one by one and kept together: they cost no more than one.
        let before = *self.0;
        while let Some(item) = items.next_element_seed(Look(self.0))? {
            all = all.joined(item);
            *self.0 = before;
        }
        Ok(Shape::List(Box::new(all)))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Shape, A::Error> {
        let mut keys = Keys::new();
        while let Some(name) = entries.next_key::<String>()? {
            self.spend()?;
            let shape = entries.next_value_seed(Look(self.0))?;
            let name = if is_name(&name) { name.into() } else { Box::from("*") };
            match keys.remove(&name) {
                Some(key) => keys.insert(name, Key { shape: key.shape.joined(shape), ..key }),
                None => keys.insert(name, Key { shape, always: true }),
            };
        }
        Ok(Shape::Object(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(json: &str) -> Shape {
        Shape::of(json.as_bytes()).unwrap_or_else(|| panic!("{json}"))
    }

    #[test]
    fn differences_have_their_place() {
        for (captured, live, told) in [
            (r#"{"id":1,"name":"a"}"#, r#"{"name":"b","id":2.5}"#, ""),
            (r#"{"id":1}"#, r#"{"id":"1"}"#, ".id: a string where a number was"),
            (r#"{"id":1}"#, r#"{}"#, ".id: missing"),
            (r#"{"id":1}"#, r#"{"id":1,"x":2}"#, ".x: was not there"),
            (r#"{"id":null}"#, r#"{"id":[1]}"#, ""),
            (r#"{"id":7}"#, r#"{"id":null}"#, ""),
            (
                r#"{"a":{"b":[{"c":1}]}}"#,
                r#"{"a":{"b":[{"c":1},{"c":true}]}}"#,
                ".a.b[].c: values of several types where a number was",
            ),
            (r#"{"a":{"b":[{"c":1}]}}"#, r#"{"a":{"b":[{"c":true}]}}"#, ".a.b[].c: a boolean where a number was"),
            (r#"{"a":[]}"#, r#"{"a":[1]}"#, ""),
            (r#"[{"a":1},{"a":2,"b":3}]"#, r#"[{"a":1}]"#, ""),
            (r#"[{"a":1}]"#, r#"[{"a":1},{}]"#, "[].a: missing in some items"),
            (r#"{"17":{"a":1},"18":{"a":2}}"#, r#"{"903":{"a":3}}"#, ""),
            (r#"{"17":{"a":1}}"#, r#"{"903":{"a":"x"}}"#, ".*.a: a string where a number was"),
            (r#"[1,"a"]"#, r#"[true]"#, ""),
            ("true", "{}", "an object where a boolean was"),
        ] {
            assert_eq!(shape(captured).difference(&shape(live), false).unwrap_or_default(), told, "{captured} {live}");
        }
        assert_eq!(shape(r#"{"id":1}"#).difference(&shape(r#"{"id":1,"x":2}"#), true), None);
    }

    #[test]
    fn what_is_no_json_or_too_much_has_no_shape() {
        assert_eq!(Shape::of(b"{\"a\":"), None);
        assert_eq!(Shape::of(b"{} x"), None);
        assert_eq!(Shape::of("[".repeat(100_000).as_bytes()), None);
        let wide: String = (0..NODES_MAX + 1).map(|n| format!("\"k{n}\":1,")).collect();
        assert_eq!(Shape::of(format!("{{{}}}", wide.trim_end_matches(',')).as_bytes()), None);
        let long = "[".to_owned() + &"{\"a\":1},".repeat(10_000) + "{\"a\":2}]";
        assert_eq!(shape(&long), shape("[{\"a\":0}]"));
    }

    #[test]
    fn equal_shapes_are_kept_once() {
        let mut shapes = Shapes::default();
        let (a, b) = (shapes.shared(shape("{\"a\":1}")), shapes.shared(shape("{\"a\":2}")));
        assert!(Arc::ptr_eq(&a, &b));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            "[a-z]{0,3}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[a-c]{1,2}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_differs_from_itself(value in json()) {
            let shape = shape(&value.to_string());
            prop_assert_eq!(shape.difference(&shape, false), None);
        }

        #[test]
        fn a_key_taken_away_is_missed(value in json()) {
            let whole = serde_json::json!({"kept": value, "gone": 1});
            let less = serde_json::json!({"kept": value});
            let told = shape(&whole.to_string()).difference(&shape(&less.to_string()), false);
            prop_assert_eq!(told.as_deref(), Some(".gone: missing"));
            prop_assert_eq!(shape(&less.to_string()).difference(&shape(&whole.to_string()), true), None);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(prop::sample::select(b"{}[]\",:0truefalsn ".to_vec()), 0..40)) {
            Shape::of(&bytes);
        }
    }
}
