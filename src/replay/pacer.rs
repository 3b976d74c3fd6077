//! Waiting for an instant, to tens of microseconds: one timerfd per thread, armed for the earliest of them.
//!
//! tokio's own timer has a step of a millisecond, which is more than many services take to answer. Instants are absolute
//! (monotonic clock), so nothing adds up over a run, and nobody is woken before his instant: what waking up usually takes is
//! learnt, the alarm is set earlier by that, and what is left of a wait is spent awake.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use rustix::time::{ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::health::Health;
use super::starving::{Looks, Mark, Queued};
use super::waiting::{Deadlines, Ticket, Waiting};
use super::waking::Waking;

/// So short a wait is spent awake, looking at sockets and clock: to sleep and to be woken takes as long.
const AWAKE_NS: u64 = 20_000;
/// With `spin`, awake so long before each instant: nearly every wake-up comes sooner.
pub const SPIN_NS: u64 = 100_000;
/// Longest sleep, so that a stop is noticed.
const LOOK_NS: u64 = 50_000_000;
/// How exact a [`Pacer::within`] is.
const DEADLINE_STEP_NS: u64 = 10_000_000;
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
    /// How long before an instant its alarm is set at least.
    ahead_ns: u64,
    waking: Waking,
    waiting: RefCell<Waiting>,
    deadlines: RefCell<Deadlines>,
    /// When deadlines are looked at next.
    next_look: Cell<u64>,
    stopped: Cell<bool>,
    /// A spell of standing still is only told when it is longer.
    still_over_ns: u64,
    health: Cell<Health>,
    queued: Queued,
    looks: Looks,
}

impl Pacer {
    /// Must be called inside the thread's runtime. The thread does not sleep for `ahead_ns` before each instant, or for what
    /// waking up takes where that is longer; that it stood still is told when that took longer than `still_over_ns`.
    #[expect(
        deprecated,
        reason = "its successor is unsafe for the sake of types that do not own their descriptor; `OwnedFd` does"
    )]
    pub fn new(ahead_ns: u64, still_over_ns: u64) -> io::Result<Rc<Pacer>> {
        // The kernel may round a wake-up by the thread's slack (50 us by default) to save power.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let timer =
            rustix::time::timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Rc::new(Pacer {
            timer,
            armed: Cell::new(u64::MAX),
            ahead_ns,
            waking: Waking::default(),
            waiting: RefCell::default(),
            deadlines: RefCell::default(),
            next_look: Cell::new(0),
            stopped: Cell::new(false),
            still_over_ns,
            health: Cell::default(),
            queued: Queued::of_this_thread(),
            looks: Looks::default(),
        }))
    }

    /// Returns at `due`, never before it, or at once when the run was stopped (then false).
    pub async fn until(&self, due: u64) -> bool {
        if due > now() && !self.stopped.get() {
            let mut place = Place { pacer: self, ticket: None };
            poll_fn(|cx| match place.ticket {
                Some(ticket) => match self.waiting.borrow_mut().is_over(ticket, cx.waker()) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                },
                None => {
                    place.ticket = Some(self.waiting.borrow_mut().enter(due, cx.waker()));
                    self.expect(due);
                    Poll::Pending
                }
            })
            .await;
        }
        !self.stopped.get()
    }

    /// What a future gives, or nothing when it did not end by a deadline. A deadline is noticed up to [`DEADLINE_STEP_NS`]
    /// late: that makes it free for all that end in time.
    pub async fn within<T>(&self, deadline: u64, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut watch = Watch { pacer: self, ticket: None };
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let mut deadlines = self.deadlines.borrow_mut();
            match watch.ticket {
                None => watch.ticket = Some(deadlines.enter(deadline, cx.waker())),
                Some(ticket) if deadlines.is_over(ticket, cx.waker()) => return Poll::Ready(None),
                Some(_) => {}
            }
            Poll::Pending
        })
        .await
    }

    /// As [`Pacer::within`], from now on.
    pub async fn at_most<T>(&self, span: Duration, future: impl Future<Output = T>) -> Option<T> {
        self.within(now().saturating_add(span.as_nanos() as u64), future).await
    }

    /// What a future gives, and how much later than it could this thread noticed that it was there: it had no processor then.
    pub async fn noticed<T>(&self, future: impl Future<Output = T>) -> (T, u64) {
        let mut future = pin!(future);
        let mut begun = None;
        let output = poll_fn(|cx| {
            let output = future.as_mut().poll(cx);
            if output.is_pending() && begun.is_none() {
                begun = Some(self.mark());
            }
            output
        })
        .await;
        let late_ns = begun.filter(|begun| Looks::matters(now().saturating_sub(begun.at)));
        (output, late_ns.map_or(0, |begun| self.looks.late_ns(begun, self.mark())))
    }

    fn mark(&self) -> Mark {
        Mark { at: now(), queued: self.queued.ns() }
    }

    /// Wakes who is due, for ever. When `stop` says so, wakes everybody.
    pub async fn drive(&self, stop: impl Fn() -> bool) {
        let mut meant = now();
        loop {
            let at = now();
            self.looked(at.saturating_sub(meant));
            if at >= self.next_look.get() {
                self.look(at, &stop);
            }
            let limit = if self.stopped.get() { u64::MAX } else { at };
            let (woken, next) = self.waiting.borrow_mut().wake(limit);
            if woken || next.saturating_sub(at) <= self.ahead().max(AWAKE_NS) {
                // Who was woken goes first, before the alarm is set again; and sockets are looked at in between, so that
                // answers are not stamped late.
                tokio::task::yield_now().await;
                meant = at;
                continue;
            }
            self.arm((next - self.ahead()).min(self.next_look.get()));
            let Ok(mut ready) = self.timer.readable().await else { return };
            // Not read: to arm it takes its expirations back.
            ready.clear_ready();
            meant = self.armed.get();
            self.waking.took(now().saturating_sub(meant));
        }
    }

    /// How long before an instant its alarm is set.
    fn ahead(&self) -> u64 {
        self.ahead_ns.max(self.waking.takes())
    }

    /// The thread looks at clock and sockets, so long after it meant to.
    fn looked(&self, late_ns: u64) {
        let mut health = self.health.get();
        health.longest_still_ns = health.longest_still_ns.max(late_ns);
        if late_ns > self.still_over_ns {
            health.still_ns += late_ns;
        }
        self.health.set(health);
    }

    /// How the thread has done since the run's start.
    pub fn health(&self, start: u64) -> Health {
        Health { threads: 1, lived_ns: now().saturating_sub(start), ..self.health.get() }
    }

    /// Now and then: is there a stop, is a deadline over?
    fn look(&self, at: u64, stop: &impl Fn() -> bool) {
        self.looks.look(Mark { at, queued: self.queued.ns() });
        self.stopped.set(self.stopped.get() || stop());
        let left = self.deadlines.borrow_mut().wake(at);
        self.next_look.set(at + if left { DEADLINE_STEP_NS } else { LOOK_NS });
    }

    /// Somebody waits for `due` from now on.
    fn expect(&self, due: u64) {
        let alarm = due.saturating_sub(self.ahead());
        if alarm < self.armed.get() {
            self.arm(alarm);
        }
    }

    fn arm(&self, due: u64) {
        // An alarm at zero would be none.
        let due = due.max(1);
        let it_value = Timespec { tv_sec: (due / SECOND) as i64, tv_nsec: (due % SECOND) as i64 };
        let timer = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        // Fails for impossible times only; the next look comes within LOOK_NS.
        if rustix::time::timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &timer).is_ok() {
            self.armed.set(due);
        }
    }
}

