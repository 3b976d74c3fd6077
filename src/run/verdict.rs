//! Whether a run was as the profile asks: checks of answers, objectives.

use serde::{Deserialize, Serialize};

use super::Share;

/// How a check went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Check {
    /// What was checked: `status captured`, `json shape for GET /api/*`.
    pub name: String,
    /// Share of the answers that may be otherwise.
    pub allow: Share,
    /// Answers that were as they should be.
    pub passed: u64,
    /// Answers that were not.
    pub failed: u64,
    /// Answers that were too long to be looked at, or the captured ones were.
    #[serde(skip_serializing_if = "is_none")]
    pub unchecked: u64,
    /// No more than may be.
    pub met: bool,
    /// What was wrong, the most frequent first.
    pub because: Vec<Because>,
}

/// What was wrong with some answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Because {
    /// Of which endpoint.
    pub endpoint: String,
    /// What.
    pub what: String,
    /// How often.
    pub times: u64,
}

/// Whether an objective was met.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slo {
    /// As in the profile.
    pub objective: String,
    /// What was measured, in the unit of the objective; none when nothing was.
    pub actual: Option<f64>,
    /// That unit.
    pub unit: String,
    /// The answer.
    pub met: bool,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}
