//! The audit's inputs, its report as the interface has it, and its errors.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::capture::CaptureError;

/// A capture that can be read more than once.
#[derive(Clone, Debug)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Bytes in memory, under a name for messages.
    Bytes(Arc<str>, Arc<[u8]>),
}

impl Input {
    /// From the beginning.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, AuditError> {
        match self {
            Self::File(path) => match File::open(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(source) => Err(AuditError::Open { file: self.to_string(), source }),
            },
            Self::Bytes(_, bytes) => Ok(Box::new(io::Cursor::new(Arc::clone(bytes)))),
        }
    }
}

impl std::fmt::Display for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Bytes(name, _) => f.write_str(name),
        }
    }
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

/// Why there is no report. Never holds a captured byte.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be opened.
    #[error("cannot open {file}: {source}")]
    Open {
        /// Which.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The file is no capture, or cannot be read.
    #[error("cannot read {file}: {source}")]
    Capture {
        /// Which.
        file: String,
        /// Why.
        source: CaptureError,
    },
    /// A thread of the audit died.
    #[error("the audit itself failed while it read {file}; please report this as a bug")]
    Bug {
        /// Which.
        file: String,
    },
}

/// The report (`standin audit --json`).
#[derive(Debug, Serialize)]
pub struct AuditReport {
    /// Version of the program.
    pub standin: &'static str,
    /// Version of this object's shape.
    pub schema: u32,
    /// Whether the masked capture may leave.
    pub verdict: Verdict,
    /// What was looked for.
    pub searched: Searched,
    /// How often the files were read: values are searched in parts of fixed memory.
    pub passes: u32,
    /// Where something is left; never what. At most [`AUDIT_LINES_MAX`](crate::limits::AUDIT_LINES_MAX) lines.
    pub residue: Vec<Residue>,
    /// Packet by packet.
    pub fidelity: Fidelity,
    /// What the rules let through, by rule.
    pub kept: Vec<Kept>,
    /// What the audit could not judge.
    pub warnings: Vec<String>,
}

/// Pass or fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No residue, no difference.
    Pass,
    /// Something is left, or something changed that must not.
    Fail,
}

/// How much was looked for.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Searched {
    /// Distinct values that were looked for anywhere.
    pub values: u64,
    /// Forms of each value, and ways to decode what is searched.
    pub encodings: u64,
}

/// A place where something is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Residue {
    /// The kind of value.
    pub kind: String,
    /// The packet in the masked capture, counted from 1; 0 when it is outside packets. For what is found in decoded
    /// streams, the packet in which the searched piece of the stream begins.
    pub packet: u64,
    /// The field's path, or `record`, `stream`, `body` when no field holds it.
    pub field: String,
    /// How it is encoded there, outermost first.
    pub encoding: String,
    /// How often.
    pub count: u64,
}

/// Packets side by side.
#[derive(Debug, Default, Serialize)]
pub struct Fidelity {
    /// Packets of the original.
    pub packets_original: u64,
    /// Packets of the masked capture.
    pub packets_masked: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// All of them.
    pub differences_total: u64,
}

impl Fidelity {
    /// Notes a difference; `packet` counts from 1, 0 stands for the whole file.
    pub fn differ(&mut self, packet: u64, what: impl Into<String>) {
        self.differences_total += 1;
        if self.differences.len() < crate::limits::AUDIT_LINES_MAX {
            self.differences.push(Difference { packet, what: what.into() });
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The packet, counted from 1; 0 for the whole file.
    pub packet: u64,
    /// What is not the same.
    pub what: String,
}

/// What a rule kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The rule's id.
    pub rule: String,
    /// Fields that it kept.
    pub occurrences: u64,
}
