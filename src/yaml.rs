//! The one door to the YAML library: text in, a value out, or an error that says exactly where and what next.
//!
//! The library alone accepts duplicate keys in maps and points errors found inside a scalar (a bad regex) at the
//! scalar's parent. Two small readers over the same text close both holes: `Distinct` walks the whole document first
//! and refuses a key that stands twice, `Locate` walks to a path and stops there, which makes the library say where.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::{Path, Segment, Track};

use crate::limits;

/// What is wrong in a YAML file, where, and what to do. `Display` gives
/// `rules/shop.yaml:14:11: rules[2].detect[0]: unknown detector …`, and the hint on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct YamlError {
    /// The file's name, as the user gave it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// The path in the document (`rules[2].detect[0]`); "" at its root.
    pub path: String,
    /// What is wrong there.
    pub what: String,
    /// What to do about it; "" when that is plain.
    pub hint: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.what)?;
        if !self.hint.is_empty() {
            write!(f, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// Reads one document. `file_label` is the name that errors give the file.
pub fn parse<T: DeserializeOwned>(file_label: &str, text: &str) -> Result<T, YamlError> {
    parse_large(file_label, text, limits::YAML_BYTES_MAX)
}

/// As [`parse`], for files of other people, which may have up to `most` bytes.
pub fn parse_large<T: DeserializeOwned>(file_label: &str, text: &str, most: usize) -> Result<T, YamlError> {
    if text.len() > most {
        return Err(YamlError {
            file: file_label.to_owned(),
            line: 1,
            column: 1,
            path: String::new(),
            what: format!("{} bytes are more than a file of this kind may have ({most})", text.len()),
            hint: "split it into several files".to_owned(),
        });
    }
    let mut track = Track::new();
    let document = serde_path_to_error::Deserializer::new(serde_yaml::Deserializer::from_str(text), &mut track);
    if let Err(error) = Distinct.deserialize(document) {
        return Err(explain(file_label, text, &steps(&track.path()), &error));
    }
    serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| explain(file_label, text, &steps(error.path()), error.inner()))
}

/// One step into a document, for errors about values that were read well but mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a map.
    Key(String),
    /// Into a list.
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Step::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Step::Index(index)
    }
}

/// An error about what stands at `path`, for checks made after [`parse`].
pub fn error_at(file_label: &str, text: &str, path: &[Step], what: String, hint: String) -> YamlError {
    let (line, column) = locate(text, path).unwrap_or((1, 1));
    YamlError { file: file_label.to_owned(), line, column, path: render(path), what, hint }
}

/// The hint for a name that is none of `known`: the nearest one, or all of them.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known.iter().map(|other| (distance(name, other), other)).min();
    match near {
        Some((steps, other)) if steps <= name.chars().count().max(other.chars().count()) / 3 => {
            format!("did you mean `{other}`?")
        }
        _ if known.is_empty() => String::new(),
        _ => format!("known here: {}", known.join(", ")),
    }
}

/// Turns the library's message into ours: place and path taken off and put where they belong, a hint added.
fn explain(file_label: &str, text: &str, path: &[Step], error: &serde_yaml::Error) -> YamlError {
    let reported = error.location().map(|at| (at.line(), at.column()));
    let mut what = error.to_string();
    if let Some((line, column)) = reported {
        what = what.replacen(&format!(" at line {line} column {column}"), "", 1);
    }
    // The library's own rendering of the path differs from ours in details; neither holds ": ".
    let shown = render(path);
    if let Some((front, rest)) = what.split_once(": ")
        && !front.is_empty()
        && (shown.starts_with(front) || front.starts_with(&shown) && !shown.is_empty())
    {
        what = rest.to_owned();
    }
    let (what, hint) = rephrase(what);
    // A key's error knows its place; an error about a value may point at an ancestor only.
    let about_key = what.starts_with("unknown field") || what.ends_with("stands twice");
    let (line, column) = match reported {
        Some(place) if about_key => place,
        Some(place) => locate(text, path).filter(|found| *found > place).unwrap_or(place),
        None => (1, 1),
    };
    YamlError { file: file_label.to_owned(), line, column, path: shown, what, hint }
}

