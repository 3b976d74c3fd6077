//! Workload -> traffic: paced, correlated, bounded, measured from intent.
//!
//! A [`feed`] tells the captured requests in their order, however many they are; a [`schedule`] says when each is meant to be
//! sent; a `deal`er brings both together and hands them to a `worker` per thread, which sends them over a `link` and
//! records an `outcome`; what `live` responses tell takes the place of captured values. A `tally` counts; `summary` turns
//! that into a [`RunResult`]. `safety` says where a run may go, `governor` how far.

mod belief;
mod checks;
mod copies;
pub mod curve;
mod deal;
mod dealing;
mod edits;
mod errand;
pub mod feed;
mod felt;
mod governor;
mod health;
mod identities;
mod link;
mod live;
mod lives;
pub mod merge;
mod outbox;
mod outcome;
mod outcomes;
mod pacer;
mod pattern;
mod plan;
pub mod profile;
pub mod progress;
pub mod provenance;
mod response;
mod rounds;
mod safety;
pub mod saturate;
pub mod schedule;
mod seat;
mod series;
mod slo;
mod start;
mod starving;
mod summary;
mod tally;
pub mod target;
mod trials;
mod waiting;
mod waking;
mod which;
mod worker;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, SystemTime};

use crate::workload::CaptureError;

pub use checks::wanted;
pub use edits::{EnvSecret, Marker, SecretRule, Secrets};
pub use felt::Watch;
pub use identities::Identities;
#[cfg(fuzzing)]
pub use link::hostile;
pub use outcome::{End, Failure, Outcome};
pub use outcomes::Outcomes;
pub use profile::{Mode, Profile, ProfileError, Protocol, Who};
pub use response::{Asked, Malformed, Reader};
pub use safety::Target;
pub use saturate::Saturate;
pub use start::StartError;
pub use summary::mode_name;

use checks::Checks;
use dealing::Dealing;
use edits::Edits;
use feed::Feed;
use felt::Watcher;
use governor::Governor;
use link::{Address, Route, Tls, TlsError};
use progress::Progress;
use tally::Tally;
use worker::{Inbox, Run};

/// Time for the threads to get ready before the run's instant 0.
const READY_NS: u64 = 20_000_000;
/// How soon a cancel is heard before the run begins.
const CANCEL_HEARD: Duration = Duration::from_millis(20);

/// A run's result, with the profile that it had.
pub type RunResult = crate::run::RunResult<Profile>;

/// What to run and against what.
#[derive(Clone, Debug)]
pub struct Options {
    /// `http://host:port`, `https://host:port`, or `embedded` for the built-in target.
    pub target: String,
    /// All knobs.
    pub profile: Profile,
    /// The values of the environment variables that the profile names under `secrets`.
    pub secrets: Secrets,
    /// Set to true, it ends the run; what was measured so far is the result.
    pub cancel: Arc<AtomicBool>,
    /// Where it is shown how far the run is.
    pub progress: Option<Arc<Progress>>,
    /// When the run's instant 0 is, by this machine's clock; as soon as possible when none.
    pub start_at: Option<SystemTime>,
    /// Where every outcome is told.
    pub outcomes: Option<Outcomes>,
    /// Who the copies of a population are; the captured people again when none.
    pub identities: Option<Identities>,
}

impl Options {
    /// A run with a profile against a target.
    pub fn new(target: &str, profile: Profile) -> Options {
        Options {
            target: target.into(),
            profile,
            secrets: Secrets::new(),
            cancel: Arc::default(),
            start_at: None,
            outcomes: None,
            progress: None,
            identities: None,
        }
    }
}

/// Why nothing was replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A knob makes no sense.
    #[error("profile: {0}")]
    Profile(#[from] ProfileError),
    /// The target's address makes no sense.
    #[error("target {url}: {why}")]
    Target {
        /// As given.
        url: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A replay must not go there.
    #[error("no replay to {host}: {why}")]
    Refused {
        /// The target.
        host: String,
        /// The rule that forbids it.
        why: String,
    },
    /// A secret of the target's environment cannot be had.
    #[error("the environment variable {variable}, which the profile takes a secret from, {why}")]
    Secret {
        /// Its name.
        variable: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is nothing to replay.
    #[error("the capture holds no HTTP/1 request that may be sent{}", if *.0 { " (`methods` and `filter` leave none over)" } else { "" })]
    Nothing(
        /// The profile's filter is the reason.
        bool,
    ),
    /// It came through a pipe.
    #[error(
        "a pipe can be read once, and this takes more: a shard is chosen when all sessions are known, a search makes one run after another; give a file"
    )]
    Once,
    /// The capture cannot be read.
    #[error("the capture cannot be read: {0}")]
    Capture(CaptureError),
    /// Nobody answers there.
    #[error("target {url} cannot be reached: {error}; is it running?")]
    Unreachable {
        /// As given.
        url: String,
        /// What the system says.
        error: io::Error,
    },
    /// The instant at which it was to begin has passed, or is too far away to be meant.
    #[error("cannot start then: {0}")]
    Start(#[from] StartError),
    /// No TLS with what the profile gives.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Somebody asked for the end before anything was sent.
    #[error("cancelled before anything was sent")]
    Cancelled,
    /// The system does not give what is needed.
    #[error("cannot run: {0}")]
    System(#[from] io::Error),
}

impl ReplayError {
    /// The process's exit code: 2 for what the user can put right on the command line or in the profile, 3 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            ReplayError::Profile(_)
            | ReplayError::Target { .. }
            | ReplayError::Refused { .. }
            | ReplayError::Start(_)
            | ReplayError::Tls(_)
            | ReplayError::Secret { .. }
            | ReplayError::Once => 2,
            ReplayError::Nothing(filtered) => 3 - u8::from(*filtered),
            ReplayError::Capture(_) | ReplayError::Unreachable { .. } | ReplayError::System(_) => 3,
            ReplayError::Cancelled => 130,
        }
    }
}

