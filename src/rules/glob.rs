//! Patterns over field paths: `http.*.body.json.**.currency`.
//!
//! A path is a row of levels: names set apart by `.`, and `[]` for "any item of the list" behind a name. In a
//! pattern `*` stands for one level (or, within a name, for any part of it), `**` for any number of levels, none too.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A compiled pattern. Two are equal when they are written alike.
#[derive(Clone, Debug)]
pub struct Glob {
    text: Box<str>,
    levels: Vec<Level>,
}

#[derive(Clone, Debug)]
enum Level {
    /// `**`
    Any,
    /// A name, perhaps with `*` in it.
    Name(Box<str>),
}

impl Glob {
    /// Compiles a pattern; the error says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        for level in levels(text) {
            parts.push(match level {
                "" => return Err(format!("`{text}` has an empty level")),
                "**" => Level::Any,
                name if name.contains("**") => return Err("`**` stands for whole levels: write `.**.`".to_owned()),
                name => Level::Name(name.into()),
            });
        }
        Ok(Self { text: text.into(), levels: parts })
    }

    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern names this path, written with dots.
    pub fn names(&self, path: &str) -> bool {
        let levels: Vec<&str> = levels(path).collect();
        self.matches(&levels)
    }

    /// Whether the pattern names this path.
    pub(super) fn matches(&self, path: &[&str]) -> bool {
        stars(
            &self.levels,
            path,
            |level| matches!(level, Level::Any),
            |level, name| match level {
                Level::Any => true,
                Level::Name(pattern) => name_matches(pattern, name),
            },
        )
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Glob) -> bool {
        self.text == other.text
    }
}

impl Eq for Glob {}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Glob, D::Error> {
        Glob::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The levels of a path (or pattern): `items[].id` is `items`, `[]`, `id`.
pub(super) fn levels(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').flat_map(|part| {
        let name = part.trim_end_matches("[]");
        let lists = (part.len() - name.len()) / 2;
        let named = !name.is_empty() || lists == 0;
        named.then_some(name).into_iter().chain(std::iter::repeat_n("[]", lists))
    })
}

fn name_matches(pattern: &str, name: &str) -> bool {
    stars(pattern.as_bytes(), name.as_bytes(), |byte| *byte == b'*', |a, b| a == b)
}

/// Matches a row against a pattern with stars. Only the last star seen is ever extended, so the time is at most the
/// product of the two lengths.
fn stars<P, T>(pattern: &[P], row: &[T], is_star: impl Fn(&P) -> bool, one: impl Fn(&P, &T) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut resume = None;
    while t < row.len() {
        match pattern.get(p) {
            Some(part) if is_star(part) => {
                p += 1;
                resume = Some((p, t));
            }
            Some(part) if one(part, &row[t]) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after_star, from)) = resume else { return false };
                resume = Some((after_star, from + 1));
                (p, t) = (after_star, from + 1);
            }
        }
    }
    pattern[p..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let path: Vec<&str> = levels(path).collect();
        Glob::new(pattern).unwrap().matches(&path)
    }

    #[test]
    fn a_star_is_one_level() {
        assert!(matches("http.*.header.host", "http.request.header.host"));
        assert!(!matches("http.*.host", "http.request.header.host"));
        assert!(matches("json.items[].id", "json.items[].id"));
        assert!(!matches("json.items.id", "json.items[].id"));
        assert!(matches("json.items.*.id", "json.items[].id"));
        assert!(matches("json.[]", "json[]"));
        assert!(matches("a.b[][]", "a.b[][]"));
        assert!(!matches("a.b[]", "a.b[][]"));
    }

    #[test]
    fn two_stars_are_any_depth() {
        let currency = "http.*.body.json.**.currency";
        assert!(matches(currency, "http.response.body.json.currency"));
        assert!(matches(currency, "http.response.body.json.items[].price.currency"));
        assert!(!matches(currency, "http.response.body.json.currency.code"));
        assert!(!matches(currency, "http.response.body.form.currency"));
        assert!(matches("**", "anything.at[].all"));
        assert!(matches("**.a.**.b", "x.a.b.a.y.b"));
        assert!(!matches("**.a.**.b", "x.b.a.y"));
    }

    #[test]
    fn a_star_within_a_name_is_any_part_of_it() {
        assert!(matches("http.request.header.x-*-id", "http.request.header.x-request-id"));
        assert!(!matches("http.request.header.x-*-id", "http.request.header.x-request-ids"));
    }

    #[test]
    fn bad_patterns_are_refused() {
        assert!(Glob::new("a..b").is_err());
        assert!(Glob::new("").is_err());
        assert!(Glob::new("a.x**").is_err());
    }
}
