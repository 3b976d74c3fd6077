//! Neighbor discovery (RFC 4861) and its options that hold addresses.

use super::walker::{Next, Walker};

/// The message of ICMPv6 type `kind` (133 to 137) behind its checksum.
pub(super) fn walk(w: &mut Walker<'_>, kind: u8) -> Option<Next> {
    // Router advertisement: hop limit, flags, lifetimes. The others: flags or reserved.
    match kind {
        134 => drop(w.keep::<12>()?),
        _ => drop(w.keep::<4>()?),
    }
    match kind {
        135 | 136 => drop(w.ipv6()?),
        137 => w.many(2, Walker::ipv6)?,
        _ => {}
    }
    while let &[kind, units, ..] = w.rest()
        && units > 0
    {
        w.within(usize::from(units) * 8, "ndp option", |w| option(w, kind))?;
    }
    w.stop("ndp option")
}

/// One option; it ends where the layer ends.
fn option(w: &mut Walker<'_>, kind: u8) -> Option<()> {
    let &[_, units] = w.keep()?;
    match (kind, units) {
        // Source and target link-layer address: of Ethernet.
        (1 | 2, 1) => w.mac()?,
        // Prefix: length, flags, lifetimes.
        (3, 4) => {
            w.keep::<14>()?;
            w.ipv6()?;
        }
        // MTU.
        (5, 1) => w.keep_rest()?,
        // Route information (RFC 4191), with a whole prefix.
        (24, 3) => {
            w.keep::<6>()?;
            w.ipv6()?;
        }
        // Name servers (RFC 8106).
        (25, _) => {
            w.keep::<6>()?;
            while w.ipv6().is_some() {}
        }
        _ => {}
    }
    Some(())
}
