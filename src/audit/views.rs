//! What else a haystack says once it is decoded: escapes undone, base64 and hex turned to bytes, archives inflated.
//!
//! The audit guesses like an attacker would: it needs no header that announces an encoding.

use flate2::{Decompress, FlushDecompress};
use memchr::{memchr, memmem};

use crate::limits::AUDIT_DECODED_BYTES_MAX;

/// A way to look at bytes.
pub struct View {
    /// Its name in the report.
    pub id: &'static str,
    /// Appends what the haystack says, each reading as bytes of its own.
    decode: fn(&[u8], &mut Vec<Vec<u8>>),
}

/// All of them.
pub const ALL: &[View] = &[
    View { id: "percent", decode: percent },
    View { id: "json", decode: json },
    View { id: "markup", decode: markup },
    View { id: "quoted-printable", decode: quoted_printable },
    View { id: "base64", decode: base64 },
    View { id: "hex", decode: hex },
    View { id: "chunked", decode: chunked },
    View { id: "gzip", decode: gzip },
    View { id: "zlib", decode: zlib },
];

/// Views of views of views.
const DEPTH: usize = 3;

/// Calls `look` with the haystack and every view of it; the names say how one gets there.
pub fn each(haystack: &[u8], look: &mut dyn FnMut(&[&'static str], &[u8])) {
    let mut room = haystack.len() * 6 + AUDIT_DECODED_BYTES_MAX;
    descend(haystack, &mut Vec::new(), &mut room, look);
}

fn descend(
    haystack: &[u8],
    names: &mut Vec<&'static str>,
    room: &mut usize,
    look: &mut dyn FnMut(&[&'static str], &[u8]),
) {
    look(names, haystack);
    if names.len() == DEPTH {
        return;
    }
    let mut readings = Vec::new();
    for view in ALL {
        (view.decode)(haystack, &mut readings);
        names.push(view.id);
        for reading in readings.drain(..).filter(|r| r.len() >= 6) {
            if let Some(left) = room.checked_sub(reading.len()) {
                *room = left;
                descend(&reading, names, room, look);
            }
        }
        names.pop();
    }
}

/// Lines that hold `sign`, with `undo` applied to the text behind each sign: it gives the bytes that are meant, and
/// how many it read.
fn unescape(text: &[u8], sign: u8, undo: impl Fn(&[u8], &mut Vec<u8>) -> Option<usize>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut any = false;
    for line in text.split(|b| matches!(b, b'\n' | 0)).filter(|line| memchr(sign, line).is_some()) {
        let mut rest = line;
        while let Some(at) = memchr(sign, rest) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            match undo(rest, &mut out) {
                Some(read) => {
                    any = true;
                    rest = rest.get(read..).unwrap_or_default();
                }
                None => out.push(sign),
            }
        }
        out.extend_from_slice(rest);
        out.push(0);
    }
    any.then_some(out)
}

fn nibble(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

fn octet(text: &[u8]) -> Option<u8> {
    Some(nibble(*text.first()?)? << 4 | nibble(*text.get(1)?)?)
}

/// RFC 3986 §2.1, and `+` for a space.
fn percent(text: &[u8], out: &mut Vec<Vec<u8>>) {
    let undo = |rest: &[u8], out: &mut Vec<u8>| octet(rest).map(|byte| out.push(byte)).map(|()| 2);
    let plain = unescape(text, b'%', undo);
    if memchr(b'+', plain.as_deref().unwrap_or(text)).is_some() {
        let mut form = plain.clone().unwrap_or_else(|| text.to_vec());
        form.iter_mut().filter(|b| **b == b'+').for_each(|b| *b = b' ');
        out.push(form);
    }
    out.extend(plain);
}

/// RFC 8259 §7.
fn json(text: &[u8], out: &mut Vec<Vec<u8>>) {
    let unit = |rest: &[u8]| -> Option<u16> {
        let digits = rest.strip_prefix(b"u")?.get(..4)?;
        Some(u16::from(octet(digits)?) << 8 | u16::from(octet(&digits[2..])?))
    };
    out.extend(unescape(text, b'\\', |rest, out| {
        if let Some(first) = unit(rest) {
            let second = rest.get(5..).and_then(|r| r.strip_prefix(b"\\")).and_then(unit);
            let pair = second.filter(|s| (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(s));
            let units = [first, pair.unwrap_or(0)];
            let used = if pair.is_some() { 2 } else { 1 };
            out.extend_from_slice(String::from_utf16_lossy(&units[..used]).as_bytes());
            return Some(if used == 2 { 11 } else { 5 });
        }
        let byte = match rest.first()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'x' => {
                out.push(octet(&rest[1..])?);
                return Some(3);
            }
            other @ (b'"' | b'/' | b'\\' | b'\'') => *other,
            _ => return None,
        };
        out.push(byte);
        Some(1)
    }));
}

/// Character references of HTML and XML.
fn markup(text: &[u8], out: &mut Vec<Vec<u8>>) {
    out.extend(unescape(text, b'&', |rest, out| {
        let end = memchr(b';', rest.get(..10).unwrap_or(rest))?;
        let name = str::from_utf8(&rest[..end]).ok()?;
        let character = match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "nbsp" => ' ',
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Some(end + 1)
    }));
}

/// RFC 2045 §6.7; soft line breaks are left out first.
fn quoted_printable(text: &[u8], out: &mut Vec<Vec<u8>>) {
    let mut joined = Vec::new();
    let mut at = 0;
    for soft in memmem::find_iter(text, b"=\r\n") {
        joined.extend_from_slice(text.get(at..soft).unwrap_or_default());
        at = soft + 3;
    }
    joined.extend_from_slice(text.get(at..).unwrap_or_default());
    let undo = |rest: &[u8], out: &mut Vec<u8>| octet(rest).map(|byte| out.push(byte)).map(|()| 2);
    match unescape(&joined, b'=', undo) {
        Some(plain) => out.push(plain),
        None if at > 0 => out.push(joined),
        None => {}
    }
}

/// Runs of at least `least` bytes of a class.
fn runs<'t>(text: &'t [u8], least: usize, class: fn(u8) -> bool) -> impl Iterator<Item = &'t [u8]> {
    text.split(move |b| !class(*b)).filter(move |run| run.len() >= least)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }
    .into())
}

