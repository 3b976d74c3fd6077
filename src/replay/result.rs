//! `run.json`: what a run found out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::{Few, Percentiles};

use super::checks::Check;
use super::outcome::Failure;
use super::profile::Profile;
use super::saturate::Saturation;
use super::slo::Slo;

/// Version of the JSON.
pub const SCHEMA: u32 = 1;

/// A run's result. Times in microseconds, sizes in bytes, unless the name says otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// Version of the program.
    pub standin: String,
    /// [`SCHEMA`].
    pub schema: u32,
    /// The target's address as given.
    pub target: String,
    /// What decided when a request was sent.
    pub mode: String,
    /// All knobs as they were.
    pub profile: Profile,
    /// The generator did what it was asked to; the figures mean what they say.
    pub valid: bool,
    /// Why not.
    pub invalid_because: Vec<String>,
    /// What to know when reading the figures.
    pub warnings: Vec<String>,
    /// When the run's instant 0 was by this machine's clock, microseconds since 1970.
    #[serde(default)]
    pub started_unix_us: u64,
    /// The profile's checks of answers.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// The profile's objectives.
    #[serde(default)]
    pub slo: Vec<Slo>,
    /// What a search for the highest rate found; the figures are those of the last trial at that rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saturation: Option<Saturation>,
    /// The header line that marked every request.
    #[serde(default)]
    pub marker: Option<String>,
    /// From the run's start to its last outcome.
    pub seconds: f64,
    /// When requests were meant to be sent, from the run's start; none when there was none.
    #[serde(default)]
    pub intended_us: Option<Window>,
    /// How many.
    pub requests: Requests,
    /// Answers by status code.
    pub status: BTreeMap<String, u64>,
    /// HTTP bytes, heads included.
    pub bytes: Bytes,
    /// TCP connections.
    pub connections: Connections,
    /// Requests per second as intended.
    pub offered_rps: f64,
    /// Answers per second.
    pub achieved_rps: f64,
    /// From the intended instant to the last byte.
    pub response_time_us: Percentiles,
    /// From the write to the last byte.
    pub service_time_us: Percentiles,
    /// Write − intended, waiting for the target left out: the generator's own health.
    pub lateness_us: Percentiles,
    /// Values taken from live responses.
    pub correlation: Correlation,
    /// Replayed against captured.
    pub workload: Likeness,
    /// What the generator used.
    pub generator: Generator,
    /// What the target used, when it is a process of this machine (and not this one).
    pub target_process: Option<TargetProcess>,
    /// What its cgroup used.
    #[serde(default)]
    pub target_cgroup: Option<TargetCgroup>,
    /// What it told of its own memory.
    #[serde(default)]
    pub target_runtime: Option<TargetRuntime>,
    /// What was not measured, and why.
    #[serde(default)]
    pub not_measured: BTreeMap<String, String>,
    /// The run over time.
    #[serde(default)]
    pub series: Vec<Point>,
    /// The whole distributions, HDR V2 in base64, microseconds.
    pub histograms: Histograms,
    /// The same by endpoint.
    pub endpoints: Vec<Endpoint>,
    /// Of the capture's requests and their times, when this is a shard: the same for all shards of one run.
    #[serde(default)]
    pub capture_digest: Option<String>,
    /// Of merged shards: what each was, and what cannot be added up. Empty otherwise.
    #[serde(default)]
    pub shards: Vec<ShardResult>,
}

/// A stretch of time, microseconds from the run's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first instant.
    pub first: u64,
    /// The last one.
    pub last: u64,
}

/// One of the shards of a merged run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShardResult {
    /// `I/N`.
    pub shard: String,
    /// As [`RunResult::started_unix_us`].
    pub started_unix_us: u64,
    /// As [`RunResult::seconds`].
    pub seconds: f64,
    /// As [`RunResult::valid`].
    pub valid: bool,
    /// Requests that got a final response.
    pub answered: u64,
    /// As [`RunResult::lateness_us`].
    pub lateness_us: Percentiles,
    /// Its part against its part of the capture.
    pub workload: Likeness,
    /// What this generator used.
    pub generator: Generator,
    /// What it saw the target use, for all shards that sent to it.
    pub target_process: Option<TargetProcess>,
}

impl RunResult {
    /// Valid, and every check and objective met.
    pub fn is_good(&self) -> bool {
        self.valid && self.checks.iter().all(|check| check.met) && self.slo.iter().all(|slo| slo.met)
    }
}