/// Splits off what serde expected and makes a hint of it; words the limits of the library so that they can be understood.
fn rephrase(what: String) -> (String, String) {
    match what.as_str() {
        "repetition limit exceeded" => {
            return (
                "aliases (`*name`) expand to far more than the file holds".into(),
                "write the repeated parts out".into(),
            );
        }
        "recursion limit exceeded" => return ("nested too deeply".into(), String::new()),
        _ if what.starts_with("deserializing from YAML containing more than one document") => {
            return ("more than one document (`---`)".into(), "one file holds one document".into());
        }
        _ => {}
    }
    let Some((front, expected)) = what.split_once(", expected ") else { return (what, String::new()) };
    let name = front.strip_prefix("unknown ").and_then(|rest| rest.split('`').nth(1));
    let hint = match name {
        Some(name) => did_you_mean(name, expected.split('`').skip(1).step_by(2)),
        None => format!("expected {expected}"),
    };
    (front.to_owned(), hint)
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, each counted as one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

fn steps(path: &Path) -> Vec<Step> {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn render(path: &[Step]) -> String {
    let mut shown = String::new();
    for step in path {
        match step {
            Step::Index(index) => shown.push_str(&format!("[{index}]")),
            Step::Key(key) if shown.is_empty() => shown.push_str(key),
            Step::Key(key) => shown.push_str(&format!(".{key}")),
        }
    }
    shown
}

/// Line and column of what stands at `path`, or of the nearest thing above it.
fn locate(text: &str, path: &[Step]) -> Option<(usize, usize)> {
    let error = Locate(path).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    error.location().map(|at| (at.line(), at.column()))
}

/// Fails at the path's end on purpose: the library then tells the place.
struct Locate<'a>(&'a [Step]);

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// All scalars end up here: `visit_*` of the rest default to an error, which is what is wanted.
impl<'de> Visitor<'de> for Locate<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this place")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let Some((Step::Index(wanted), rest)) = self.0.split_first() {
            for _ in 0..*wanted {
                items.next_element::<IgnoredAny>()?;
            }
            items.next_element_seed(Locate(rest))?;
        }
        Err(Error::custom("here"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if let Some((Step::Key(wanted), rest)) = self.0.split_first() {
            while let Some(key) = entries.next_key::<String>()? {
                if key == *wanted {
                    entries.next_value_seed(Locate(rest))?;
                } else {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Err(Error::custom("here"))
    }
}

/// Accepts any document in which no map has a key twice.
struct Distinct;

impl<'de> DeserializeSeed<'de> for Distinct {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a plain value, list or map (no tags)")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Distinct)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while entries.next_key_seed(NewKey(&mut seen))?.is_some() {
            entries.next_value_seed(Distinct)?;
        }
        Ok(())
    }
}

/// A key that must not be in the set yet. Checked while the library still stands at the key.
struct NewKey<'a>(&'a mut HashSet<String>);

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NewKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        match self.0.insert(key.to_owned()) {
            true => Ok(()),
            false => Err(E::custom(format_args!("`{key}` stands twice"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Doc {
        #[serde(default)]
        _list: Vec<Even>,
        #[serde(default)]
        _map: BTreeMap<String, BTreeMap<String, u8>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(try_from = "u64")]
    struct Even;

    impl TryFrom<u64> for Even {
        type Error = String;
        fn try_from(n: u64) -> Result<Self, String> {
            if n.is_multiple_of(2) { Ok(Even) } else { Err(format!("{n} is odd")) }
        }
    }

    fn error(text: &str) -> String {
        parse::<Doc>("f.yaml", text).unwrap_err().to_string()
    }

    #[test]
    fn an_error_inside_a_scalar_points_at_the_scalar() {
        assert_eq!(error("_list:\n  - 2\n  - 3\n"), "f.yaml:3:5: _list[1]: 3 is odd");
        assert_eq!(error("{_list: [2, 4, 5]}"), "f.yaml:1:16: _list[2]: 5 is odd");
    }

    #[test]
    fn duplicate_keys_are_refused_where_the_second_one_stands() {
        assert_eq!(error("_map:\n  a:\n    x: 1\n    y: 2\n    x: 3\n"), "f.yaml:5:5: _map.a.x: `x` stands twice");
        assert_eq!(error("_list: []\n_list: []\n"), "f.yaml:2:1: _list: `_list` stands twice");
    }

    #[test]
    fn unknown_fields_point_at_the_key_and_are_guessed() {
        assert_eq!(error("_lits: []"), "f.yaml:1:1: _lits: unknown field `_lits`\nhint: did you mean `_list`?");
        assert_eq!(error("zzz: []"), "f.yaml:1:1: zzz: unknown field `zzz`\nhint: known here: _list, _map");
    }

    #[test]
    fn wrong_types_say_what_was_expected() {
        assert_eq!(
            error("_map:\n  a: {x: 1, y: no}\n"),
            "f.yaml:2:16: _map.a.y: invalid type: string \"no\"\nhint: expected u8"
        );
    }

    #[test]
    fn syntax_and_limits_are_worded() {
        assert!(error("a: [1, 2\nb: 3").starts_with("f.yaml:2:2: a: did not find expected"));
        assert_eq!(
            error("{}\n---\n{}\n"),
            "f.yaml:1:1: more than one document (`---`)\nhint: one file holds one document"
        );
        assert!(error(&"[".repeat(100_000)).contains("nested too deeply"));
        let big = format!("# {}\n", "x".repeat(limits::YAML_BYTES_MAX));
        assert!(error(&big).contains("bytes are more than a file of this kind may have (1048576)"));
    }

    #[test]
    fn alias_bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let prior = format!("*a{}, ", i - 1).repeat(10);
            bomb.push_str(&format!("a{i}: &a{i} [{}]\n", prior.trim_end_matches(", ")));
        }
        assert!(error(&bomb).contains("aliases (`*name`) expand to far more than the file holds"), "{}", error(&bomb));
    }

    #[test]
    fn distance_counts_swaps_once() {
        assert_eq!(distance("crad", "card"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
