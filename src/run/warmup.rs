//! What happened before a run's measured part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::Percentiles;

use super::{Histograms, Requests};

/// The requests that were meant for the time before anything is measured. They are in the run's counts, and in none of its
/// distributions; checks, objectives and the run's validity leave them out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Warmup {
    /// How long it lasted, from the run's start.
    pub seconds: f64,
    /// As [`super::RunResult::requests`].
    pub requests: Requests,
    /// As [`super::RunResult::status`].
    pub status: BTreeMap<String, u64>,
    /// Requests whose captured status is known.
    pub compared: u64,
    /// Those of them that were answered with it.
    pub agreed: u64,
    /// From the intended instant to the last byte.
    pub response_time_us: Percentiles,
    /// From the write to the last byte.
    pub service_time_us: Percentiles,
    /// The generator's own.
    pub lateness_us: Percentiles,
    /// The distributions behind those, as [`super::RunResult::histograms`].
    pub histograms: Histograms,
}

/// What of an endpoint's counts belongs to the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WarmupCounts {
    /// Requests to it.
    pub requests: u64,
    /// Answered.
    pub answered: u64,
    /// Not answered.
    pub failed: u64,
    /// Not answered, or with a 5xx that the capture does not have.
    pub errors: u64,
    /// Requests whose captured status is known.
    pub compared: u64,
    /// Those of them that were answered with it.
    pub agreed: u64,
}
