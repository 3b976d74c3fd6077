//! One thread that sends: its own runtime, its own connections, nothing shared on the hot path but counters.

mod ahead;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::workload::{Replacement, Turn, render, replacement};

use super::checks::Checks;
use super::deal::{Deal, Errand, Lane};
use super::edits::{Edit, Edits, covers, merged};
use super::governor::{Governor, Landing};
use super::health::Health;
use super::link::{Link, Readiness, Route, Timing};
use super::live::Answers;
use super::outbox::Users;
use super::outcome::{End, Failure, Outcome};
use super::outcomes::{Known, Outcomes, Writer};
use super::pacer::{Pacer, SPIN_NS, now};
use super::profile::{Mode, Profile};
use super::progress::{EVERY, Progress};
use super::response::{Asked, Reader};
use super::schedule::Intent;
use super::seat;
use super::tally::{About, Endpoints, Tally, is_error};

/// A connection becomes a task this long before its first instant.
const AHEAD_NS: u64 = 500_000_000;
/// Connections of a closed loop on one thread, from which on they take turns at reading and at writing.
const TURNS_MIN: usize = 8;
/// What is in flight when a run is stopped may still be answered for so long.
const GRACE_NS: u64 = 200_000_000;
/// A client that expects `100 Continue` sends its body without it after this time (as curl does), or after as long as it
/// did when it was captured.
const LEAVE: Duration = Duration::from_secs(1);

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
        let duration = self.profile.duration.map_or(u64::MAX, |span| span.0.as_nanos() as u64);
        self.start.saturating_add(duration)
    }

    fn warm(&self) -> u64 {
        self.start + self.profile.warmup.0.as_nanos() as u64
    }
}

