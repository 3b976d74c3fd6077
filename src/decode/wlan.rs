//! IEEE 802.11 data frames in the clear, bare or behind radiotap or PPI headers.

use super::walker::{Next, Walker};

/// Radiotap: version, length (little-endian), then what the radio measured.
pub(super) fn radiotap(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("radiotap");
    let &[_, _, low, high] = w.keep()?;
    w.skip(usize::from(u16::from_le_bytes([low, high])).checked_sub(4)?, "radiotap")?;
    Some(Next::Link(105))
}

/// Per-packet information: version, flags, length, link type (little-endian), then fields.
pub(super) fn ppi(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("ppi");
    let &[_, _, low, high, a, b, c, d] = w.keep()?;
    w.skip(usize::from(u16::from_le_bytes([low, high])).checked_sub(8)?, "ppi")?;
    Some(Next::Link(u32::from_le_bytes([a, b, c, d])))
}

/// Frame control, duration, three or four addresses, quality of service, then LLC.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("wlan");
    let &[control, flags, _, _] = w.keep()?;
    let (kind, subtype) = (control >> 2 & 3, control >> 4);
    match kind {
        0 => return management(w),
        1 => return short(w, subtype),
        2 => {}
        _ => return w.stop("wlan extension"),
    }
    for _ in 0..3 {
        w.mac()?;
    }
    w.keep::<2>()?;
    if flags & 3 == 3 {
        w.mac()?;
    }
    let mut aggregate = false;
    if subtype & 8 != 0 {
        let &[quality, _] = w.keep()?;
        aggregate = quality & 0x80 != 0;
        // With quality of service, the order bit announces HT control.
        if flags & 0x80 != 0 {
            w.keep::<4>()?;
        }
    }
    match (flags & 0x40 != 0, aggregate, subtype & 4 != 0) {
        (true, _, _) => w.stop("wlan protected"),
        (_, true, _) => w.stop("wlan aggregate"),
        (_, _, true) => w.stop("wlan no data"),
        _ => Some(Next::Llc),
    }
}

/// Three addresses, sequence control; the rest names networks, stations and their abilities.
fn management(w: &mut Walker<'_>) -> Option<Next> {
    for _ in 0..3 {
        w.mac()?;
    }
    w.keep::<2>()?;
    w.stop("wlan management")
}

/// A control frame: the receiver, and where the subtype has one the transmitter.
fn short(w: &mut Walker<'_>, subtype: u8) -> Option<Next> {
    w.mac()?;
    // Block acknowledgements, power-save poll, request to send, end of contention-free.
    if matches!(subtype, 8..=11 | 14 | 15) {
        w.mac()?;
    }
    w.stop("wlan control")
}
