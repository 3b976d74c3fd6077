//! The text of a message: JSON, perhaps behind the few letters that Socket.IO puts in front of it, markup, or lines.
//!
//! Nothing but its form says what a text is, so little is taken for more than lines, of which every word is a value: `a=b` may
//! be a form, a cipher or somebody's password.

use std::ops::Range;

use crate::protocol::content::text::Text as Lines;
use crate::protocol::content::{self, Content, Media, Until};
use crate::protocol::emit::Emit;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// First bytes that tell what a text is, and that are waited for.
const LOOK_BYTES: usize = 1 << 10;
/// Digits of an acknowledgement that are kept: it counts.
const COUNT_MAX: usize = 3;
/// Most digits of a number of attachments.
const ATTACHMENTS_MAX: usize = 2;
/// Longest namespace.
const NAMESPACE_MAX: usize = 64;

const GARBLED: &str = "websocket text garbled";

/// Reader of one message.
pub(super) struct Text {
    root: String,
    /// What begins as nothing known is lines of text; else it is not understood.
    is_text: bool,
    /// A digit in front says what it is, and no more: `2probe`.
    engine: bool,
    /// What is no text stands in it: nothing more is understood.
    garbled: bool,
    inner: Option<Box<dyn Content>>,
}

impl Text {
    /// Paths begin with `root`. Binary data that are text are read, too, when they begin as JSON.
    pub(super) fn new(root: &str, is_text: bool, engine: bool) -> Text {
        Text { root: root.to_owned(), is_text, engine, garbled: false, inner: None }
    }

    fn open(&self, essence: &str) -> Box<dyn Content> {
        content::open(&Media { essence: essence.to_owned(), ..Media::default() }, &self.root)
    }

    fn lines(&self) -> Box<dyn Content> {
        Box::new(Lines::new(Path::new(&format!("{}.text", self.root))))
    }

    /// A reader for what begins so, behind a prefix that is reported; none while that cannot be told.
    fn choose(&self, emit: &mut Emit<'_>, until: Until) -> Option<Box<dyn Content>> {
        let rest = emit.rest();
        match rest.trim_ascii_start().first() {
            None if until == Until::More => None,
            Some(b'{' | b'[') => Some(self.open("application/json")),
            _ if !self.is_text => Some(self.open("application/x-binary")),
            _ if until == Until::More && rest.len() < LOOK_BYTES => None,
            Some(b'0'..=b'6') => Some(self.packet(emit)),
            Some(b'<') if is_markup(&rest[..rest.len().min(LOOK_BYTES)]) => Some(self.open("text/html")),
            _ => Some(self.lines()),
        }
    }

    /// A reader for what stands behind a digit that may be a packet's type.
    fn packet(&self, emit: &mut Emit<'_>) -> Box<dyn Content> {
        let (rest, base) = (emit.rest(), emit.done());
        match prefix(rest, self.engine) {
            Some(Prefix { namespace, count, len }) => {
                let mut path = Path::new(&self.root);
                let level = path.level();
                path.push_unnamed(".namespace");
                emit.field_at(base + namespace.start..base + namespace.end, &path, Encoding::Plain, Role::Segment);
                path.back(level);
                path.push_unnamed(".count");
                if count.len() > COUNT_MAX {
                    emit.field_at(base + count.start..base + count.end, &path, Encoding::Plain, Role::Number);
                }
                emit.keep_to(base + len);
                self.open("application/json")
            }
            None => {
                emit.keep_to(base + if self.engine { packet_len(rest) } else { 0 });
                self.lines()
            }
        }
    }
}

impl Content for Text {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        self.garbled |= self.is_text && is_garbled(emit.rest(), until);
        let undecided = self.inner.is_none() && until == Until::More && emit.rest().len() < LOOK_BYTES;
        if self.garbled && undecided {
            return;
        }
        if self.garbled {
            return emit.opaque_to(emit.bytes().len(), GARBLED);
        }
        if self.inner.is_none() {
            self.inner = self.choose(emit, until);
        }
        if let Some(inner) = &mut self.inner {
            inner.read(emit, until);
        }
    }
}

