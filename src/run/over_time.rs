//! A run over time.

use serde::{Deserialize, Serialize};

use crate::measure::Few;

/// A part of the run's time. `intended` and `response_time_us` are of the requests meant for it, `sent` and
/// `lateness_us` of those written in it, the others of what was known in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// Its begin, from the run's start.
    pub at_s: f64,
    /// Its length: a quarter of a second, doubled as often as a long run needs.
    pub seconds: f64,
    /// It begins in the warm-up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub warmup: bool,
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