/// Requests of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Requests {
    /// That the schedule asked for.
    pub planned: u64,
    /// That were written.
    pub sent: u64,
    /// That got a final response.
    pub answered: u64,
    /// That waited for the target before they could be sent: an earlier answer, a connection.
    pub held: u64,
    /// That got none, or a 5xx that the capture does not have.
    #[serde(default)]
    pub errors: u64,
    /// That got none, by reason.
    pub failed: BTreeMap<Failure, u64>,
}

/// Bytes of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Bytes {
    /// Of answered requests.
    pub sent: u64,
    /// Of responses.
    pub received: u64,
}

/// Connections of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Connections {
    /// All that were opened.
    pub opened: u64,
    /// Opened again because the target had closed them.
    pub reopened: u64,
}

/// How values went from responses to requests.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Correlation {
    /// Values in the workload that come from an earlier response.
    pub edges: u64,
    /// Replaced by the live value.
    pub substituted: u64,
    /// Sent as captured, for want of a live value.
    pub missed: u64,
}

/// How like the capture the run was. None where that cannot be said.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Likeness {
    /// Kolmogorov-Smirnov distance of the times between requests, 0 to 1.
    pub interarrival_ks: Option<f64>,
    /// Share of requests answered with the captured status.
    pub status_agreement: Option<f64>,
    /// Requests whose captured status is known.
    #[serde(default)]
    pub compared: u64,
    /// Those of them that were answered with it.
    #[serde(default)]
    pub agreed: u64,
    /// L1 distance of the mix of endpoints, 0 to 2.
    pub endpoint_l1: Option<f64>,
}

/// What the generator used.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Generator {
    /// CPU time of its sending threads per request.
    pub cpu_us_per_request: f64,
    /// Largest resident memory of this process.
    pub rss_peak: u64,
    /// Sending threads.
    pub threads: u64,
    /// Share of the time for which they were on a processor.
    pub busy_share: f64,
    /// Ready, but waiting for a processor, per request.
    pub run_queue_us_per_request: f64,
    /// The same as a share of the time.
    pub run_queue_share: f64,
    /// Share of the requests that were written more than a millisecond late.
    pub late_share: f64,
    /// Longest spell in which a sending thread did not look at clock and sockets though it meant to.
    pub longest_still_us: u64,
}

/// What the target's process used. None: it may not be looked at so closely.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetProcess {
    /// Process id.
    pub pid: u32,
    /// Resident memory before.
    pub rss_start: u64,
    /// Largest since it was started.
    pub rss_peak: u64,
    /// Largest seen during the run.
    pub rss_peak_seen: u64,
    /// After.
    pub rss_end: u64,
    /// Resident memory with shared pages counted in parts, before.
    pub pss_start: Option<u64>,
    /// Largest seen.
    pub pss_peak: Option<u64>,
    /// After.
    pub pss_end: Option<u64>,
    /// CPU time per answer.
    pub cpu_us_per_request: f64,
    /// CPU time in user space during the run.
    pub cpu_user_us: u64,
    /// CPU time in the kernel during the run.
    pub cpu_system_us: u64,
    /// Context switches per answer.
    pub context_switches_per_request: f64,
    /// Those because a thread waited.
    pub voluntary_switches_per_request: f64,
    /// Those because another thread's turn came.
    pub involuntary_switches_per_request: f64,
    /// Waiting for a processor, per answer.
    pub run_queue_us_per_request: f64,
    /// Threads after.
    pub threads: u64,
    /// Most threads seen.
    pub threads_peak: u64,
    /// Page faults during the run, without a read from disk.
    pub minor_faults: u64,
    /// With one.
    pub major_faults: u64,
    /// Most open descriptors seen.
    pub descriptors_peak: Option<u64>,
    /// Most sockets seen.
    pub sockets_peak: Option<u64>,
}

