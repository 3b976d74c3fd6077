//! VXLAN (RFC 7348).

use super::walker::{Next, Walker};

/// Whether a UDP payload is plainly VXLAN: the network id is there, and reserved bits are zero.
pub(super) fn fits(payload: &[u8]) -> bool {
    payload.len() >= 8 + 14 && matches!(payload, [8, 0, 0, 0, _, _, _, 0, ..])
}

/// Flags and network id, then Ethernet.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("vxlan");
    w.keep::<8>()?;
    Some(Next::Link(1))
}
