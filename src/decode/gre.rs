//! GRE (RFC 2784, RFC 2890; version 1 of PPTP, RFC 2637), with ERSPAN behind it.

use super::walker::{Next, Walker};

const CHECKSUM: u8 = 0x80;
const ROUTING: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
const ERSPAN_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
/// In the second byte, version 1 only.
const ACKNOWLEDGEMENT: u8 = 0x80;

/// Whether a UDP payload is plainly GRE (RFC 8086): version 0, no reserved bit, a type that we go on from.
pub(super) fn fits(payload: &[u8]) -> bool {
    match *payload {
        [flags, 0, high, low, ..] if flags & 0x4f == 0 => {
            matches!(u16::from_be_bytes([high, low]), 0x6558 | 0x0800 | 0x86dd)
        }
        _ => false,
    }
}

/// Flags, type, and the fields that flags announce.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("gre");
    let start = w.at;
    let &[flags, version] = w.keep()?;
    let protocol = w.keep_u16()?;
    if flags & ROUTING != 0 || version & 7 > 1 {
        return w.stop("gre");
    }
    if flags & CHECKSUM != 0 {
        w.checksum(start, None)?;
        w.keep::<2>()?;
    }
    let point_to_point = version & 7 == 1;
    match flags & KEY != 0 {
        // Payload length and call.
        true if point_to_point => drop(w.keep::<4>()?),
        true => w.tunnel_id(4)?,
        false => {}
    }
    let acknowledged = point_to_point && version & ACKNOWLEDGEMENT != 0;
    for present in [flags & SEQUENCE != 0, acknowledged] {
        if present {
            w.keep::<4>()?;
        }
    }
    match protocol {
        ERSPAN_II if flags & SEQUENCE != 0 => erspan(w, 8),
        // Without a sequence number it is type I: no header at all.
        ERSPAN_II => erspan(w, 0),
        ERSPAN_III => erspan(w, 12),
        _ if w.rest().is_empty() => None,
        _ => Some(Next::EtherType(protocol)),
    }
}

/// An ERSPAN header of `len` bytes (type II: 8, type III: 12 and perhaps more), then Ethernet.
fn erspan(w: &mut Walker<'_>, len: usize) -> Option<Next> {
    w.layer("erspan");
    let platform = len == 12 && w.rest().get(11).is_some_and(|flags| flags & 1 != 0);
    for _ in 0..len / 4 {
        w.keep::<4>()?;
    }
    if platform {
        w.skip(8, "erspan platform")?;
    }
    Some(Next::Link(1))
}
