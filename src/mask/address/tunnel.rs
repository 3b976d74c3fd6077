//! Identifiers of tunnels: keys and network ids are permuted among those of their length, zero (none, the default) stays.

use super::{Addresses, among, number};
use crate::mask::keyring::permute;
use crate::mask::slots::Slot;

/// Longest identifier, in bytes.
const BYTES_MAX: usize = 4;

impl Addresses {
    /// Puts the pseudonym of an identifier of at most four bytes in its place; longer ones stay.
    pub(in crate::mask) fn tunnel_id(&self, id: &mut [u8]) {
        let length = id.len();
        let mut slots = [among(0, 255, 0); BYTES_MAX];
        let Some(slots) = slots.get_mut(..length).filter(|_| id.iter().any(|&byte| byte != 0)) else { return };
        slots.iter_mut().zip(&*id).for_each(|(slot, &byte)| *slot = among(0, 255, byte.into()));
        let is_zero = |slots: &[Slot]| slots.iter().all(|slot| slot.value == 0);
        permute(&self.tunnel, length as u64, slots, |slots| !is_zero(slots));
        id.iter_mut().zip(slots).for_each(|(byte, slot)| *byte = number(slot) as u8);
    }
}
