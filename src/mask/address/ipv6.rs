//! IPv6: permuted inside the class, the leading zero nibbles of each group stay (so `::` stays where it is).
//!
//! Embedded IPv4 addresses follow the IPv4 map (and keep their length in decimal, not in hexadecimal), EUI-64 interface
//! ids the MAC map, and the low 24 bits of every address a map of their own, so that solicited-node groups agree with
//! the addresses they are made of.

use std::ops::Range;

use super::{Addresses, among, number, octet};
use crate::mask::keyring::permute;
use crate::mask::slots::Slot;

/// Octets of the network's part, where interface ids have the other half.
const NETWORK: usize = 8;

/// Where an address may go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `::`, `::1`, multicast, documentation, discard, small link-local ids.
    Fixed,
    /// ff02::1:ff00:0/104 (RFC 4291 §2.7.1)
    SolicitedNode,
    /// ::ffff:0:0/96 and 64:ff9b::/96 (RFC 6052): the low 32 bits are an IPv4 address.
    Ipv4,
    /// 2002::/16 (RFC 3056): bits 16 to 48 are an IPv4 address.
    SixToFour,
    /// 2001::/23: Teredo and other protocol assignments; the first 32 bits stay.
    Protocol,
    /// fe80::/10 and fec0::/10; the first 16 bits stay.
    Local,
    /// fc00::/7 (RFC 4193); the first 8 bits stay.
    Unique,
    /// The rest of 2000::/3.
    Global,
    /// All others.
    Other,
}

impl Class {
    fn of(address: [u16; 8]) -> Class {
        match address {
            [0, 0, 0, 0, 0, 0, 0, _]
            | [0x2001, 0xdb8, ..]
            | [0x3fff, 0..0x1000, ..]
            | [0x100, 0, 0, 0, ..]
            | [0xfe80, 0, 0, 0, 0, 0, 0, _] => Class::Fixed,
            [0xff02, 0, 0, 0, 0, 1, 0xff00..=0xffff, _] => Class::SolicitedNode,
            [0xff00..=0xffff, ..] => Class::Fixed,
            [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Class::Ipv4,
            [0x2002, ..] => Class::SixToFour,
            [0x2001, 0..0x200, ..] => Class::Protocol,
            [0xfe80..0xff00, ..] => Class::Local,
            [0xfc00..0xfe00, ..] => Class::Unique,
            [0x2000..0x4000, ..] => Class::Global,
            _ => Class::Other,
        }
    }

    /// First and last value that the class leaves to a group.
    fn group(self, index: usize, value: u32) -> (u32, u32) {
        match (self, index) {
            (Class::SixToFour | Class::Local | Class::Protocol, 0) | (Class::Protocol, 1) => (value, value),
            (Class::SixToFour, 1 | 2) => (value, value),
            (Class::Unique, 0) => (value & 0xff00, value | 0xff),
            (Class::Global, 0) => (0x2000, 0x3fff),
            _ => (0, 0xffff),
        }
    }
}

impl Addresses {
    /// The pseudonym of an IPv6 address.
    pub(in crate::mask) fn ipv6(&self, address: [u8; 16]) -> [u8; 16] {
        let mut image = address;
        let class = Class::of(groups(address));
        match class {
            Class::Fixed => return address,
            Class::SolicitedNode => {}
            Class::Ipv4 => {
                self.embedded(&mut image[12..]);
                return image;
            }
            Class::SixToFour => {
                self.embedded(&mut image[2..6]);
                self.host(class, &mut image);
            }
            _ => self.host(class, &mut image),
        }
        let [.., x, y, z] = address;
        image[13..].copy_from_slice(&self.low([x, y, z]));
        image
    }

    fn embedded(&self, ipv4: &mut [u8]) {
        let mut address = [0; 4];
        address.copy_from_slice(ipv4);
        ipv4.copy_from_slice(&self.ipv4(address));
    }

    /// Maps all but the low 24 bits.
    fn host(&self, class: Class, image: &mut [u8; 16]) {
        let first = match self.recognisable.prefixes {
            true => {
                self.network(class, image);
                NETWORK
            }
            false => 0,
        };
        match eui64(image) {
            Some(mac) => {
                let [a, b, c, ..] = self.mac(mac);
                [image[8], image[9], image[10]] = [a ^ 2, b, c];
                let tweak = mac.iter().fold(class as u64, |sum, &o| sum << 8 | u64::from(o));
                self.high(class, tweak, image, first..NETWORK);
            }
            None => {
                let tweak = u64::from(u32::from_be_bytes([0, image[13], image[14], image[15]]));
                self.high(class, (class as u64) << 24 | tweak, image, first..13);
            }
        }
    }

    /// Maps the network's octets by their prefixes.
    fn network(&self, class: Class, image: &mut [u8; 16]) {
        let host = *image;
        let is_accepted = |candidate: [u16; 4]| {
            let mut whole = groups(host);
            whole[..4].copy_from_slice(&candidate);
            Class::of(whole) == class
        };
        let [a, b, c, d, ..] = groups(host);
        let network = self.prefixed([a, b, c, d], is_accepted, |at, value| group(class, at, value));
        image[..NETWORK].chunks_exact_mut(2).zip(network).for_each(|(octets, group)| {
            octets.copy_from_slice(&group.to_be_bytes());
        });
    }

    /// Permutes the octets `at`, which begin with a group, inside the class, apart from EUI-64 interface ids.
    fn high(&self, class: Class, tweak: u64, image: &mut [u8; 16], at: Range<usize>) {
        let groups_of = groups(*image);
        let whole = at.start / 2..at.end / 2;
        let mut slots: Vec<Slot> = whole.clone().map(|index| group(class, index, groups_of[index].into())).collect();
        if at.end % 2 == 1 {
            slots.push(octet(image[at.end - 1]));
        }
        let is_eui64 = eui64(image).is_some();
        let write = |slots: &[Slot], image: &mut [u8; 16]| {
            for (index, slot) in whole.clone().zip(slots) {
                let group = (number(slot) as u16).to_be_bytes();
                image[2 * index..2 * index + 2].copy_from_slice(&group);
            }
            if let Some(last) = slots.get(whole.len()) {
                image[at.end - 1] = number(last) as u8;
            }
        };
        permute(&self.ipv6, tweak, &mut slots, |slots| {
            let mut candidate = *image;
            write(slots, &mut candidate);
            Class::of(groups(candidate)) == class && eui64(&candidate).is_some() == is_eui64
        });
        write(&slots, image);
    }
}

/// The values of a group that have as many leading zero nibbles as this one, inside the class.
fn group(class: Class, index: usize, value: u32) -> Slot {
    let (least, most) = match value {
        0 => (0, 0),
        0x1..0x10 => (0x1, 0xf),
        0x10..0x100 => (0x10, 0xff),
        0x100..0x1000 => (0x100, 0xfff),
        _ => (0x1000, 0xffff),
    };
    let (first, last) = class.group(index, value);
    among(first.max(least), last.min(most), value)
}

/// The MAC address inside an EUI-64 interface id (RFC 4291, appendix A).
fn eui64(address: &[u8; 16]) -> Option<[u8; 6]> {
    match address[8..] {
        [a, b, c, 0xff, 0xfe, x, y, z] => Some([a ^ 2, b, c, x, y, z]),
        _ => None,
    }
}

fn groups(address: [u8; 16]) -> [u16; 8] {
    std::net::Ipv6Addr::from(address).segments()
}
