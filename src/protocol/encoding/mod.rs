//! From raw bytes to text and back, at equal length.
//!
//! A text is a sequence of characters, each of which stands in the raw bytes either as itself or as an escape. Going
//! back, every character is written in the manner of the one that stood there before: `%41` stays three bytes,
//! `\u00e9` stays hex in its case, `&eacute;` stays eight bytes. An escape that is not valid stands for its own bytes.

mod base64;
mod json;
mod markup;
mod number;
mod percent;

use super::Encoding;

pub use number::{encode_fixed, encode_varint};

use super::content::protobuf;

/// The text of raw bytes; made once, used for many.
#[derive(Debug, Default)]
pub struct Decoded {
    text: Vec<u8>,
    again: Vec<u8>,
    encoding: Option<Encoding>,
}

impl Decoded {
    /// Whether the text of the last [`decode`] is the raw bytes themselves.
    pub fn is_plain(&self) -> bool {
        self.encoding.is_none()
    }
}

/// An escape: how many raw bytes it takes and the text (UTF-8, mostly) that it stands for.
#[derive(Clone, Copy)]
struct Escape {
    raw_len: usize,
    text: [u8; 4],
    text_len: usize,
}

impl Escape {
    fn char(raw_len: usize, c: char) -> Self {
        let mut text = [0; 4];
        let text_len = c.encode_utf8(&mut text).len();
        Escape { raw_len, text, text_len }
    }

    fn byte(raw_len: usize, byte: u8) -> Self {
        Escape { raw_len, text: [byte, 0, 0, 0], text_len: 1 }
    }
}

/// The text that `raw` stands for. It is `raw` itself when nothing is escaped.
pub fn decode<'a>(raw: &'a [u8], encoding: Encoding, decoded: &'a mut Decoded) -> &'a [u8] {
    if text_of(raw, encoding, &mut decoded.text) {
        decoded.encoding = Some(encoding);
        &decoded.text
    } else {
        decoded.encoding = None;
        raw
    }
}

/// Appends to `out` the raw bytes for `text`, which has the shape (characters of the same UTF-8 length) of the text that
/// `decoded` was made of `raw`. They are as long as `raw`. False, and nothing appended, when the text cannot stand in
/// the manner of `raw`: a character that must be escaped has no room.
pub fn encode(text: &[u8], encoding: Encoding, decoded: &mut Decoded, raw: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let written = match decoded.encoding {
        None => {
            out.extend_from_slice(text);
            true
        }
        Some(Encoding::Base64) => base64::encode(text, raw, out),
        Some(encoding) if encoding.is_binary() => return number_like(text, encoding, raw, out),
        Some(encoding) => respell(text, encoding, raw, out),
    };
    let fits = written && out.len() - start == raw.len() && {
        let is_itself = !text_of(&out[start..], encoding, &mut decoded.again);
        if is_itself { out[start..] == *text } else { decoded.again == text }
    };
    if !fits {
        out.truncate(start);
    }
    fits
}

/// Appends numbers in as many bytes as `raw`, each in as many as the one that stood there. False when they do not fit, or
/// when a reader that guesses by form would take them for something else than `raw`.
fn number_like(text: &[u8], encoding: Encoding, raw: &[u8], out: &mut Vec<u8>) -> bool {
    let (start, mut again) = (out.len(), Vec::new());
    let written = match encoding {
        Encoding::Varint => encode_varint(text, out),
        Encoding::Varints => number::encode_varints(text, raw, out),
        _ => encode_fixed(text, raw.len(), out),
    };
    let new = &out[start..];
    let fits = written && new.len() == raw.len() && protobuf::reads_like(new, raw, encoding) && {
        // A fraction may have more digits than its bytes can tell, but it stays one.
        let is_told = text_of(new, encoding, &mut again);
        let is_fraction = encoding == Encoding::Fixed && text.contains(&b'.');
        is_told && if is_fraction { again.contains(&b'.') } else { again == text }
    };
    if !fits {
        out.truncate(start);
    }
    fits
}

