//! `run.json` as plain data: what a run found out. `replay` writes it, `report` reads it, and others may too.
//!
//! What is missing in an older or partial file counts as nothing.

mod failure;
mod over_time;
mod saturation;
mod share;
mod target;
mod verdict;
mod warmup;
mod websocket;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::Percentiles;

pub use failure::Failure;
pub use over_time::{Point, PointHistograms, PointTarget};
pub use saturation::{Ended, Saturation, Trial};
pub use share::{Share, ShareError};
pub use target::{TargetCgroup, TargetProcess, TargetRuntime};
pub use verdict::{Because, Check, Slo};
pub use warmup::{Warmup, WarmupCounts};
pub use websocket::WebSocket;

/// Version of the JSON.
pub const SCHEMA: u32 = 1;

/// A run's result. Times in microseconds, sizes in bytes, unless the name says otherwise. `P` is the profile: its own type
/// where knobs are read from it, any JSON where they are only shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunResult<P = serde_json::Value> {
    /// Version of the program.
    pub standin: String,
    /// [`SCHEMA`].
    pub schema: u32,
    /// The target's address as given.
    pub target: String,
    /// What decided when a request was sent.
    pub mode: String,
    /// All knobs as they were.
    pub profile: P,
    /// The generator did what it was asked to; the figures mean what they say.
    pub valid: bool,
    /// Why not.
    pub invalid_because: Vec<String>,
    /// What to know when reading the figures.
    pub warnings: Vec<String>,
    /// When the run's instant 0 was by this machine's clock, microseconds since 1970.
    pub started_unix_us: u64,
    /// The profile's checks of answers.
    pub checks: Vec<Check>,
    /// The profile's objectives.
    pub slo: Vec<Slo>,
    /// What a search for the highest rate found; the figures are those of the last trial at that rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturation: Option<Saturation>,
    /// The header line that marked every request.
    pub marker: Option<String>,
    /// From the run's start to its last outcome.
    pub seconds: f64,
    /// When requests were meant to be sent, from the run's start; none when there was none.
    pub intended_us: Option<Window>,
    /// How many.
    pub requests: Requests,
    /// What of it came before the measured part, when the profile has a warm-up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Warmup>,
    /// Answers by status code.
    pub status: BTreeMap<String, u64>,
    /// gRPC calls by `grpc-status`; empty when there were none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub grpc: BTreeMap<String, u64>,
    /// HTTP bytes, heads included.
    pub bytes: Bytes,
    /// TCP connections.
    pub connections: Connections,
    /// WebSocket messages, when there were any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebSocket>,
    /// Requests per second as intended.
    pub offered_rps: f64,
    /// Answers per second.
    pub achieved_rps: f64,
    /// From the intended instant to the last byte.
    pub response_time_us: Percentiles,
    /// From the write to the last byte.
    pub service_time_us: Percentiles,
    /// Write − intended, waiting for the target left out: the generator's own health. Of failed requests too; what was never
    /// written was as late as it was tried.
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
    pub target_cgroup: Option<TargetCgroup>,
    /// What it told of its own memory.
    pub target_runtime: Option<TargetRuntime>,
    /// What was not measured, and why.
    pub not_measured: BTreeMap<String, String>,
    /// The run over time.
    pub series: Vec<Point>,
    /// The whole distributions, HDR V2 in base64, microseconds.
    pub histograms: Histograms,
    /// The same by endpoint.
    pub endpoints: Vec<Endpoint>,
    /// Of the capture's requests and their times, when this is a shard: the same for all shards of one run.
    pub capture_digest: Option<String>,
    /// Of merged shards: what each was, and what cannot be added up. Empty otherwise.
    pub shards: Vec<ShardResult>,
}

impl<P> RunResult<P> {
    /// Valid, and every check and objective met.
    pub fn is_good(&self) -> bool {
        self.valid && self.checks.iter().all(|check| check.met) && self.slo.iter().all(|slo| slo.met)
    }
}

/// A stretch of time, microseconds from the run's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    /// The first instant.
    pub first: u64,
    /// The last one.
    pub last: u64,
}

/// One of the shards of a merged run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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

/// Requests of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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
    pub errors: u64,
    /// That got none, by reason.
    pub failed: BTreeMap<Failure, u64>,
}

/// Bytes of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Bytes {
    /// Of answered requests.
    pub sent: u64,
    /// Of responses.
    pub received: u64,
}

/// Connections of a run.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Connections {
    /// All that were opened.
    pub opened: u64,
    /// Opened again because the target had closed them.
    pub reopened: u64,
}

/// How values went from responses to requests.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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
#[serde(default)]
pub struct Likeness {
    /// Kolmogorov-Smirnov distance of the times between requests, 0 to 1.
    pub interarrival_ks: Option<f64>,
    /// Share of requests answered with the captured status.
    pub status_agreement: Option<f64>,
    /// Requests whose captured status is known.
    pub compared: u64,
    /// Those of them that were answered with it.
    pub agreed: u64,
    /// L1 distance of the mix of endpoints, 0 to 2.
    pub endpoint_l1: Option<f64>,
}

/// What the generator used.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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

/// Distributions that can be merged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Histograms {
    /// From the intended instant.
    pub response: String,
    /// From the write.
    pub service: String,
    /// Write − intended.
    pub lateness: String,
}

/// One endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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
    pub errors: u64,
    /// Answers by status code.
    pub status: BTreeMap<String, u64>,
    /// Share answered with the captured status.
    pub status_agreement: Option<f64>,
    /// Requests whose captured status is known.
    pub compared: u64,
    /// Those of them that were answered with it.
    pub agreed: u64,
    /// Requests to it in the capture (of a shard: in its part) that may be sent.
    pub captured: u64,
    /// What of these counts belongs to the warm-up, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<WarmupCounts>,
    /// From the intended instant.
    pub response_time_us: Percentiles,
    /// From the write.
    pub service_time_us: Percentiles,
    /// Both distributions, as in [`RunResult::histograms`].
    pub histograms: EndpointHistograms,
}

/// An endpoint's distributions that can be merged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointHistograms {
    /// From the intended instant.
    pub response: String,
    /// From the write.
    pub service: String,
}