/// Both alphabets, at each of the four places where a run may have begun.
fn base64(text: &[u8], out: &mut Vec<Vec<u8>>) {
    for phase in 0..4 {
        let mut plain = Vec::new();
        for run in runs(text, 12, |b| sextet(b).is_some()) {
            for group in run.get(phase..).unwrap_or_default().chunks(4) {
                let word = group.iter().filter_map(|b| sextet(*b)).fold(0, |word, six| word << 6 | six);
                let bytes = (word << (6 * (4 - group.len())) << 8).to_be_bytes();
                plain.extend_from_slice(&bytes[..group.len().saturating_sub(1)]);
            }
            plain.push(0);
        }
        if !plain.is_empty() {
            out.push(plain);
        }
    }
}

/// Hex digits, at both places where a run may have begun.
fn hex(text: &[u8], out: &mut Vec<Vec<u8>>) {
    for phase in 0..2 {
        let mut plain = Vec::new();
        for run in runs(text, 12, |b| b.is_ascii_hexdigit()) {
            plain.extend(run.get(phase..).unwrap_or_default().chunks_exact(2).filter_map(octet));
            plain.push(0);
        }
        if !plain.is_empty() {
            out.push(plain);
        }
    }
}

/// Without what looks like the framing of chunks (RFC 9112 §7.1).
fn chunked(text: &[u8], out: &mut Vec<Vec<u8>>) {
    let mut plain = Vec::new();
    let (mut from, mut at) = (0, 0);
    while let Some(line) = text.get(at..).and_then(|rest| memmem::find(rest, b"\r\n")).map(|n| at + n) {
        at = line + 2;
        let size = &text[at..text.len().min(at + 18)];
        let digits = size.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if (1..=16).contains(&digits) && size[digits..].starts_with(b"\r\n") {
            plain.extend_from_slice(&text[from..line]);
            from = at + digits + 2;
            at = from;
        }
    }
    if from > 0 {
        plain.extend_from_slice(&text[from..]);
        out.push(plain);
    }
}

/// RFC 1952, wherever its signature stands.
fn gzip(bytes: &[u8], out: &mut Vec<Vec<u8>>) {
    for at in memmem::find_iter(bytes, b"\x1f\x8b\x08").take(256) {
        if let Some(data) = gzip_data(&bytes[at..]) {
            out.extend(inflate(data));
        }
    }
}

