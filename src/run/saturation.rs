//! What a search for the highest rate found.

use serde::{Deserialize, Serialize};

/// What a search found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saturation {
    /// The highest rate that was kept, requests per second; none when not even the first one was.
    pub rps: Option<f64>,
    /// The threshold lies in here with 95 % probability, as far as the trials tell (Bayes' rule over all of them, some of which
    /// may be missed by chance). The rate found does. None when no rate was found that is too high.
    pub ci95: Option<[f64; 2]>,
    /// The objectives that a rate was to keep.
    pub objectives: Vec<String>,
    /// Why it ended.
    pub ended: Ended,
    /// Every trial, in order.
    pub steps: Vec<Trial>,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The interval is as narrow as was asked for.
    Found,
    /// No rate that may be tried is too high (`max-rate`).
    MaxRate,
    /// Not even the first rate was kept.
    TooLow,
    /// The generator could not keep a rate: it, not the target, is at its end.
    Generator,
    /// `most` trials were made.
    Most,
    /// Somebody asked for the end.
    Cancelled,
}

/// One trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trial {
    /// Requests per second as intended.
    pub rps: f64,
    /// Requests answered per second.
    pub achieved_rps: f64,
    /// The objectives were met, no request failed, and the rate was kept.
    pub kept: bool,
    /// Why not.
    pub because: Vec<String>,
    /// From the intended instants.
    pub p50_us: f64,
    /// Likewise.
    pub p99_us: f64,
    /// Requests sent.
    pub sent: u64,
    /// The generator was late: the trial says nothing about the target.
    pub generator_late: bool,
}
