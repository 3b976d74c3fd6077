//! IPv6 and its extension headers (RFC 8200), the authentication header (RFC 4302).

use super::walker::{Addresses, Next, Walker};

/// The fixed header. A payload length of zero means a jumbogram (RFC 2675) or segmentation offload.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("ipv6");
    let header = w.at;
    w.keep::<1>()?;
    w.flow_label()?;
    let &[high, low, next, _] = w.keep()?;
    match u16::from_be_bytes([high, low]) {
        0 => w.unbound(),
        length => w.bound(w.at + 32 + usize::from(length)),
    }
    let src = w.ipv6()?;
    let dst = w.ipv6()?;
    w.addresses = Some(Addresses { header, src, dst, len: 16 });
    Some(Next::Protocol(next))
}

/// Hop-by-hop or destination options.
pub(super) fn options(w: &mut Walker<'_>) -> Option<Next> {
    let start = w.at;
    let &[next, units] = w.keep()?;
    let mut jumbo = None;
    w.within(usize::from(units) * 8 + 6, "ipv6 option", |w| {
        while let [kind, rest @ ..] = w.rest() {
            match (kind, rest) {
                (0, _) => drop(w.keep::<1>()?),
                (1, &[length, ..]) => w.within(usize::from(length) + 2, "padding", |w| w.keep::<2>().map(drop))?,
                (_, &[length, ..]) => {
                    w.within(usize::from(length) + 2, "ipv6 option", |w| option(w, *kind, &mut jumbo))?
                }
                _ => return None,
            }
        }
        Some(())
    })?;
    if let Some(length @ 0x1_0000..) = jumbo {
        w.bound(start + length as usize);
    }
    Some(Next::Protocol(next))
}

/// One option; it ends where the layer ends.
fn option(w: &mut Walker<'_>, kind: u8, jumbo: &mut Option<u32>) -> Option<()> {
    let &[_, length] = w.keep()?;
    match (kind, length) {
        // Tunnel encapsulation limit (RFC 2473), router alert (RFC 2711).
        (4, 1) | (5, 2) => w.keep_rest()?,
        (0xc2, 4) => *jumbo = w.keep().copied().map(u32::from_be_bytes),
        // Home address (RFC 6275): counts as the source.
        (0xc9, 16) => {
            let home = w.ipv6()?;
            w.addresses.as_mut()?.src = home;
        }
        _ => {}
    }
    Some(())
}

/// A routing header. While segments are left, the final destination stands in it.
pub(super) fn routing(w: &mut Walker<'_>) -> Option<Next> {
    let &[next, units, kind, segments_left] = w.keep()?;
    let data = usize::from(units) * 8 + 4;
    let mut last = None;
    w.within(data, "routing header", |w| {
        match kind {
            // Source route (RFC 5095 forbids it), mobility: the last address is the final one.
            0 | 2 => {
                w.keep::<4>()?;
                while let Some(address) = w.ipv6() {
                    last = Some(address);
                }
            }
            // Segment routing (RFC 8754): the first one is; options may follow.
            4 => {
                let &[last_entry, _, _, _] = w.keep()?;
                last = w.ipv6();
                w.many(last_entry.into(), Walker::ipv6)?;
            }
            _ => {}
        }
        Some(())
    })?;
    if let (Some(last), 1.., Some(addresses)) = (last, segments_left, &mut w.addresses) {
        addresses.dst = last;
    }
    Some(Next::Protocol(next))
}

/// A fragment header; a fragment that is the whole packet (RFC 6946) is one.
pub(super) fn fragment(w: &mut Walker<'_>) -> Option<Next> {
    let &[next, _, high, low, a, b, c, d] = w.keep()?;
    let fragment = u16::from_be_bytes([high, low]);
    match fragment & 0xfff9 {
        0 => Some(Next::Protocol(next)),
        _ => w.fragment(0, u32::from_be_bytes([a, b, c, d]), u32::from(fragment & 0xfff8), fragment & 1 != 0),
    }
}

/// An authentication header, of IPv4 too: its check value is a function of what was sent.
pub(super) fn authentication(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("ah");
    let &[next, units, _, _] = w.keep()?;
    w.tunnel_id(4)?;
    w.keep::<4>()?;
    w.skip((usize::from(units) * 4).checked_sub(4)?, "authentication value")?;
    Some(Next::Protocol(next))
}