/// Leaves the queue when it is dropped, woken or not.
struct Place<'a> {
    pacer: &'a Pacer,
    ticket: Option<Ticket>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.pacer.waiting.borrow_mut().leave(ticket);
        }
    }
}

/// As [`Place`], for deadlines.
struct Watch<'a> {
    pacer: &'a Pacer,
    ticket: Option<Ticket>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.pacer.deadlines.borrow_mut().leave(ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::{Builder, LocalOptions};

    fn with_pacer<T>(ahead_ns: u64, stop_at: u64, body: impl AsyncFnOnce(Rc<Pacer>) -> T) -> T {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let pacer = Pacer::new(ahead_ns, 100_000_000).unwrap();
            let driver = pacer.clone();
            tokio::task::spawn_local(async move { driver.drive(move || now() > stop_at).await });
            body(pacer).await
        })
    }

    #[test]
    fn wakes_in_order_and_never_early() {
        for ahead_ns in [0, SPIN_NS] {
            with_pacer(ahead_ns, u64::MAX, async |pacer| {
                let start = now();
                let order = Rc::new(RefCell::new(Vec::new()));
                let tasks: Vec<_> = [30_000, 10_000, 20_000, 0, 10_007, 10_003]
                    .into_iter()
                    .map(|us| {
                        let (pacer, order) = (pacer.clone(), order.clone());
                        tokio::task::spawn_local(async move {
                            let due = start + us * 1000;
                            assert!(pacer.until(due).await);
                            assert!(now() >= due);
                            order.borrow_mut().push(us);
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
                assert_eq!(*order.borrow(), [0, 10_000, 10_003, 10_007, 20_000, 30_000]);
            });
        }
    }

    #[test]
    fn who_no_longer_waits_is_forgotten() {
        with_pacer(0, u64::MAX, async |pacer| {
            let start = now();
            for _ in 0..100 {
                tokio::select! {
                    biased;
                    _ = pacer.until(start + 3600 * SECOND) => panic!("an hour went by"),
                    () = tokio::task::yield_now() => {}
                }
            }
            assert!(pacer.until(start + 1_000_000).await);
            assert_eq!(pacer.waiting.borrow().places(), 1);
        });
    }

    #[test]
    fn a_deadline_ends_what_hangs_and_nothing_else() {
        with_pacer(0, u64::MAX, async |pacer| {
            let start = now();
            let hung = pacer.within(start + 30_000_000, std::future::pending::<()>()).await;
            assert!(hung.is_none() && now() >= start + 30_000_000);
            assert_eq!(pacer.at_most(Duration::from_secs(3600), pacer.until(now() + 5_000_000)).await, Some(true));
            assert_eq!(pacer.at_most(Duration::ZERO, std::future::ready(7)).await, Some(7));
            assert!(pacer.deadlines.borrow().is_empty());
        });
    }

    #[test]
    fn a_thread_that_stands_still_is_told() {
        with_pacer(0, u64::MAX, async |pacer| {
            let start = now();
            pacer.until(start + 5_000_000).await;
            std::thread::sleep(Duration::from_millis(300));
            pacer.until(now() + 5_000_000).await;
            let health = pacer.health(start);
            assert!(health.still_ns >= 250_000_000 && health.longest_still_ns >= 250_000_000, "{health:?}");
            assert!(health.lived_ns >= 310_000_000 && health.threads == 1, "{health:?}");
        });
    }

    #[test]
    fn a_stop_wakes_everybody() {
        let start = now();
        with_pacer(0, start + 20_000_000, async |pacer| {
            assert!(!pacer.until(start + 3600 * SECOND).await);
            assert!(now() < start + SECOND);
        });
    }
}