/// Writes the text of `raw` to `text`; false when it is `raw` itself.
fn text_of(raw: &[u8], encoding: Encoding, text: &mut Vec<u8>) -> bool {
    match encoding {
        Encoding::Base64 => return base64::decode(raw, text),
        Encoding::Varint => return number::decode_varint(raw, text),
        Encoding::Varints => return number::decode_varints(raw, text),
        Encoding::Fixed => return number::decode_fixed(raw, text),
        _ => {}
    }
    let Some(mut special) = next_special(raw, 0, encoding) else { return false };
    text.clear();
    let mut done = 0;
    let mut escapes = false;
    loop {
        text.extend_from_slice(&raw[done..special]);
        done = special;
        match escape_at(&raw[special..], encoding) {
            Some(escape) => {
                text.extend_from_slice(&escape.text[..escape.text_len]);
                done += escape.raw_len;
                escapes = true;
            }
            None => {
                text.push(raw[special]);
                done += 1;
            }
        }
        match next_special(raw, done, encoding) {
            Some(next) => special = next,
            None => break,
        }
    }
    text.extend_from_slice(&raw[done..]);
    escapes
}

/// Writes `text` in the manner of `raw`.
fn respell(text: &[u8], encoding: Encoding, raw: &[u8], out: &mut Vec<u8>) -> bool {
    let (mut text, mut raw) = (text, raw);
    while !raw.is_empty() {
        let escape = escape_at(raw, encoding);
        let (raw_len, text_len) = escape.map_or((1, 1), |escape| (escape.raw_len, escape.text_len));
        let Some((new, rest)) = text.split_at_checked(text_len) else { return false };
        let (old, behind) = raw.split_at(raw_len);
        if escape.is_none() {
            out.extend_from_slice(new);
        } else if !escape_like(old, new, encoding, out) {
            return false;
        }
        (text, raw) = (rest, behind);
    }
    text.is_empty()
}

fn next_special(raw: &[u8], from: usize, encoding: Encoding) -> Option<usize> {
    let rest = raw.get(from..)?;
    let at = match encoding {
        Encoding::Plain | Encoding::Base64 | Encoding::Varint | Encoding::Varints | Encoding::Fixed => None,
        Encoding::Percent => memchr::memchr(b'%', rest),
        Encoding::Form => memchr::memchr2(b'%', b'+', rest),
        Encoding::Json => memchr::memchr(b'\\', rest),
        Encoding::Markup => memchr::memchr(b'&', rest),
    };
    at.map(|at| from + at)
}

fn escape_at(raw: &[u8], encoding: Encoding) -> Option<Escape> {
    match (encoding, raw.first()?) {
        (Encoding::Percent | Encoding::Form, b'%') => percent::escape_at(raw),
        (Encoding::Form, b'+') => Some(Escape::byte(1, b' ')),
        (Encoding::Json, b'\\') => json::escape_at(raw),
        (Encoding::Markup, b'&') => markup::escape_at(raw),
        _ => None,
    }
}

/// Writes `new`, one character (or byte) of text, at the length of the escape `old`.
fn escape_like(old: &[u8], new: &[u8], encoding: Encoding, out: &mut Vec<u8>) -> bool {
    match encoding {
        Encoding::Form if old == b"+" => {
            // A space has one spelling of this length.
            out.push(b'+');
            new == b" "
        }
        Encoding::Percent | Encoding::Form => percent::escape_like(old, new, out),
        Encoding::Json => json::escape_like(old, new, out),
        Encoding::Markup => markup::escape_like(old, new, out),
        Encoding::Plain | Encoding::Base64 | Encoding::Varint | Encoding::Varints | Encoding::Fixed => false,
    }
}

/// The one character that `text` is.
fn single_char(text: &[u8]) -> Option<char> {
    let mut chars = std::str::from_utf8(text).ok()?.chars();
    let c = chars.next()?;
    chars.next().is_none().then_some(c)
}

/// Whether hex digits are written in capitals (in doubt: no).
fn is_upper_hex(digits: &[u8]) -> bool {
    digits.iter().any(u8::is_ascii_uppercase)
}

fn hex_digit(value: u32, upper: bool) -> u8 {
    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    digits[(value & 15) as usize]
}

#[cfg(test)]
mod tests;
