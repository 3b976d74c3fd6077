//! MAC addresses: the group and the locally-administered bit stay, and so do addresses that protocols define.

use super::{Addresses, among, number, octet};
use crate::mask::keyring::permute;
use crate::mask::slots::Slot;

/// Locally administered: no vendor's.
const LOCAL: u8 = 2;

impl Addresses {
    /// The pseudonym of a MAC address. Its low 24 bits depend on its low 24 bits only, as IPv6's neighbour discovery
    /// wants it (RFC 4291 §2.7.1, RFC 2464 §7); the rest depends on all of it.
    pub(in crate::mask) fn mac(&self, address: [u8; 6]) -> [u8; 6] {
        let [a, b, c, x, y, z] = address;
        if let [0x33, 0x33, 0xff] = [a, b, c] {
            let [x, y, z] = self.low([x, y, z]);
            return [a, b, c, x, y, z];
        }
        if is_reserved([a, b, c]) {
            return address;
        }
        let bits = a & 3;
        if self.recognisable.vendors && bits & LOCAL == 0 {
            let [x, y, z] = self.low([x, y, z]);
            return [a, b, c, x, y, z];
        }
        let mut slots = [top(a >> 2), octet(b), octet(c)];
        let tweak = u64::from(u32::from_be_bytes([bits, x, y, z]));
        permute(&self.mac, tweak, &mut slots, |slots| !is_reserved(high(slots, bits)));
        let [a, b, c] = high(&slots, bits);
        let [x, y, z] = self.low([x, y, z]);
        [a, b, c, x, y, z]
    }

    /// The low 24 bits of a MAC or IPv6 address; the leading zero nibbles of each octet stay.
    pub(super) fn low(&self, low: [u8; 3]) -> [u8; 3] {
        let mut slots = low.map(octet);
        permute(&self.low, 0, &mut slots, |_| true);
        let mut image = [0; 3];
        for (octet, slot) in image.iter_mut().zip(&slots) {
            *octet = number(slot) as u8;
        }
        image
    }
}

/// Blocks that protocols define: IANA's (VRRP), IPv4 and IPv6 multicast, broadcast, and groups of bridges, switches,
/// clocks and field buses.
fn is_reserved(high: [u8; 3]) -> bool {
    matches!(
        high,
        [0x00 | 0x01, 0x00, 0x5e]
            | [0x33, 0x33, _]
            | [0xff, 0xff, 0xff]
            | [0x01, 0x80, 0xc2]
            | [0x01, 0x00, 0x0c | 0x81]
            | [0x01, 0x1b, 0x19]
            | [0x01, 0x0c, 0xcd]
            | [0x01, 0x0e, 0xcf]
            | [0x01, 0xe0, 0x52]
            | [0x03 | 0xab | 0xcf, 0x00, 0x00]
            | [0x09, 0x00, 0x07 | 0x2b]
    )
}

/// The six high bits of the first octet. The leading zero nibbles stay, also those of the octet with its
/// locally-administered bit flipped, as it stands in an EUI-64 interface id.
fn top(bits: u8) -> Slot {
    match bits {
        0 => among(0, 0, 0),
        1..4 => among(1, 3, bits.into()),
        _ => among(4, 63, bits.into()),
    }
}

fn high(slots: &[Slot], bits: u8) -> [u8; 3] {
    let mut high = [0; 3];
    for (octet, slot) in high.iter_mut().zip(slots) {
        *octet = number(slot) as u8;
    }
    high[0] = high[0] << 2 | bits;
    high
}
