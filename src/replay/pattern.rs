//! Texts with `*` in them, as profiles name hosts, paths and endpoints.

use std::fmt;
use std::str::FromStr;

use super::profile::as_text;

/// A text in which `*` stands for any characters, none too. Nothing else is special.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

/// A pattern that names nothing.
#[derive(Debug, thiserror::Error)]
#[error("an empty pattern names nothing; `*` names everything")]
pub struct PatternError;

impl Pattern {
    /// Whether all of `text` is named.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.matches_with(text, |a, b| a == b)
    }

    /// The same, with letters alike in either case.
    pub fn matches_any_case(&self, text: &[u8]) -> bool {
        self.matches_with(text, |a, b| a.eq_ignore_ascii_case(&b))
    }

    /// Linear in the text for every star: goes back to the last star only.
    fn matches_with(&self, text: &[u8], same: fn(u8, u8) -> bool) -> bool {
        let pattern = self.0.as_bytes();
        let (mut p, mut t) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, t));
                    p += 1;
                }
                Some(&b) if same(b, text[t]) => (p, t) = (p + 1, t + 1),
                _ => match star {
                    None => return false,
                    Some((at, seen)) => {
                        star = Some((at, seen + 1));
                        (p, t) = (at + 1, seen + 1);
                    }
                },
            }
        }
        pattern[p..].iter().all(|&b| b == b'*')
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        let text = text.trim();
        if text.is_empty() { Err(PatternError) } else { Ok(Pattern(text.into())) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Pattern);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
            Some((b, rest)) => text.first() == Some(b) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn stars_stand_for_anything(pattern in "[ab*]{1,8}", text in "[ab]{0,10}") {
            let compiled: Pattern = pattern.parse().unwrap();
            prop_assert_eq!(compiled.matches(text.as_bytes()), naive(pattern.as_bytes(), text.as_bytes()));
            prop_assert_eq!(compiled.to_string(), pattern);
        }
    }

    #[test]
    fn case_counts_unless_told() {
        let pattern: Pattern = "*.Example".parse().unwrap();
        assert!(!pattern.matches(b"a.example") && pattern.matches_any_case(b"a.example"));
        assert!("  ".parse::<Pattern>().is_err());
    }
}
