//! MPLS label stack (RFC 3032). Nothing says what it carries; the first nibble tells (RFC 4928).

use super::walker::{Next, Walker};

/// Labels to the bottom of the stack, then IP, or Ethernet behind a control word (RFC 4385).
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("mpls");
    while w.keep::<4>()?[2] & 1 == 0 {}
    match w.rest() {
        [first, ..] if matches!(first >> 4, 4 | 6) => Some(Next::Ip),
        [first, _, _, _, ethernet @ ..] if first >> 4 == 0 && looks_like_ethernet(ethernet) => {
            w.keep::<4>()?;
            Some(Next::Link(1))
        }
        ethernet if looks_like_ethernet(ethernet) => Some(Next::Link(1)),
        _ => w.stop("mpls payload"),
    }
}

/// An EtherType that we go on from stands where it would.
pub(super) fn looks_like_ethernet(bytes: &[u8]) -> bool {
    matches!(bytes.get(12..14), Some([8, 0 | 6] | [0x86, 0xdd] | [0x81, 0] | [0x88, 0xa8]))
}
