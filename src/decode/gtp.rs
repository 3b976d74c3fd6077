//! GTP-U version 1 (3GPP TS 29.281): user packets between mobile network nodes.

use super::walker::{Next, Walker};

/// Any of the optional fields is there: then all of them are.
const OPTIONAL: u8 = 0x07;
const EXTENSION: u8 = 0x04;

/// Whether a UDP payload is plainly a user packet: version 1, GTP and not GTP', type 255, nothing beyond its length.
pub(super) fn fits(payload: &[u8]) -> bool {
    match *payload {
        [0x30..0x38, 0xff, high, low, ..] => payload.len() <= 8 + usize::from(u16::from_be_bytes([high, low])),
        _ => false,
    }
}

/// Flags, type, length, tunnel id, optional fields with extension headers, then IP.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("gtp");
    let &[flags, _, _, _] = w.keep()?;
    w.tunnel_id(4)?;
    if flags & OPTIONAL != 0 {
        let &[_, _, _, mut extension] = w.keep()?;
        while flags & EXTENSION != 0 && extension != 0 {
            let words = usize::from(w.keep::<1>()?[0]);
            w.skip((words * 4).checked_sub(2)?, "gtp extension")?;
            extension = w.keep::<1>()?[0];
        }
    }
    Some(Next::Ip)
}
