//! What else a haystack says once it is decoded: escapes undone, base64 and hex turned to bytes, archives inflated.
//!
//! The audit guesses like an attacker would: it needs no header that announces an encoding.

use flate2::{Decompress, FlushDecompress};
use memchr::{memchr, memchr2, memmem};
use std::ops::Range;

use crate::limits::AUDIT_DECODED_BYTES_MAX;

/// A way to look at bytes.
pub struct View {
    /// Its name in the report.
    pub id: &'static str,
    /// Appends what the haystack says, each reading as bytes of its own.
    decode: fn(&[u8], &mut Vec<Reading>),
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

/// What a view makes of bytes.
#[derive(Default)]
struct Reading {
    bytes: Vec<u8>,
    /// Where it comes from.
    origin: Origin,
}

enum Origin {
    /// Nothing stands in the reading as it stood before, but it depends on these bytes being there.
    Other(Range<usize>),
    /// Text that was let through, apart from what was undone at the joints, which are in order.
    Through(Vec<Joint>),
}

impl Default for Origin {
    fn default() -> Self {
        Self::Through(Vec::new())
    }
}

/// A place where text that was let through is joined.
struct Joint {
    /// The bytes put in; none where something was left out.
    at: Range<usize>,
    /// Where the text behind them comes from.
    from: usize,
    /// Something was undone here; else only lines left out.
    undone: bool,
}

impl Reading {
    fn other(bytes: Vec<u8>, needs: Range<usize>) -> Self {
        Self { bytes, origin: Origin::Other(needs) }
    }

    fn joint(&mut self, start: usize, from: usize, undone: bool) {
        let at = start..self.bytes.len();
        if let Origin::Through(joints) = &mut self.origin {
            joints.push(Joint { at, from, undone });
        }
    }
}

/// A haystack, or a view of one.
pub struct Sight<'a> {
    /// What to search.
    pub bytes: &'a [u8],
    name: &'static str,
    above: Option<(&'a Sight<'a>, &'a Origin)>,
}

impl<'a> Sight<'a> {
    /// Bytes as they are.
    pub fn plain(bytes: &'a [u8]) -> Self {
        Self { bytes, name: "", above: None }
    }

    /// How one gets here, outermost first.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names = self.above.map_or_else(Vec::new, |(above, _)| above.names());
        names.extend(self.above.map(|_| self.name));
        names
    }

    /// Whether it takes this view to see what stands there: it does not stand so in the bytes above.
    pub fn is_news(&self, at: &Range<usize>) -> bool {
        let Some((above, origin)) = self.above else { return true };
        match origin {
            Origin::Other(needs) => above.is_news(needs),
            Origin::Through(joints) => {
                let first = joints.partition_point(|joint| joint.at.end <= at.start);
                let inside = joints[first..].iter().take_while(|joint| joint.at.start < at.end);
                inside.into_iter().any(|joint| joint.undone) && above.is_news(&before(joints, at))
            }
        }
    }
}

/// Where a range of a reading comes from.
fn before(joints: &[Joint], at: &Range<usize>) -> Range<usize> {
    let place = |at: usize| match joints.partition_point(|joint| joint.at.end <= at).checked_sub(1) {
        Some(n) => joints[n].from + (at - joints[n].at.end),
        None => at,
    };
    let start = place(at.start);
    start..place(at.end).max(start + 1)
}

/// Calls `look` with the haystack and every view of it.
pub fn each(haystack: &[u8], look: &mut dyn FnMut(&Sight<'_>)) {
    let mut room = haystack.len() * 6 + AUDIT_DECODED_BYTES_MAX;
    descend(&Sight::plain(haystack), 0, &mut room, look);
}

fn descend(sight: &Sight<'_>, depth: usize, room: &mut usize, look: &mut dyn FnMut(&Sight<'_>)) {
    look(sight);
    if depth == DEPTH {
        return;
    }
    let mut readings = Vec::new();
    for view in ALL {
        (view.decode)(sight.bytes, &mut readings);
        for Reading { bytes, origin } in readings.drain(..).filter(|r| r.bytes.len() >= 6) {
            if let Some(left) = room.checked_sub(bytes.len()) {
                *room = left;
                let below = Sight { bytes: &bytes, name: view.id, above: Some((sight, &origin)) };
                descend(&below, depth + 1, room, look);
            }
        }
    }
}

