//! Addresses: permuted inside their class and with the same text length, so that textual copies fit. Tunnels' ids too.

mod ipv4;
mod ipv6;
mod mac;
mod prefix;
mod tunnel;

use super::key::{Key, Subkey};
use super::slots::{Alphabet, Slot};

/// What of an address may stay recognisable. Nothing, unless a rule asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recognisable {
    /// Addresses of one network get pseudonyms of one network, at boundaries of octets (IPv4) and groups (IPv6, up to
    /// /64). Weak: who knows some pairs of addresses and pseudonyms, or the sizes of networks, finds others by them.
    pub prefixes: bool,
    /// The vendor's half of universally administered MAC addresses stays.
    pub vendors: bool,
}

/// The subkeys of addresses.
pub(super) struct Addresses {
    pub(super) recognisable: Recognisable,
    ipv4: Subkey,
    ipv6: Subkey,
    mac: Subkey,
    tunnel: Subkey,
    prefix: Subkey,
    /// The low 24 bits that a MAC, its EUI-64 interface id, the solicited-node group and that group's MAC share.
    low: Subkey,
}

impl Addresses {
    pub(super) fn new(key: &Key) -> Addresses {
        Addresses {
            recognisable: Recognisable::default(),
            ipv4: key.subkey("ipv4"),
            ipv6: key.subkey("ipv6"),
            mac: key.subkey("mac"),
            prefix: key.subkey("address prefix"),
            tunnel: key.subkey("tunnel id"),
            low: key.subkey("low 24 bits"),
        }
    }
}

/// A place for a number among `first..=last`.
fn among(first: u32, last: u32, value: u32) -> Slot {
    Slot { alphabet: Alphabet::Range(first, last - first + 1), value: value - first }
}

/// The number in such a place.
fn number(slot: &Slot) -> u32 {
    match slot.alphabet {
        Alphabet::Range(first, _) => first + slot.value,
        _ => slot.value,
    }
}

/// A place for an octet with as many leading zero nibbles.
fn octet(value: u8) -> Slot {
    match value {
        0 => among(0, 0, 0),
        1..16 => among(1, 15, value.into()),
        _ => among(16, 255, value.into()),
    }
}
