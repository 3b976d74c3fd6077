//! L2TP version 2 over UDP (RFC 2661), version 3 over IP and UDP (RFC 3931).

use super::mpls;
use super::walker::{Next, Walker};

const CONTROL: u8 = 0x80;
const LENGTH: u8 = 0x40;
const SEQUENCE: u8 = 0x08;
const OFFSET: u8 = 0x02;

/// Whether a UDP payload is plainly L2TP: version 2 or 3, reserved bits zero, and of version 2 the length that is there.
pub(super) fn fits(payload: &[u8]) -> bool {
    match *payload {
        [flags, 2, high, low, ..] if flags & 0x34 == 0 => {
            flags & LENGTH == 0 || usize::from(u16::from_be_bytes([high, low])) == payload.len()
        }
        [0 | 0xc8, 3, ..] => payload.len() >= 12,
        _ => false,
    }
}

/// Over UDP: flags and version say what follows.
pub(super) fn over_udp(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("l2tp");
    let &[flags, version] = w.keep()?;
    match (version & 0x0f, flags & CONTROL != 0) {
        (2, false) => version2(w, flags),
        (3, false) => {
            w.keep::<6>()?;
            pseudowire(w)
        }
        _ => control(w),
    }
}

/// Over IP: a session, or 0 for a control message.
pub(super) fn over_ip(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("l2tp");
    match w.keep()? {
        [0, 0, 0, 0] => {
            w.keep::<2>()?;
            control(w)
        }
        _ => pseudowire(w),
    }
}

/// Length, connection or tunnel and session, sequence numbers; then attributes, among them names and secrets.
fn control(w: &mut Walker<'_>) -> Option<Next> {
    w.keep::<10>()?;
    w.stop("l2tp control")
}

/// Perhaps a length, tunnel and session, perhaps sequence numbers and padding, then PPP.
fn version2(w: &mut Walker<'_>, flags: u8) -> Option<Next> {
    for present in [flags & LENGTH != 0, true, true, flags & SEQUENCE != 0, flags & SEQUENCE != 0] {
        if present {
            w.keep::<2>()?;
        }
    }
    if flags & OFFSET != 0 {
        let padding = w.keep_u16()?;
        w.skip(padding.into(), "padding")?;
    }
    Some(Next::Link(9))
}

/// A cookie and a sublayer of a length that no packet tells, then Ethernet, if that can be seen.
fn pseudowire(w: &mut Walker<'_>) -> Option<Next> {
    let rest = w.rest();
    let ethernet = |&before: &usize| rest.get(before..).is_some_and(mpls::looks_like_ethernet);
    match [0, 4, 8, 12].iter().find(|before| ethernet(before)) {
        Some(&before) => {
            w.skip(before, "l2tp cookie")?;
            Some(Next::Link(1))
        }
        None => w.stop("l2tp payload"),
    }
}
