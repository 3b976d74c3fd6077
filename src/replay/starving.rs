//! How much later a thread notices what it waited for because it had no processor: that is no time of the target's.
//!
//! A connection is there; the thread that waits for it is ready to run, but others run. All that the thread then sees is that
//! the connection took long. The system counts for how long a thread was kept from running. Only what it counted lately made
//! a thread notice late: whatever came before, the thread has looked at its sockets since, and the wait went on.

use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Longer than `/proc/thread-self/schedstat` is: three numbers.
const TEXT_BYTES: usize = 64;
/// A wait as short as this is the target's, whoever had the processor: to find out costs a system call.
const LEAST_NS: u64 = 1_000_000;

/// What the calling thread has waited for a processor.
pub struct Queued(Option<File>);

impl Queued {
    /// Of the calling thread, whoever asks later.
    pub fn of_this_thread() -> Queued {
        Queued(File::open("/proc/thread-self/schedstat").ok())
    }

    /// Ready, but waiting for a processor since it was started, nanoseconds; 0 where the system does not count that.
    pub fn ns(&self) -> u64 {
        let mut text = [0; TEXT_BYTES];
        let read = self.0.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or(0);
        let text = std::str::from_utf8(&text[..read]).unwrap_or_default();
        text.split_whitespace().nth(1).and_then(|ns| ns.parse().ok()).unwrap_or(0)
    }
}

/// An instant, and what the thread had waited for a processor until then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Nanoseconds of the monotonic clock.
    pub at: u64,
    /// As [`Queued::ns`].
    pub queued: u64,
}

/// The last times when the thread looked at its sockets for sure.
#[derive(Default)]
pub struct Looks(Cell<[Mark; 2]>);

impl Looks {
    /// It looks.
    pub fn look(&self, mark: Mark) {
        let [_, last] = self.0.get();
        self.0.set([last, mark]);
    }

    /// How much later than it could the thread noticed at `now` what it had waited for since `begun`. No more than that: it
    /// may have been ready for any part of it.
    pub fn late_ns(&self, begun: Mark, now: Mark) -> u64 {
        // The last look may be the one by which it was noticed. That before it was not.
        let [before, _] = self.0.get();
        let since = if before.at > begun.at { before } else { begun };
        now.queued.saturating_sub(since.queued).min(now.at.saturating_sub(begun.at))
    }

    /// Whether it matters how late a wait of this length was noticed.
    pub fn matters(waited_ns: u64) -> bool {
        waited_ns >= LEAST_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn mark(at_ms: u64, queued_ms: u64) -> Mark {
        Mark { at: at_ms * MS, queued: queued_ms * MS }
    }

    #[test]
    fn who_had_no_processor_noticed_late() {
        let looks = Looks::default();
        looks.look(mark(90, 0));
        looks.look(mark(100, 0));
        // It stands ready for 60 ms, and then looks at the clock before or after the connection.
        assert_eq!(looks.late_ns(mark(101, 0), mark(163, 60)), 60 * MS);
        looks.look(mark(162, 60));
        assert_eq!(looks.late_ns(mark(101, 0), mark(163, 60)), 60 * MS);
    }

    #[test]
    fn what_it_lacked_while_the_target_was_still_at_work_made_nothing_late() {
        let looks = Looks::default();
        // A third of the time the processor is somebody else's, for a second in which the target answers nothing.
        (0..100).for_each(|n| looks.look(mark(10 * n, 3 * n)));
        assert_eq!(looks.late_ns(mark(0, 0), mark(995, 298)), 4 * MS);
    }

    #[test]
    fn no_more_is_taken_off_than_was_waited() {
        let looks = Looks::default();
        assert_eq!(looks.late_ns(mark(100, 10), mark(105, 40)), 5 * MS);
        // The counter of a thread that has none.
        assert_eq!(looks.late_ns(mark(100, 0), mark(200, 0)), 0);
    }

    #[test]
    fn the_count_is_the_threads_own_and_grows() {
        let queued = Queued::of_this_thread();
        let before = queued.ns();
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        let waited: u64 = told.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(before <= waited && waited <= queued.ns(), "{before} {waited}");
    }
}
