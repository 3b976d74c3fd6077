//! Results as the commands write them in JSON. What is missing in an older or partial file counts as nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ReportError;

/// Everything that one report is about.
#[derive(Debug, Default, Serialize)]
pub struct Results {
    /// The heading.
    pub title: String,
    /// What is in the capture.
    pub inspect: Option<Inspect>,
    /// How it was masked.
    pub manifest: Option<Manifest>,
    /// What is left in the masked one.
    pub audit: Option<Audit>,
    /// Replays, side by side.
    pub runs: Vec<Run>,
}

impl Results {
    /// Nothing but a heading.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Adds the JSON that `replay`, `audit`, `mask` or `inspect` wrote; which one, is seen by its fields. `name` heads
    /// a run's column.
    pub fn add(&mut self, name: &str, json: &str) -> Result<(), ReportError> {
        let unknown = |problem: String| ReportError::Unknown { name: name.to_owned(), problem };
        let read = |error: serde_json::Error| unknown(error.to_string());
        let value: serde_json::Value = serde_json::from_str(json).map_err(read)?;
        if value.get("response_time_us").is_some() {
            let run: Run = serde_json::from_value(value).map_err(read)?;
            self.runs.push(Run { name: name.to_owned(), ..run });
        } else if value.get("verdict").is_some() {
            self.audit = Some(serde_json::from_value(value).map_err(read)?);
        } else if value.get("ledger").is_some() {
            self.manifest = Some(serde_json::from_value(value).map_err(read)?);
        } else if value.get("endpoints").is_some() {
            self.inspect = Some(serde_json::from_value(value).map_err(read)?);
        } else {
            return Err(unknown("it has the fields of none of run, audit, manifest and inspect".to_owned()));
        }
        Ok(())
    }
}

/// `inspect --json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Inspect {
    /// Packets.
    pub packets: u64,
    /// Captured bytes.
    pub bytes: u64,
    /// From first to last packet.
    pub seconds: f64,
    /// Names of link types.
    pub link_types: Vec<String>,
    /// Packets by protocol.
    pub protocols: BTreeMap<String, u64>,
    /// HTTP in figures.
    pub http: Http,
    /// Requests by endpoint.
    pub endpoints: Vec<Endpoint>,
    /// Sensitive data by kind.
    pub kinds: BTreeMap<String, Kind>,
    /// What is not understood.
    pub not_understood: Vec<NotUnderstood>,
}

/// HTTP in figures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Http {
    /// Requests.
    pub requests: u64,
    /// Final responses.
    pub responses: u64,
    /// Connections with at least one of either.
    pub connections: u64,
}

/// One endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// The method.
    pub method: String,
    /// The path, values left out.
    pub path_template: String,
    /// Requests to it.
    pub requests: u64,
}

/// One kind of value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kind {
    /// Distinct values.
    pub values: u64,
    /// All of them.
    pub occurrences: u64,
    /// Fields that hold them.
    pub places: u64,
}

/// Something not understood.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NotUnderstood {
    /// What.
    pub what: String,
    /// In how many packets.
    pub packets: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// `mask --manifest`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// What came out.
    pub output: Output,
    /// Bytes of the output by label.
    pub ledger: Ledger,
    /// Pseudonyms by kind.
    pub kinds: BTreeMap<String, Kind>,
    /// Values by kind whose pseudonym had no room.
    pub degraded: BTreeMap<String, u64>,
    /// What was blanked because nobody understood it.
    pub not_understood: Vec<NotUnderstood>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What came out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Output {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Bytes by label.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Framing and grammar.
    pub structural: u64,
    /// Values kept by a rule.
    pub kept: u64,
    /// Values replaced.
    pub pseudonym: u64,
    /// Checksums.
    pub recomputed: u64,
    /// Overwritten.
    pub blanked: u64,
}

/// `audit --json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Audit {
    /// `pass` or `fail`.
    pub verdict: String,
    /// What was looked for.
    pub searched: Searched,
    /// Passes over the files.
    pub passes: u64,
    /// What is left.
    pub residue: Vec<Residue>,
    /// Packet by packet.
    pub fidelity: Fidelity,
    /// What rules kept.
    pub kept: Vec<Kept>,
    /// What could not be judged.
    pub warnings: Vec<String>,
}

/// What was looked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Searched {
    /// Distinct values.
    pub values: u64,
    /// In how many encodings.
    pub encodings: u64,
}

/// One place where something is left.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Residue {
    /// The kind.
    pub kind: String,
    /// The packet, from 1.
    pub packet: u64,
    /// The field.
    pub field: String,
    /// How it is encoded there.
    pub encoding: String,
    /// How often.
    pub count: u64,
}

/// Packet by packet.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fidelity {
    /// Packets of the original.
    pub packets_original: u64,
    /// Packets of the masked capture.
    pub packets_masked: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
}

/// One difference.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Difference {
    /// The packet, from 1.
    pub packet: u64,
    /// What is not the same.
    pub what: String,
}

