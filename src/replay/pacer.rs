//! Waiting for an instant, to tens of microseconds: one timerfd per thread, armed for the earliest deadline.
//!
//! tokio's own timer has a step of a millisecond, which is more than many services take to answer.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::time::{ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// What is due within this time is due: a second wake-up would cost more.
const NEAR_NS: u64 = 20_000;
/// Longest sleep, so that a stop is noticed.
const LOOK_NS: u64 = 50_000_000;
const SECOND: u64 = 1_000_000_000;

/// The monotonic clock, nanoseconds.
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * SECOND + time.tv_nsec as u64
}

/// A thread's alarm clock. [`Pacer::drive`] must run for as long as somebody waits.
pub struct Pacer {
    timer: AsyncFd<OwnedFd>,
    armed: Cell<u64>,
    waiting: RefCell<BinaryHeap<Reverse<Waiting>>>,
    stopped: Cell<bool>,
}

struct Waiting {
    due: u64,
    wake: oneshot::Sender<()>,
}

impl Pacer {
    /// Must be called inside the thread's runtime.
    #[expect(
        deprecated,
        reason = "its successor is unsafe for the sake of types that do not own their descriptor; `OwnedFd` does"
    )]
    pub fn new() -> io::Result<Rc<Pacer>> {
        // The kernel may round a wake-up by the thread's slack (50 us by default) to save power.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Rc::new(Pacer { timer, armed: Cell::new(u64::MAX), waiting: RefCell::default(), stopped: Cell::new(false) }))
    }

    /// Returns at `due`, at most [`NEAR_NS`] before it, or at once when the run was stopped (then false).
    pub async fn until(&self, due: u64) -> bool {
        if due > now() + NEAR_NS && !self.stopped.get() {
            let (wake, woken) = oneshot::channel();
            self.waiting.borrow_mut().push(Reverse(Waiting { due, wake }));
            if due < self.armed.get() {
                self.arm(due);
            }
            let _ = woken.await;
        }
        !self.stopped.get()
    }

    /// Wakes who is due, for ever. When `stop` says so, wakes everybody.
    pub async fn drive(&self, stop: impl Fn() -> bool) {
        loop {
            self.stopped.set(self.stopped.get() || stop());
            self.wake_due();
            let next = self.waiting.borrow().peek().map_or(u64::MAX, |Reverse(first)| first.due);
            self.arm(next.min(now() + LOOK_NS));
            let Ok(mut ready) = self.timer.readable().await else { return };
            let mut expirations = [0; 8];
            if rustix::io::read(self.timer.get_ref(), &mut expirations).is_err() {
                ready.clear_ready();
            }
        }
    }

    fn wake_due(&self) {
        let limit = if self.stopped.get() { u64::MAX } else { now() + NEAR_NS };
        let mut waiting = self.waiting.borrow_mut();
        while waiting.peek().is_some_and(|Reverse(first)| first.due <= limit) {
            if let Some(Reverse(first)) = waiting.pop() {
                let _ = first.wake.send(());
            }
        }
    }

    fn arm(&self, due: u64) {
        let it_value = Timespec { tv_sec: (due / SECOND) as i64, tv_nsec: (due % SECOND) as i64 };
        let timer = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        // Fails for impossible times only; the next look comes within LOOK_NS.
        if rustix::time::timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &timer).is_ok() {
            self.armed.set(due);
        }
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.due == other.due
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> std::cmp::Ordering {
        self.due.cmp(&other.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wakes_in_order_and_not_early() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let pacer = Pacer::new().unwrap();
            let driver = pacer.clone();
            tokio::task::spawn_local(async move { driver.drive(|| false).await });
            let start = now();
            let order = Rc::new(RefCell::new(Vec::new()));
            let tasks: Vec<_> = [30, 10, 20, 0]
                .into_iter()
                .map(|ms| {
                    let (pacer, order) = (pacer.clone(), order.clone());
                    tokio::task::spawn_local(async move {
                        let due = start + ms * 1_000_000;
                        assert!(pacer.until(due).await);
                        assert!(now() + NEAR_NS >= due);
                        order.borrow_mut().push(ms);
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*order.borrow(), [0, 10, 20, 30]);
        });
    }

    #[test]
    fn a_stop_wakes_everybody() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let pacer = Pacer::new().unwrap();
            let driver = pacer.clone();
            let start = now();
            tokio::task::spawn_local(async move { driver.drive(move || now() > start + 20_000_000).await });
            assert!(!pacer.until(start + 3600 * SECOND).await);
            assert!(now() < start + SECOND);
        });
    }
}
