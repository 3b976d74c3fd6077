//! Percent escapes, RFC 3986 §2.1.

use super::{Escape, hex_digit, is_upper_hex};

pub(super) fn escape_at(raw: &[u8]) -> Option<Escape> {
    let &[b'%', high, low, ..] = raw else { return None };
    let byte = (char::from(high).to_digit(16)? << 4) | char::from(low).to_digit(16)?;
    Some(Escape::byte(3, byte as u8))
}

pub(super) fn escape_like(old: &[u8], new: &[u8], out: &mut Vec<u8>) -> bool {
    // Most writers use capitals; digits alone do not tell.
    let upper = is_upper_hex(old) || !old.iter().any(u8::is_ascii_lowercase);
    let &[byte] = new else { return false };
    out.extend_from_slice(&[b'%', hex_digit(u32::from(byte) >> 4, upper), hex_digit(u32::from(byte), upper)]);
    true
}
