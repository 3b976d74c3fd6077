//! A capture with its sensitive values replaced in place: same packets, lengths, times, messages.
//!
//! [`mask`] reads batches, lets the [`crate::dissect::Dissector`] tell what stands where, edits packets while they are held,
//! and lets them go in order, with one label for every byte.

mod deflate;
mod edits;
mod history;
mod hold;
mod ledger;
mod manifest;
mod output;
mod packed;
mod values;

use std::io::{self, Write};
use std::sync::Arc;

use crate::capture::{Batch, CaptureError, ConvertError, PacketId, Reader};
use crate::dissect::{Dissector, Packet};
use crate::mask::Key;
use crate::protocol::{Encoding, Field, Role};
use crate::rules::{PACKS, Payload, Policy};

use edits::Editor;
use hold::Hold;
pub use ledger::{Because, Claim, Label, Ledger};
pub use manifest::{Input, Kind, Labels, LimitHit, Manifest, Matched, NotUnderstood, Written};
use output::Output;
pub use output::Probe;
use values::Values;

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
    mut reader: Reader,
    sink: &'a mut dyn Write,
    options: Options<'a>,
    stop: &dyn Fn() -> bool,
) -> Result<Manifest, SanitizeError> {
    let Options { policy, key, ledger, format } = options;
    let ledger = Ledger::new(Values::names(&policy), ledger);
    let values = Values::new(policy.clone(), key);
    let mut output = Output::new(sink, format);
    output.open(&reader);
    let hold = Hold::new(ledger, output);
    let mut editor = Editor::new(hold, values, policy.addresses, policy.payload);
    let mut run = Run {
        dissector: Dissector::default(),
        frame: Vec::new(),
        packets: 0,
        dissect: policy.payload == Payload::Dissect,
    };
    let mut batch = Batch::default();
    while reader.next_batch(&mut batch)? {
        if stop() {
            return Err(SanitizeError::Interrupted);
        }
        if let Some(described) = batch.described {
            editor.hold.describe(&reader.interfaces()[..described])?;
        }
        run.batch(std::mem::take(&mut batch), &mut editor);
        if let Some(error) = editor.failed.take() {
            return Err(SanitizeError::Output(error));
        }
        batch = editor.hold.write().map_err(SanitizeError::Output)?.unwrap_or_default();
    }
    run.dissector.finish(&mut editor);
    editor.hold.describe(reader.interfaces())?;
    let Editor { hold, values, tally, failed, .. } = editor;
    if let Some(error) = failed {
        return Err(SanitizeError::Output(error));
    }
    let (mut ledger, output) = hold.finish().map_err(SanitizeError::Output)?;
    let [structural, kept, pseudonym, recomputed, blanked] = ledger.finish().map_err(SanitizeError::Output)?;
    let (output_probe, output_blake3) = output.finish().map_err(SanitizeError::Output)?;
    let (kinds, degraded, rules) = values.tell();
    let mut limits = tally.limits;
    if values.uncounted() > 0 {
        limits.insert("counted_values", values.uncounted());
    }
    let mut warnings: Vec<String> = reader.damage().map(|damage| damage.to_string()).into_iter().collect();
    warnings.extend(
        rules
            .iter()
            .filter(|rule| rule.matched == 0 && is_of_a_file(&policy, &rule.id))
            .map(|rule| format!("rule `{}` matched nothing: is its field path right?", rule.id)),
    );
    Ok(Manifest {
        standin: env!("CARGO_PKG_VERSION").to_owned(),
        schema: 1,
        input: Input { files: 1, packets: run.packets, bytes: reader.bytes_read() },
        output: Written { packets: output_probe.packets, bytes: output_probe.bytes },
        ledger: Labels { structural, kept, pseudonym, recomputed, blanked },
        kinds,
        rules,
        degraded,
        not_understood: tally
            .not_understood
            .into_iter()
            .map(|(what, (packets, bytes))| NotUnderstood { what: what.to_owned(), packets, bytes })
            .collect(),
        limits_hit: limits.into_iter().map(|(limit, times)| LimitHit { limit: limit.to_owned(), times }).collect(),
        late_copy: tally.late_copy,
        payload_kept: tally.payload_kept,
        key_id: key.id(),
        rules_digest: policy.digest().to_owned(),
        output_blake3,
        output_probe,
        warnings,
    })
}

/// Whether a user wrote the rule: one of a pack may well match nothing.
fn is_of_a_file(policy: &Policy, id: &str) -> bool {
    policy.rules().iter().any(|rule| rule.id == id && !PACKS.iter().any(|pack| pack.name == rule.file))
}

/// Values to the pseudonyms that they have in masked captures.
pub struct Mapper(Values);

impl Mapper {
    /// As masking with this key and these rules.
    pub fn new(key: &Key, policy: Arc<Policy>) -> Self {
        Mapper(Values::new(policy, key))
    }

    /// Appends the pseudonym of one value.
    pub fn map(&mut self, value: &[u8], out: &mut Vec<u8>) {
        let field = Field { path: "value", name: "", raw: value, encoding: Encoding::Plain, role: Role::Value };
        self.0.replace(&field, out);
    }
}

/// The loop over packets.
struct Run {
    dissector: Dissector,
    /// The packet's bytes as they were; what is held is edited meanwhile.
    frame: Vec<u8>,
    packets: u64,
    dissect: bool,
}

impl Run {
    fn batch(&mut self, batch: Batch, editor: &mut Editor<'_>) {
        let records = batch.records.len();
        editor.hold.batch(batch);
        for index in 0..records {
            let batch = editor.hold.newest();
            let record = batch.records[index].clone();
            let regions =
                if record.regions.is_empty() { Vec::new() } else { batch.regions[record.regions.clone()].to_vec() };
            let Some(meta) = &record.packet else {
                editor.hold.record(index, &record, None);
                editor.regions(&record, &regions);
                self.dissector.beside(record.len, editor);
                continue;
            };
            self.frame.clear();
            let start = record.start;
            self.frame.extend_from_slice(&batch.bytes[start + meta.data.start..start + meta.data.end]);
            let id = PacketId(self.packets);
            let packet =
                Packet { id, time_ns: meta.time_ns, link: meta.link, frame: &self.frame, wire_len: meta.wire_len };
            editor.hold.record(index, &record, Some(id));
            editor.regions(&record, &regions);
            if self.dissect {
                self.dissector.packet(&packet, editor);
            } else {
                self.dissector.header(&packet, editor);
            }
            self.packets += 1;
        }
    }
}