/// Lines that hold one of two signs, with `undo` applied to the text behind each: it gives the bytes that are meant, and
/// how many it read.
fn unescape(text: &[u8], signs: [u8; 2], undo: impl Fn(u8, &[u8], &mut Vec<u8>) -> Option<usize>) -> Option<Reading> {
    let mut reading = Reading::default();
    let (mut at, mut inside, mut any) = (0, false, false);
    let line_end = |b: &u8| matches!(b, b'\n' | 0);
    while let Some(sign) = memchr2(signs[0], signs[1], text.get(at..).unwrap_or_default()).map(|n| at + n) {
        let skipped = &text[at..sign];
        let begins = skipped.iter().rposition(line_end).map(|n| at + n + 1);
        if let (true, Some(end)) = (inside, skipped.iter().position(line_end)) {
            reading.bytes.extend_from_slice(&skipped[..end]);
        }
        if let Some(line) = begins.or((!inside).then_some(at)) {
            let start = reading.bytes.len();
            reading.bytes.push(0);
            reading.joint(start, line, false);
            at = line;
        }
        inside = true;
        reading.bytes.extend_from_slice(&text[at..sign]);
        let start = reading.bytes.len();
        at = sign + 1;
        match undo(text[sign], &text[at..], &mut reading.bytes) {
            Some(read) => {
                at = (at + read).min(text.len());
                any = true;
                reading.joint(start, at, true);
            }
            None => reading.bytes.push(text[sign]),
        }
    }
    let rest = text.get(at..).unwrap_or_default();
    reading.bytes.extend_from_slice(&rest[..rest.iter().position(line_end).unwrap_or(rest.len())]);
    any.then_some(reading)
}

