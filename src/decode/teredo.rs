//! Teredo (RFC 4380): IPv6 in UDP, behind optional authentication and origin indications.

use super::walker::{Next, Walker};

/// Nonce and confirmation at the end of an authentication indication.
const AUTHENTICATION_END: usize = 8 + 1;
/// Type, port and address of an origin indication.
const ORIGIN: usize = 8;

/// Whether a UDP payload is plainly Teredo: an IPv6 header whose length is the rest of the datagram.
pub(super) fn fits(payload: &[u8]) -> bool {
    let packet = match *payload {
        [0, 1, client, value, ..] => behind(payload, 4 + usize::from(client) + usize::from(value) + AUTHENTICATION_END),
        _ => payload,
    };
    let packet = match packet {
        [0, 0, ..] => behind(packet, ORIGIN),
        _ => packet,
    };
    match *packet {
        [0x60..0x70, _, _, _, high, low, ..] => packet.len() == 40 + usize::from(u16::from_be_bytes([high, low])),
        _ => false,
    }
}

fn behind(payload: &[u8], len: usize) -> &[u8] {
    payload.get(len..).unwrap_or_default()
}

/// What indications hold is the client's: its identifier, its port and address, obfuscated. Not kept.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("teredo");
    if let [0, 1, ..] = w.rest() {
        let &[_, _, client, value] = w.keep()?;
        w.skip(usize::from(client) + usize::from(value) + AUTHENTICATION_END, "teredo authentication")?;
    }
    if let [0, 0, ..] = w.rest() {
        w.keep::<2>()?;
        w.skip(ORIGIN - 2, "teredo origin")?;
    }
    Some(Next::Ip)
}
