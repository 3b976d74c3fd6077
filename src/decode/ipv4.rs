//! IPv4 (RFC 791).

use super::walker::{Addresses, Next, Walker};

/// The header with its options; what is beyond the total length is a trailer.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("ip");
    let start = w.at;
    let &[version, _, total_high, total_low, id_high, id_low, fragment_high, fragment_low, _, protocol] = w.keep()?;
    let header = usize::from(version & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([total_high, total_low]));
    if header < 20 || (1..header).contains(&total) {
        return w.stop("malformed");
    }
    match total {
        0 => w.unbound(),
        _ => w.bound(start + total),
    }
    w.checksum_of(start..start + header, None, false)?;
    let src = w.ipv4()?;
    let dst = w.ipv4()?;
    w.addresses = Some(Addresses { header: start, src, dst, len: 4 });
    w.within(header - 20, "padding", options)?;
    let (id, fragment) = (u16::from_be_bytes([id_high, id_low]), u16::from_be_bytes([fragment_high, fragment_low]));
    match fragment & 0x3fff {
        0 => Some(Next::Protocol(protocol)),
        _ => w.fragment(protocol, id.into(), u32::from(fragment & 0x1fff) * 8, fragment & 0x2000 != 0),
    }
}

fn options(w: &mut Walker<'_>) -> Option<()> {
    while let [kind, rest @ ..] = w.rest() {
        match (kind, rest) {
            (0, _) => return w.keep::<1>().map(drop),
            (1, _) => drop(w.keep::<1>()?),
            (_, &[length, ..]) if (2..=w.rest().len()).contains(&length.into()) => {
                w.within(length.into(), "ip option", |w| option(w, *kind))?;
            }
            _ => return w.stop("ip option"),
        }
    }
    Some(())
}

/// One option; it ends where the layer ends.
fn option(w: &mut Walker<'_>, kind: u8) -> Option<()> {
    let &[_, length] = w.keep()?;
    match kind {
        // Record route, loose and strict source route: a pointer to the next slot, from 1.
        7 | 131 | 137 => {
            let pointer = w.keep::<1>()?[0];
            while let Some(slot) = w.ipv4() {
                if kind != 7 && pointer <= length {
                    final_destination(w, slot);
                }
            }
        }
        // Timestamps, alone (flag 0) or with addresses; nobody but the address says whose clock it is, so none is kept.
        68 => {
            let &[_, flag] = w.keep()?;
            if flag & 0x0f != 0 {
                while w.ipv4().and_then(|_| w.skip(4, "ip option")).is_some() {}
            }
        }
        // Router alert (RFC 2113).
        148 if length == 4 => w.keep_rest()?,
        _ => {}
    }
    Some(())
}

/// A packet still on its source route has its final destination in the last slot; checksums and flows go by that.
fn final_destination(w: &mut Walker<'_>, slot: usize) {
    if let Some(addresses) = &mut w.addresses {
        addresses.dst = slot;
    }
}
