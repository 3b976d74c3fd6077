//! The disguises that a value may survive in: for each, the bytes that must stand there.
//!
//! What decoding would bring to light anyway (see [`super::views`]) is here too when it is cheap: a value may have
//! been encoded a second time, or stand in the middle of other encoded text.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::fmt::Write;
use std::net::Ipv6Addr;

use super::value::Shape;

/// One disguise.
pub struct Disguise {
    /// Its name in the report.
    pub id: &'static str,
    /// Letter case does not matter.
    pub fold: bool,
    /// The value in this disguise; nothing when it has none.
    pub put_on: fn(&[u8]) -> Option<Vec<u8>>,
}

/// The disguises of a shape.
pub fn of(shape: Shape) -> &'static [Disguise] {
    match shape {
        Shape::Text => TEXT,
        Shape::Mac => MAC,
        Shape::Ipv6 => IPV6,
    }
}

/// How many there are, over all shapes.
pub fn count() -> usize {
    TEXT.len() + MAC.len() + IPV6.len()
}

const fn exact(id: &'static str, put_on: fn(&[u8]) -> Option<Vec<u8>>) -> Disguise {
    Disguise { id, fold: false, put_on }
}

const fn fold(id: &'static str, put_on: fn(&[u8]) -> Option<Vec<u8>>) -> Disguise {
    Disguise { id, fold: true, put_on }
}

const TEXT: &[Disguise] = &[
    fold("raw", |v| Some(v.to_vec())),
    fold("reversed", |v| Some(v.iter().rev().copied().collect())),
    fold("hex", |v| Some(hex(v))),
    exact("base64", |v| base64(&STANDARD_NO_PAD, v, 0)),
    exact("base64", |v| base64(&STANDARD_NO_PAD, v, 1)),
    exact("base64", |v| base64(&STANDARD_NO_PAD, v, 2)),
    exact("base64url", |v| base64(&URL_SAFE_NO_PAD, v, 0)),
    exact("base64url", |v| base64(&URL_SAFE_NO_PAD, v, 1)),
    exact("base64url", |v| base64(&URL_SAFE_NO_PAD, v, 2)),
    fold("percent", |v| Some(escape(v, unreserved, |b| format!("%{b:02x}")))),
    fold("percent", |v| Some(escape(v, |_| false, |b| format!("%{b:02x}")))),
    fold("percent percent", |v| Some(escape(v, unreserved, |b| format!("%25{b:02x}")))),
    fold("percent percent", |v| Some(escape(v, |_| false, |b| format!("%25{b:02x}")))),
    fold("quoted-printable", |v| Some(escape(v, |_| false, |b| format!("={b:02x}")))),
    fold("json", |v| units(v, |unit| format!("\\u{unit:04x}"))),
    fold("markup", |v| characters(v, |c| format!("&#{};", c as u32))),
    fold("markup", |v| characters(v, |c| format!("&#x{:x};", c as u32))),
    fold("utf-16le", |v| wide(v, u16::to_le_bytes)),
    fold("utf-16be", |v| wide(v, u16::to_be_bytes)),
    fold("digits", |v| grouped(v, "")),
    fold("digits", |v| grouped(v, " ")),
    fold("digits", |v| grouped(v, "-")),
    exact("packed digits", packed_digits),
    exact("packed hex", packed_hex),
    fold("bare hex", |v| packed_hex(v).map(|bytes| hex(&bytes))),
    fold("dns labels", dns_labels),
    fold("labels reversed", labels_reversed),
];

const MAC: &[Disguise] = &[
    exact("packed", |v| Some(v.to_vec())),
    exact("packed reversed", |v| Some(v.iter().rev().copied().collect())),
    fold("colons", |v| Some(joined(v, 1, ":"))),
    fold("dashes", |v| Some(joined(v, 1, "-"))),
    fold("dotted", |v| Some(joined(v, 2, "."))),
    fold("bare", |v| Some(hex(v))),
    exact("eui-64", eui64),
    fold("eui-64 text", |v| eui64(v).map(|e| joined(&e, 2, ":"))),
    exact("base64", |v| base64(&STANDARD_NO_PAD, v, 0)),
    exact("base64", |v| base64(&STANDARD_NO_PAD, &joined(v, 1, ":"), 0)),
    fold("percent", |v| Some(joined(v, 1, "%3a"))),
    fold("utf-16le", |v| wide(&joined(v, 1, ":"), u16::to_le_bytes)),
];

const IPV6: &[Disguise] = &[
    exact("packed", |v| Some(v.to_vec())),
    exact("packed reversed", |v| Some(v.iter().rev().copied().collect())),
    fold("text", |v| ipv6(v).map(|a| a.to_string().into_bytes())),
    fold("full text", |v| Some(joined(v, 2, ":"))),
    fold("bare", |v| Some(hex(v))),
    fold("nibbles", |v| Some(nibbles(v, ".").into_bytes())),
    fold("dns nibbles", |v| Some(nibbles(v, "\u{1}").into_bytes())),
    fold("hex", |v| ipv6(v).map(|a| hex(a.to_string().as_bytes()))),
    fold("percent", |v| ipv6(v).map(|a| a.to_string().replace(':', "%3a").into_bytes())),
    fold("utf-16le", |v| ipv6(v).and_then(|a| wide(a.to_string().as_bytes(), u16::to_le_bytes))),
    exact("base64", |v| ipv6(v).and_then(|a| base64(&STANDARD_NO_PAD, a.to_string().as_bytes(), 0))),
    exact("base64", |v| ipv6(v).and_then(|a| base64(&STANDARD_NO_PAD, a.to_string().as_bytes(), 1))),
    exact("base64", |v| ipv6(v).and_then(|a| base64(&STANDARD_NO_PAD, a.to_string().as_bytes(), 2))),
];

