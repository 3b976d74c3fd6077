//! The text of a message: JSON, perhaps behind the few letters that Socket.IO puts in front of it, a form, markup, or lines.

use std::ops::Range;

use crate::protocol::content::{self, Content, Media, Until};
use crate::protocol::emit::Emit;
use crate::protocol::name::is_identifier;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// First bytes that are waited for where nothing else tells what a text is.
const LOOK_BYTES: usize = 256;
/// Digits of a packet's type, of attachments and of an acknowledgement, all together.
const DIGITS_MAX: usize = 8;
/// Longest namespace.
const NAMESPACE_MAX: usize = 64;

/// Reader of one message.
pub(super) struct Text {
    root: String,
    /// What begins as nothing known is lines of text; else it is not understood.
    is_text: bool,
    /// A digit in front says what it is, and no more: `2probe`.
    engine: bool,
    inner: Option<Box<dyn Content>>,
}

impl Text {
    /// Paths begin with `root`. Binary data that are text are read, too, when they begin as JSON.
    pub(super) fn new(root: &str, is_text: bool, engine: bool) -> Text {
        Text { root: root.to_owned(), is_text, engine, inner: None }
    }

    fn open(&self, essence: &str) -> Box<dyn Content> {
        content::open(&Media { essence: essence.to_owned(), ..Media::default() }, &self.root)
    }

    /// A reader for what begins so, behind a prefix that is reported; none while that cannot be told.
    fn choose(&self, emit: &mut Emit<'_>, until: Until) -> Option<Box<dyn Content>> {
        let rest = emit.rest();
        let first = rest.trim_ascii_start().first().copied();
        match first {
            None if until == Until::More => None,
            Some(b'{' | b'[') => Some(self.open("application/json")),
            _ if !self.is_text => Some(self.open("application/x-binary")),
            _ if until == Until::More && rest.len() < LOOK_BYTES => None,
            Some(b'0'..=b'9') => Some(match prefix(rest) {
                Some(Prefix { namespace, len }) => {
                    let base = emit.done();
                    let mut path = Path::new(&self.root);
                    path.push_unnamed(".namespace");
                    let parts = base + namespace.start..base + namespace.end;
                    emit.field_at(parts, &path, Encoding::Plain, Role::Segment);
                    emit.keep_to(base + len);
                    self.open("application/json")
                }
                None if self.engine => {
                    emit.keep(packet_len(rest));
                    self.open("text/plain")
                }
                None => self.open("text/plain"),
            }),
            _ if is_form(rest) => Some(self.open("application/x-www-form-urlencoded")),
            _ => Some(self.open("text/plain")),
        }
    }
}

impl Content for Text {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        if self.inner.is_none() {
            self.inner = self.choose(emit, until);
        }
        if let Some(inner) = &mut self.inner {
            inner.read(emit, until);
        }
    }
}

/// What stands before the JSON of a Socket.IO packet: `42`, `451-`, `42/admin,17`.
#[derive(Debug, PartialEq, Eq)]
struct Prefix {
    /// A namespace behind its slash; empty at the end when there is none.
    namespace: Range<usize>,
    len: usize,
}

/// The prefix of a text that is JSON behind it.
fn prefix(text: &[u8]) -> Option<Prefix> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut count = digits(0);
    let mut at = count;
    if count > 0 && text.get(at) == Some(&b'-') {
        at += 1;
        count += digits(at);
        at += digits(at);
    }
    let mut namespace = at..at;
    if text.get(at) == Some(&b'/') {
        let len = text[at..].iter().take(NAMESPACE_MAX).position(|byte| *byte == b',')?;
        namespace = at + 1..at + len;
        at += len + 1;
        count += digits(at);
        at += digits(at);
    }
    let is_json = matches!(text.get(at), Some(b'[' | b'{'));
    if namespace.is_empty() {
        namespace = at..at;
    }
    (is_json && (1..=DIGITS_MAX).contains(&count)).then_some(Prefix { namespace, len: at })
}

/// How much of an Engine.IO packet that holds no JSON is its type; of one that says nothing else, all.
fn packet_len(text: &[u8]) -> usize {
    match text {
        b"2probe" | b"3probe" | [b'4', b'0'..=b'6'] => text.len(),
        _ => 1,
    }
}

/// Pairs of names and values and nothing else, as far as is seen.
fn is_form(text: &[u8]) -> bool {
    let is_pair = |pair: &[u8]| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next());
        value.is_some_and(|value| !value.contains(&b'=') || value.ends_with(b"=")) && is_identifier(name)
    };
    let sound = text.iter().all(|byte| byte.is_ascii_graphic() && !b"\"<>{}".contains(byte));
    let seen = text.len() < LOOK_BYTES;
    let mut pairs = text.split(|byte| *byte == b'&').peekable();
    let mut all = true;
    while let Some(pair) = pairs.next() {
        // The last one may be cut.
        all &= is_pair(pair) || (!seen && pairs.peek().is_none());
    }
    sound && all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_socket_io_are_known_and_numbers_are_not() {
        let found = |text: &str| prefix(text.as_bytes()).map(|prefix| (prefix.namespace, prefix.len));
        assert_eq!(found(r#"42["said",1]"#), Some((2..2, 2)));
        assert_eq!(found(r#"0{"sid":"x"}"#), Some((1..1, 1)));
        assert_eq!(found(r#"451-["x"]"#), Some((4..4, 4)));
        assert_eq!(found(r#"42/admin,17["x"]"#), Some((3..8, 11)));
        assert_eq!(found(r#"40/admin,{"token":"x"}"#), Some((3..8, 9)));
        for other in ["42", "17 apples [3]", "123456789[1]", "[1]", "42/admin", "42-", "", "4x[1]"] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn forms_are_told_from_sentences() {
        for form in ["a=b", "name=Zoe+Quill&mail=zoe%40quill.test", "a=&b=x", "token=abc=="] {
            assert!(is_form(form.as_bytes()), "{form}");
        }
        for other in ["a", "x = y", "E=mc^2 is known", "a=b&c", "{a=b}", "1=", "<a b=\"c\">"] {
            assert!(!is_form(other.as_bytes()), "{other}");
        }
    }
}