/// Replays the `n`th thread's part and says what it saw.
pub fn work(run: Arc<Run>, n: usize, inbox: Inbox) -> io::Result<Tally> {
    let refused = seat::take(&run.profile, n);
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let max_lateness = run.profile.max_lateness.0.as_nanos() as u64;
        let outcomes = RefCell::new(run.outcomes.as_ref().map(Outcomes::writer));
        let worker = Rc::new(Worker {
            pacer: Pacer::new(if run.profile.spin { SPIN_NS } else { 0 }, max_lateness)?,
            run,
            tally: RefCell::default(),
            outcomes,
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
}

/// What is to be sent on one connection, in its order.
#[derive(Default)]
struct Queue {
    deals: RefCell<VecDeque<Box<Deal>>>,
    /// Nothing more comes.
    closed: Cell<bool>,
    /// Nobody sends any more.
    left: Cell<bool>,
    changed: Notify,
}

impl Queue {
    fn push(&self, deal: Box<Deal>) {
        // A deal that nobody takes is dropped, which tells those who wait for it.
        if !self.left.get() {
            self.deals.borrow_mut().push_back(deal);
            self.changed.notify_one();
        }
    }

    fn close(&self) {
        self.closed.set(true);
        self.changed.notify_one();
    }

    /// The next one, if it is there.
    fn take(&self) -> Option<Box<Deal>> {
        self.deals.borrow_mut().pop_front()
    }

    /// The next one, when it is there.
    async fn next(&self) -> Option<Box<Deal>> {
        loop {
            let deal = self.take();
            if deal.is_some() || self.closed.get() {
                return deal;
            }
            self.changed.notified().await;
        }
    }

    /// The next one, if it is there and was sent before the answer to the one before it was complete.
    fn ahead_of(&self, before: &Turn) -> Option<Box<Deal>> {
        if self.is_next_ahead(before) { self.take() } else { None }
    }

    /// Whether that one is there.
    fn is_next_ahead(&self, before: &Turn) -> bool {
        self.deals.borrow().front().is_some_and(|next| next.turn.is_ahead_of_answer(before))
    }

    /// It comes next after all.
    fn put_back(&self, deal: Box<Deal>) {
        self.deals.borrow_mut().push_front(deal);
    }

    fn leave(&self) {
        self.left.set(true);
        self.deals.borrow_mut().clear();
    }
}

/// A request about to be sent.
#[derive(Clone, Copy)]
struct Sent {
    intended: u64,
    /// As [`Outcome::free`].
    free: u64,
    /// Now.
    at: u64,
}

/// A request's bytes as they are sent.
struct Rendered<'a> {
    bytes: Cow<'a, [u8]>,
    /// Values that the target told.
    made: u64,
    /// Values that stay as captured.
    missed: u64,
}

/// The connections of a thread that are open or will be.
#[derive(Default)]
struct Lanes {
    queues: HashMap<Lane, Rc<Queue>>,
    /// Those that nobody has begun to send on, by the instant when they are opened.
    unopened: BinaryHeap<Reverse<(u64, Lane)>>,
}

impl Lanes {
    fn take(&mut self, errand: Errand, start: u64) {
        match errand {
            Errand::Send(deal) => {
                let lane = deal.lane;
                let queue = self.queues.entry(lane).or_insert_with(|| {
                    let first = match deal.intent {
                        Intent::At(at) => deal.opened.unwrap_or(at).min(at),
                        Intent::After(_) => deal.opened.unwrap_or(0),
                    };
                    self.unopened.push(Reverse((start.saturating_add(first), lane)));
                    Rc::default()
                });
                queue.push(deal);
            }
            Errand::Close(lane) => {
                if let Some(queue) = self.queues.remove(&lane) {
                    queue.close();
                    // It is looked for when its time comes.
                    if !queue.left.get() && Rc::strong_count(&queue) == 1 {
                        self.queues.insert(lane, queue);
                    }
                }
            }
        }
    }

    /// When a task for the next connection is to be there.
    fn next(&self) -> Option<u64> {
        self.unopened.peek().map(|Reverse((first, _))| first.saturating_sub(AHEAD_NS))
    }

    /// The next connection, whose time has come.
    fn open(&mut self) -> Option<Rc<Queue>> {
        let Reverse((_, lane)) = self.unopened.pop()?;
        let queue = self.queues.get(&lane)?.clone();
        if queue.closed.get() {
            self.queues.remove(&lane);
        }
        Some(queue)
    }
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

    /// Opens each connection when its time comes.
    async fn open(self: Rc<Self>, mut inbox: Inbox) {
        let mut tasks = JoinSet::new();
        let mut lanes = Lanes::default();
        let mut more = true;
        while more || !lanes.unopened.is_empty() {
            let next = lanes.next();
            tokio::select! {
                biased;
                going_on = self.pacer.until(next.unwrap_or(u64::MAX)), if next.is_some() => match lanes.open() {
                    Some(queue) if going_on => {
                        tasks.spawn_local(self.clone().connection(queue));
                    }
                    _ => {}
                },
                errands = inbox.recv(), if more => match errands {
                    Some(errands) => errands.into_iter().for_each(|errand| lanes.take(errand, self.run.start)),
                    None => more = false,
                },
            }
            while tasks.try_join_next().is_some() {}
        }
        lanes.queues.values().for_each(|queue| queue.close());
        while tasks.join_next().await.is_some() {}
    }

    /// Lets a number of connections send whatever comes to them.
    async fn closed(self: Rc<Self>, n: usize, mut inbox: Inbox) {
        let mut tasks = JoinSet::new();
        let mine = (0..self.run.profile.connections).filter(|user| *user as usize % self.run.threads == n);
        let queues: HashMap<u32, Rc<Queue>> = mine.map(|user| (user, Rc::default())).collect();
        queues.iter().for_each(|(user, queue)| {
            tasks.spawn_local(self.clone().user(*user, queue.clone()));
        });
        loop {
            tokio::select! {
                errands = inbox.recv() => {
                    let Some(errands) = errands else { break };
                    for errand in errands {
                        if let Errand::Send(deal) = errand && let Some(queue) = queues.get(&deal.user) {
                            queue.push(deal);
                        }
                    }
                }
                over = tasks.join_next() => if over.is_none() { break },
            }
        }
        queues.values().for_each(|queue| queue.close());
        while tasks.join_next().await.is_some() {}
    }

    /// One connection of a closed loop.
    async fn user(self: Rc<Self>, user: u32, queue: Rc<Queue>) {
        let mut link = self.link();
        let in_turns = self.run.profile.connections as usize / self.run.threads >= TURNS_MIN;
        self.pacer.until(self.run.start).await;
        let mut free = now();
        loop {
            let deal = match queue.take() {
                Some(deal) => deal,
                None => {
                    let is_short = self.run.users.is_short();
                    let Some(deal) = queue.next().await else { break };
                    let taken = now();
                    self.tally.borrow_mut().starve(taken.saturating_sub(free), is_short);
                    free = taken;
                    deal
                }
            };
            self.run.users.took(user);
            let begins = self.told(&deal).await.map_or(free, |_| now());
            if begins >= self.run.end() || self.run.governor.is_stopped() {
                break;
            }
            let sent = Sent { intended: begins, free: begins, at: begins };
            free = self.request(&deal, None, &mut link, sent).await;
            if in_turns {
                // All answers that are there are read before the next requests go: they are stamped when they come, and
                // a target that sleeps is woken once for many.
                tokio::task::yield_now().await;
            }
        }
        queue.leave();
    }

    /// One captured connection: its requests in their order.
    async fn connection(self: Rc<Self>, queue: Rc<Queue>) {
        self.send_all(&queue).await;
        queue.leave();
    }

    async fn send_all(&self, queue: &Queue) {
        let mut link = self.link();
        let mut free = None;
        while let Some(deal) = queue.next().await {
            let before = match (free, deal.opened) {
                (Some(free), _) => free,
                (None, Some(opened)) => self.opened(&mut link, self.run.start + opened).await,
                (None, None) => 0,
            };
            let intended = self.intended(&deal, before).await;
            // What can be done before the instant is done before it.
            let early = self.is_told(&deal).then(|| self.render(&deal));
            let Some(sent) = self.due(&deal, intended, before).await else { return };
            free = Some(match queue.is_next_ahead(&deal.turn) {
                true => {
                    drop(early);
                    self.ahead(queue, &mut link, deal, sent).await
                }
                false => self.request(&deal, early, &mut link, sent).await,
            });
        }
    }

    /// When a request is meant to be sent; `before`: when its connection was free.
    async fn intended(&self, deal: &Deal, before: u64) -> u64 {
        match deal.intent {
            Intent::At(at) => self.run.start + at,
            Intent::After(think) => self.seen(deal, before).await.saturating_add(think),
        }
    }

    /// Waits until a request is to be sent, and for the values that it needs. None when the run ends before.
    async fn due(&self, deal: &Deal, intended: u64, before: u64) -> Option<Sent> {
        if intended > self.run.end() || !self.pacer.until(intended).await {
            return None;
        }
        let told = self.told(deal).await.unwrap_or(0);
        Some(Sent { intended, free: before.max(told), at: now() })
    }

    /// Opens a connection at its instant; says when it was there, but for what this thread was late. A refusal is reported
    /// by the first request.
    async fn opened(&self, link: &mut Link, instant: u64) -> u64 {
        self.pacer.until(instant).await;
        let begun = now();
        self.count(link.ready().await.ok());
        instant + (now() - begun)
    }

    /// When the response was there that a request's sender had seen.
    async fn seen(&self, deal: &Deal, free: u64) -> u64 {
        match &deal.after {
            Some(live) => live.over().await,
            None => free.max(self.run.start),
        }
    }

    /// Every value that a request needs is told, or never will be.
    fn is_told(&self, deal: &Deal) -> bool {
        deal.sources.iter().flatten().all(|live| live.is_over().is_some())
    }

    /// Waits for that; says when the last one was told, if it had to wait.
    async fn told(&self, deal: &Deal) -> Option<u64> {
        let mut last = None;
        for live in deal.sources.iter().flatten() {
            if live.is_over().is_none() {
                last = last.max(Some(live.over().await));
            }
        }
        last
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
    async fn request(&self, deal: &Deal, early: Option<Rendered<'_>>, link: &mut Link, sent: Sent) -> u64 {
        let mut outcome = Outcome { intended: sent.intended, free: sent.free, end: End::Failed(Failure::Cap) };
        let mut response = Vec::new();
        if let Some(_flight) = self.run.governor.take_off() {
            let Some(slot) = self.slot(sent.at).await else { return now() };
            let request = early.unwrap_or_else(|| self.render(deal));
            let mut reader = self.reader(deal);
            let result = self.exchange(link, (&request.bytes, leave(deal)), &mut reader, slot, &mut outcome).await;
            outcome.end = result.unwrap_or_else(End::Failed);
            response = reader.into_bytes();
            let mut tally = self.tally.borrow_mut();
            tally.substituted += request.made;
            tally.missed += request.missed;
        }
        self.over(deal, &outcome, response)
    }

    /// Waits for the first instant at which the run's greatest rate leaves room for a request that is ready at `at`. None
    /// when the run ends before.
    async fn slot(&self, at: u64) -> Option<u64> {
        let slot = self.run.governor.slot(at);
        (slot <= at || self.pacer.until(slot).await).then_some(slot)
    }

    /// A reader of the answer to a request.
    fn reader(&self, deal: &Deal) -> Reader {
        let wanted = deal.live.as_ref().is_some_and(|live| live.is_wanted(&self.run.answers));
        Reader::new(Asked::of(&deal.turn.request), wanted || self.run.checks.want_bytes(deal.endpoint))
    }

    /// What became of a request is known; since when.
    fn over(&self, deal: &Deal, outcome: &Outcome, response: Vec<u8>) -> u64 {
        let known_at = match outcome.end {
            End::Answered { last_byte, .. } => last_byte,
            End::Failed(_) => now(),
        };
        self.record(outcome, deal, &response, known_at);
        if let Some(live) = &deal.live {
            live.learn(known_at, deal.turn.request.method(), response, &self.run.answers);
        }
        known_at
    }

    /// `asked`: when the connection is first needed.
    async fn exchange(
        &self,
        link: &mut Link,
        (request, leave): (&[u8], Option<Duration>),
        reader: &mut Reader,
        asked: u64,
        outcome: &mut Outcome,
    ) -> Result<End, Failure> {
        let readiness = link.ready().await?;
        if readiness != Readiness::Open {
            self.count(Some(readiness));
            // The target took that long to be connected to; that it was begun late is not its fault.
            outcome.free = outcome.free.max(outcome.intended) + now().saturating_sub(asked);
        }
        let timing = link.exchange(request, leave, reader).await?;
        Ok(answered(reader, &timing, request.len()))
    }

    /// The bytes to send: the captured ones but for what the profile changes and the values that the target told.
    fn render<'a>(&self, deal: &'a Deal) -> Rendered<'a> {
        let request = &deal.turn.request;
        if deal.turn.edges.is_empty() {
            let edited = || render(request, &merged(self.run.edits.of(request), Vec::new()));
            return Rendered { bytes: Cow::Borrowed(request.as_sent(edited)), made: 0, missed: 0 };
        }
        let edits = self.run.edits.of(request);
        let Values { made, missed } = values(deal, &edits);
        let count = made.len() as u64;
        Rendered { bytes: Cow::Owned(render(request, &merged(edits, made))), made: count, missed }
    }

    fn record(&self, outcome: &Outcome, deal: &Deal, response: &[u8], known_at: u64) {
        let expected = deal.turn.expect.as_ref().map(|response| response.status);
        let about = About {
            endpoint: deal.endpoint,
            expected,
            captured_at: deal.turn.at,
            counts: outcome.intended >= self.run.warm(),
            known_at,
        };
        if let Some(outcomes) = &mut *self.outcomes.borrow_mut() {
            let (start, measured) = (self.run.start, about.counts);
            outcomes.add(outcome, &Known { deal, endpoint: &self.run.endpoints.name(deal.endpoint), start, measured });
        }
        let mut tally = self.tally.borrow_mut();
        tally.planned += 1;
        tally.record(outcome, about);
        if let End::Answered { status, .. } = outcome.end {
            self.run.checks.look(about.endpoint, deal.turn.expect.as_ref(), status, response, &mut tally.checks);
        }
        let landing = match outcome.end {
            End::Failed(Failure::Connect) => Landing::Refused,
            End::Failed(Failure::Cap) => Landing::Unsent,
            end if is_error(end, expected) => Landing::Bad,
            _ => Landing::Good,
        };
        self.run.governor.landed(landing, known_at);
    }
}

/// How long a request's body waits for leave, if it does.
fn leave(deal: &Deal) -> Option<Duration> {
    let request = &deal.turn.request;
    request.waits_for_leave().then(|| LEAVE.max(Duration::from_nanos(request.pause)))
}

fn answered(reader: &Reader, timing: &Timing, sent: usize) -> End {
    End::Answered {
        status: reader.status(),
        written: timing.written,
        first_byte: timing.first_byte,
        last_byte: timing.last_byte,
        sent: sent as u64,
        received: timing.received,
    }
}

/// Live values for a request.
struct Values {
    /// In order of position.
    made: Vec<Replacement>,
    /// Values that stay as captured.
    missed: u64,
}

/// The live values that take the place of captured ones, but for those that an edit decides about.
fn values(deal: &Deal, edits: &[Edit<'_>]) -> Values {
    let mut values = Values { made: Vec::new(), missed: 0 };
    for (edge, live) in deal.turn.edges.iter().zip(&deal.sources).filter(|(edge, _)| !covers(edits, &edge.at)) {
        match live.as_ref().and_then(|live| live.value(edge.value)) {
            Some(text) => values.made.push(replacement(edge.at.clone(), &text, edge.encoding)),
            None => values.missed += 1,
        }
    }
    values
}
