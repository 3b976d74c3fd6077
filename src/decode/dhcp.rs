//! BOOTP and DHCP (RFC 2131, RFC 2132): addresses; names, identifiers and what we do not know are not understood.

use super::walker::{Next, Walker};

/// Operation to flags, four addresses, the client's hardware address, server name, file, and what begins the options.
const FIXED_BYTES: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

/// Whether a UDP payload is plainly DHCP.
pub(super) fn fits(payload: &[u8]) -> bool {
    matches!(payload, [1 | 2, _, 0..=16, ..]) && payload.get(FIXED_BYTES - 4..FIXED_BYTES) == Some(&COOKIE)
}

/// The fixed part, then options to their end.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("dhcp");
    let &[_, hardware, len, ..] = w.keep::<12>()?;
    w.many(4, Walker::ipv4)?;
    w.within(16, "dhcp padding", |w| match (hardware, len) {
        (1, 6) => w.mac(),
        _ => w.stop("dhcp hardware address"),
    })?;
    w.skip(64, "dhcp server name")?;
    w.skip(128, "dhcp file")?;
    w.keep::<4>()?;
    while let &[code, ref rest @ ..] = w.rest() {
        match (code, rest) {
            (0, _) => drop(w.keep::<1>()?),
            (255, _) => {
                w.keep::<1>()?;
                return w.stop("dhcp padding");
            }
            (_, &[len, ..]) => {
                w.keep::<2>()?;
                w.within(len.into(), "dhcp option", |w| option(w, code))?;
            }
            _ => return w.stop("dhcp option"),
        }
    }
    None
}

/// The value of one option; it ends where the layer ends.
fn option(w: &mut Walker<'_>, code: u8) -> Option<()> {
    match (code, w.rest()) {
        // Subnet mask, lease time, overload, message type, largest message, renewal and rebinding time.
        (1 | 51 | 58 | 59, [_, _, _, _]) | (52 | 53, [_]) | (57, [_, _]) => w.keep_rest(),
        // Routers, servers of time, names, logs, printers, …; broadcast, requested address, server.
        (3..=11 | 28 | 33 | 41 | 42 | 44 | 45 | 48..=50 | 54 | 65 | 68..=76 | 138 | 150, _) => {
            while w.ipv4().is_some() {}
            Some(())
        }
        // The client's identifier is its Ethernet address, mostly.
        (61, [1, _, _, _, _, _, _]) => {
            w.keep::<1>()?;
            w.mac()
        }
        _ => None,
    }
}
