//! ICMP for IPv6 (RFC 4443), with multicast listener discovery (RFC 2710, RFC 3810).

use super::walker::{Next, Walker};
use super::{icmp, ndp};

/// Type, code, checksum, then what the type says.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("icmpv6");
    let start = w.at;
    let &[kind, _] = w.keep()?;
    w.checksum(start, w.pseudo(58, start))?;
    match kind {
        // Unreachable and time exceeded say the quote's length in units of 8 bytes (RFC 4884).
        1 | 3 => {
            let &[units, _, _, _] = w.keep()?;
            icmp::quote(w, usize::from(units) * 8)
        }
        // Packet too big, parameter problem.
        2 | 4 => {
            w.keep::<4>()?;
            icmp::quote(w, 0)
        }
        // Echo: identifier and sequence number.
        128 | 129 => {
            w.keep::<4>()?;
            w.stop("icmp data")
        }
        130..=132 => listener(w),
        133..=137 => ndp::walk(w, kind),
        143 => listener_report(w),
        _ => w.stop("icmp data"),
    }
}

/// MLD queries, and reports of version 1: delay, group, and in version 2 queries flags and sources.
fn listener(w: &mut Walker<'_>) -> Option<Next> {
    w.keep::<4>()?;
    w.ipv6()?;
    if !w.rest().is_empty() {
        w.keep::<2>()?;
        let sources = w.keep_u16()?;
        w.many(sources.into(), Walker::ipv6)?;
    }
    w.stop("icmp data")
}

/// MLD reports of version 2: records of group, sources and auxiliary words.
fn listener_report(w: &mut Walker<'_>) -> Option<Next> {
    w.keep::<2>()?;
    for _ in 0..w.keep_u16()? {
        let &[_, auxiliary] = w.keep()?;
        let sources = w.keep_u16()?;
        w.ipv6()?;
        w.many(sources.into(), Walker::ipv6)?;
        w.skip(usize::from(auxiliary) * 4, "icmp data")?;
    }
    w.stop("icmp data")
}