/// What the target's cgroup used. None: the kernel, or the group's controllers, do not tell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetCgroup {
    /// Where it is.
    pub path: String,
    /// Memory before, page cache included.
    pub memory_start: Option<u64>,
    /// Largest since it was made.
    pub memory_peak: Option<u64>,
    /// Largest seen during the run.
    pub memory_peak_seen: Option<u64>,
    /// After.
    pub memory_end: Option<u64>,
    /// CPU time per answer.
    pub cpu_us_per_request: Option<f64>,
    /// CPU time in user space.
    pub cpu_user_us: Option<u64>,
    /// CPU time in the kernel.
    pub cpu_system_us: Option<u64>,
    /// Periods that the CPU limit was enforced in.
    pub periods: Option<u64>,
    /// Of those, how many it was hit in.
    pub throttled_periods: Option<u64>,
    /// How long its processes were held back for it.
    pub throttled_us: Option<u64>,
    /// Processes killed for want of memory.
    pub oom_kills: Option<u64>,
}

/// What the target told of its own memory. None: it does not tell.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetRuntime {
    /// Live heap before, bytes.
    pub heap_start: Option<f64>,
    /// Largest seen.
    pub heap_peak_seen: Option<f64>,
    /// After.
    pub heap_end: Option<f64>,
    /// Allocated during the run, bytes.
    pub allocated: Option<f64>,
    /// Bytes per second.
    pub allocation_rate: Option<f64>,
    /// Bytes per answer.
    pub allocated_per_request: Option<f64>,
    /// Allocations per answer.
    pub allocations_per_request: Option<f64>,
    /// Garbage collections.
    pub collections: Option<f64>,
    /// Their pauses together.
    pub pauses_us: Option<f64>,
}

/// A part of the run's time. `intended` and `response_time_us` are of the requests meant for it, `sent` and
/// `lateness_us` of those written in it, the others of what was known in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// Its begin, from the run's start.
    pub at_s: f64,
    /// Its length: a quarter of a second, doubled as often as a long run needs.
    pub seconds: f64,
    /// Requests that were meant to be sent.
    pub intended: u64,
    /// Requests that were written.
    pub sent: u64,
    /// Answers that were complete.
    pub answered: u64,
    /// Requests that had failed.
    pub failed: u64,
    /// Failures, and 5xx that the capture does not have.
    pub errors: u64,
    /// From the intended instant.
    pub response_time_us: Option<Few>,
    /// The generator's own.
    pub lateness_us: Option<Few>,
    /// What the target felt.
    pub target: Option<PointTarget>,
    /// Both distributions, HDR V2 in base64, two digits; empty when there is none.
    pub histograms: PointHistograms,
}

/// What the target felt in a part of the run's time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PointTarget {
    /// Resident memory of the process.
    pub rss: Option<u64>,
    /// Processors that the process used: 1.5 is one and a half.
    pub cpu: Option<f64>,
    /// Its threads.
    pub threads: Option<u64>,
    /// Memory of the cgroup.
    pub memory: Option<u64>,
    /// Processors that the cgroup used.
    pub group_cpu: Option<f64>,
    /// How long the cgroup was held back.
    pub throttled_us: Option<u64>,
    /// Live heap, bytes.
    pub heap: Option<f64>,
}

/// Distributions of a part of the run's time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PointHistograms {
    /// From the intended instant.
    pub response: String,
    /// The generator's own lateness.
    pub lateness: String,
}

/// Distributions that can be merged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Histograms {
    /// From the intended instant.
    pub response: String,
    /// From the write.
    pub service: String,
    /// Write − intended.
    pub lateness: String,
}

/// One endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    /// `GET /api/v1/orders/{}`.
    pub endpoint: String,
    /// Requests to it.
    pub requests: u64,
    /// Answered.
    pub answered: u64,
    /// Not answered.
    pub failed: u64,
    /// Not answered, or with a 5xx that the capture does not have.
    #[serde(default)]
    pub errors: u64,
    /// Answers by status code.
    pub status: BTreeMap<String, u64>,
    /// Share answered with the captured status.
    pub status_agreement: Option<f64>,
    /// Requests whose captured status is known.
    #[serde(default)]
    pub compared: u64,
    /// Those of them that were answered with it.
    #[serde(default)]
    pub agreed: u64,
    /// Requests to it in the capture (of a shard: in its part) that may be sent.
    #[serde(default)]
    pub captured: u64,
    /// From the intended instant.
    pub response_time_us: Percentiles,
    /// From the write.
    pub service_time_us: Percentiles,
    /// Both distributions, as in [`RunResult::histograms`].
    #[serde(default)]
    pub histograms: EndpointHistograms,
}

/// An endpoint's distributions that can be merged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EndpointHistograms {
    /// From the intended instant.
    pub response: String,
    /// From the write.
    pub service: String,
}
