//! Workload -> traffic: paced, correlated, bounded, measured from intent.
//!
//! A [`schedule`] says when each request is meant to be sent; a `worker` per thread sends it over a `link` and records
//! an `outcome`; a `tally` counts; `summary` turns that into a [`RunResult`]. `safety` says where a run may go,
//! `governor` how far.

mod checks;
mod edits;
mod felt;
mod governor;
mod link;
mod memory;
pub mod merge;
mod outcome;
mod pacer;
mod pattern;
pub mod profile;
pub mod provenance;
mod response;
mod result;
mod safety;
pub mod schedule;
mod seat;
mod series;
mod slo;
mod start;
mod summary;
mod tally;
pub mod target;
mod waiting;
mod which;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use serde::Serialize;

use crate::workload::{Workload, endpoint::endpoint};

pub use checks::{Because, Check, wanted};
pub use edits::{EnvSecret, Marker, SecretRule, Secrets};
pub use felt::Watch;
pub use outcome::{End, Failure, Outcome};
pub use profile::{Mode, Profile, ProfileError, Protocol};
pub use response::{Asked, Malformed, Reader};
pub use result::*;
pub use safety::Target;
pub use slo::Slo;
pub use start::StartError;

use checks::Checks;
use edits::Edits;
use felt::Watcher;
use governor::Governor;
use link::{Address, Route, Tls, TlsError};
use schedule::{Intent, passes};
use tally::{Endpoints, Tally};
use worker::Run;

/// Time for the threads to get ready before the run's instant 0.
const READY_NS: u64 = 20_000_000;

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
    /// When the run's instant 0 is, by this machine's clock; as soon as possible when none.
    pub start_at: Option<SystemTime>,
}

impl Options {
    /// A run with a profile against a target.
    pub fn new(target: &str, profile: Profile) -> Options {
        Options { target: target.into(), profile, secrets: Secrets::new(), cancel: Arc::default(), start_at: None }
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
            | ReplayError::Secret { .. } => 2,
            ReplayError::Nothing(filtered) => 3 - u8::from(*filtered),
            ReplayError::Unreachable { .. } | ReplayError::System(_) => 3,
        }
    }
}

/// Replays a workload and measures. Blocks until the run is over.
pub fn run(workload: Arc<Workload>, options: Options) -> Result<RunResult, ReplayError> {
    options.profile.check()?;
    something_to_do(&workload, &options.profile)?;
    let embedded = (options.target == "embedded").then(target::spawn).transpose()?;
    let url = embedded.as_ref().map_or(options.target.clone(), |handle| format!("http://{}", handle.addr));
    options.start_at.map(start::ahead).transpose()?;
    let target = Target::parse(&url)?;
    let address = target.cleared(&options.profile, &workload.hosts)?;
    let id = format!("{:016x}", rand::random::<u64>());
    let edits = Edits::new(&options.profile, &target.authority, &options.secrets, &id)?;
    let route = route(&target, &address, &options.profile)?;
    let watcher = Watcher::begin(&options.profile, &address, &workload.hosts)?;
    let threads = threads(&options.profile);
    let endpoints = Endpoints::new(&workload);
    let start = match options.start_at {
        Some(at) => start::wait(at, &options.cancel)?,
        None => pacer::now() + READY_NS,
    };
    let run = Arc::new(Run {
        checks: Checks::new(&options.profile.checks, &endpoints.names),
        endpoints,
        governor: Governor::new(&options.profile, options.cancel),
        workload,
        profile: options.profile,
        route: Arc::new(route),
        start,
        edits,
        threads,
    });
    let tally = send(&run)?;
    Ok(summary::summary(&run, options.target, tally, &watcher.end()))
}

