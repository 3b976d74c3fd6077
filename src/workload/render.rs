//! A request with some of its values replaced: every other byte as it was, but for the lengths that this forces.

use std::ops::Range;

use base64::Engine;

use crate::protocol::Encoding;
use crate::protocol::encoding::{encode_fixed, encode_varint};

use super::Request;
use super::prefixes::prefixes;

/// Bytes that take the place of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// What goes.
    pub at: Range<usize>,
    /// What comes.
    pub with: Vec<u8>,
}

/// The request's bytes with replacements made (in order of position, without overlap). `Content-Length` and chunk sizes
/// are written anew when a replacement in the body changes them.
pub fn render(request: &Request, replacements: &[Replacement]) -> Vec<u8> {
    let grows = replacements.iter().any(|r| r.with.len() != r.at.len());
    let mut all = replacements.to_vec();
    if grows {
        all.extend(prefixes(request, replacements));
        let replacements = all.clone();
        all.extend(lengths(request).into_iter().filter_map(|length| length.replaced(&replacements)));
        all.sort_by_key(|r| r.at.start);
    }
    let mut out = Vec::with_capacity(request.bytes.len() + all.iter().map(|r| r.with.len()).sum::<usize>());
    let mut done = 0;
    for replacement in &all {
        out.extend_from_slice(request.bytes.get(done..replacement.at.start).unwrap_or_default());
        out.extend_from_slice(&replacement.with);
        done = replacement.at.end;
    }
    out.extend_from_slice(request.bytes.get(done..).unwrap_or_default());
    out
}

/// A text as the raw bytes that stand for it in `encoding`.
pub fn replacement(at: Range<usize>, text: &[u8], encoding: Encoding) -> Replacement {
    let percent = |space_is_plus: bool| {
        text.iter().fold(Vec::with_capacity(text.len()), |mut out, &b| {
            match b {
                b' ' if space_is_plus => out.push(b'+'),
                b'-' | b'.' | b'_' | b'~' => out.push(b),
                _ if b.is_ascii_alphanumeric() => out.push(b),
                _ => out.extend_from_slice(format!("%{b:02X}").as_bytes()),
            }
            out
        })
    };
    let escaped = |table: fn(u8) -> Option<&'static str>| {
        text.iter().fold(Vec::with_capacity(text.len()), |mut out, &b| {
            match table(b) {
                Some(escape) => out.extend_from_slice(escape.as_bytes()),
                None => out.push(b),
            }
            out
        })
    };
    let with = match encoding {
        // What cannot stand in a line must not break it.
        Encoding::Plain => text.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect(),
        Encoding::Percent => percent(false),
        Encoding::Form => percent(true),
        Encoding::Json => json_inner(text),
        Encoding::Markup => escaped(|b| match b {
            b'&' => Some("&amp;"),
            b'<' => Some("&lt;"),
            b'>' => Some("&gt;"),
            b'"' => Some("&quot;"),
            b'\'' => Some("&#39;"),
            _ => None,
        }),
        Encoding::Base64 => base64::engine::general_purpose::STANDARD.encode(text).into_bytes(),
        Encoding::Varint => number(text, 1, encode_varint),
        // No value stands for a list.
        Encoding::Varints => Vec::new(),
        Encoding::Fixed => number(text, at.len(), |text, out| encode_fixed(text, at.len(), out)),
    };
    Replacement { at, with }
}

/// A number as `encode` writes it; what is none becomes zero, in so many bytes.
fn number(text: &[u8], len: usize, encode: impl Fn(&[u8], &mut Vec<u8>) -> bool) -> Vec<u8> {
    let mut out = Vec::new();
    if !encode(text, &mut out) {
        out = vec![0; len];
    }
    out
}

/// The inside of a JSON string.
fn json_inner(text: &[u8]) -> Vec<u8> {
    let quoted = serde_json::to_vec(&String::from_utf8_lossy(text)).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_vec()
}

