//! The classes that addresses are permuted in, and members of each. Shared by tests and the bench.

use std::net::{Ipv4Addr, Ipv6Addr};

use standin::mask::Masker;

/// An address, as a number below 2^128 that says its kind by its class only.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Ipv4,
    Ipv6,
    /// Written in hexadecimal, an IPv4 address inside need not keep its length.
    Ipv6AroundIpv4,
    Mac,
    /// Of 24 bits.
    TunnelId,
}

/// Addresses that become others of the same class.
pub(super) struct Class {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// How many bits of a number make different members.
    bits: u32,
    /// A member, or what a number would be were it one.
    member: fn(u128) -> u128,
    /// By other means than the code under test.
    pub(super) holds: fn(u128) -> bool,
}

pub(super) const CLASSES: &[Class] = &[
    v4("10/8", 24, |n| 0x0a00_0000 | n, |a| a >> 24 == 10),
    v4("172.16/12", 20, |n| 0xac10_0000 | n, |a| a >> 20 == 0xac1),
    v4("192.168/16", 16, |n| 0xc0a8_0000 | n, |a| a >> 16 == 0xc0a8),
    v4("100.64/10", 22, |n| 0x6440_0000 | n, |a| a >> 22 == 0x6440_0000 >> 22),
    v4("public", 32, |n| n, is_public),
    v6("global unicast", 128, |n| n >> 3 | 1 << 125, is_global),
    v6("global unicast, few networks", 40, |n| 0x2a02_26f0 << 96 | (n >> 32) << 64 | n & 0xffff_ffff, is_global),
    v6("global unicast, interface ids of cards", 60, |n| 0x2a02_26f0 << 96 | (n >> 48) << 64 | eui64(n), is_global),
    v6("unique local", 80, |n| 0xfd << 120 | n, |a| a >> 121 == 0xfc >> 1),
    v6("link-local", 64, |n| 0xfe80 << 112 | n, |a| a >> 64 == 0xfe80 << 48 && a as u64 > 0xffff),
    v6("link-local, interface ids of cards", 48, |n| 0xfe80 << 112 | eui64(n), |a| a >> 64 == 0xfe80 << 48),
    v6("site-local", 90, |n| 0xfec0 << 112 | n, |a| a >> 118 == 0xfec0 >> 6),
    around("6to4", 112, |n| 0x2002 << 112 | n, |a| a >> 112 == 0x2002 && is_public(a >> 80 & 0xffff_ffff)),
    v6("teredo", 96, |n| 0x2001_0000 << 96 | n, |a| a >> 96 == 0x2001_0000),
    v6("ipv4-mapped", 32, |n| 0xffff << 32 | n, |a| a >> 32 == 0xffff && is_public(a & 0xffff_ffff)),
    around("nat64", 32, |n| 0x64_ff9b << 96 | n, |a| a >> 32 == 0x64_ff9b << 64 && is_public(a & 0xffff_ffff)),
    v6("solicited-node", 24, |n| 0xff02 << 112 | 0x1_ff00_0000 | n, |a| a >> 24 == (0xff02 << 88 | 0x1ff)),
    v6("reserved", 120, |n| 0x5f << 120 | n, |a| a >> 120 == 0x5f || a >> 125 != 1),
    mac("universal", 48, |n| n & !0x0300_0000_0000, |a| a >> 40 & 3 == 0 && a >> 24 & 0xfd_ffff != 0x5e),
    mac("locally administered", 48, |n| n & !0x0100_0000_0000 | 0x0200_0000_0000, |a| a >> 40 & 3 == 2),
    mac("group of a solicited node", 24, |n| 0x3333_ff00_0000 | n, |a| a >> 24 == 0x33_33ff),
    Class { name: "tunnel id", kind: Kind::TunnelId, bits: 24, member: |n| n, holds: |id| id != 0 },
];

const fn v4(name: &'static str, bits: u32, member: fn(u128) -> u128, holds: fn(u128) -> bool) -> Class {
    Class { name, kind: Kind::Ipv4, bits, member, holds }
}

const fn v6(name: &'static str, bits: u32, member: fn(u128) -> u128, holds: fn(u128) -> bool) -> Class {
    Class { name, kind: Kind::Ipv6, bits, member, holds }
}