/// Behind the header of a gzip member.
fn gzip_data(member: &[u8]) -> Option<&[u8]> {
    let flags = *member.get(3)?;
    let mut rest = member.get(10..)?;
    if flags & 4 != 0 {
        let extra = usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?]));
        rest = rest.get(2 + extra..)?;
    }
    for text in [8, 16] {
        if flags & text != 0 {
            rest = rest.get(memchr(0, rest)? + 1..)?;
        }
    }
    rest.get(if flags & 2 != 0 { 2 } else { 0 }..)
}

/// RFC 1950, wherever something looks like its header.
fn zlib(bytes: &[u8], out: &mut Vec<Vec<u8>>) {
    let headers = memchr::memchr_iter(0x78, bytes).filter(|at| matches!(bytes.get(at + 1), Some(1 | 0x5e | 0x9c | 0xda)));
    for at in headers.take(256) {
        out.extend(inflate(&bytes[at + 2..]).filter(|plain| plain.len() >= 8));
    }
}

/// What comes out of deflate data (RFC 1951) until it ends or turns out to be none.
fn inflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut inflater = Decompress::new(false);
    let mut plain = Vec::with_capacity((data.len() * 4).clamp(1 << 10, 64 << 10));
    loop {
        let read = usize::try_from(inflater.total_in()).ok()?;
        let written = plain.len();
        let result = inflater.decompress_vec(data.get(read..)?, &mut plain, FlushDecompress::None);
        let stuck = inflater.total_in() as usize == read && plain.len() == written;
        let done = !matches!(result, Ok(flate2::Status::Ok));
        if done || stuck || plain.len() >= AUDIT_DECODED_BYTES_MAX {
            return (!plain.is_empty()).then_some(plain);
        }
        plain.reserve(plain.len().max(1 << 10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine;
    use ::base64::engine::general_purpose::STANDARD;
    use std::io::Write;

    fn readable(haystack: &[u8], needle: &str) -> Option<String> {
        let mut found = None;
        each(haystack, &mut |names, view| {
            if found.is_none() && memmem::find(view, needle.as_bytes()).is_some() {
                found = Some(names.join(" "));
            }
        });
        found
    }

    fn gzipped(text: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        writer.write_all(text).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn a_secret_is_read_through_each_view() {
        let secret = "Anna Bäcker <anna@x.example>";
        let mut zlibbed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        zlibbed.write_all(secret.as_bytes()).unwrap();
        let mut in_base64 = b"/files/".to_vec();
        in_base64.extend(STANDARD.encode(format!("..{secret}")).bytes());
        let views: [(&str, Vec<u8>); 9] = [
            ("percent", b"q=Anna%20B%C3%a4cker%20%3Canna%40x.example%3E".to_vec()),
            ("percent", b"q=Anna+B%C3%A4cker+%3Canna%40x.example%3E".to_vec()),
            ("json", br#"{"name":"Anna B\u00e4cker \u003canna@x.example>"}"#.to_vec()),
            ("markup", b"<b>Anna B&#228;cker &lt;anna&#x40;x.example&gt;</b>".to_vec()),
            ("quoted-printable", b"Anna B=C3=A4cker =\r\n<anna=40x.example>".to_vec()),
            ("base64", in_base64),
            ("hex", secret.bytes().map(|b| format!("{b:02X}")).collect::<String>().into_bytes()),
            ("chunked", "\r\n9\r\nAnna B\u{e4}c\r\n13;\r\n\r\n0\r\n".replace("13;\r\n", "13\r\nker <anna@x.example>").into_bytes()),
            ("zlib", zlibbed.finish().unwrap()),
        ];
        for (view, haystack) in views {
            assert_eq!(readable(&haystack, secret).as_deref(), Some(view));
        }
    }

    #[test]
    fn views_are_looked_through_again() {
        let text = STANDARD.encode(gzipped(br#"{"email":"anna%40shop.example"}"#));
        assert_eq!(readable(text.as_bytes(), "anna@shop.example").as_deref(), Some("base64 gzip percent"));
    }

    #[test]
    fn a_bomb_is_cut_off() {
        let bomb = gzipped(&vec![0; 64 << 20]);
        each(&bomb, &mut |_, view| assert!(view.len() <= 2 * AUDIT_DECODED_BYTES_MAX + bomb.len() * 6));
    }
}
