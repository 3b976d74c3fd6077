//! The work itself: one capture, or several files that are one capture in rotation, masked with one state.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use super::edits::Editor;
use super::headers::Headers;
use super::hold::{Destination, Hold};
use super::ledger::Ledger;
use super::manifest::{Input, Labels, Manifest, Written};
use super::output::Output;
use super::told::Told;
use super::values::Values;
use super::{Container, SanitizeError};
use crate::capture::{Batch, PacketId, Reader};
use crate::dissect::{Dissector, Packet};
use crate::mask::Key;
use crate::rules::{PACKS, Payload, Policy};

/// Where a masked file goes.
pub struct Target<'a> {
    /// Its bytes.
    pub sink: Box<dyn Write + 'a>,
    /// The ledger's runs, if they are wanted.
    pub ledger: Option<Box<dyn Write + 'a>>,
    /// Another container than the input's.
    pub format: Option<Container>,
}

/// Masks files one after another. What one of them leaves undecided the next may decide: flows, held packets and what was
/// decided go on across files, so that their records come out as those of one whole capture would.
pub struct Masking<'a> {
    policy: Arc<Policy>,
    key_id: String,
    editor: Editor<'a>,
    dissector: Dissector,
    /// The packet's bytes as they were; what is held is edited meanwhile.
    frame: Vec<u8>,
    packets: u64,
    files: usize,
    /// Read to the end, and not complete.
    read: VecDeque<Read>,
    /// Counts when the newest file began.
    begun: Told,
}

/// What is known of a file when it is read.
struct Read {
    input: Input,
    /// What was decided while it was read.
    told: Told,
    warnings: Vec<String>,
}

impl<'a> Masking<'a> {
    /// By these rules, under this key.
    pub fn new(policy: Arc<Policy>, key: &Key) -> Self {
        let values = Values::new(policy.clone(), key);
        let headers = Headers::new(policy.addresses, key);
        Masking {
            editor: Editor::new(Hold::new(), values, headers, policy.payload),
            dissector: match policy.payload {
                Payload::Dissect => Dissector::default(),
                Payload::Keep | Payload::Blank => Dissector::of_headers(),
            },
            frame: Vec::new(),
            packets: 0,
            files: 0,
            read: VecDeque::new(),
            begun: Told::default(),
            key_id: key.id(),
            policy,
        }
    }

    /// Reads the next file to its end. `stop` is asked between batches.
    ///
    /// # Errors
    /// It cannot be read, or what is written meanwhile (of this file or an earlier one) cannot be written.
    pub fn file(
        &mut self,
        mut reader: Reader,
        target: Target<'a>,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), SanitizeError> {
        let Target { sink, ledger, format } = target;
        let ledger = Ledger::new(Values::names(&self.policy), ledger);
        let mut output = Output::new(sink, format);
        output.open(&reader);
        self.editor.hold.open(Destination { ledger, output });
        self.files += 1;
        self.begun = self.counts();
        let first = self.packets;
        let mut batch = Batch::default();
        while reader.next_batch(&mut batch)? {
            if stop() {
                return Err(SanitizeError::Interrupted);
            }
            if let Some(described) = batch.described {
                self.editor.hold.describe(&reader.interfaces()[..described])?;
            }
            self.batch(std::mem::take(&mut batch), first);
            if let Some(error) = self.editor.failed.take() {
                return Err(SanitizeError::Output(error));
            }
            batch = self.editor.hold.write().map_err(SanitizeError::Output)?.unwrap_or_default();
        }
        self.editor.hold.describe(reader.interfaces())?;
        let input = Input { files: 1, packets: self.packets - first, bytes: reader.bytes_read() };
        let warnings = reader.damage().map(|damage| damage.to_string()).into_iter().collect();
        let told = self.counts().since(&self.begun);
        self.read.push_back(Read { input, told, warnings });
        Ok(())
    }

    /// The manifest of the next file whose output is complete; that of the newest is completed by [`Masking::finish`].
    ///
    /// # Errors
    /// Its rest cannot be written.
    pub fn complete(&mut self) -> Result<Option<Manifest>, SanitizeError> {
        let Some(destination) = self.editor.hold.complete() else { return Ok(None) };
        self.read.pop_front().map(|read| self.manifest(read, destination)).transpose()
    }

    /// Nothing follows: decides what is undecided, and gives the manifests of the files that were not complete.
    ///
    /// # Errors
    /// The rest cannot be written.
    pub fn finish(mut self) -> Result<Vec<Manifest>, SanitizeError> {
        self.dissector.finish(&mut self.editor);
        if let Some(error) = self.editor.failed.take() {
            return Err(SanitizeError::Output(error));
        }
        let counts = self.counts();
        let unused = self.unused_rules(&counts);
        if let Some(last) = self.read.back_mut() {
            last.told = counts.since(&self.begun);
            last.warnings.extend(unused);
        }
        let hold = std::mem::replace(&mut self.editor.hold, Hold::new());
        let destinations = hold.finish().map_err(SanitizeError::Output)?;
        let read = std::mem::take(&mut self.read);
        read.into_iter().zip(destinations).map(|(read, destination)| self.manifest(read, destination)).collect()
    }

    fn counts(&self) -> Told {
        Told::new(&self.editor.values, &self.editor.tally)
    }

    /// Rules that matched nothing in any file, as far as a user wrote them: one of a pack may well match nothing.
    fn unused_rules(&self, counts: &Told) -> Vec<String> {
        let is_of_a_file = |id: &str| {
            self.policy.rules().iter().any(|rule| rule.id == id && !PACKS.iter().any(|pack| pack.name == rule.file))
        };
        let unused = counts.rules.iter().filter(|rule| rule.matched == 0 && is_of_a_file(&rule.id));
        unused.map(|rule| format!("rule `{}` matched nothing: is its field path right?", rule.id)).collect()
    }

    fn manifest(&self, read: Read, destination: Destination<'a>) -> Result<Manifest, SanitizeError> {
        let Destination { mut ledger, output } = destination;
        let [structural, kept, pseudonym, recomputed, blanked] = ledger.finish().map_err(SanitizeError::Output)?;
        let (output_probe, output_blake3) = output.finish().map_err(SanitizeError::Output)?;
        let Read { input, told, warnings } = read;
        Ok(Manifest {
            standin: env!("CARGO_PKG_VERSION").to_owned(),
            schema: 1,
            input,
            output: Written { packets: output_probe.packets, bytes: output_probe.bytes },
            ledger: Labels { structural, kept, pseudonym, recomputed, blanked },
            not_understood: told.not_understood(),
            limits_hit: told.limits(),
            kinds: told.kinds,
            rules: told.rules,
            degraded: told.degraded,
            late_copy: told.late_copy,
            payload_kept: told.payload_kept,
            key_id: self.key_id.clone(),
            rules_digest: self.policy.digest().to_owned(),
            output_blake3,
            output_probe,
            warnings,
        })
    }

    /// The loop over packets. `first` is the number of the file's first one.
    fn batch(&mut self, batch: Batch, first: u64) {
        let editor = &mut self.editor;
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
                // A later file's header says what the first one's did, so it counts for nothing: a bound is hit where the
                // whole capture would hit it.
                if self.files == 1 || self.packets > first {
                    self.dissector.beside(record.len, editor);
                }
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
            self.dissector.packet(&packet, editor);
            self.packets += 1;
        }
    }
}
