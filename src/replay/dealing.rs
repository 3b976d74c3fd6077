//! The thread that reads and deals while others send.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::workload::LeftOut;

use super::deal::{Dealer, Met};
use super::errand::Ahead;
use super::feed::Feed;
use super::governor::Governor;
use super::identities::Identities;
use super::live::Answers;
use super::outbox::{Outbox, Progress, Users};
use super::plan::nothing;
use super::profile::{Mode, Profile};
use super::safety::Target;
use super::tally::Endpoints;
use super::worker::Inbox;
use super::{Options, ReplayError};

/// How long a run that could begin waits for more to be read: values that go from one request to another are known then.
const PRIME: Duration = Duration::from_millis(300);
/// The same where what is due first may be read last.
const PRIME_REORDERED: Duration = Duration::from_secs(10);
/// How often the beginning is looked for.
const LOOK: Duration = Duration::from_millis(1);
/// How long the end of reading is waited for, once nothing more is wanted: a pipe may be silent for ever.
const END: Duration = Duration::from_secs(1);

/// Reads and deals until the end.
pub struct Dealing {
    pub endpoints: Arc<Endpoints>,
    pub answers: Arc<Answers>,
    pub users: Arc<Users>,
    met: Arc<Mutex<Met>>,
    progress: Arc<Progress>,
    thread: JoinHandle<Result<(Ended, Feed), ReplayError>>,
}

/// What the reader says at its end.
#[derive(Clone, Copy, Debug, Default)]
struct Ended {
    left_out: LeftOut,
    cut_short: bool,
    crowded: bool,
}

/// What was dealt.
pub struct Dealt {
    /// The capture, as far as it was read.
    pub met: Met,
    /// What is no part of it.
    pub left_out: LeftOut,
    /// It came through a pipe and could not be gone through again.
    pub cut_short: bool,
    /// The copies of a population came closer together than the profile says.
    pub crowded: bool,
}

impl Dealing {
    /// Begins to read and to deal to as many inboxes as there are threads. Returns when sending may begin.
    pub fn begin(
        feed: Feed,
        options: &Options,
        target: &Target,
        governor: Arc<Governor>,
        threads: usize,
    ) -> Result<(Dealing, Vec<Inbox>), ReplayError> {
        let profile = &options.profile;
        let (senders, inboxes): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::unbounded_channel()).unzip();
        let closed = profile.mode == Mode::Closed;
        let prime = if profile.reorders() && !feed.is_pipe() { PRIME_REORDERED } else { PRIME };
        let users = Arc::new(if closed { Users::new(profile.connections, profile.streams) } else { Users::default() });
        let progress = Arc::<Progress>::default();
        let ahead = Arc::<Ahead>::default();
        let ahead_of = (ahead.clone(), profile.reorders());
        let outbox = Outbox::new(senders, ahead_of, governor.clone(), progress.clone(), users.clone());
        let reader = Reader {
            profile: profile.clone(),
            identities: options.identities.clone(),
            forbidden: target.names(),
            host: target.host.clone(),
            endpoints: feed.endpoints(),
            answers: Arc::default(),
            met: Arc::default(),
            progress: progress.clone(),
            ahead,
            outbox: Arc::new(Mutex::new(outbox)),
        };
        let (endpoints, answers, met) = (reader.endpoints.clone(), reader.answers.clone(), reader.met.clone());
        let (failing, cancel) = (progress.clone(), governor.clone());
        let thread = thread::Builder::new().name("replay-feed".into()).spawn(move || {
            let ended = reader.read(feed);
            if ended.is_err() {
                failing.failed.store(true, Ordering::Relaxed);
                governor.stop();
            }
            ended
        })?;
        let dealing = Dealing { endpoints, answers, users, met, progress, thread };
        dealing.primed(&cancel, prime).map(|dealing| (dealing, inboxes))
    }

    /// Waits until there is something to send, and a little longer.
    fn primed(self, governor: &Governor, prime: Duration) -> Result<Dealing, ReplayError> {
        let mut first = None;
        while !self.thread.is_finished() && !self.progress.primed.load(Ordering::Relaxed) {
            if self.progress.dealt.load(Ordering::Relaxed) > 0
                && first.get_or_insert_with(Instant::now).elapsed() > prime
            {
                break;
            }
            if governor.is_cancelled() {
                return Ok(self);
            }
            thread::sleep(LOOK);
        }
        let nothing_dealt = self.thread.is_finished() && self.progress.dealt.load(Ordering::Relaxed) == 0;
        if nothing_dealt || self.progress.failed.load(Ordering::Relaxed) {
            let met = self.met.clone();
            self.end()?;
            return Err(nothing(&met));
        }
        Ok(self)
    }

    /// Hosts that requests name, as far as they were read.
    pub fn hosts(&self) -> BTreeSet<String> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).hosts.clone()
    }

    /// Nothing more is wanted. Gives the feed back, unless it is still being read.
    pub fn end(self) -> Result<(Dealt, Option<Feed>), ReplayError> {
        self.progress.stop.store(true, Ordering::Relaxed);
        let since = Instant::now();
        while !self.thread.is_finished() && since.elapsed() < END {
            thread::sleep(LOOK);
        }
        let (ended, feed) = match self.thread.is_finished() {
            true => {
                let (ended, feed) = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                (ended, Some(feed))
            }
            false => (Ended::default(), None),
        };
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Ended { left_out, cut_short, crowded } = ended;
        Ok((Dealt { met, left_out, cut_short, crowded }, feed))
    }
}

/// What the reading thread owns.
struct Reader {
    profile: Profile,
    identities: Option<Identities>,
    /// Names of the target that must not stand in the capture.
    forbidden: BTreeSet<String>,
    host: String,
    endpoints: Arc<Endpoints>,
    answers: Arc<Answers>,
    met: Arc<Mutex<Met>>,
    progress: Arc<Progress>,
    ahead: Arc<Ahead>,
    outbox: Arc<Mutex<Outbox>>,
}

impl Reader {
    fn read(self, mut feed: Feed) -> Result<(Ended, Feed), ReplayError> {
        let mut hosts = |host: &str| match self.forbidden.contains(host) {
            true => Err(ReplayError::Refused {
                host: self.host.clone(),
                why: "the capture was taken from it: this may be production".into(),
            }),
            false => Ok(()),
        };
        let outbox = self.outbox.clone();
        let flush = move || outbox.lock().unwrap_or_else(PoisonError::into_inner).flush();
        let waits: Arc<dyn Fn() + Send + Sync> = Arc::new(flush);
        let (ahead, met) = (self.ahead.clone(), self.met.clone());
        let identities = self.identities.as_ref();
        let mut dealer = Dealer::new(&self.profile, &self.endpoints, ahead, met, identities, &mut hosts)?;
        dealer.by_rounds = true;
        let mut kept = || self.answers.need_no_more();
        let mut give = |errand| self.outbox.lock().unwrap_or_else(PoisonError::into_inner).give(errand);
        dealer.run(&mut feed, &self.progress.stop, &waits, &mut kept, &mut give)?;
        let (cut_short, crowded) = (dealer.cut_short, dealer.is_crowded());
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).end();
        Ok((Ended { left_out: feed.left_out(), cut_short, crowded }, feed))
    }
}
