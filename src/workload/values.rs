//! The values of an exchange, with their places: the same reader for captured bytes and for live ones.

use std::ops::Range;

use hashbrown::HashMap;

use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::{Conversation, Encoding, Field, Mark, PartKind, Protocol, Role, Side, Sink, Window, http1};

use super::Place;

/// A value of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// As [`Field::path`].
    pub(super) path: &'a str,
    /// As [`Field::name`].
    pub(super) name: &'a str,
    /// Which of the message's fields at this path, from 0.
    pub(super) ordinal: u32,
    /// Decoded.
    pub(super) text: &'a [u8],
    /// Where it stands, when that is one piece of the message's bytes.
    pub(super) at: Option<(usize, usize)>,
    /// How it stands there.
    pub(super) encoding: Encoding,
    /// As [`Field::role`].
    pub(super) role: Role,
    /// It stands there as it is, without escapes.
    pub(super) plain: bool,
}

/// Calls `found` with each value of a request and of its response, in order.
pub(super) fn read(request: &[u8], response: &[u8], found: &mut dyn FnMut(Side, &Value<'_>)) {
    let mut conversation = http1::Http1.open(0);
    for (side, bytes) in [(Side::Client, request), (Side::Server, response)] {
        let mut collect = Collect { side, ordinals: HashMap::default(), decoded: Decoded::default(), found };
        feed(conversation.as_mut(), side, bytes, &mut collect);
    }
}

fn feed(conversation: &mut dyn Conversation, side: Side, bytes: &[u8], sink: &mut dyn Sink) {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match conversation.read(side, at as u64, rest, true, sink) {
            0 => break,
            done => at += done,
        }
    }
    conversation.flush(side, sink);
}

/// The fields of a request that stand in one piece: where, and as [`Field::path`].
pub fn fields(request: &super::Request) -> Vec<(Range<usize>, Box<str>)> {
    let mut found = Vec::new();
    read(&request.bytes, b"", &mut |side, value| {
        if let Some((start, end)) = value.at.filter(|_| side == Side::Client) {
            found.push((start..end, value.path.into()));
        }
    });
    found
}

/// A live response's values for some places, in their order; none where it has no such value.
#[derive(Debug)]
pub struct Answer(pub Vec<Option<Vec<u8>>>);

/// Takes the values at `places` from a live response. `method`: of its request.
pub fn answer(method: &[u8], response: &[u8], places: &[Place]) -> Answer {
    let mut texts = vec![None; places.len()];
    read(&question(method), response, &mut |side, value| {
        if side == Side::Client {
            return;
        }
        for (place, text) in places.iter().zip(&mut texts) {
            if place.ordinal == value.ordinal && *place.path == *value.path {
                *text = match place.token {
                    None => Some(value.text.to_vec()),
                    Some(n) => tokens(value.text).nth(n as usize).and_then(|at| value.text.get(at)).map(<[u8]>::to_vec),
                };
            }
        }
    });
    Answer(texts)
}

/// The shortest request of a method: all that reading its response needs.
pub(super) fn question(method: &[u8]) -> Vec<u8> {
    [method, b" / HTTP/1.1\r\n\r\n"].concat()
}

/// The words of a text: what stands between spaces, quotes and brackets; of an address or a path, its segments and
/// parameters.
pub(super) fn tokens(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let outer = |b: u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'<' | b'>' | b'(' | b')' | b',' | b';');
    let inner = |b: u8| matches!(b, b'/' | b'?' | b'&' | b'=' | b'#' | b':');
    let is_address = move |word: &[u8]| word.first() == Some(&b'/') || memchr::memmem::find(word, b"://").is_some();
    let addresses = memchr::memchr(b'/', text).is_some();
    let words = split(text, 0, outer);
    words.flat_map(move |word| {
        let cut = addresses && is_address(&text[word.clone()]);
        split(&text[word.clone()], word.start, move |b| cut && inner(b))
    })
}

/// The runs of bytes that are no delimiters; `base` is added to their positions.
fn split(text: &[u8], base: usize, delimiter: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text.get(at..)?.iter().position(|&b| !delimiter(b))?;
        let start = at;
        at += text[start..].iter().position(|&b| delimiter(b)).unwrap_or(text.len() - start);
        Some(base + start..base + at)
    })
}

/// A sink that hands on values.
struct Collect<'a> {
    side: Side,
    /// By path.
    ordinals: HashMap<Box<str>, u32>,
    decoded: Decoded,
    found: &'a mut dyn FnMut(Side, &Value<'_>),
}

impl Collect<'_> {
    fn value(&mut self, field: &Field<'_>, at: Option<(usize, usize)>) {
        let ordinal = match self.ordinals.get_mut(field.path) {
            Some(count) => {
                *count += 1;
                *count
            }
            None => {
                self.ordinals.insert(field.path.into(), 0);
                0
            }
        };
        let text = decode(field.raw, field.encoding, &mut self.decoded);
        let plain = text == field.raw;
        let Field { path, name, encoding, role, .. } = *field;
        (self.found)(self.side, &Value { path, name, ordinal, text, at, encoding, role, plain });
    }
}

impl Sink for Collect<'_> {
    fn keep(&mut self, _at: Range<u64>) {}

    fn field(&mut self, at: &[Range<u64>], field: &Field<'_>) {
        let at = match at {
            // What is followed is one number.
            _ if field.encoding == Encoding::Varints => None,
            [one] => usize::try_from(one.start).ok().zip(usize::try_from(one.end).ok()),
            _ => None,
        };
        self.value(field, at);
    }

    fn opaque(&mut self, _at: Range<u64>, _what: &'static str) {}

    fn window(&mut self, _at: &[Range<u64>], window: &Window<'_>) {
        for part in window.parts {
            if let PartKind::Field { path, name, encoding, role } = &part.what {
                let raw = window.plain.get(part.at.clone()).unwrap_or_default();
                self.value(&Field { path, name, raw, encoding: *encoding, role: *role }, None);
            }
        }
    }

    fn mark(&mut self, _side: Side, _mark: Mark<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn words_and_segments() {
        let of = |text: &str| tokens(text.as_bytes()).map(|at| text[at].to_owned()).collect::<Vec<_>>();
        assert_eq!(of("Bearer a+b/c=="), ["Bearer", "a+b/c=="]);
        assert_eq!(of("W/\"abc\""), ["W/", "abc"]);
        assert_eq!(of("/api/orders/17?x=9"), ["api", "orders", "17", "x", "9"]);
        assert_eq!(of("http://h:80/a, b"), ["http", "h", "80", "a", "b"]);
        assert!(of(" ,; ").is_empty());
    }
}
