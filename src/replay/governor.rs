//! What keeps a run from doing harm: a rate never exceeded, a number of requests in flight, an end when too much fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use super::profile::Profile;

/// Outcomes over which the error rate is taken.
const WINDOW: usize = 100;
/// Fewer outcomes say nothing about an error rate.
const WINDOW_MIN: usize = 50;
/// Fewer refused connections say nothing about the target.
const REFUSED_MIN: u32 = 5;

/// Who was held up for a moment may catch up: so much of what the greatest rate allows may go at once. Without that, a burst
/// that comes at the greatest rate stays as late as its first request was. Under 100 requests a second none may.
const CATCH_UP_NS: u64 = 10_000_000;

/// Shared by all threads of a run.
pub struct Governor {
    spacing_ns: u64,
    /// Whole requests of [`CATCH_UP_NS`], as time.
    catch_up_ns: u64,
    /// When the next one would go, if all had gone in step.
    next_ns: AtomicU64,
    in_flight: AtomicUsize,
    max_in_flight: usize,
    abort_error_rate: f64,
    max_down_ns: u64,
    recent: Recent,
    aborted: AtomicBool,
    down: AtomicBool,
    cancel: Arc<AtomicBool>,
}

/// The last outcomes, as a ring, and how many of them failed.
struct Recent {
    ring: [AtomicBool; WINDOW],
    seen: AtomicUsize,
    failed: AtomicUsize,
    /// Connections that the target did not take, without one that it took since.
    refused: AtomicU32,
    /// When the first of them was tried; 0 without any.
    refused_since: AtomicU64,
}