fn nibble(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

fn octet(text: &[u8]) -> Option<u8> {
    Some(nibble(*text.first()?)? << 4 | nibble(*text.get(1)?)?)
}

/// RFC 3986 §2.1, and `+` for a space.
fn percent(text: &[u8], out: &mut Vec<Reading>) {
    let undo = |sign: u8, rest: &[u8], out: &mut Vec<u8>| match sign {
        b'+' => {
            out.push(b' ');
            Some(0)
        }
        _ => octet(rest).map(|byte| out.push(byte)).map(|()| 2),
    };
    if memchr(b'+', text).is_some() {
        out.extend(unescape(text, *b"%+", undo));
    }
    out.extend(unescape(text, *b"%%", undo));
}

/// RFC 8259 §7.
fn json(text: &[u8], out: &mut Vec<Reading>) {
    let unit = |rest: &[u8]| -> Option<u16> {
        let digits = rest.strip_prefix(b"u")?.get(..4)?;
        Some(u16::from(octet(digits)?) << 8 | u16::from(octet(&digits[2..])?))
    };
    out.extend(unescape(text, *b"\\\\", |_, rest, out| {
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
fn markup(text: &[u8], out: &mut Vec<Reading>) {
    out.extend(unescape(text, *b"&&", |_, rest, out| {
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

/// RFC 2045 §6.7, soft line breaks among it.
fn quoted_printable(text: &[u8], out: &mut Vec<Reading>) {
    out.extend(unescape(text, *b"==", |_, rest, out| match rest.starts_with(b"\r\n") {
        true => Some(2),
        false => octet(rest).map(|byte| out.push(byte)).map(|()| 2),
    }));
}

/// Runs of at least `least` bytes of a class.
fn runs(text: &[u8], least: usize, class: fn(u8) -> bool) -> impl Iterator<Item = &[u8]> {
    text.split(move |b| !class(*b)).filter(move |run| run.len() >= least)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(
        match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        }
        .into(),
    )
}

/// Both alphabets, at each of the four places where a run may have begun.
fn base64(text: &[u8], out: &mut Vec<Reading>) {
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
            out.push(Reading::other(plain, 0..text.len()));
        }
    }
}

/// Hex digits, at both places where a run may have begun.
fn hex(text: &[u8], out: &mut Vec<Reading>) {
    for phase in 0..2 {
        let mut plain = Vec::new();
        for run in runs(text, 12, |b| b.is_ascii_hexdigit()) {
            plain.extend(run.get(phase..).unwrap_or_default().chunks_exact(2).filter_map(octet));
            plain.push(0);
        }
        if !plain.is_empty() {
            out.push(Reading::other(plain, 0..text.len()));
        }
    }
}

/// Without what looks like the framing of chunks (RFC 9112 §7.1).
fn chunked(text: &[u8], out: &mut Vec<Reading>) {
    let mut reading = Reading::default();
    let (mut from, mut at) = (0, 0);
    while let Some(line) = text.get(at..).and_then(|rest| memmem::find(rest, b"\r\n")).map(|n| at + n) {
        at = line + 2;
        let size = &text[at..text.len().min(at + 18)];
        let digits = size.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if (1..=16).contains(&digits) && size[digits..].starts_with(b"\r\n") {
            reading.bytes.extend_from_slice(&text[from..line]);
            from = at + digits + 2;
            at = from;
            reading.joint(reading.bytes.len(), from, true);
        }
    }
    if from > 0 {
        reading.bytes.extend_from_slice(&text[from..]);
        out.push(reading);
    }
}

/// RFC 1952, wherever its signature stands.
fn gzip(bytes: &[u8], out: &mut Vec<Reading>) {
    for at in memmem::find_iter(bytes, b"\x1f\x8b\x08").take(256) {
        let inflated = gzip_data(&bytes[at..]).and_then(inflate);
        out.extend(inflated.map(|(plain, read)| Reading::other(plain, at..at + 10 + read)));
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
fn zlib(bytes: &[u8], out: &mut Vec<Reading>) {
    let headers =
        memchr::memchr_iter(0x78, bytes).filter(|at| matches!(bytes.get(at + 1), Some(1 | 0x5e | 0x9c | 0xda)));
    for at in headers.take(256) {
        let inflated = inflate(&bytes[at + 2..]).filter(|(plain, _)| plain.len() >= 8);
        out.extend(inflated.map(|(plain, read)| Reading::other(plain, at..at + 2 + read)));
    }
}

/// What comes out of deflate data (RFC 1951) until it ends or turns out to be none, and how much of it was read.
fn inflate(data: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut inflater = Decompress::new(false);
    let mut plain = Vec::with_capacity((data.len() * 4).clamp(1 << 10, 64 << 10));
    loop {
        let read = usize::try_from(inflater.total_in()).ok()?;
        let written = plain.len();
        let result = inflater.decompress_vec(data.get(read..)?, &mut plain, FlushDecompress::None);
        let stuck = inflater.total_in() as usize == read && plain.len() == written;
        let done = !matches!(result, Ok(flate2::Status::Ok));
        if done || stuck || plain.len() >= AUDIT_DECODED_BYTES_MAX {
            return (!plain.is_empty()).then_some((plain, inflater.total_in() as usize));
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
        each(haystack, &mut |sight| {
            let at = memmem::find(sight.bytes, needle.as_bytes()).map(|at| at..at + needle.len());
            if found.is_none() && at.is_some_and(|at| sight.is_news(&at)) {
                found = Some(sight.names().join(" "));
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
            (
                "chunked",
                "\r\n9\r\nAnna B\u{e4}c\r\n13;\r\n\r\n0\r\n"
                    .replace("13;\r\n", "13\r\nker <anna@x.example>")
                    .into_bytes(),
            ),
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
        each(&bomb, &mut |sight| assert!(sight.bytes.len() <= 2 * AUDIT_DECODED_BYTES_MAX + bomb.len() * 6));
    }
}