/// A number in the request that says how long a part of it is.
#[derive(Clone, Debug)]
pub struct Length {
    /// Where it stands.
    pub digits: Range<usize>,
    /// What it counts.
    pub covers: Range<usize>,
    /// The size of a chunk, in hexadecimal digits; otherwise a `Content-Length`.
    pub hex: bool,
}

impl Length {
    /// The new number, when the length changes.
    fn replaced(&self, replacements: &[Replacement]) -> Option<Replacement> {
        let inside = replacements.iter().filter(|r| self.covers.start <= r.at.start && r.at.end <= self.covers.end);
        let (gone, come) = inside.fold((0, 0), |(gone, come), r| (gone + r.at.len(), come + r.with.len()));
        let length = self.covers.len() - gone + come;
        let number = if self.hex { format!("{length:x}") } else { length.to_string() };
        (gone != come).then(|| Replacement { at: self.digits.clone(), with: number.into_bytes() })
    }
}

/// The lengths that the request states about its body.
pub fn lengths(request: &Request) -> Vec<Length> {
    let bytes = &request.bytes;
    let body = Request::head_len(bytes);
    let chunked = request
        .header("transfer-encoding")
        .and_then(|at| bytes.get(at))
        .is_some_and(|v| v.to_ascii_lowercase().ends_with(b"chunked"));
    match (chunked, request.header("content-length")) {
        (true, _) => chunks(bytes, body),
        (false, Some(digits)) => vec![Length { digits, covers: body..bytes.len(), hex: false }],
        (false, None) => Vec::new(),
    }
}

/// The chunk sizes of a chunked body that begins at `at`.
pub(super) fn chunks(bytes: &[u8], mut at: usize) -> Vec<Length> {
    let mut found = Vec::new();
    while let Some(rest) = bytes.get(at..) {
        let digits = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&rest[..digits])
            .ok()
            .and_then(|text| usize::from_str_radix(text, 16).ok())
            .unwrap_or(0);
        let Some(line) = memchr::memchr(b'\n', rest) else { break };
        let start = at + line + 1;
        let Some(end) = start.checked_add(size).filter(|&end| size > 0 && end <= bytes.len()) else { break };
        found.push(Length { digits: at..at + digits, covers: start..end, hex: true });
        let Some(line_end) = memchr::memchr(b'\n', &bytes[end..]) else { break };
        at = end + line_end + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(request: &str, old: &str, new: &str) -> String {
        let request = Request::new(request.as_bytes().to_vec()).unwrap();
        let at = memchr::memmem::find(&request.bytes, old.as_bytes()).unwrap();
        String::from_utf8(render(&request, &[Replacement { at: at..at + old.len(), with: new.into() }])).unwrap()
    }

    #[test]
    fn a_content_length_follows_its_body() {
        let old = "POST /a HTTP/1.1\r\nhost: x\r\ncontent-LENGTH:  9\r\n\r\n{\"id\":17}";
        let new = "POST /a HTTP/1.1\r\nhost: x\r\ncontent-LENGTH:  12\r\n\r\n{\"id\":12345}";
        assert_eq!(rendered(old, "17", "12345"), new);
        assert_eq!(rendered(old, "host: x", "host: longer"), old.replace("host: x", "host: longer"));
    }

    #[test]
    fn a_chunk_size_follows_its_chunk() {
        let old = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(rendered(old, "345", ""), old.replace("A;x=y\r\n0123456789", "7;x=y\r\n0126789"));
    }

    #[test]
    fn texts_are_escaped_as_their_place_asks() {
        let with = |encoding| String::from_utf8(replacement(0..0, b"a b\"&/\xc3\xa9", encoding).with).unwrap();
        assert_eq!(with(Encoding::Percent), "a%20b%22%26%2F%C3%A9");
        assert_eq!(with(Encoding::Form), "a+b%22%26%2F%C3%A9");
        assert_eq!(with(Encoding::Json), "a b\\\"&/é");
        assert_eq!(with(Encoding::Markup), "a b&quot;&amp;/é");
    }
}
