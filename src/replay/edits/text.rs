//! Text that a profile puts into requests, checked where it is read: it can break none.

use std::fmt;
use std::str::FromStr;

use crate::replay::profile::as_text;

/// A header that says where a request comes from: `NAME`, with the run's id as value, or `NAME: VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The header.
    pub name: HeaderName,
    /// Its value, when it is not the run's id.
    pub value: Option<HeaderText>,
}

/// A header's name (RFC 9110, 5.6.2) that a run may set: not one that says where the message ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeaderName(pub(super) Box<str>);

/// What may stand in a header: one line, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderText(pub(super) Box<str>);

/// What may stand in a path: visible ASCII, no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathText(pub(super) Box<str>);

/// Text that is no part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// For [`HeaderName`].
    #[error("no name of a header")]
    Name,
    /// For [`HeaderName`].
    #[error(
        "this header says where the request ends or what becomes of its connection; it follows the request by itself"
    )]
    Framing,
    /// For [`HeaderText`].
    #[error("the value of a header is one line without control characters")]
    Value,
    /// For [`PathText`].
    #[error("a path begins with `/` (or is empty) and holds neither spaces, `?` nor `#`")]
    Path,
}

const FRAMING: [&str; 5] = ["content-length", "transfer-encoding", "connection", "trailer", "upgrade"];

impl FromStr for HeaderName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<HeaderName, TextError> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        match text {
            _ if text.is_empty() || !text.bytes().all(token) => Err(TextError::Name),
            _ if FRAMING.iter().any(|name| text.eq_ignore_ascii_case(name)) => Err(TextError::Framing),
            _ => Ok(HeaderName(text.into())),
        }
    }
}

impl FromStr for HeaderText {
    type Err = TextError;

    fn from_str(text: &str) -> Result<HeaderText, TextError> {
        if text.chars().any(|c| c.is_control() && c != '\t') {
            Err(TextError::Value)
        } else {
            Ok(HeaderText(text.into()))
        }
    }
}

impl FromStr for PathText {
    type Err = TextError;

    fn from_str(text: &str) -> Result<PathText, TextError> {
        let visible = |b: u8| b.is_ascii_graphic() && !matches!(b, b'?' | b'#');
        let whole = text.is_empty() || text.starts_with('/');
        if whole && text.bytes().all(visible) { Ok(PathText(text.into())) } else { Err(TextError::Path) }
    }
}

impl FromStr for Marker {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Marker, TextError> {
        match text.split_once(':') {
            Some((name, value)) => Ok(Marker { name: name.parse()?, value: Some(value.trim().parse()?) }),
            None => Ok(Marker { name: text.parse()?, value: None }),
        }
    }
}

macro_rules! shown_as_written {
    ($($name:ty),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

shown_as_written!(HeaderName, HeaderText, PathText);

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}: {value}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

as_text!(HeaderName, HeaderText, PathText, Marker);
