//! IPv4: private ranges stay themselves, public stays public, special ones stay as they are (RFC 6890).

use super::{Addresses, among, number};
use crate::mask::keyring::permute;
use crate::mask::slots::Slot;

/// Where an address may go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Loopback, link-local, multicast, documentation, benchmark, class E …: protocol constants, no hosts of anybody's.
    Fixed,
    /// 10/8
    Private10,
    /// 172.16/12
    Private172,
    /// 192.168/16
    Private192,
    /// 100.64/10 (RFC 6598)
    Shared,
    /// All others.
    Public,
}

impl Class {
    fn of(address: [u8; 4]) -> Class {
        match address {
            [0 | 127 | 224.., ..]
            | [169, 254, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _] => Class::Fixed,
            [10, ..] => Class::Private10,
            [172, 16..32, ..] => Class::Private172,
            [192, 168, ..] => Class::Private192,
            [100, 64..128, ..] => Class::Shared,
            _ => Class::Public,
        }
    }

    /// First and last value of each octet.
    fn octets(self) -> [(u32, u32); 4] {
        let any = (0, 255);
        match self {
            Class::Private10 => [(10, 10), any, any, any],
            Class::Private172 => [(172, 172), (16, 31), any, any],
            Class::Private192 => [(192, 192), (168, 168), any, any],
            Class::Shared => [(100, 100), (64, 127), any, any],
            Class::Fixed | Class::Public => [any; 4],
        }
    }
}

impl Addresses {
    /// The pseudonym of an IPv4 address: same class, same number of digits in every octet.
    pub(in crate::mask) fn ipv4(&self, address: [u8; 4]) -> [u8; 4] {
        let class = Class::of(address);
        if class == Class::Fixed {
            return address;
        }
        if self.recognisable.prefixes {
            let within = class.octets();
            return self.prefixed(address, |image| Class::of(image) == class, |at, value| place(value, within[at]));
        }
        let mut slots = [among(0, 0, 0); 4];
        for ((slot, value), within) in slots.iter_mut().zip(address).zip(class.octets()) {
            *slot = place(value.into(), within);
        }
        permute(&self.ipv4, class as u64, &mut slots, |slots| Class::of(octets(slots)) == class);
        octets(&slots)
    }
}

/// The values of an octet that have as many decimal digits as this one.
fn place(value: u32, (first, last): (u32, u32)) -> Slot {
    let (least, most) = match value {
        0..10 => (0, 9),
        10..100 => (10, 99),
        _ => (100, 255),
    };
    among(first.max(least), last.min(most), value)
}

fn octets(slots: &[Slot]) -> [u8; 4] {
    let mut address = [0; 4];
    for (octet, slot) in address.iter_mut().zip(slots) {
        *octet = number(slot) as u8;
    }
    address
}
