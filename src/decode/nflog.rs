//! LINKTYPE_NFLOG: attributes in the capturing host's byte order, one of which is an IP packet.

use super::walker::{Next, Walker};

const PAYLOAD: u16 = 9;

/// Family, version, resource id, then attributes of length, type and data, padded to four bytes.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("nflog");
    let &[family, _, _, _] = w.keep()?;
    loop {
        let &[a, b, c, d] = w.keep()?;
        // No attribute type is beyond 255, so the order shows in it.
        let (length, kind) = match (c, d) {
            (0, kind) if kind != 0 => (u16::from_be_bytes([a, b]), u16::from(kind)),
            _ => (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])),
        };
        let data = usize::from(length).checked_sub(4);
        match (kind, data) {
            (_, None) => return w.stop("malformed"),
            (PAYLOAD, Some(data)) => {
                w.bound(w.at + data);
                // AF_INET, AF_INET6 of Linux.
                return if matches!(family, 2 | 10) { Some(Next::Ip) } else { w.stop("address family") };
            }
            (_, Some(data)) => w.skip(data.next_multiple_of(4), "nflog attribute")?,
        }
    }
}
