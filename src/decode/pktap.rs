//! PKTAP, Apple's captures of several interfaces: LINKTYPE_PKTAP.

use super::walker::{Next, Walker};

/// Length, record type, link type (all little-endian), then interface, process names and ids of the capturing host.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("pktap");
    let &[a, b, c, d, _, _, _, _, e, f, g, h] = w.keep()?;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    w.skip(length.checked_sub(12)?, "pktap")?;
    Some(Next::Link(u32::from_le_bytes([e, f, g, h])))
}
