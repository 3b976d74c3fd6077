//! BSD loopback: LINKTYPE_NULL (the capturing host's byte order) and LINKTYPE_LOOP (network order).

use super::walker::{Next, Walker};

/// A 32-bit address family in either byte order: all that matter are below 2^16.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("null");
    let family = match *w.keep::<4>()? {
        [low, high, 0, 0] => u16::from_le_bytes([low, high]),
        [0, 0, high, low] => u16::from_be_bytes([high, low]),
        _ => return w.stop("address family"),
    };
    match family {
        // AF_INET; AF_INET6 of NetBSD and OpenBSD, FreeBSD, macOS, Linux.
        2 | 24 | 28 | 30 | 10 => Some(Next::Ip),
        _ => w.stop("address family"),
    }
}
