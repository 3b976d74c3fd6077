//! Checks as a profile writes them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::replay::pattern::Pattern;
use crate::replay::profile::as_text;
use crate::run::Share;
use crate::workload::Hash;

/// What answers of some endpoints are to be. Of several rules for an endpoint and a thing, the last one holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckRule {
    /// Which endpoints; all without it.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Pattern>,
    /// The status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusRule>,
    /// The shape of JSON bodies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<JsonRule>,
    /// Headers by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, HeaderRule>,
    /// The body's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyRule>,
    /// Share of the answers that may be otherwise.
    pub allow: Share,
}

/// `captured`, `any`, or some of `200`, `2xx` …
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusRule {
    /// Nothing is checked.
    Any,
    /// As in the capture.
    Captured,
    /// One of these; 1 to 5 mean the class.
    OneOf(Vec<u16>),
}

/// `shape`, `superset` or `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonRule {
    /// Nothing is checked.
    Any,
    /// The same keys and types as captured.
    Shape,
    /// Those, and perhaps more.
    Superset,
}

/// `captured`, `present`, `absent`, `any`, or `= TEXT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderRule {
    /// Nothing is checked.
    Any,
    /// The captured value, or absent as captured.
    Captured,
    /// There, with whatever value.
    Present,
    /// Not there.
    Absent,
    /// This value.
    Is(Box<str>),
}

/// `captured`, `any`, or `blake3:` and 64 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// Nothing is checked.
    Any,
    /// The captured content.
    Captured,
    /// Content with this digest.
    Is(Hash),
}

/// Text that is no check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// For [`StatusRule`].
    #[error("a status check is `captured`, `any`, or statuses and classes such as `200 2xx 304`")]
    Status,
    /// For [`JsonRule`].
    #[error("a JSON check is `shape` (the same keys and types as captured), `superset` (perhaps more keys) or `any`")]
    Json,
    /// For [`HeaderRule`].
    #[error("a header check is `captured`, `present`, `absent`, `any`, or `= TEXT`")]
    Header,
    /// For [`BodyRule`].
    #[error("a body check is `captured`, `any`, or `blake3:` and 64 hex digits")]
    Body,
}

impl FromStr for StatusRule {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<StatusRule, CheckError> {
        let one = |word: &str| {
            let number: u16 = word.strip_suffix("xx").unwrap_or(word).parse().map_err(|_| CheckError::Status)?;
            let range = if word.ends_with("xx") { 1..=5 } else { 100..=599 };
            if range.contains(&number) { Ok(number) } else { Err(CheckError::Status) }
        };
        match text.trim() {
            "any" => Ok(StatusRule::Any),
            "captured" => Ok(StatusRule::Captured),
            list => {
                let words = list.split([' ', ',']).filter(|word| !word.is_empty());
                let statuses: Vec<u16> = words.map(one).collect::<Result<_, _>>()?;
                if statuses.is_empty() { Err(CheckError::Status) } else { Ok(StatusRule::OneOf(statuses)) }
            }
        }
    }
}

impl fmt::Display for StatusRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StatusRule::Any => f.write_str("any"),
            StatusRule::Captured => f.write_str("captured"),
            StatusRule::OneOf(statuses) => {
                let word = |n: &u16| if *n < 10 { format!("{n}xx") } else { n.to_string() };
                f.write_str(&statuses.iter().map(word).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

impl FromStr for JsonRule {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<JsonRule, CheckError> {
        match text.trim() {
            "any" => Ok(JsonRule::Any),
            "shape" => Ok(JsonRule::Shape),
            "superset" => Ok(JsonRule::Superset),
            _ => Err(CheckError::Json),
        }
    }
}

impl fmt::Display for JsonRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JsonRule::Any => "any",
            JsonRule::Shape => "shape",
            JsonRule::Superset => "superset",
        })
    }
}

impl FromStr for HeaderRule {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<HeaderRule, CheckError> {
        match text.trim() {
            "any" => Ok(HeaderRule::Any),
            "captured" => Ok(HeaderRule::Captured),
            "present" => Ok(HeaderRule::Present),
            "absent" => Ok(HeaderRule::Absent),
            other => other.strip_prefix('=').map(|text| HeaderRule::Is(text.trim().into())).ok_or(CheckError::Header),
        }
    }
}

impl fmt::Display for HeaderRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderRule::Any => f.write_str("any"),
            HeaderRule::Captured => f.write_str("captured"),
            HeaderRule::Present => f.write_str("present"),
            HeaderRule::Absent => f.write_str("absent"),
            HeaderRule::Is(text) => write!(f, "= {text}"),
        }
    }
}

impl FromStr for BodyRule {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<BodyRule, CheckError> {
        let digest = |hex: &str| blake3::Hash::from_hex(hex).map(|hash| BodyRule::Is(*hash.as_bytes())).ok();
        match text.trim() {
            "any" => Ok(BodyRule::Any),
            "captured" => Ok(BodyRule::Captured),
            other => other.strip_prefix("blake3:").and_then(digest).ok_or(CheckError::Body),
        }
    }
}

impl fmt::Display for BodyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyRule::Any => f.write_str("any"),
            BodyRule::Captured => f.write_str("captured"),
            BodyRule::Is(digest) => write!(f, "blake3:{}", blake3::Hash::from_bytes(*digest).to_hex()),
        }
    }
}

as_text!(JsonRule, HeaderRule, BodyRule);

impl Serialize for StatusRule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusRule {
    /// `200` is a number in YAML, `2xx` a text.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<StatusRule, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = StatusRule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", CheckError::Status)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<StatusRule, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StatusRule, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Profile;
    use proptest::prelude::*;

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (yaml, told) in [
            ("{status: 20x}", "statuses and classes"),
            ("{status: 7xx}", "statuses and classes"),
            ("{status: []}", "statuses and classes"),
            ("{json: same}", "`superset`"),
            ("{headers: {a: b}}", "`present`"),
            ("{body: 'blake3:12'}", "64 hex digits"),
            ("{allow: 5}", "and `%`"),
            ("{allow: 500 %}", "and `%`"),
        ] {
            let error = Profile::parse("my.yaml", &format!("checks:\n  - {yaml}")).unwrap_err().to_string();
            assert!(error.contains(told) && error.starts_with("my.yaml:2:"), "{yaml}: {error}");
        }
    }

    proptest! {
        #[test]
        fn rules_read_back(status in prop::collection::vec(prop_oneof![1u16..=5, 100u16..600], 1..4), text in "[a-z0-9 =-]{0,9}", digest in any::<[u8; 32]>()) {
            let status = StatusRule::OneOf(status);
            prop_assert_eq!(status.to_string().parse::<StatusRule>(), Ok(status));
            let header = HeaderRule::Is(text.trim().into());
            prop_assert_eq!(header.to_string().parse::<HeaderRule>(), Ok(header));
            prop_assert_eq!(BodyRule::Is(digest).to_string().parse::<BodyRule>(), Ok(BodyRule::Is(digest)));
        }
    }
}
