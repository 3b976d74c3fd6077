//! ICMP for IPv4 (RFC 792). Errors quote the packet that they are about.

use super::walker::{Next, Walker};

/// Type, code, checksum, then what the type says.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("icmp");
    let start = w.at;
    let &[kind, _] = w.keep()?;
    w.checksum(start, None)?;
    match kind {
        // Echo: identifier and sequence number.
        0 | 8 => {
            w.keep::<4>()?;
            w.stop("icmp data")
        }
        // Unreachable, time exceeded, parameter problem: the quote's length in words (RFC 4884), pointer or MTU.
        3 | 11 | 12 => {
            let &[_, words, _, _] = w.keep()?;
            quote(w, usize::from(words) * 4)
        }
        4 => {
            w.keep::<4>()?;
            quote(w, 0)
        }
        // Redirect: the gateway.
        5 => {
            w.ipv4()?;
            quote(w, 0)
        }
        // Router advertisement (RFC 1256): addresses with preferences.
        9 => {
            w.keep::<4>()?;
            while w.ipv4().and_then(|_| w.keep::<4>()).is_some() {}
            None
        }
        _ => w.stop("icmp data"),
    }
}

/// A quoted packet, of which `length` bytes are given; 0 when the error does not say.
pub(super) fn quote(w: &mut Walker<'_>, length: usize) -> Option<Next> {
    // Errors with extensions (RFC 4884) quote at least 128 bytes; below, the field is not a length.
    if !w.quoted && (128..w.rest().len()).contains(&length) {
        w.quote_to(w.at + length);
    }
    w.quoted = true;
    Some(Next::Ip)
}

/// What stands behind a quoted packet (RFC 4884): version, checksum, then objects of length, class and type.
pub(super) fn extension(w: &mut Walker<'_>) -> Option<()> {
    let start = w.at;
    w.keep::<2>()?;
    w.checksum(start, None)?;
    loop {
        let &[high, low, class, kind] = w.keep()?;
        let length = usize::from(u16::from_be_bytes([high, low])).checked_sub(4)?;
        w.within(length, "icmp extension", |w| match class {
            // MPLS labels (RFC 4950), the last one marked as such.
            1 if is_label_stack(w.rest()) => w.keep_rest(),
            2 => interface(w, kind),
            _ => None,
        })?;
    }
}

fn is_label_stack(bytes: &[u8]) -> bool {
    let (entries, odd) = bytes.as_chunks::<4>();
    let is_last = |entry: &[u8; 4]| entry[2] & 1 == 1;
    odd.is_empty() && entries.split_last().is_some_and(|(last, others)| is_last(last) && !others.iter().any(is_last))
}

/// An interface (RFC 5837): index, address, then its name, which is not kept.
fn interface(w: &mut Walker<'_>, present: u8) -> Option<()> {
    if present & 8 != 0 {
        w.keep::<4>()?;
    }
    if present & 4 != 0 {
        match w.keep()? {
            [0, 1, _, _] => drop(w.ipv4()?),
            [0, 2, _, _] => drop(w.ipv6()?),
            _ => {}
        }
    }
    None
}