fn hex(bytes: &[u8]) -> Vec<u8> {
    joined(bytes, usize::MAX, "")
}

/// Hex digits in groups of `group` bytes.
fn joined(bytes: &[u8], group: usize, between: &str) -> Vec<u8> {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (n, byte) in bytes.iter().enumerate() {
        if n > 0 && n % group == 0 {
            text.push_str(between);
        }
        let _ = write!(text, "{byte:02x}");
    }
    text.into_bytes()
}

/// The characters that any base64 text must hold which has the value at offset `phase` (modulo 3).
fn base64(engine: &impl Engine, value: &[u8], phase: usize) -> Option<Vec<u8>> {
    let mut padded = vec![0; phase];
    padded.extend_from_slice(value);
    let text = engine.encode(&padded).into_bytes();
    let shared_with_before = [0, 2, 3][phase];
    let shared_with_behind = usize::from(!padded.len().is_multiple_of(3));
    text.get(shared_with_before..text.len() - shared_with_behind).map(<[u8]>::to_vec)
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn escape(value: &[u8], stays: fn(u8) -> bool, escaped: impl Fn(u8) -> String) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() * 3);
    for &byte in value {
        match stays(byte) {
            true => out.push(byte),
            false => out.extend_from_slice(escaped(byte).as_bytes()),
        }
    }
    out
}

fn units(value: &[u8], escaped: impl Fn(u16) -> String) -> Option<Vec<u8>> {
    let text = str::from_utf8(value).ok()?;
    Some(text.encode_utf16().map(escaped).collect::<String>().into_bytes())
}

fn characters(value: &[u8], escaped: impl Fn(char) -> String) -> Option<Vec<u8>> {
    let text = str::from_utf8(value).ok()?;
    Some(text.chars().map(escaped).collect::<String>().into_bytes())
}

fn wide(value: &[u8], bytes: fn(u16) -> [u8; 2]) -> Option<Vec<u8>> {
    let text = str::from_utf8(value).ok()?;
    Some(text.encode_utf16().flat_map(bytes).collect())
}

/// Numbers of 13 digits and more (cards, accounts) without separators, or in fours.
fn digits(value: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = value.iter().copied().filter(u8::is_ascii_digit).collect();
    let others = value.len() - digits.len();
    (digits.len() >= 13 && others <= digits.len() / 2 && !value.iter().any(u8::is_ascii_alphabetic)).then_some(digits)
}

fn grouped(value: &[u8], between: &str) -> Option<Vec<u8>> {
    let size = if between.is_empty() { usize::MAX } else { 4 };
    Some(digits(value)?.chunks(size).collect::<Vec<_>>().join(between.as_bytes()))
}

fn packed_digits(value: &[u8]) -> Option<Vec<u8>> {
    let digits = digits(value)?;
    Some(digits.chunks_exact(2).map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0')).collect())
}

/// The bytes that the hex digits of a UUID, key or digest stand for.
fn packed_hex(value: &[u8]) -> Option<Vec<u8>> {
    let digits: Vec<u8> = value.iter().copied().filter(|b| !b"-:".contains(b)).collect();
    let whole = digits.len() >= 16 && digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    let nibble = |b: u8| (b as char).to_digit(16).map_or(0, |d| d as u8);
    whole.then(|| digits.chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])).collect())
}

fn labels(value: &[u8]) -> Option<Vec<&[u8]>> {
    let host = value.iter().all(|b| unreserved(*b) && *b != b'~') && value.contains(&b'.');
    let labels: Vec<&[u8]> = value.split(|b| *b == b'.').collect();
    (host && labels.iter().all(|l| (1..64).contains(&l.len()))).then_some(labels)
}

fn dns_labels(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len() + 1);
    for label in labels(value)? {
        out.push(label.len() as u8);
        out.extend_from_slice(label);
    }
    Some(out)
}

fn labels_reversed(value: &[u8]) -> Option<Vec<u8>> {
    let mut labels = labels(value)?;
    labels.reverse();
    Some(labels.join(&b'.'))
}

fn eui64(mac: &[u8]) -> Option<Vec<u8>> {
    let [a, b, c, d, e, f] = *mac else { return None };
    Some(vec![a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

fn ipv6(bytes: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(bytes).ok().map(Ipv6Addr::from)
}

/// As in ip6.arpa (RFC 3596 §2.5).
fn nibbles(bytes: &[u8], between: &str) -> String {
    let digits: Vec<String> = bytes.iter().rev().flat_map(|b| [b & 15, b >> 4]).map(|n| format!("{n:x}")).collect();
    digits.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_any_surroundings_holds_one_of_the_three_phases() {
        let value = b"anna.baker@shop.example";
        for before in 0..7 {
            for behind in 0..4 {
                let mut text = vec![b'~'; before];
                text.extend_from_slice(value);
                text.extend(std::iter::repeat_n(b'!', behind));
                let encoded = STANDARD_NO_PAD.encode(&text).into_bytes();
                let needle = base64(&STANDARD_NO_PAD, value, before % 3).unwrap();
                assert!(encoded.windows(needle.len()).any(|w| w == needle), "{before} {behind}");
            }
        }
    }

    #[test]
    fn addresses_take_their_usual_forms() {
        let mac = [0x9c, 0x1c, 0x42, 0x8a, 0x9b, 0x7c];
        let forms: Vec<Vec<u8>> = MAC.iter().filter_map(|d| (d.put_on)(&mac)).collect();
        for text in ["9c:1c:42:8a:9b:7c", "9c-1c-42-8a-9b-7c", "9c1c.428a.9b7c", "9e1c:42ff:fe8a:9b7c"] {
            assert!(forms.iter().any(|f| f == text.as_bytes()), "{text}");
        }
    }
}