/// The way to the target, on which somebody answers.
fn route(target: &Target, address: &Address, profile: &Profile) -> Result<Route, ReplayError> {
    let wrong = |why| Err(ReplayError::Target { url: target.url.clone(), why });
    match (profile.protocol, target.secure) {
        (Protocol::H2, false) => return wrong("protocol `h2` is HTTP/2 over TLS; without TLS it is `h2c`"),
        (Protocol::H2c, true) => return wrong("protocol `h2c` is HTTP/2 without TLS; over TLS it is `h2`"),
        _ => {}
    }
    let tls = target.secure.then(|| Tls::new(profile, &target.host)).transpose()?;
    Route::to(address.clone(), tls, profile.protocol, profile.timeout.0)
        .map_err(|error| ReplayError::Unreachable { url: target.url.clone(), error })
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
fn send(run: &Arc<Run>) -> io::Result<Tally> {
    let spawn = |n: usize| {
        let run = run.clone();
        std::thread::Builder::new().name(format!("replay-{n}")).spawn(move || worker::work(run, n))
    };
    let threads: Vec<_> = (0..run.threads).map(spawn).collect::<io::Result<_>>()?;
    let mut tally = Tally::default();
    for thread in threads {
        match thread.join() {
            Ok(seen) => tally.merge(seen?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(tally)
}

fn something_to_do(workload: &Workload, profile: &Profile) -> Result<(), ReplayError> {
    match passes(workload, profile).next() {
        Some(_) => Ok(()),
        None => Err(ReplayError::Nothing(workload.requests() > 0)),
    }
}

/// A request that a run would send.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedRequest {
    /// Index of its session.
    pub session: usize,
    /// Index of its connection in the session.
    pub connection: u32,
    /// Milliseconds from the run's start; none when it waits for the response before it.
    pub at_ms: Option<f64>,
    /// Milliseconds after that response.
    pub after_ms: Option<f64>,
    /// `GET /api/v1/orders/{}`.
    pub endpoint: String,
    /// The request line, as captured.
    pub line: String,
    /// What will be replaced in it.
    pub replacements: Vec<PlannedReplacement>,
}

/// A value that a run would replace.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedReplacement {
    /// Its first byte in the request.
    pub at: usize,
    /// Its length as captured.
    pub len: usize,
    /// What takes its place: the response's field, `host`, `secret $VARIABLE`, `marker NAME`, or what a rule does there.
    pub with: String,
    /// The step of the session whose response tells it.
    pub from_step: Option<u32>,
}

/// What a run would send, in the order of the schedule; once through for modes that repeat.
pub fn dry_run(workload: &Workload, profile: &Profile) -> Result<Vec<PlannedRequest>, ReplayError> {
    profile.check()?;
    something_to_do(workload, profile)?;
    let once =
        profile.requests.is_none() && profile.duration.is_some() && matches!(profile.mode, Mode::Closed | Mode::Rate);
    let most = if once { workload.requests() } else { usize::MAX };
    let edits = Edits::planned(profile);
    let planned = passes(workload, profile).flat_map(|pass| {
        let steps = workload.sessions[pass.session].steps.iter().zip(pass.intents).enumerate();
        let planned = steps.filter_map(|(n, (_, intent))| planned(workload, &edits, pass.session, n, intent));
        planned.collect::<Vec<_>>()
    });
    Ok(planned.take(most).collect())
}

fn planned(workload: &Workload, edits: &Edits, session: usize, n: usize, intent: Intent) -> Option<PlannedRequest> {
    let sources = &workload.sessions[session].sources;
    let step = &workload.sessions[session].steps[n];
    let ms = |ns: u64| Some(ns as f64 / 1e6);
    let (at_ms, after_ms) = match intent {
        Intent::Skip => return None,
        Intent::At(at) => (ms(at), None),
        Intent::After(think) => (None, ms(think)),
    };
    let edits = edits.of(&step.request);
    let from_responses = step.edges.iter().filter(|edge| !edits::covers(&edits, &edge.at)).filter_map(|edge| {
        let source = sources.get(edge.source as usize)?;
        let with = format!("{}[{}]", source.path, source.ordinal);
        Some(PlannedReplacement { at: edge.at.start, len: edge.at.len(), with, from_step: Some(source.step) })
    });
    let by_the_profile = edits.iter().map(|edit| PlannedReplacement {
        at: edit.at.start,
        len: edit.at.len(),
        with: edit.why.to_string(),
        from_step: None,
    });
    let mut replacements: Vec<_> = from_responses.chain(by_the_profile).collect();
    replacements.sort_by_key(|replacement| replacement.at);
    let line = step.request.bytes.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).into_owned();
    Some(PlannedRequest {
        session,
        connection: step.connection,
        at_ms,
        after_ms,
        endpoint: endpoint(&step.request),
        line,
        replacements,
    })
}
