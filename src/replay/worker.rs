//! One thread that sends: its own runtime, its own sessions, nothing shared on the hot path but counters.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::workload::{Step, Workload, render};

use super::checks::Checks;
use super::edits::{Edits, covers, merged};
use super::governor::Governor;
use super::link::{Link, Readiness, Route};
use super::memory::Memory;
use super::outcome::{End, Failure, Outcome};
use super::pacer::{Pacer, SPIN_NS, now};
use super::profile::{Mode, Profile};
use super::response::{Asked, Reader};
use super::schedule::{Intent, Pass, allowed, passes};
use super::seat;
use super::tally::{About, Endpoints, Tally, is_error};

/// A pass becomes a task this long before its first instant.
const AHEAD_NS: u64 = 500_000_000;
/// What is in flight when a run is stopped may still be answered for so long.
const GRACE_NS: u64 = 200_000_000;

/// What all threads of a run have in common.
pub struct Run {
    pub workload: Arc<Workload>,
    pub profile: Profile,
    pub route: Arc<Route>,
    /// What is changed in every request.
    pub edits: Edits,
    /// The run's instant 0, monotonic clock.
    pub start: u64,
    pub threads: usize,
    pub governor: Governor,
    pub endpoints: Endpoints,
    /// What answers are to be.
    pub checks: Checks,
}

impl Run {
    fn end(&self) -> u64 {
        let duration = self.profile.duration.map_or(u64::MAX, |span| span.0.as_nanos() as u64);
        self.start.saturating_add(duration)
    }

    /// How many requests of the capture go to each endpoint, of those that may be sent.
    pub fn captured_mix(&self) -> BTreeMap<usize, u64> {
        let mut mix = BTreeMap::new();
        for (n, session) in self.workload.sessions.iter().enumerate() {
            for (m, _) in session.steps.iter().enumerate().filter(|(_, step)| allowed(&self.profile, step)) {
                *mix.entry(self.endpoints.of(n, m)).or_default() += 1;
            }
        }
        mix
    }

    fn warm(&self) -> u64 {
        self.start + self.profile.warmup.0.as_nanos() as u64
    }
}

/// Replays the `n`th thread's part and says what it saw.
pub fn work(run: Arc<Run>, n: usize) -> io::Result<Tally> {
    let refused = seat::take(&run.profile, n);
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let worker = Rc::new(Worker {
            pacer: Pacer::new(if run.profile.spin { SPIN_NS } else { 0 })?,
            run,
            tally: RefCell::default(),
        });
        let driver = worker.clone();
        let drive =
            tokio::task::spawn_local(async move { driver.pacer.drive(|| driver.run.governor.is_stopped()).await });
        tokio::select! {
            () = worker.clone().replay(n) => {}
            () = worker.stopped() => {}
        }
        drive.abort();
        let mut tally = worker.tally.take();
        tally.used = seat::used();
        tally.warnings.extend(refused);
        Ok(tally)
    })
}

struct Worker {
    run: Arc<Run>,
    pacer: Rc<Pacer>,
    tally: RefCell<Tally>,
}

/// One pass while it is run.
struct Live {
    pass: Pass,
    memory: Memory,
}

impl Live {
    fn new(pass: Pass, workload: &Workload) -> Live {
        let memory = Memory::new(&workload.sessions[pass.session]);
        Live { pass, memory }
    }
}

impl Worker {
    /// Returns some time after the run was stopped.
    async fn stopped(&self) {
        while self.pacer.until(u64::MAX).await {}
        self.pacer.within(now() + GRACE_NS, std::future::pending::<()>()).await;
    }

    async fn replay(self: Rc<Self>, n: usize) {
        let run = self.run.clone();
        let mine =
            passes(&run.workload, &run.profile).enumerate().filter(|(m, _)| m % run.threads == n).map(|(_, pass)| pass);
        match run.profile.mode {
            Mode::Closed => self.closed(mine, n).await,
            _ => self.open(mine).await,
        }
    }

