//! What keeps a run from doing harm: a rate never exceeded, a number of requests in flight, an end when too much fails.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::profile::Profile;

/// Outcomes over which the error rate is taken.
const WINDOW: usize = 100;
/// Fewer outcomes say nothing about an error rate.
const WINDOW_MIN: usize = 50;

/// Shared by all threads of a run.
pub struct Governor {
    spacing_ns: u64,
    next_ns: AtomicU64,
    in_flight: AtomicUsize,
    max_in_flight: usize,
    abort_error_rate: f64,
    recent: Mutex<Recent>,
    aborted: AtomicBool,
    cancel: Arc<AtomicBool>,
}

/// The last outcomes, as a ring.
struct Recent {
    failed: [bool; WINDOW],
    seen: usize,
}

/// A request in flight; it lands when this is dropped.
pub struct Flight<'a>(&'a Governor);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Governor {
    /// As the profile says; `cancel` stops the run from outside.
    pub fn new(profile: &Profile, cancel: Arc<AtomicBool>) -> Governor {
        Governor {
            spacing_ns: (1e9 / profile.max_rate) as u64,
            next_ns: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            max_in_flight: profile.max_in_flight as usize,
            abort_error_rate: profile.abort_error_rate,
            recent: Mutex::new(Recent { failed: [false; WINDOW], seen: 0 }),
            aborted: AtomicBool::new(false),
            cancel,
        }
    }

    /// The first instant at which a request may be sent that is ready at `now`. It is then taken.
    pub fn slot(&self, now: u64) -> u64 {
        let mut next = self.next_ns.load(Ordering::Relaxed);
        loop {
            let mine = next.max(now);
            match self.next_ns.compare_exchange_weak(next, mine + self.spacing_ns, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return mine,
                Err(seen) => next = seen,
            }
        }
    }

    /// Leave to have one more request in flight.
    pub fn take_off(&self) -> Option<Flight<'_>> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let flight = Flight(self);
        (before < self.max_in_flight).then_some(flight)
    }

    /// Hears of an outcome.
    pub fn landed(&self, failed: bool) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.seen % WINDOW;
        recent.failed[at] = failed;
        recent.seen += 1;
        let known = recent.seen.min(WINDOW);
        let share = recent.failed.iter().filter(|failed| **failed).count() as f64 / known as f64;
        if known >= WINDOW_MIN && share > self.abort_error_rate {
            self.aborted.store(true, Ordering::Relaxed);
        }
    }

    /// No more requests, for a reason that is told elsewhere.
    pub fn stop(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }

    /// Too much failed.
    pub fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
    }

    /// Somebody asked for the end.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// No more requests.
    pub fn is_stopped(&self) -> bool {
        self.is_aborted() || self.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn governor(profile: &Profile) -> Governor {
        Governor::new(profile, Arc::default())
    }

    #[test]
    fn the_rate_is_never_exceeded() {
        let governor = governor(&Profile { max_rate: 1000.0, ..Profile::default() });
        let slots = [7, 7, 7, 7, 7, 50_000_000].map(|now| governor.slot(now));
        assert_eq!(slots, [7, 1_000_007, 2_000_007, 3_000_007, 4_000_007, 50_000_000]);
    }

    #[test]
    fn so_many_in_flight_and_no_more() {
        let governor = governor(&Profile { max_in_flight: 2, ..Profile::default() });
        let (first, second) = (governor.take_off(), governor.take_off());
        assert!(first.is_some() && second.is_some() && governor.take_off().is_none());
        drop(first);
        assert!(governor.take_off().is_some());
    }

    #[test]
    fn aborts_when_half_fails_but_not_at_the_first_failures() {
        let governor = governor(&Profile::default());
        (0..WINDOW_MIN - 1).for_each(|_| governor.landed(true));
        assert!(!governor.is_stopped());
        governor.landed(true);
        assert!(governor.is_aborted());
    }
}
