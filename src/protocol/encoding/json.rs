//! JSON string escapes, RFC 8259 §7.

use super::{Escape, hex_digit, is_upper_hex, single_char};

/// What stands behind the backslash, and for what.
const SHORT: &[(u8, char)] = &[
    (b'"', '"'),
    (b'\\', '\\'),
    (b'/', '/'),
    (b'b', '\u{8}'),
    (b'f', '\u{c}'),
    (b'n', '\n'),
    (b'r', '\r'),
    (b't', '\t'),
];

pub(super) fn escape_at(raw: &[u8]) -> Option<Escape> {
    let &letter = raw.get(1)?;
    if letter != b'u' {
        return SHORT.iter().find(|(short, _)| *short == letter).map(|&(_, c)| Escape::char(2, c));
    }
    let unit = unit_at(raw)?;
    if let Some(c) = char::from_u32(unit) {
        return Some(Escape::char(6, c));
    }
    // A surrogate: valid only as the first of a pair.
    let low = unit_at(raw.get(6..)?)?;
    let pair = [u16::try_from(unit).ok()?, u16::try_from(low).ok()?];
    let c = char::decode_utf16(pair).next()?.ok()?;
    Some(Escape::char(12, c))
}

fn unit_at(raw: &[u8]) -> Option<u32> {
    let digits = raw.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, &digit| Some((unit << 4) | char::from(digit).to_digit(16)?))
}

pub(super) fn escape_like(old: &[u8], new: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(c) = single_char(new) else { return false };
    if old.len() == 2 {
        let Some((letter, _)) = SHORT.iter().find(|(_, short)| *short == c) else { return false };
        out.extend_from_slice(&[b'\\', *letter]);
        return true;
    }
    let upper = is_upper_hex(old);
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.extend_from_slice(b"\\u");
        out.extend([12, 8, 4, 0].map(|shift| hex_digit(u32::from(*unit) >> shift, upper)));
    }
    true
}
