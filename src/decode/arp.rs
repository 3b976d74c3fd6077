//! ARP (RFC 826) and RARP (RFC 903) for IPv4 over Ethernet.

use super::walker::{Next, Walker};

/// Hardware and protocol types with their lengths, operation, then sender and target.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("arp");
    let types = w.keep()?;
    w.keep::<2>()?;
    let &[0, 1, 8, 0, 6, 4] = types else {
        return w.stop("arp addresses");
    };
    w.bound(w.at + 20);
    for _ in 0..2 {
        w.mac()?;
        w.ipv4()?;
    }
    None
}
