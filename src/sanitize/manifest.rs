//! What was done, in numbers: never a value from the capture.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::output::Probe;

/// The manifest beside a masked capture (`OUT.manifest.json`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the program.
    pub standin: String,
    /// Version of this format.
    pub schema: u32,
    /// What was read.
    pub input: Input,
    /// What was written.
    pub output: Written,
    /// Output bytes by label; they add up to `output.bytes`.
    pub ledger: Labels,
    /// Masked values by kind.
    pub kinds: BTreeMap<String, Kind>,
    /// The rules, and how many values each matched. A rule that matched nothing is here with 0.
    pub rules: Vec<Matched>,
    /// Values in compressed bodies that did not get their full pseudonym, by kind.
    pub degraded: BTreeMap<String, u64>,
    /// What was blanked because it was not understood.
    pub not_understood: Vec<NotUnderstood>,
    /// Bounds that were hit.
    pub limits_hit: Vec<LimitHit>,
    /// Late copies of stream bytes that had to be blanked.
    pub late_copy: u64,
    /// Packets whose payload was kept unread (`addresses-only`).
    pub payload_kept: u64,
    /// Public name of the key.
    pub key_id: String,
    /// BLAKE3 of the compiled rules, hex.
    pub rules_digest: String,
    /// BLAKE3 of the uncompressed output, hex.
    pub output_blake3: String,
    /// Marks by which the output is known again.
    pub output_probe: Probe,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What was read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Input {
    /// Files.
    pub files: u64,
    /// Packets.
    pub packets: u64,
    /// Uncompressed bytes.
    pub bytes: u64,
}

/// What was written.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Written {
    /// Packets.
    pub packets: u64,
    /// Uncompressed bytes.
    pub bytes: u64,
}

/// Bytes by label.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Labels {
    /// Framing, headers, grammar.
    pub structural: u64,
    /// Kept by a named rule.
    pub kept: u64,
    /// Keyed pseudonyms and re-encoded bytes.
    pub pseudonym: u64,
    /// Checksums.
    pub recomputed: u64,
    /// Blanked.
    pub blanked: u64,
}

/// Values of one kind.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Kind {
    /// Distinct values (counted up to a bound).
    pub values: u64,
    /// Occurrences.
    pub occurrences: u64,
}

/// A rule and its use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Matched {
    /// The rule's id.
    pub id: String,
    /// Values that it decided.
    pub matched: u64,
}

/// Something that was not understood.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotUnderstood {
    /// What, in a constant of ours.
    pub what: String,
    /// Packets concerned.
    pub packets: u64,
    /// Bytes blanked.
    pub bytes: u64,
}

/// A bound that was hit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LimitHit {
    /// Its name.
    pub limit: String,
    /// How often.
    pub times: u64,
}
