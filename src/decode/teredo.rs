//! Teredo (RFC 4380): IPv6 in UDP, behind an optional origin indication.

use super::walker::{Next, Walker};

/// An origin indication, alone or not: type 0, port, address.
const ORIGIN: usize = 8;

/// Whether a UDP payload is plainly Teredo: an IPv6 header whose length is the rest of the datagram.
pub(super) fn fits(payload: &[u8]) -> bool {
    let packet = match payload {
        [0, 0, ..] => payload.get(ORIGIN..).unwrap_or_default(),
        _ => payload,
    };
    matches!(packet, &[0x60..0x70, _, _, _, high, low, ..] if packet.len() == 40 + usize::from(u16::from_be_bytes([high, low])))
}

/// The indication's port and address are the client's, obfuscated: not kept.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("teredo");
    if let [0, 0, ..] = w.rest() {
        w.keep::<2>()?;
        w.skip(ORIGIN - 2, "teredo origin")?;
    }
    Some(Next::Ip)
}
