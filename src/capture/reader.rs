//! Reads a capture as batches of whole records, as fast as they arrive.
//!
//! Input is read straight into the batch. Only the record that a read cut in two is copied, to the next batch's front.

use std::io::Read;
use std::mem;

use super::error::{CaptureError, Damage, Fault};
use super::sniff::Container;
use super::source::{ReadError, Source};
use super::{Batch, Format, Interface, Record, Step};
use crate::limits::BATCH_BYTES;

/// Least room offered to a read when one long record has filled the batch.
const READ_BYTES_MIN: usize = BATCH_BYTES / 4;

/// A capture being read.
pub struct Reader {
    source: Source,
    container: Container,
    /// Bytes read and not handed out: the beginning of a record (at first, all that opening has read).
    carry: Vec<u8>,
    /// Bytes of the records handed out.
    bytes: u64,
    packets: u64,
    damage: Option<Damage>,
    ended: bool,
}

impl Reader {
    /// Reads as much as it takes to know the format.
    ///
    /// # Errors
    /// The input is empty, no capture, cut off inside its file header, or cannot be read.
    pub fn open(input: Box<dyn Read + Send>) -> Result<Reader, CaptureError> {
        let mut source = Source::open(input)?;
        let mut carry = Vec::new();
        let mut filled = 0;
        let container = loop {
            if let Some(container) = Container::recognise(&carry[..filled])? {
                break container;
            }
            filled += match fill(&mut source, &mut carry, filled) {
                Ok(0) if filled == 0 => return Err(CaptureError::Empty),
                Ok(0) => return Err(unreadable(Fault::Cut)),
                Ok(read) => read,
                Err(ReadError::Compression) => return Err(unreadable(Fault::Compression)),
                Err(ReadError::Io(error)) => return Err(error.into()),
            };
        };
        carry.truncate(filled);
        Ok(Reader { source, container, carry, bytes: 0, packets: 0, damage: None, ended: false })
    }

    /// Refills `batch` with the next whole records: all that one read has brought, about [`BATCH_BYTES`] at most (more
    /// only for a longer record), so that a live pipe flows. `false` at the end, with an empty batch.
    ///
    /// Damage ends a capture early: the records before it are handed out, then [`Reader::damage`] tells.
    ///
    /// # Errors
    /// The input cannot be read, or is damaged before the first record is whole.
    pub fn next_batch(&mut self, batch: &mut Batch) -> Result<bool, CaptureError> {
        batch.clear();
        mem::swap(&mut batch.bytes, &mut self.carry);
        let mut filled = batch.bytes.len();
        let mut framed = self.frame(batch, 0, filled);
        while framed == 0 && !self.ended {
            match fill(&mut self.source, &mut batch.bytes, filled) {
                Ok(0) if filled == 0 => self.ended = true,
                Ok(0) => self.stop(Fault::Cut, 0),
                Ok(read) => {
                    filled += read;
                    framed = self.frame(batch, 0, filled);
                }
                Err(ReadError::Compression) => self.stop(Fault::Compression, 0),
                Err(ReadError::Io(error)) => return Err(error.into()),
            }
        }
        if !self.ended {
            self.carry.extend_from_slice(&batch.bytes[framed..filled]);
        }
        batch.bytes.truncate(framed);
        self.bytes += framed as u64;
        match self.damage {
            Some(damage) if self.bytes == 0 => Err(CaptureError::Damaged(damage)),
            _ => Ok(framed > 0),
        }
    }

    /// Which container it is.
    pub fn format(&self) -> Format {
        self.container.format()
    }

    /// The interfaces described so far, by the number that packets give.
    pub fn interfaces(&self) -> &[Interface] {
        self.container.interfaces()
    }

    /// Uncompressed bytes of the records handed out.
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// Why the capture ended before its end.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Frames the whole records in `batch.bytes[..filled]`; returns where they end.
    fn frame(&mut self, batch: &mut Batch, mut framed: usize, filled: usize) -> usize {
        loop {
            let regions = batch.regions.len();
            match self.container.step(&batch.bytes[framed..filled], &mut batch.regions) {
                Step::Record { len, packet } => {
                    if packet.is_some() {
                        self.packets += 1;
                        batch.described.get_or_insert(self.container.interfaces().len());
                    }
                    batch.records.push(Record { start: framed, len, packet, regions: regions..batch.regions.len() });
                    framed += len;
                }
                Step::Incomplete => return framed,
                Step::Damage(fault) => {
                    batch.regions.truncate(regions);
                    self.stop(fault, framed);
                    return framed;
                }
            }
        }
    }

    fn stop(&mut self, fault: Fault, framed: usize) {
        self.damage = Some(Damage { fault, offset: self.bytes + framed as u64, packets: self.packets });
        self.ended = true;
    }
}

/// One read into `bytes` from `filled` on. Bytes beyond what was read are scratch.
fn fill(source: &mut Source, bytes: &mut Vec<u8>, filled: usize) -> Result<usize, ReadError> {
    let end = filled + BATCH_BYTES.saturating_sub(filled).max(READ_BYTES_MIN);
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    source.read(&mut bytes[filled..end])
}

fn unreadable(fault: Fault) -> CaptureError {
    CaptureError::Damaged(Damage { fault, offset: 0, packets: 0 })
}