/// What an outcome says about the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landing {
    /// A good answer.
    Good,
    /// A bad one, or none.
    Bad,
    /// No connection.
    Refused,
    /// It was not asked.
    Unsent,
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
        let spacing_ns = (1e9 / profile.max_rate) as u64;
        Governor {
            spacing_ns,
            catch_up_ns: (CATCH_UP_NS - 1) / spacing_ns.max(1) * spacing_ns,
            next_ns: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
            max_in_flight: profile.max_in_flight as usize,
            abort_error_rate: profile.abort_error_rate,
            max_down_ns: u64::try_from(profile.max_down.0.as_nanos()).unwrap_or(u64::MAX),
            recent: Recent {
                ring: [const { AtomicBool::new(false) }; WINDOW],
                seen: AtomicUsize::new(0),
                failed: AtomicUsize::new(0),
                refused: AtomicU32::new(0),
                refused_since: AtomicU64::new(0),
            },
            aborted: AtomicBool::new(false),
            down: AtomicBool::new(false),
            cancel,
        }
    }

    /// The first instant at which a request may be sent that is ready at `now`. It is then taken (a leaky bucket as a
    /// meter: ITU-T I.371, annex A).
    pub fn slot(&self, now: u64) -> u64 {
        let mut next = self.next_ns.load(Ordering::Relaxed);
        loop {
            let after = next.max(now).saturating_add(self.spacing_ns);
            match self.next_ns.compare_exchange_weak(next, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return now.max(next.saturating_sub(self.catch_up_ns)),
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
    pub fn landed(&self, landing: Landing, now: u64) {
        let recent = &self.recent;
        let failed = landing != Landing::Good;
        let before = recent.seen.fetch_add(1, Ordering::Relaxed);
        match (recent.ring[before % WINDOW].swap(failed, Ordering::Relaxed), failed) {
            (false, true) => recent.failed.fetch_add(1, Ordering::Relaxed),
            (true, false) => recent.failed.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        let known = (before + 1).min(WINDOW);
        let share = recent.failed.load(Ordering::Relaxed) as f64 / known as f64;
        if known >= WINDOW_MIN && share > self.abort_error_rate {
            self.aborted.store(true, Ordering::Relaxed);
        }
        match landing {
            Landing::Refused => {
                let refused = recent.refused.fetch_add(1, Ordering::Relaxed) + 1;
                let first = recent.refused_since.compare_exchange(0, now.max(1), Ordering::Relaxed, Ordering::Relaxed);
                let since = first.map_or_else(|since| since, |_| now);
                if refused >= REFUSED_MIN && now.saturating_sub(since) >= self.max_down_ns {
                    self.down.store(true, Ordering::Relaxed);
                }
            }
            Landing::Good | Landing::Bad if recent.refused.load(Ordering::Relaxed) == 0 => {}
            Landing::Good | Landing::Bad => {
                recent.refused.store(0, Ordering::Relaxed);
                recent.refused_since.store(0, Ordering::Relaxed);
            }
            Landing::Unsent => {}
        }
    }

    /// The target takes no connections any more.
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
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
        self.is_aborted() || self.is_down() || self.is_cancelled()
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
        let governor = governor(&Profile { max_rate: 100.0, ..Profile::default() });
        let slots = [7, 7, 7, 7, 7, 50_000_000].map(|now| governor.slot(now));
        assert_eq!(slots, [7, 10_000_007, 20_000_007, 30_000_007, 40_000_007, 50_000_007]);
    }

    #[test]
    fn who_was_held_up_catches_up_and_no_more() {
        const MS: u64 = 1_000_000;
        let governor = governor(&Profile { max_rate: 1000.0, ..Profile::default() });
        let steady: Vec<u64> = (100..200).map(|ms| governor.slot(ms * MS)).collect();
        assert_eq!(steady, (100..200).map(|ms| ms * MS).collect::<Vec<_>>());
        // 5 ms late, and all after it in step: none is late for long.
        assert_eq!((200..206).map(|ms| governor.slot(ms.max(205) * MS)).collect::<Vec<_>>(), [205 * MS; 6]);
        assert_eq!(governor.slot(206 * MS), 206 * MS);
        // All at once: ten, and the others in step behind them.
        let burst: Vec<u64> = (0..100).map(|_| governor.slot(1000 * MS)).collect();
        let rate = |n: u64| 1000 * MS + n.saturating_sub(9) * MS;
        assert_eq!(burst, (0..100).map(rate).collect::<Vec<_>>());
    }

    #[test]
    fn a_rate_next_to_nothing_leaves_room_for_one_request() {
        let governor = governor(&Profile { max_rate: 1e-300, ..Profile::default() });
        assert_eq!([7, 7, 8].map(|now| governor.slot(now)), [7, u64::MAX, u64::MAX]);
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
    fn a_target_that_is_gone_for_long_ends_the_run() {
        const SECOND: u64 = 1_000_000_000;
        let governor = governor(&Profile { abort_error_rate: 1.0, ..Profile::default() });
        (0..100).for_each(|n| governor.landed(Landing::Refused, SECOND + n));
        assert!(!governor.is_down(), "not for a moment");
        governor.landed(Landing::Bad, 2 * SECOND);
        (5..9).for_each(|second| governor.landed(Landing::Refused, second * SECOND));
        assert!(!governor.is_stopped(), "not for a few");
        governor.landed(Landing::Unsent, 9 * SECOND);
        governor.landed(Landing::Refused, 9 * SECOND);
        assert!(governor.is_down() && governor.is_stopped());
    }

    #[test]
    fn aborts_when_half_fails_but_not_at_the_first_failures() {
        let governor = governor(&Profile::default());
        (0..WINDOW_MIN - 1).for_each(|_| governor.landed(Landing::Bad, 0));
        assert!(!governor.is_stopped());
        governor.landed(Landing::Bad, 0);
        assert!(governor.is_aborted());
    }

    #[test]
    fn only_the_last_outcomes_count() {
        let governor = governor(&Profile { abort_error_rate: 0.3, ..Profile::default() });
        (0..1000).for_each(|n| governor.landed(if n % 4 == 0 { Landing::Bad } else { Landing::Good }, 0));
        assert!(!governor.is_stopped());
        (0..5).for_each(|_| governor.landed(Landing::Bad, 0));
        assert!(!governor.is_stopped(), "28 to 30 of 100");
        (0..5).for_each(|_| governor.landed(Landing::Bad, 0));
        assert!(governor.is_aborted());
    }
}
