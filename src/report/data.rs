//! Results as the commands write them in JSON. What is missing in an older or partial file counts as nothing.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::run::RunResult;

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
            let result = serde_json::from_value(value).map_err(read)?;
            self.runs.push(Run { name: name.to_owned(), result });
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

/// A run's result under a name.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Run {
    /// How the report calls it: the file's name.
    pub name: String,
    /// What the run found out.
    #[serde(flatten)]
    pub result: RunResult,
}

impl Deref for Run {
    type Target = RunResult;

    fn deref(&self) -> &RunResult {
        &self.result
    }
}
