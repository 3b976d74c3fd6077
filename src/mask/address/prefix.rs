//! Networks that stay networks: each octet or group is permuted by itself, under a permutation chosen by what stands
//! before it, so that addresses with a common beginning get pseudonyms with a common beginning.
//!
//! An image outside of the address's class is mapped again. Members of one /24 or one group are mapped again together,
//! so they stay together; wider networks may lose a member that lies beside a special range.

use super::{Addresses, number};
use crate::mask::keyring::permute;
use crate::mask::slots::Slot;

impl Addresses {
    /// Maps the parts of an address one by one; `slot` gives what may stand in place of one. Again, until the image is
    /// accepted: at the latest, that is the address itself, where the cycle ends.
    pub(super) fn prefixed<T: Copy + Into<u32> + TryFrom<u32>>(
        &self,
        parts: [T; 4],
        is_accepted: impl Fn([T; 4]) -> bool,
        slot: impl Fn(usize, u32) -> Slot,
    ) -> [T; 4] {
        let mut image = parts;
        loop {
            let before = image.map(Into::into);
            for (at, part) in image.iter_mut().enumerate() {
                let mut slots = [slot(at, before[at])];
                permute(&self.prefix, self.tweak(&before[..at]), &mut slots, |_| true);
                *part = number(&slots[0]).try_into().unwrap_or(*part);
            }
            if is_accepted(image) {
                return image;
            }
        }
    }

    /// Stands for what comes before an octet or group.
    fn tweak(&self, before: &[u32]) -> u64 {
        let bytes: Vec<u8> = before.iter().flat_map(|part| part.to_be_bytes()).collect();
        u64::from(self.prefix.stream(&bytes).below(u32::MAX))
    }
}
