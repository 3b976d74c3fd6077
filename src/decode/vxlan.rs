//! VXLAN (RFC 7348) and its generic protocol extension (draft-ietf-nvo3-vxlan-gpe).

use super::walker::{Next, Walker};

/// Whether a UDP payload is plainly VXLAN: the network id is there, and reserved bits are zero.
pub(super) fn fits(payload: &[u8]) -> bool {
    payload.len() >= 8 + 14 && matches!(payload, [8, 0, 0, 0, _, _, _, 0, ..])
}

/// Flags and network id, then Ethernet.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("vxlan");
    w.keep::<4>()?;
    w.tunnel_id(3)?;
    w.keep::<1>()?;
    Some(Next::Link(1))
}

/// Whether a UDP payload is plainly VXLAN-GPE around something that we go on from: IPv4, IPv6, Ethernet, NSH.
pub(super) fn fits_generic(payload: &[u8]) -> bool {
    payload.len() >= 8 + 14 && matches!(payload, [0x0c, 0, 0, 1..=4, _, _, _, 0, ..])
}

/// Flags, what comes next, and network id.
pub(super) fn generic(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("vxlan");
    let &[_, _, _, kind] = w.keep()?;
    w.tunnel_id(3)?;
    w.keep::<1>()?;
    match kind {
        3 => Some(Next::Link(1)),
        4 => Some(Next::EtherType(0x894f)),
        _ => Some(Next::Ip),
    }
}
