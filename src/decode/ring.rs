//! Token Ring (IEEE 802.5) and FDDI (ISO 9314-2): addresses as on Ethernet, then LLC.

use super::walker::{Next, Walker};

/// The first bit of a source address announces routing information.
const ROUTED: u8 = 0x80;

/// Access control, frame control, addresses, routing information, then LLC.
pub(super) fn token_ring(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("tokenring");
    let &[_, control] = w.keep()?;
    w.mac()?;
    let routed = w.rest().first()? & ROUTED != 0;
    w.mac()?;
    if routed {
        let length = usize::from(w.rest().first()? & 0x1f);
        w.skip(length, "source route")?;
    }
    match control & 0xc0 {
        0x40 => Some(Next::Llc),
        _ => w.stop("tokenring control"),
    }
}

/// Frame control, addresses, then LLC.
pub(super) fn fddi(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("fddi");
    let &[control] = w.keep()?;
    w.mac()?;
    w.mac()?;
    match control & 0x30 {
        0x10 => Some(Next::Llc),
        _ => w.stop("fddi control"),
    }
}
