//! ARCnet (RFC 1201, RFC 1051), as BSD and Linux capture it.

use super::arp;
use super::walker::{Next, Walker};

/// LINKTYPE_ARCNET_BSD: stations, then the type.
pub(super) fn bsd(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("arcnet");
    w.skip(2, "link address")?;
    payload(w)
}

/// LINKTYPE_ARCNET_LINUX: stations, where the payload stood in the card's buffer, then the type.
pub(super) fn linux(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("arcnet");
    w.skip(2, "link address")?;
    w.keep::<2>()?;
    payload(w)
}

/// RFC 1051 puts the payload behind the type; RFC 1201 has a flag and a sequence number before it, and may cut it.
fn payload(w: &mut Walker<'_>) -> Option<Next> {
    match w.keep::<1>()?[0] {
        0xf0 => Some(Next::Ip),
        0xf1 => arp::walk(w),
        kind @ (0xd4 | 0xd5 | 0xc4) => match w.rest() {
            [0, ..] => {
                w.keep::<3>()?;
                if kind == 0xd5 { arp::walk(w) } else { Some(Next::Ip) }
            }
            _ => w.stop("arcnet fragment"),
        },
        _ => w.stop("arcnet type"),
    }
}