    /// Begins each pass when its time comes.
    async fn open(self: Rc<Self>, passes: impl Iterator<Item = Pass>) {
        let mut tasks = JoinSet::new();
        for pass in passes {
            let begins = self.run.start.saturating_add(pass.begins());
            if begins.saturating_sub(AHEAD_NS) > self.run.end()
                || !self.pacer.until(begins.saturating_sub(AHEAD_NS)).await
            {
                break;
            }
            self.tally.borrow_mut().planned += pass.requests();
            let connections = pass.opened.len();
            let live = Rc::new(Live::new(pass, &self.run.workload));
            for connection in 0..connections {
                tasks.spawn_local(self.clone().connection(live.clone(), connection));
            }
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Lets a number of connections take pass after pass.
    async fn closed(self: Rc<Self>, passes: impl Iterator<Item = Pass>, n: usize) {
        let (give, take) = mpsc::channel::<Pass>(1);
        let take = Rc::new(Mutex::new(take));
        let mut tasks = JoinSet::new();
        let users = (0..self.run.profile.connections as usize).filter(|user| user % self.run.threads == n);
        for _ in users {
            tasks.spawn_local(self.clone().user(take.clone()));
        }
        drop(take);
        self.pacer.until(self.run.start).await;
        for pass in passes {
            let requests = pass.requests();
            if now() >= self.run.end() || give.send(pass).await.is_err() {
                break;
            }
            self.tally.borrow_mut().planned += requests;
        }
        drop(give);
        while tasks.join_next().await.is_some() {}
    }

    /// One connection of a closed loop.
    async fn user(self: Rc<Self>, passes: Rc<Mutex<mpsc::Receiver<Pass>>>) {
        let mut link = self.link();
        loop {
            let Some(pass) = passes.lock().await.recv().await else { return };
            let live = Live::new(pass, &self.run.workload);
            for n in 0..live.pass.intents.len() {
                if now() >= self.run.end() || self.run.governor.is_stopped() {
                    return;
                }
                if live.pass.intents[n] != Intent::Skip {
                    let intended = now();
                    self.request(&live, &mut link, n, intended, intended).await;
                }
            }
        }
    }

    /// One captured connection of a pass: its requests in their order.
    async fn connection(self: Rc<Self>, live: Rc<Live>, connection: usize) {
        let session = &self.run.workload.sessions[live.pass.session];
        let mut link = self.link();
        if let Some(opened) = live.pass.opened[connection] {
            self.pacer.until(self.run.start + opened).await;
            // A refusal is reported by the first request.
            self.count(link.ready().await.ok());
        }
        let mut free = now();
        for (n, step) in session.steps.iter().enumerate().filter(|(_, step)| step.connection as usize == connection) {
            let intended = match live.pass.intents[n] {
                Intent::Skip => {
                    live.memory.learn(session, n, now(), &[], &[]);
                    continue;
                }
                Intent::At(at) => self.run.start + at,
                Intent::After(think) => self.seen(&live, step, free).await.saturating_add(think),
            };
            if intended > self.run.end() || !self.pacer.until(intended).await {
                // Nobody is to wait for what will not come.
                let rest = (n..session.steps.len()).filter(|&m| session.steps[m].connection as usize == connection);
                rest.for_each(|m| live.memory.learn(session, m, now(), &[], &[]));
                return;
            }
            if live.memory.awaits(step) {
                live.memory.ready_for(step).await;
                free = now();
            }
            free = self.request(&live, &mut link, n, intended, free).await;
        }
    }

    /// When the response was there that a request's sender had seen.
    async fn seen(&self, live: &Live, step: &Step, free: u64) -> u64 {
        match step.after {
            Some(after) => live.memory.over(after).await,
            None => free,
        }
    }

    fn link(&self) -> Link {
        Link::new(self.run.route.clone(), self.run.profile.timeout.0, self.pacer.clone())
    }

    fn count(&self, readiness: Option<Readiness>) {
        let mut tally = self.tally.borrow_mut();
        tally.connections_opened += u64::from(matches!(readiness, Some(Readiness::Opened | Readiness::Reopened)));
        tally.reconnects += u64::from(readiness == Some(Readiness::Reopened));
    }

    /// Sends a request, reads and records its outcome; returns when that was known.
    async fn request(&self, live: &Live, link: &mut Link, n: usize, intended: u64, free: u64) -> u64 {
        let session = &self.run.workload.sessions[live.pass.session];
        let step = &session.steps[n];
        let mut outcome =
            Outcome { session: live.pass.session, step: n, intended, free, end: End::Failed(Failure::Cap) };
        let mut response = Vec::new();
        let mut request = Vec::new();
        if let Some(_flight) = self.run.governor.take_off() {
            let slot = self.run.governor.slot(now());
            self.pacer.until(slot).await;
            request = self.render(live, step);
            let endpoint = self.run.endpoints.of(live.pass.session, n);
            let keep = Memory::wants(session, n) || self.run.checks.want_bytes(endpoint);
            let mut reader = Reader::new(Asked::by(step.request.method()), keep);
            let result = self.exchange(link, &request, &mut reader, &mut outcome.free).await;
            outcome.end = result.unwrap_or_else(End::Failed);
            response = reader.into_bytes();
        }
        let known_at = now();
        self.record(&outcome, step, &response, known_at);
        live.memory.learn(session, n, known_at, &request, &response);
        known_at
    }

    async fn exchange(
        &self,
        link: &mut Link,
        request: &[u8],
        reader: &mut Reader,
        free: &mut u64,
    ) -> Result<End, Failure> {
        let readiness = link.ready().await?;
        self.count(Some(readiness));
        if readiness != Readiness::Open {
            *free = (*free).max(now());
        }
        let timing = link.exchange(request, reader).await?;
        Ok(End::Answered {
            status: reader.status(),
            written: timing.written,
            first_byte: timing.first_byte,
            last_byte: timing.last_byte,
            sent: request.len() as u64,
            received: timing.received,
        })
    }

    /// The bytes to send: the captured ones but for what the profile changes and the values that the target told.
    fn render(&self, live: &Live, step: &Step) -> Vec<u8> {
        let edits = self.run.edits.of(&step.request);
        let replacements = live.memory.replacements(step, |edge| covers(&edits, &edge.at));
        let mut tally = self.tally.borrow_mut();
        tally.substituted += replacements.made.len() as u64;
        tally.missed += replacements.missed;
        let made = merged(edits, replacements.made);
        render(&step.request, &made)
    }

    fn record(&self, outcome: &Outcome, step: &Step, response: &[u8], known_at: u64) {
        let expected = step.expect.as_ref().map(|response| response.status);
        let about = About {
            endpoint: self.run.endpoints.of(outcome.session, outcome.step),
            expected,
            captured_at: step.at,
            counts: outcome.intended >= self.run.warm(),
            known_at,
        };
        let mut tally = self.tally.borrow_mut();
        tally.record(outcome, about);
        if let End::Answered { status, .. } = outcome.end {
            self.run.checks.look(about.endpoint, step.expect.as_ref(), status, response, &mut tally.checks);
        }
        self.run.governor.landed(is_error(outcome.end, expected));
    }
}
