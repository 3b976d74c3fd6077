//! ARP (RFC 826) and RARP (RFC 903) for IPv4 over Ethernet and links with other addresses.

use super::walker::{Next, Walker};

/// Hardware and protocol types with their lengths, operation, then sender and target.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("arp");
    let types = w.keep()?;
    w.keep::<2>()?;
    let &[_, _, 8, 0, hardware, 4] = types else {
        return w.stop("arp addresses");
    };
    w.bound(w.at + 2 * (usize::from(hardware) + 4));
    for _ in 0..2 {
        match hardware {
            6 => w.mac()?,
            _ => w.skip(hardware.into(), "link address")?,
        }
        w.ipv4()?;
    }
    None
}
