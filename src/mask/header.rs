//! Numbers of packet headers that tell hosts and flows apart: clocks and flow labels.

use hashbrown::HashMap;

use super::key::{Key, Subkey};
use super::permutation::Permutation;
use crate::limits;

/// Flow labels that say something: all but 0.
const LABELS: u32 = (1 << 20) - 1;

/// Masks such numbers under one key.
pub struct HeaderNumbers {
    clocks: Subkey,
    /// How far the clock of a host is put forward.
    offsets: HashMap<[u8; 16], u32>,
    labels: Subkey,
    permutation: Permutation,
    /// The label that was masked last, and its pseudonym: labels come in runs.
    last: (u32, u32),
}

impl HeaderNumbers {
    /// Masks with this key.
    pub fn new(key: &Key) -> HeaderNumbers {
        let labels = key.subkey("flow label");
        let permutation = Permutation::new(&labels, 0, LABELS.into());
        HeaderNumbers { clocks: key.subkey("clock"), offsets: HashMap::new(), labels, permutation, last: (0, 0) }
    }

    /// What a host's clock shows: put forward by as much as always for this host, so that what passes between two
    /// readings stays, and since when it runs does not show. `host` is an address of 4 or 16 bytes. 0 says that there is
    /// no reading, and stays.
    pub fn clock(&mut self, host: &[u8], ticks: u32) -> u32 {
        if ticks == 0 {
            return 0;
        }
        let mut padded = [0; 16];
        padded.iter_mut().zip(host).for_each(|(to, from)| *to = *from);
        if let Some(offset) = self.offsets.get(&padded) {
            return ticks.wrapping_add(*offset);
        }
        if self.offsets.len() >= limits::CACHE_ENTRIES_MAX {
            self.offsets.clear();
        }
        let offset = 1 + self.clocks.stream(host).below(u32::MAX);
        self.offsets.insert(padded, offset);
        ticks.wrapping_add(offset)
    }

    /// An IPv6 flow label (RFC 6437): another one, one to one; 0 says that there is none and stays.
    pub fn flow_label(&mut self, label: u32) -> u32 {
        if label == 0 || label > LABELS {
            return label;
        }
        if self.last.0 != label {
            let image = self.permutation.walk(&self.labels, u128::from(label - 1), |_| true);
            self.last = (label, image as u32 + 1);
        }
        self.last.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_are_permuted_and_none_stays() {
        let mut numbers = HeaderNumbers::new(&Key::from_bytes([1; 32]));
        assert_eq!(numbers.flow_label(0), 0);
        let images: HashSet<u32> = (1..5000).map(|label| numbers.flow_label(label)).collect();
        assert_eq!(images.len(), 4999);
        assert!(images.iter().all(|image| (1..=LABELS).contains(image)));
        assert!((1..5000).all(|label| numbers.flow_label(label) != label));
    }

    #[test]
    fn a_clock_runs_on_and_each_host_has_its_own() {
        let mut numbers = HeaderNumbers::new(&Key::from_bytes([1; 32]));
        let hosts: [&[u8]; 2] = [&[10, 0, 0, 1], &[10, 0, 0, 2]];
        let [a, b] = hosts.map(|host| numbers.clock(host, 1_000));
        assert!(a != 1_000 && b != 1_000 && a != b);
        assert_eq!(numbers.clock(hosts[0], 1_250).wrapping_sub(a), 250);
        let mut others = HeaderNumbers::new(&Key::from_bytes([2; 32]));
        assert_ne!(others.clock(hosts[0], 1_000), a);
    }
}