/// Bytes that are no text, or a text that nobody could have written: what has no letters would be kept.
fn is_garbled(bytes: &[u8], until: Until) -> bool {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The rest of a character comes yet.
        Err(error) if error.error_len().is_none() && until != Until::End => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return true,
    };
    text.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n' | '\u{1e}'))
}

/// What stands before the JSON of a Socket.IO packet: `42`, `451-`, `42/admin,17`.
#[derive(Debug, PartialEq, Eq)]
struct Prefix {
    /// A namespace behind its slash; empty when there is none.
    namespace: Range<usize>,
    /// The digits of an acknowledgement.
    count: Range<usize>,
    len: usize,
}

/// The prefix of a text that is JSON behind it. Where nobody speaks of Engine.IO (`engine`), no more than two digits are one.
fn prefix(text: &[u8], engine: bool) -> Option<Prefix> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (mut at, of_socket) = match text {
        [b'4', kind @ b'0'..=b'6', ..] => (2, Some(kind)),
        [b'0'..=b'6', ..] if engine => (1, None),
        _ => return None,
    };
    if let Some(b'5' | b'6') = of_socket
        && let count @ 1..=ATTACHMENTS_MAX = digits(at)
        && text.get(at + count) == Some(&b'-')
    {
        at += count + 1;
    }
    let mut namespace = at..at;
    if of_socket.is_some() && text.get(at) == Some(&b'/') {
        let len = text[at..].iter().take(NAMESPACE_MAX).position(|byte| *byte == b',')?;
        namespace = at + 1..at + len;
        at += len + 1;
    }
    let count = at..at + if of_socket.is_some() { digits(at) } else { 0 };
    let len = count.end;
    let is_json = matches!(text.get(len), Some(b'[' | b'{')) && (engine || len == 2);
    is_json.then_some(Prefix { namespace, count, len })
}

/// How much of an Engine.IO packet that holds no JSON is its type; of one that says nothing else, all.
fn packet_len(text: &[u8]) -> usize {
    match text {
        b"2probe" | b"3probe" | [b'4', b'0'..=b'6'] => text.len(),
        _ => 1,
    }
}

