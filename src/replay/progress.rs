//! A run while it goes on: what its threads have counted so far, for whoever wants to show it. They write it down a few
//! times a second, when they look at the clock anyway; nothing is asked of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::measure::{Few, Windows};

use super::pacer::now;
use super::profile::{Mode, Profile};
use super::tally::Tally;

/// How often a thread writes down what it has counted.
pub const EVERY: Duration = Duration::from_millis(200);
/// The figures of the moment are those of so long.
const RECENT_NS: u64 = 2_000_000_000;

/// Where the threads of a run write and others read.
#[derive(Debug, Default)]
pub struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    start: u64,
    end: Option<u64>,
    threads: Vec<Counted>,
}

/// What one thread has counted.
#[derive(Clone, Debug, Default)]
struct Counted {
    planned: u64,
    sent: u64,
    answered: u64,
    failed: u64,
    errors: u64,
    recent: Windows,
}

/// A run at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Since its start; none before that.
    pub seconds: Option<f64>,
    /// Until it will be over, as far as that is known.
    pub seconds_left: Option<f64>,
    /// Requests that the schedule has asked for.
    pub planned: u64,
    /// Written.
    pub sent: u64,
    /// With a final response.
    pub answered: u64,
    /// Without.
    pub failed: u64,
    /// Failed, or with a 5xx that the capture does not have.
    pub errors: u64,
    /// Requests per second that were meant to be sent, of the last two seconds.
    pub intended_rps: f64,
    /// Answers per second, likewise.
    pub achieved_rps: f64,
    /// Response times, likewise.
    pub response_us: Option<Few>,
    /// The generator's lateness, likewise.
    pub lateness_us: Option<Few>,
}

impl Progress {
    /// A run begins.
    pub(super) fn begin(&self, start: u64, threads: usize, lasts: Option<u64>) {
        let end = lasts.map(|ns| start.saturating_add(ns));
        *self.lock() = State { start, end, threads: vec![Counted::default(); threads] };
    }

    /// A thread has counted so much.
    pub(super) fn write(&self, thread: usize, tally: &Tally) {
        let counted = Counted {
            planned: tally.planned,
            sent: tally.sent,
            answered: tally.answered,
            failed: tally.failed.values().sum(),
            errors: tally.errors,
            recent: tally.windows.since(now().saturating_sub(RECENT_NS)),
        };
        if let Some(place) = self.lock().threads.get_mut(thread) {
            *place = counted;
        }
    }

    /// All threads together.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let now = now();
        let began = state.start > 0 && now >= state.start;
        let sum = |of: fn(&Counted) -> u64| state.threads.iter().map(of).sum();
        let mut recent = Windows::default();
        state.threads.iter().for_each(|counted| recent.merge(counted.recent.clone()));
        let all = recent.total();
        // From the first window's begin, or the run's, to the last write.
        let first = recent.iter().next().map_or(now, |(at, _)| at.max(state.start));
        let span = now.saturating_sub(first).max(EVERY.as_nanos() as u64) as f64 / 1e9;
        Snapshot {
            seconds: began.then(|| (now - state.start) as f64 / 1e9),
            seconds_left: state.end.filter(|_| began).map(|end| end.saturating_sub(now) as f64 / 1e9),
            planned: sum(|counted| counted.planned),
            sent: sum(|counted| counted.sent),
            answered: sum(|counted| counted.answered),
            failed: sum(|counted| counted.failed),
            errors: sum(|counted| counted.errors),
            intended_rps: all.intended as f64 / span,
            achieved_rps: all.answered as f64 / span,
            response_us: all.response.few(),
            lateness_us: all.lateness.few(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a run will last, nanoseconds, as far as its profile says; answers may take longer.
pub(super) fn lasts(profile: &Profile) -> Option<u64> {
    let duration = profile.duration.map(|span| span.0.as_nanos() as u64);
    let by_rate = profile.rate.filter(|_| profile.mode == Mode::Rate).zip(profile.requests);
    duration.into_iter().chain(by_rate.map(|(rate, requests)| (requests as f64 / rate * 1e9) as u64)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_added_up_and_old_windows_do_not_count() {
        let live = Progress::default();
        assert_eq!(live.snapshot().seconds, None);
        let start = now() - 10_000_000_000;
        live.begin(start, 2, Some(20_000_000_000));
        for thread in 0..2 {
            let mut tally = Tally { planned: 9, sent: 8, answered: 7, errors: 1, ..Tally::default() };
            tally.windows.at(start).answered += 1000;
            let recent = tally.windows.at(now() - 300_000_000);
            recent.answered += 50;
            recent.response.record_ns(1_000_000);
            live.write(thread, &tally);
        }
        let seen = live.snapshot();
        assert_eq!((seen.planned, seen.sent, seen.answered, seen.errors), (18, 16, 14, 2));
        assert!(seen.achieved_rps > 10.0 && seen.achieved_rps <= 500.0, "{seen:?}");
        assert!(seen.response_us.is_some_and(|few| few.max.abs_diff(1000) < 20) && seen.lateness_us.is_none());
        assert!(seen.seconds_left.is_some_and(|left| left <= 10.0), "{seen:?}");
    }
}
