//! Beginning at an instant that several machines have agreed on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use super::pacer::now;

/// The instant is handed to the monotonic clock this long before it comes: whatever sets the wall clock until then is heeded.
const HAND_OVER: Duration = Duration::from_millis(500);
/// How often somebody who wants to stop is heard.
const LOOK: Duration = Duration::from_millis(20);
/// A start further away than this is a mistake, seconds taken for milliseconds, say.
const AHEAD_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a run cannot begin when it should.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It would be late from its first request on.
    #[error("that was {:.3} s ago; choose an instant that leaves every machine the time to get ready", .0.as_secs_f64())]
    Past(Duration),
    /// Nobody waits that long.
    #[error("that is {} days away", .0.as_secs() / 86_400)]
    Far(Duration),
}

/// How long it is until `at`.
pub(super) fn ahead(at: SystemTime) -> Result<Duration, StartError> {
    let left = at.duration_since(SystemTime::now()).map_err(|past| StartError::Past(past.duration()))?;
    if left > AHEAD_MAX { Err(StartError::Far(left)) } else { Ok(left) }
}

/// Sleeps until shortly before `at`; gives its instant by the monotonic clock. Returns at once when `cancel` is set.
pub(super) fn wait(at: SystemTime, cancel: &AtomicBool) -> Result<u64, StartError> {
    loop {
        let left = ahead(at)?;
        if left <= HAND_OVER || cancel.load(Ordering::Relaxed) {
            return Ok(now() + left.as_nanos() as u64);
        }
        thread::sleep(LOOK.min(left - HAND_OVER));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_of_the_wall_clock_is_one_of_the_monotonic_clock() {
        let before = now();
        let start = wait(SystemTime::now() + Duration::from_millis(400), &AtomicBool::new(false)).unwrap();
        assert!(start >= before + 400_000_000 && start <= now() + 400_000_000);
    }

    #[test]
    fn the_past_and_the_far_future_are_refused() {
        let now = SystemTime::now();
        assert!(matches!(ahead(now - Duration::from_secs(1)), Err(StartError::Past(_))));
        assert!(matches!(ahead(now + Duration::from_secs(1_000_000)), Err(StartError::Far(_))));
    }

    #[test]
    fn who_wants_to_stop_need_not_wait() {
        let begun = now();
        wait(SystemTime::now() + Duration::from_secs(3600), &AtomicBool::new(true)).unwrap();
        assert!(now() < begun + 3_000_000_000_000);
    }
}