/// Whether a text is markup for more than an angle's sake: a declaration, or an element that has an attribute or an end.
fn is_markup(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|front| front.eq_ignore_ascii_case(with));
    if begins(b"<?xml") || begins(b"<!--") || begins(b"<!doctype ") {
        return true;
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_:.".contains(byte);
    let Some(inside) = text.strip_prefix(b"<") else { return false };
    let (name, rest) = inside.split_at(inside.iter().take_while(|byte| is_name(byte)).count());
    let attribute = rest.trim_ascii_start();
    let behind = &attribute[attribute.iter().take_while(|byte| is_name(byte)).count()..];
    let has_attribute = attribute.len() < rest.len()
        && behind.len() < attribute.len()
        && (behind.starts_with(b"=\"") || behind.starts_with(b"='"));
    let end = [b"</", name, b">"].concat();
    name.first().is_some_and(u8::is_ascii_alphabetic) && (has_attribute || memchr::memmem::find(rest, &end).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::emit::Written;
    use crate::protocol::{Part, PartKind};

    #[test]
    fn prefixes_of_socket_io_are_known_and_numbers_are_not() {
        fn found(text: &str) -> Option<(&str, &str, usize)> {
            let Prefix { namespace, count, len } = prefix(text.as_bytes(), true)?;
            Some((&text[namespace], &text[count], len))
        }
        assert_eq!(found(r#"42["said",1]"#), Some(("", "", 2)));
        assert_eq!(found(r#"0{"sid":"x"}"#), Some(("", "", 1)));
        assert_eq!(found(r#"451-["x"]"#), Some(("", "", 4)));
        assert_eq!(found(r#"4612-/a,7["x"]"#), Some(("a", "7", 9)));
        assert_eq!(found(r#"42/admin,17["x"]"#), Some(("admin", "17", 11)));
        assert_eq!(found(r#"40/admin,{"token":"x"}"#), Some(("admin", "", 9)));
        assert_eq!(found(r#"4312345678["x"]"#), Some(("", "12345678", 10)));
        for other in [
            "42",
            "17 apples [3]",
            "12345678[1]",
            "5550123{}",
            "41-79123[1]",
            "451234-[1]",
            "[1]",
            "42/admin",
            "42-",
            "",
            "4x[1]",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
        for other in [r#"0{"sid":1}"#, "451-[1]", "42/admin,[1]", "421[1]", "47[1]"] {
            assert_eq!(prefix(other.as_bytes(), false), None, "{other}");
        }
        assert_eq!(prefix(b"42[1]", false), Some(Prefix { namespace: 2..2, count: 2..2, len: 2 }));
    }

    #[test]
    fn markup_is_told_from_angles() {
        for markup in [
            "<p>Hi</p>",
            " <a href=\"/x\">",
            "<x:iq type='get'/>",
            "<?xml version=\"1.0\"?>",
            "<!DOCTYPE html>",
            "<!-- x -->",
        ] {
            assert!(is_markup(markup.as_bytes()), "{markup}");
        }
        for other in
            ["<AnnaBaker> hi", "<AnnaBaker>", "<Anna Baker=x>", "<3", "<", "<>x</>", "<a>x</b>", "<!Anna>", "a <p></p>"]
        {
            assert!(!is_markup(other.as_bytes()), "{other}");
        }
    }

    /// Of a message: what is kept, and what is not understood.
    fn read(message: &[u8], engine: bool) -> [String; 2] {
        let mut parts: Vec<Part> = Vec::new();
        let mut out = Written { parts: &mut parts, room: usize::MAX };
        content::read(&mut Text::new("m", true, engine), &mut Emit::new(message, &mut out), Until::End);
        let told = |is: fn(&PartKind) -> bool| {
            let parts = parts.iter().filter(|part| is(&part.what));
            parts.map(|part| String::from_utf8_lossy(&message[part.at.clone()]).into_owned()).collect()
        };
        [told(|what| matches!(what, PartKind::Keep)), told(|what| matches!(what, PartKind::Opaque(_)))]
    }

    #[test]
    fn of_what_is_guessed_no_name_and_no_number_is_kept() {
        for text in [
            "QW5uYSBCYWtlcg==",
            "john.smith=admin",
            "AnnaBaker=online&BobMiller=offline",
            "<AnnaBaker> hi",
            "12345678[1]",
        ] {
            assert_eq!(read(text.as_bytes(), false), ["", ""], "{text}");
        }
        for (text, kept) in
            [("5550123{}", "5"), ("41-79123[1]", "4"), ("12345678[1]", "1"), ("4<AnnaBaker> hi", "4"), ("7 x", "")]
        {
            assert_eq!(read(text.as_bytes(), true), [kept, ""], "{text}");
        }
        assert_eq!(read(b"4299999[]", true), ["42[]", ""]);
        assert_eq!(read(b"42999[]", true), ["42999[]", ""]);
    }

    #[test]
    fn what_is_no_text_is_opaque() {
        for message in ["\n\u{1}\u{2}\u{3}\u{4}\u{1}\u{7}\t", "{\"a\":\"\u{1}\"}", "hello\0"] {
            assert_eq!(read(message.as_bytes(), false), ["", message], "{message}");
        }
        assert_eq!(read(b"{\"a\":1}\xff", false)[0], "");
        assert_eq!(read(b"J\xc3", false)[0], "");
        assert_eq!(read("J\u{fc}rgen\t\u{1e}\r\n".as_bytes(), false)[1], "");
    }
}