/// Replays and measures. Blocks until the run is over.
pub fn run(feed: impl Into<Feed>, options: Options) -> Result<RunResult, ReplayError> {
    let feed = feed.into();
    options.profile.check()?;
    can_be_read(&feed, &options.profile)?;
    seat::open_files();
    let embedded = (options.target == "embedded").then(target::spawn).transpose()?;
    let url = embedded.as_ref().map_or(options.target.clone(), |handle| format!("http://{}", handle.addr));
    options.start_at.map(start::ahead).transpose()?;
    match options.profile.mode {
        Mode::Saturate => trials::saturate(feed, &url, &options),
        _ => once(feed, &url, &options).map(|(result, _)| result),
    }
}

/// One run against the target at `url`; gives the feed back, unless it is still being read.
fn once(feed: Feed, url: &str, options: &Options) -> Result<(RunResult, Option<Feed>), ReplayError> {
    let target = Target::parse(url)?;
    target.speaks(options.profile.protocol)?;
    let id = format!("{:016x}", rand::random::<u64>());
    let edits = Edits::new(&options.profile, &target.authority, &options.secrets, &id)?;
    let (wanted, profile) = (target.clone(), options.profile.clone());
    let address = aside(&options.cancel, move || wanted.cleared(&profile, &BTreeSet::new()))?;
    let threads = threads(&options.profile);
    let governor = Arc::new(Governor::new(&options.profile, options.cancel.clone()));
    let (dealing, inboxes) = Dealing::begin(feed, options, &target, governor.clone(), threads)?;
    // Only now that the hosts at the capture's beginning were looked at.
    let (wanted, there, profile) = (target.clone(), address.clone(), options.profile.clone());
    let route = match aside(&options.cancel, move || route(&wanted, &there, &profile)) {
        Ok(route) => route,
        Err(error) => {
            dealing.end()?;
            return Err(error);
        }
    };
    let watcher = Watcher::begin(&options.profile, &address, &dealing.hosts())?;
    let start = match options.start_at {
        Some(at) => start::wait(at, &options.cancel)?,
        None => pacer::now() + READY_NS,
    };
    if let Some(progress) = &options.progress {
        progress.begin(start, threads, progress::lasts(&options.profile));
    }
    let run = Arc::new(Run {
        outcomes: options.outcomes.clone(),
        progress: options.progress.clone(),
        checks: Checks::new(&options.profile.checks, dealing.endpoints.clone()),
        profile: options.profile.clone(),
        route: Arc::new(route),
        start,
        edits,
        threads,
        governor,
        endpoints: dealing.endpoints.clone(),
        answers: dealing.answers.clone(),
        users: dealing.users.clone(),
    });
    let tally = send(&run, inboxes)?;
    let (dealt, feed) = dealing.end()?;
    Ok((summary::summary(&run, options.target.clone(), tally, &dealt, &watcher.end()), feed))
}

/// What some work gives that may take long (names are looked up, a connection is made): done aside, so that a cancel is
/// heard meanwhile.
fn aside<T: Send + 'static>(
    cancel: &AtomicBool,
    work: impl FnOnce() -> Result<T, ReplayError> + Send + 'static,
) -> Result<T, ReplayError> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    // Nobody listens any more when the run was cancelled.
    std::thread::Builder::new().name("aside".into()).spawn(move || drop(tell.send(work())))?;
    loop {
        match told.recv_timeout(CANCEL_HEARD) {
            Ok(result) => return result,
            Err(_) if cancel.load(Ordering::Relaxed) => return Err(ReplayError::Cancelled),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("a thread ended").into()),
        }
    }
}

/// The way to the target, on which somebody answers.
fn route(target: &Target, address: &Address, profile: &Profile) -> Result<Route, ReplayError> {
    let tls = target.secure.then(|| Tls::new(profile, &target.host)).transpose()?;
    Route::to(address.clone(), &target.authority, tls, profile.timeout.0)
        .map_err(|error| ReplayError::Unreachable { url: target.url.clone(), error })
}

/// Whether the profile asks for more than a pipe can give.
fn can_be_read(feed: &Feed, profile: &Profile) -> Result<(), ReplayError> {
    let several = profile.shard.is_some_and(|shard| shard.of > 1) || profile.mode == Mode::Saturate;
    if feed.is_pipe() && several { Err(ReplayError::Once) } else { Ok(()) }
}

fn threads(profile: &Profile) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = if profile.threads == 0 { cores() } else { profile.threads };
    match profile.mode {
        Mode::Closed => wanted.min(profile.connections as usize),
        _ => wanted,
    }
}

/// Lets all threads work and adds up what they saw.
fn send(run: &Arc<Run>, inboxes: Vec<Inbox>) -> io::Result<Tally> {
    let spawn = |(n, inbox): (usize, Inbox)| {
        let run = run.clone();
        std::thread::Builder::new().name(format!("replay-{n}")).spawn(move || worker::work(run, n, inbox))
    };
    let threads: Vec<_> = inboxes.into_iter().enumerate().map(spawn).collect::<io::Result<_>>()?;
    let mut tally = Tally::default();
    for thread in threads {
        match thread.join() {
            Ok(seen) => tally.merge(seen?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(tally)
}

pub use plan::{PlannedReplacement, PlannedRequest, dry_run, plan};
