//! A capture with its sensitive values replaced in place: same packets, lengths, times, messages.
//!
//! [`Masking`] reads batches, lets the [`crate::dissect::Dissector`] tell what stands where, edits packets while they are
//! held, and lets them go in order, with one label for every byte. [`mask`] does so with one file.

mod datagrams;
mod deflate;
mod echo;
mod edits;
mod headers;
mod history;
mod hold;
mod ledger;
mod literals;
mod manifest;
mod mapper;
mod masking;
mod output;
mod packed;
mod squeeze;
mod told;
mod values;
mod veiled;

use std::io::{self, Write};
use std::sync::Arc;

use crate::capture::{CaptureError, ConvertError, Reader};
use crate::mask::Key;
use crate::rules::Policy;

pub use ledger::{Because, Claim, Label, Ledger};
pub use manifest::{Input, Kind, Labels, LimitHit, Manifest, Matched, NotUnderstood, Written};
pub use mapper::Mapper;
pub use masking::{Masking, Target};
pub use output::Probe;

/// What masking needs beside the capture.
pub struct Options<'a> {
    /// The compiled rules.
    pub policy: Arc<Policy>,
    /// The key.
    pub key: &'a Key,
    /// Where the ledger's runs go, if they are wanted.
    pub ledger: Option<Box<dyn Write + 'a>>,
    /// Another container than the input's.
    pub format: Option<Container>,
}

/// A container to convert to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Classic pcap.
    Pcap,
    /// pcapng.
    PcapNg,
}

/// Why masking ended without a complete output.
#[derive(Debug, thiserror::Error)]
pub enum SanitizeError {
    /// The input.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The output could not be written.
    #[error("cannot write the masked capture: {0}")]
    Output(#[source] io::Error),
    /// The other container cannot hold the capture.
    #[error("cannot convert: {0}")]
    Convert(#[from] ConvertError),
    /// Asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Masks one capture into `sink`. `stop` is asked between batches.
pub fn mask<'a>(
    reader: Reader,
    sink: &'a mut dyn Write,
    options: Options<'a>,
    stop: &dyn Fn() -> bool,
) -> Result<Manifest, SanitizeError> {
    let Options { policy, key, ledger, format } = options;
    let mut masking = Masking::new(policy, key);
    masking.file(reader, Target { sink: Box::new(sink), ledger, format }, stop)?;
    masking.finish()?.pop().ok_or(SanitizeError::Interrupted)
}
