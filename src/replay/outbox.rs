//! From who deals to those who send: which thread, which connection of a closed loop, and no further ahead than it may be.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::limits::{LOOK_AHEAD_BYTES, REORDER_BYTES};

use super::errand::{Ahead, Errand, Lane};
use super::governor::Governor;
use super::pacer::now;

/// Errands that travel together, for a thread that sleeps has to be woken for each.
const BATCH: usize = 64;
/// How often a dealer that is far enough ahead looks again.
const LOOK: Duration = Duration::from_millis(2);
/// Requests ahead over all connections of a closed loop.
const CLOSED_AHEAD: usize = 4096;
/// Sessions whose connection of a closed loop is remembered.
const SESSIONS_KEPT: usize = 1 << 16;

/// Who sends in a closed loop, one request after another, and how much waits for each: the connections, or their streams.
#[derive(Default)]
pub struct Users {
    queued: Vec<AtomicUsize>,
    /// How many of them share a connection.
    streams: u32,
    /// Enough was dealt for now, or all: who has nothing to do does not wait for the reader.
    enough: AtomicBool,
}

impl Users {
    /// Those of so many connections.
    pub fn new(connections: u32, streams: u32) -> Users {
        let queued = (0..connections.saturating_mul(streams)).map(|_| AtomicUsize::new(0)).collect();
        Users { queued, streams, enough: AtomicBool::new(false) }
    }

    /// Which connection one has, alone or with others.
    pub fn connection(&self, user: u32) -> u32 {
        user / self.streams.max(1)
    }

    /// All of them that a thread has.
    pub fn of(&self, thread: usize, threads: usize) -> impl Iterator<Item = u32> {
        (0..self.queued.len() as u32).filter(move |user| self.thread(*user, threads) == thread)
    }

    fn thread(&self, user: u32, threads: usize) -> usize {
        self.connection(user) as usize % threads
    }

    /// Whether one that has nothing to do waits for the reader.
    pub fn is_short(&self) -> bool {
        !self.enough.load(Ordering::Relaxed)
    }

    /// One has taken a request.
    pub fn took(&self, user: u32) {
        self.queued[user as usize].fetch_sub(1, Ordering::Relaxed);
    }

