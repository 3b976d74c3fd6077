//! One thread that sends: its own runtime, its own connections, nothing shared on the hot path but counters.

mod ahead;
mod asking;
mod captured;
mod chat;
mod closed;
mod lanes;
mod recording;
mod rendering;
mod streams;

use std::cell::{Cell, OnceCell, RefCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;

use super::checks::Checks;
use super::edits::Edits;
use super::errand::Errand;
use super::governor::Governor;
use super::health::Health;
use super::link::Route;
use super::live::Answers;
use super::outbox::Users;
use super::outcomes::{Outcomes, Writer};
use super::pacer::{Pacer, SPIN_NS, now};
use super::profile::{Mode, Profile};
use super::progress::{EVERY, Progress};
use super::rounds::Rounds;
use super::seat;
use super::tally::{Endpoints, Tally};

/// What is in flight when a run is stopped may still be answered for so long.
const GRACE_NS: u64 = 200_000_000;

/// Errands for one thread, in the order in which they were dealt.
pub type Inbox = mpsc::UnboundedReceiver<Vec<Errand>>;

/// What all threads of a run have in common.
pub struct Run {
    pub profile: Profile,
    pub route: Arc<Route>,
    /// What is changed in every request.
    pub edits: Edits,
    /// The run's instant 0, monotonic clock.
    pub start: u64,
    pub threads: usize,
    pub governor: Arc<Governor>,
    pub endpoints: Arc<Endpoints>,
    /// What answers are to be.
    pub checks: Checks,
    pub answers: Arc<Answers>,
    pub users: Arc<Users>,
    /// Where it is shown how far the run is.
    pub progress: Option<Arc<Progress>>,
    /// Where every outcome is told.
    pub outcomes: Option<Outcomes>,
}

impl Run {
    fn end(&self) -> u64 {
        let duration = self.profile.duration.map_or(u64::MAX, |span| nanos(span.0));
        self.start.saturating_add(duration)
    }

    /// When the last request is begun: those meant for the run's time may have waited for a slow target, but not for ever.
    fn last(&self) -> u64 {
        self.end().saturating_add(nanos(self.profile.timeout.0))
    }

    /// When the warm-up is over.
    pub fn warm(&self) -> u64 {
        self.start.saturating_add(nanos(self.profile.warmup.0))
    }
}

/// All of a length of time, or as much of it as a clock tells.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Replays the `n`th thread's part and says what it saw.
pub fn work(run: Arc<Run>, n: usize, inbox: Inbox) -> io::Result<Tally> {
    let refused = seat::take(&run.profile, n);
    // Without the runtime's own timers: whoever waits does so by the pacer.
    let runtime = Builder::new_current_thread().enable_io().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let max_lateness = run.profile.max_lateness.0.as_nanos() as u64;
        let outcomes = RefCell::new(run.outcomes.as_ref().map(Outcomes::writer));
        let worker = Rc::new(Worker {
            pacer: Pacer::new(if run.profile.spin { SPIN_NS } else { 0 }, max_lateness)?,
            run,
            tally: RefCell::default(),
            outcomes,
            rounds: OnceCell::new(),
        });
        let driver = worker.clone();
        let drive = tokio::task::spawn_local(async move {
            let shown = Cell::new(0);
            let stop = || {
                driver.show(n, &shown);
                driver.run.governor.is_stopped()
            };
            driver.pacer.drive(stop).await
        });
        tokio::select! {
            () = worker.clone().replay(n, inbox) => {}
            () = worker.stopped() => {}
        }
        drive.abort();
        if let Some(outcomes) = &mut *worker.outcomes.borrow_mut() {
            outcomes.hand_on();
        }
        let mut tally = worker.tally.take();
        tally.health = Health { used: seat::used(), ..worker.pacer.health(worker.run.start) };
        tally.warnings.extend(refused);
        Ok(tally)
    })
}

struct Worker {
    run: Arc<Run>,
    pacer: Rc<Pacer>,
    tally: RefCell<Tally>,
    outcomes: RefCell<Option<Writer>>,
    /// What the connections of a closed loop send when nothing is dealt to them.
    rounds: OnceCell<Arc<Rounds>>,
}

impl Worker {
    /// Shows how far the `n`th thread is, when that was long ago.
    fn show(&self, n: usize, shown: &Cell<u64>) {
        if let Some(live) = self.run.progress.as_ref().filter(|_| now() >= shown.get() + EVERY.as_nanos() as u64) {
            live.write(n, &self.tally.borrow());
            shown.set(now());
        }
    }

    /// Returns some time after the run was stopped.
    async fn stopped(&self) {
        while self.pacer.until(u64::MAX).await {}
        self.pacer.within(now() + GRACE_NS, pending::<()>()).await;
    }

    async fn replay(self: Rc<Self>, n: usize, inbox: Inbox) {
        match self.run.profile.mode {
            Mode::Closed => self.closed(n, inbox).await,
            _ => self.open(inbox).await,
        }
    }
}
