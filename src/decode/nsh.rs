//! Network service header (RFC 8300).

use super::walker::{Next, Walker};

/// Version, length in words, metadata type, next protocol, service path, context, then what comes next.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("nsh");
    let &[_, length, _, next, _, _, _, _] = w.keep()?;
    // Context is the operator's: tenants, subscribers.
    w.skip((usize::from(length & 0x3f) * 4).checked_sub(8)?, "nsh context")?;
    match next {
        1 | 2 => Some(Next::Ip),
        3 => Some(Next::Link(1)),
        4 => Some(Next::EtherType(0x894f)),
        5 => Some(Next::EtherType(0x8847)),
        _ => w.stop("nsh payload"),
    }
}