    fn gave(&self, user: u32) {
        self.queued[user as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The one with the least to do.
    fn idlest(&self) -> u32 {
        let queued = self.queued.iter().map(|queued| queued.load(Ordering::Relaxed));
        (0..).zip(queued).min_by_key(|(_, queued)| *queued).map_or(0, |(user, _)| user)
    }

    fn least(&self) -> usize {
        self.queued.iter().map(|queued| queued.load(Ordering::Relaxed)).min().unwrap_or(0)
    }
}

/// How the dealing goes, for those who wait for it.
#[derive(Default)]
pub struct Progress {
    /// Requests dealt.
    pub dealt: AtomicU64,
    /// As far ahead as may be, or at the end.
    pub primed: AtomicBool,
    /// It ended for a reason that is an error.
    pub failed: AtomicBool,
    /// Nothing more is wanted.
    pub stop: Arc<AtomicBool>,
}

/// Hands errands out.
pub struct Outbox {
    threads: Vec<UnboundedSender<Vec<Errand>>>,
    batches: Vec<Vec<Errand>>,
    ahead: Arc<Ahead>,
    /// Bytes of it at most.
    most: usize,
    governor: Arc<Governor>,
    progress: Arc<Progress>,
    users: Arc<Users>,
    user_of: HashMap<Lane, u32>,
    /// By round, copy and session.
    user_of_session: HashMap<(u32, u32, u32), u32>,
}

impl Outbox {
    /// One that gives to these threads; to the connections of a closed loop, when there are any. `reorders`: not all that is
    /// dealt is due before what is dealt later.
    pub fn new(
        threads: Vec<UnboundedSender<Vec<Errand>>>,
        (ahead, reorders): (Arc<Ahead>, bool),
        governor: Arc<Governor>,
        progress: Arc<Progress>,
        users: Arc<Users>,
    ) -> Outbox {
        let batches = threads.iter().map(|_| Vec::new()).collect();
        let (user_of, user_of_session) = (HashMap::new(), HashMap::new());
        let most = if reorders { REORDER_BYTES } else { LOOK_AHEAD_BYTES };
        Outbox { threads, batches, ahead, most, governor, progress, users, user_of, user_of_session }
    }

    /// Takes an errand; waits while enough others are ahead of it. False: no more are wanted.
    pub fn give(&mut self, mut errand: Errand) -> bool {
        let thread = match &mut errand {
            Errand::Send(deal) if !self.users.queued.is_empty() => {
                deal.user = self.user(deal.lane, deal.turn.session);
                self.users.gave(deal.user);
                self.users.thread(deal.user, self.threads.len())
            }
            Errand::Send(deal) => self.thread(deal.lane),
            Errand::Close(lane, _) if !self.users.queued.is_empty() => {
                self.user_of.remove(lane);
                return true;
            }
            Errand::Close(lane, _) => self.thread(*lane),
            Errand::Rounds(rounds) => {
                self.batches.iter_mut().for_each(|batch| batch.push(Errand::Rounds(rounds.clone())));
                self.flush();
                return self.goes_on();
            }
        };
        let dealt = self.progress.dealt.fetch_add(u64::from(matches!(errand, Errand::Send(_))), Ordering::Relaxed);
        self.batches[thread].push(errand);
        if self.batches[thread].len() >= BATCH {
            self.flush();
            if self.ahead.bytes() >= self.most / 2 {
                // Far enough ahead to let go first who has something to send: on a busy processor that would be
                // milliseconds late otherwise.
                thread::yield_now();
            }
        }
        self.pause(dealt as usize)
    }

    /// Sends off what was gathered.
    pub fn flush(&mut self) {
        let handed = now();
        for (thread, batch) in self.threads.iter().zip(&mut self.batches) {
            if !batch.is_empty() {
                for errand in batch.iter_mut() {
                    if let Errand::Send(deal) = errand {
                        deal.handed = handed;
                    }
                }
                // A thread that is gone has come to its end.
                let _ = thread.send(std::mem::take(batch));
            }
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.flush();
        self.users.enough.store(true, Ordering::Relaxed);
    }

    /// Waits while enough is ahead.
    fn pause(&mut self, dealt: usize) -> bool {
        let depth = CLOSED_AHEAD.div_ceil(self.users.queued.len().max(1)).max(CLOSED_AHEAD / 64);
        let looks = dealt.is_multiple_of(1 + self.users.queued.len() / 64);
        let sated = |users: &Users, depth| !users.queued.is_empty() && users.least() >= depth;
        if self.ahead.bytes() >= self.most || looks && sated(&self.users, depth) {
            self.flush();
            self.progress.primed.store(true, Ordering::Relaxed);
            self.users.enough.store(true, Ordering::Relaxed);
            while self.goes_on() && (self.ahead.bytes() >= self.most / 4 * 3 || sated(&self.users, depth / 2)) {
                thread::sleep(LOOK);
            }
            self.users.enough.store(false, Ordering::Relaxed);
        }
        self.goes_on()
    }

    fn goes_on(&self) -> bool {
        !self.governor.is_stopped() && !self.progress.stop.load(Ordering::Relaxed)
    }

    /// A pure function of the connection.
    fn thread(&self, lane: Lane) -> usize {
        let mut hasher = DefaultHasher::new();
        lane.hash(&mut hasher);
        (hasher.finish() % self.threads.len() as u64) as usize
    }

    /// Which connection of a closed loop sends what a captured one did: always the same, and the same for those of a
    /// session that is known by then; otherwise the one with the least to do.
    fn user(&mut self, lane: Lane, session: u32) -> u32 {
        if let Some(user) = self.user_of.get(&lane) {
            return *user;
        }
        if self.user_of_session.len() > SESSIONS_KEPT {
            self.user_of_session.clear();
        }
        let idlest = || self.users.idlest();
        let user = *self.user_of_session.entry((lane.round, lane.copy, session)).or_insert_with(idlest);
        self.user_of.insert(lane, user);
        user
    }
}
