//! How long it takes to be woken: learnt from alarms, so that the next one is set earlier by as much. No clock in here.

use std::cell::Cell;

/// An alarm is set earlier by so much at most: what is gained beyond is less than the processor time that it takes.
const MAX_NS: u64 = 60_000;
/// By so much one wake-up changes what is known.
const STEP_NS: u64 = 500;

/// The median of what wake-ups took, as far as they tell; half of them come before the instant, and the rest of the wait
/// is spent awake.
#[derive(Debug, Default)]
pub struct Waking(Cell<u64>);

impl Waking {
    /// What waking up takes, nanoseconds.
    pub fn takes(&self) -> u64 {
        self.0.get()
    }

    /// An alarm came so much later than it was set for.
    pub fn took(&self, ns: u64) {
        let known = self.0.get();
        let next = if ns > known { known + STEP_NS } else { known.saturating_sub(STEP_NS) };
        self.0.set(next.min(MAX_NS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(took: impl IntoIterator<Item = u64>) -> u64 {
        let waking = Waking::default();
        took.into_iter().for_each(|ns| waking.took(ns));
        waking.takes()
    }

    #[test]
    fn the_median_is_learnt_and_outliers_are_not() {
        for median in [0, 7_000, 40_000] {
            // A fifth is far too late, a fifth comes at once.
            let took = |n: u64| match n % 5 {
                0 => 5_000_000,
                1 => 0,
                _ => median,
            };
            let known = after((0..5000).map(took));
            assert!(known.abs_diff(median) <= 4 * STEP_NS, "{known} of {median}");
        }
    }

    #[test]
    fn a_slow_machine_is_not_waited_for_without_bound() {
        assert_eq!(after([u64::MAX; 1000]), MAX_NS);
        assert_eq!(after([[u64::MAX; 1000], [0; 1000]].concat()), 0);
    }
}