/// What a rule kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The rule.
    pub rule: String,
    /// How many fields.
    pub occurrences: u64,
}

/// `run.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// How the report calls it: the file's name.
    pub name: String,
    /// The target's address.
    pub target: String,
    /// The mode.
    pub mode: String,
    /// Whether its figures may be used.
    pub valid: bool,
    /// Why not.
    pub invalid_because: Vec<String>,
    /// What to know when reading the figures.
    pub warnings: Vec<String>,
    /// Checks of answers.
    pub checks: Vec<Check>,
    /// Objectives.
    pub slo: Vec<Slo>,
    /// When it began, microseconds since 1970.
    pub started_unix_us: u64,
    /// How long it took.
    pub seconds: f64,
    /// Requests by fate.
    pub requests: Requests,
    /// Answers by status.
    pub status: BTreeMap<String, u64>,
    /// Requests per second that were meant to be sent.
    pub offered_rps: f64,
    /// Requests per second that were answered.
    pub achieved_rps: f64,
    /// From the intended instant.
    pub response_time_us: Percentiles,
    /// From the write.
    pub service_time_us: Percentiles,
    /// Write minus intended: the generator's health.
    pub lateness_us: Percentiles,
    /// Values that follow from answers.
    pub correlation: Correlation,
    /// Replayed against captured.
    pub workload: Workload,
    /// What the target's process used.
    pub target_process: Option<BTreeMap<String, Option<f64>>>,
    /// What its cgroup used.
    pub target_cgroup: Option<BTreeMap<String, serde_json::Value>>,
    /// What it told of its memory.
    pub target_runtime: Option<BTreeMap<String, Option<f64>>>,
    /// What was not measured, and why.
    pub not_measured: BTreeMap<String, String>,
    /// The run over time.
    pub series: Vec<Point>,
    /// The same by endpoint.
    pub endpoints: Vec<RunEndpoint>,
    /// HDR V2 histograms, base64.
    pub histograms: BTreeMap<String, String>,
}

/// A check of answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// Answers as they should be.
    pub passed: u64,
    /// Others.
    pub failed: u64,
    /// No more than may be.
    pub met: bool,
    /// What was wrong.
    pub because: Vec<Because>,
}

/// What was wrong with some answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Because {
    /// Of which endpoint.
    pub endpoint: String,
    /// What.
    pub what: String,
    /// How often.
    pub times: u64,
}

/// An objective.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Slo {
    /// As in the profile.
    pub objective: String,
    /// What was measured.
    pub actual: Option<f64>,
    /// In which unit.
    pub unit: String,
    /// The answer.
    pub met: bool,
}

/// A part of a run's time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// Its begin, from the run's start.
    pub at_s: f64,
    /// Its length.
    pub seconds: f64,
    /// Requests meant for it.
    pub intended: u64,
    /// Requests written.
    pub sent: u64,
    /// Answers.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Failures, and 5xx that the capture does not have.
    pub errors: u64,
    /// From the intended instant.
    pub response_time_us: Option<Few>,
    /// The generator's own.
    pub lateness_us: Option<Few>,
    /// What the target felt.
    pub target: Option<PointTarget>,
}

/// A few percentiles, microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Few {
    /// Half are faster.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// All of them.
    pub max: f64,
}

/// What the target felt in a part of a run's time.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PointTarget {
    /// Resident memory of its process.
    pub rss: Option<f64>,
    /// Processors that it used.
    pub cpu: Option<f64>,
    /// Memory of its cgroup.
    pub memory: Option<f64>,
    /// Live heap.
    pub heap: Option<f64>,
}

/// One endpoint of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunEndpoint {
    /// Its name.
    pub endpoint: String,
    /// Requests to it.
    pub requests: u64,
    /// Failures, and 5xx that the capture does not have.
    pub errors: u64,
    /// Share answered with the captured status.
    pub status_agreement: Option<f64>,
    /// From the intended instant.
    pub response_time_us: Percentiles,
    /// From the write.
    pub service_time_us: Percentiles,
}

/// Requests by fate.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Requests {
    /// Meant to be sent.
    pub planned: u64,
    /// Sent.
    pub sent: u64,
    /// Answered.
    pub answered: u64,
    /// Failed, by reason.
    pub failed: BTreeMap<String, u64>,
}

/// Times in microseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Percentiles {
    /// Half are faster.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p99_9: f64,
    /// All of them.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

/// Values that follow from answers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Correlation {
    /// Places in requests that take a value from an answer.
    pub edges: u64,
    /// How many took it.
    pub substituted: u64,
    /// How many could not.
    pub missed: u64,
}

/// Replayed against captured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Workload {
    /// Kolmogorov–Smirnov distance of the gaps between requests.
    pub interarrival_ks: Option<f64>,
    /// Share of answers with the captured status.
    pub status_agreement: Option<f64>,
    /// L1 distance of the shares of endpoints.
    pub endpoint_l1: Option<f64>,
}