const fn around(name: &'static str, bits: u32, member: fn(u128) -> u128, holds: fn(u128) -> bool) -> Class {
    Class { name, kind: Kind::Ipv6AroundIpv4, bits, member, holds }
}

const fn mac(name: &'static str, bits: u32, member: fn(u128) -> u128, holds: fn(u128) -> bool) -> Class {
    Class { name, kind: Kind::Mac, bits, member, holds }
}

impl Class {
    /// All members, or so many of them, spread over the class.
    pub(super) fn members(&self, count: usize) -> impl Iterator<Item = u128> {
        // Odd, so that numbers below a power of two stay apart.
        const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let mask = u128::MAX >> (128 - self.bits);
        let member = move |n: u128| (self.member)(n.wrapping_mul(SPREAD) & mask);
        (0..=mask).map(member).filter(|address| (self.holds)(*address)).take(count)
    }

    /// The pseudonym.
    pub(super) fn image(&self, masker: &mut Masker, address: u128) -> u128 {
        let octets = address.to_be_bytes();
        match self.kind {
            Kind::Ipv4 => u32::from_be_bytes(masker.ipv4((address as u32).to_be_bytes())).into(),
            Kind::Ipv6 | Kind::Ipv6AroundIpv4 => u128::from_be_bytes(masker.ipv6(octets)),
            Kind::Mac => {
                let [.., a, b, c, d, e, f] = octets;
                masker.mac([a, b, c, d, e, f]).iter().fold(0, |number, octet| number << 8 | u128::from(*octet))
            }
            Kind::TunnelId => {
                let [.., a, b, c] = octets;
                let mut id = [a, b, c];
                masker.tunnel_id(&mut id);
                id.iter().fold(0, |number, octet| number << 8 | u128::from(*octet))
            }
        }
    }

    /// The address as people write it.
    pub(super) fn text(&self, address: u128) -> String {
        match self.kind {
            Kind::Ipv4 => Ipv4Addr::from(address as u32).to_string(),
            Kind::Ipv6 => Ipv6Addr::from(address).to_string(),
            // Windows and some switches leave leading zeros out.
            Kind::Mac => {
                address.to_be_bytes()[10..].iter().map(|octet| format!("{octet:x}")).collect::<Vec<_>>().join(":")
            }
            Kind::Ipv6AroundIpv4 | Kind::TunnelId => String::new(),
        }
    }
}

/// Checks so many members of a class: distinct, of the class, of the same text length, none itself. How many there were.
///
/// An address of which the class leaves no place but zeros stands alone in its shape, and cannot but stay.
pub(super) fn check(class: &Class, masker: &mut Masker, count: usize) -> usize {
    let (mut images, mut alone) = (Vec::new(), 0);
    let mut members: Vec<u128> = class.members(count).collect();
    members.sort_unstable();
    members.dedup();
    for &address in &members {
        let image = class.image(masker, address);
        alone += u32::from(image == address);
        assert!((class.holds)(image), "{}: {address:x} becomes {image:x}", class.name);
        let (old, new) = (class.text(address), class.text(image));
        assert_eq!(old.len(), new.len(), "{}: {old} becomes {new}", class.name);
        images.push(image);
    }
    images.sort_unstable();
    images.dedup();
    assert_eq!(images.len(), members.len(), "{}: two addresses have one pseudonym", class.name);
    assert!(alone <= 1, "{}: {alone} addresses stay", class.name);
    members.len()
}

fn eui64(n: u128) -> u128 {
    (n >> 24 & 0xff_ffff) << 40 | 0xff_fe << 24 | n & 0xff_ffff
}

fn is_public(address: u128) -> bool {
    let ip = Ipv4Addr::from(address as u32);
    let [a, b, c, _] = ip.octets();
    let special = matches!([a, b, c], [192, 0, 0] | [192, 88, 99]) || a == 0 || a >= 224 || (a, b & 0xfe) == (198, 18);
    let named = ip.is_loopback() || ip.is_link_local() || ip.is_documentation() || ip.is_private();
    !(special || named || (a, b & 0xc0) == (100, 64))
}

fn is_global(address: u128) -> bool {
    let other = address >> 112 == 0x2002
        || address >> 108 == 0x3fff0
        || address >> 96 == 0x2001_0db8
        || address >> 105 == 0x2001_0000 >> 9;
    address >> 125 == 1 && !other
}
