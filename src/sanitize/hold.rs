//! Packets that wait until they are settled, and leave in capture order, every byte accounted for.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::Range;

use super::SanitizeError;
use super::datagrams::{Scattered, Written};
use super::ledger::{Because, Claim, Label, Ledger};
use super::output::Output;
use crate::capture::{Batch, Interface, PacketId, Record};
use crate::decode::Checksum;
use crate::limits;

/// Why bytes that nobody claimed are blank.
pub(super) const UNCLAIMED: Because = Because(0);
/// Why framing is structural.
pub(super) const FRAMING: Because = Because(1);
/// Why checksums are recomputed.
pub(super) const CHECKSUM: Because = Because(2);

/// Emptied lists that are kept for the packets to come; when many packets have waited, there are more than are needed.
const SPARE_MAX: usize = 256;

/// The packets between their arrival and their leaving.
pub(super) struct Hold<'a> {
    batches: VecDeque<HeldBatch>,
    first_batch: u64,
    open: VecDeque<Open>,
    first_packet: u64,
    /// Records that are no packets, seen since the last packet.
    tail: Vec<Open>,
    spare: Vec<(Vec<Claim>, Vec<Checksum>)>,
    /// Datagrams in fragments by the packet that leaves first of those around.
    datagrams: BTreeMap<PacketId, Vec<Scattered>>,
    /// Of those whose leader has left.
    written: VecDeque<Written>,
    /// Scratch.
    runs: Vec<Claim>,
    /// Where files go, from the first one on that is not complete.
    destinations: VecDeque<Destination<'a>>,
    first_file: usize,
}

/// Where the bytes of one file go, and their labels.
pub(super) struct Destination<'a> {
    pub(super) ledger: Ledger<'a>,
    pub(super) output: Output<'a>,
}

struct HeldBatch {
    batch: Batch,
    /// Which file it is of.
    file: usize,
    /// Bytes that are final.
    done: usize,
    /// Bytes handed to the output.
    written: usize,
}

/// A record whose bytes may still change.
struct Open {
    batch: u64,
    /// In the batch.
    index: usize,
    /// First byte in the batch.
    start: usize,
    len: usize,
    /// Packet data, relative to the record's start; empty when it is no packet.
    data: Range<usize>,
    claims: Vec<Claim>,
    checksums: Vec<Checksum>,
    /// Records that stand before this packet.
    before: Vec<Open>,
}

impl<'a> Hold<'a> {
    pub(super) fn new() -> Self {
        Hold {
            batches: VecDeque::new(),
            first_batch: 0,
            open: VecDeque::new(),
            first_packet: 0,
            tail: Vec::new(),
            spare: Vec::new(),
            datagrams: BTreeMap::new(),
            written: VecDeque::new(),
            runs: Vec::new(),
            destinations: VecDeque::new(),
            first_file: 0,
        }
    }

    /// Begins a file: batches that follow go there.
    pub(super) fn open(&mut self, destination: Destination<'a>) {
        self.destinations.push_back(destination);
    }

    /// The next file whose bytes have all left, with another one begun behind it.
    pub(super) fn complete(&mut self) -> Option<Destination<'a>> {
        let newest = self.first_file + self.destinations.len().saturating_sub(1);
        let unfinished = |held: &&HeldBatch| held.written < held.batch.bytes.len();
        let needed = self.batches.iter().find(unfinished).map_or(newest, |held| held.file);
        if self.first_file >= needed {
            return None;
        }
        self.first_file += 1;
        self.destinations.pop_front()
    }

    /// The interfaces described before the first packet; a converter must know them.
    pub(super) fn describe(&mut self, interfaces: &[Interface]) -> Result<(), SanitizeError> {
        match self.destinations.back_mut() {
            Some(Destination { ledger, output }) => output.describe(interfaces, ledger),
            None => Ok(()),
        }
    }

    /// Takes a batch; its records follow by [`Hold::record`].
    pub(super) fn batch(&mut self, batch: Batch) {
        let file = self.first_file + self.destinations.len().saturating_sub(1);
        self.batches.push_back(HeldBatch { batch, file, done: 0, written: 0 });
    }

    /// The newest batch.
    pub(super) fn newest(&self) -> &Batch {
        &self.batches[self.batches.len() - 1].batch
    }

    /// Takes the next record of the newest batch, which is at `index` there. `packet` is set when it is one.
    pub(super) fn record(&mut self, index: usize, record: &Record, packet: Option<PacketId>) {
        let batch = self.first_batch + self.batches.len() as u64 - 1;
        let (claims, checksums) = self.spare.pop().unwrap_or_default();
        let data = record.packet.as_ref().map_or(0..0, |packet| packet.data.clone());
        let Record { start, len, .. } = *record;
        let mut open = Open { batch, index, start, len, data, claims, checksums, before: Vec::new() };
        match packet {
            Some(id) => {
                if self.open.is_empty() {
                    self.first_packet = id.0;
                }
                open.before = std::mem::take(&mut self.tail);
                self.open.push_back(open);
            }
            None => self.tail.push(open),
        }
    }

    /// The frame of a packet that has not left yet, and where its claims go.
    pub(super) fn packet(&mut self, id: PacketId) -> Option<Held<'_>> {
        let index = usize::try_from(id.0.checked_sub(self.first_packet)?).ok()?;
        let open = self.open.get_mut(index)?;
        let batch = self.batches.get_mut((open.batch - self.first_batch) as usize)?;
        let start = open.start + open.data.start;
        let frame = batch.batch.bytes.get_mut(start..open.start + open.data.end)?;
        Some(Held { frame, base: open.data.start as u32, claims: &mut open.claims, checksums: &mut open.checksums })
    }

    /// Takes checksums over several packets: they are written before the datagram's leader leaves.
    pub(super) fn datagram(&mut self, datagram: Scattered) {
        let Some(leader) = datagram.leader() else { return };
        if !datagram.is_late() {
            self.datagrams.entry(leader).or_default().push(datagram);
            return;
        }
        let held = self.datagrams.values_mut().rev().flatten();
        if let Some(first) = held.into_iter().find(|first| first.is_of(&datagram)) {
            first.join(datagram);
            return;
        }
        let written = std::mem::take(&mut self.written);
        if !written.iter().any(|written| datagram.repeat(written, self)) {
            self.datagrams.entry(leader).or_default().push(datagram);
        }
        self.written = written;
    }

    /// The newest record that is no packet (or, with none after it, the newest packet's record), whole.
    pub(super) fn newest_record(&mut self) -> Option<Held<'_>> {
        let open = self.tail.last_mut().or(self.open.back_mut())?;
        let batch = self.batches.back_mut()?;
        let frame = batch.batch.bytes.get_mut(open.start..open.start + open.len)?;
        Some(Held { frame, base: 0, claims: &mut open.claims, checksums: &mut open.checksums })
    }

    /// Makes packets up to `last` final.
    pub(super) fn release(&mut self, last: PacketId) -> io::Result<()> {
        while self.first_packet <= last.0 {
            if !self.datagrams.is_empty() {
                self.finish_datagrams();
            }
            let Some(mut open) = self.open.pop_front() else { return Ok(()) };
            self.first_packet += 1;
            for record in std::mem::take(&mut open.before) {
                self.finish_record(record)?;
            }
            self.finish_record(open)?;
        }
        Ok(())
    }

    /// Hands to the output what is final: with no packet held, that is everything.
    pub(super) fn write(&mut self) -> io::Result<Option<Batch>> {
        if self.open.is_empty() {
            for record in std::mem::take(&mut self.tail) {
                self.finish_record(record)?;
            }
        }
        let mut spare = None;
        while let Some(front) = self.batches.front_mut() {
            if front.written < front.done {
                let to = &mut self.destinations[front.file - self.first_file];
                to.output.write(&front.batch.bytes[front.written..front.done])?;
                front.written = front.done;
            }
            if front.done < front.batch.bytes.len() || (self.batches.len() == 1 && spare.is_some()) {
                break;
            }
            spare = self.batches.pop_front().map(|held| held.batch);
            self.first_batch += 1;
        }
        // A pipe brings little at a time: what waits need not keep the room that was offered to the read.
        if let Some(HeldBatch { batch, .. }) = self.batches.back_mut()
            && batch.bytes.capacity() > 2 * batch.bytes.len()
        {
            batch.bytes.shrink_to_fit();
            batch.records.shrink_to_fit();
        }
        Ok(spare)
    }

    /// Everything is settled: the rest leaves. The files that were not complete.
    pub(super) fn finish(mut self) -> io::Result<VecDeque<Destination<'a>>> {
        self.release(PacketId(u64::MAX - 1))?;
        self.write()?;
        Ok(self.destinations)
    }

    /// Restores the checksums of datagrams led by the packet about to leave: inner datagrams before outer ones.
    fn finish_datagrams(&mut self) {
        let datagrams = self.datagrams.remove(&PacketId(self.first_packet)).unwrap_or_default();
        for datagram in datagrams.iter().rev() {
            let written = datagram.finish(self);
            self.written.push_back(written);
        }
        let old = self.written.len().saturating_sub(limits::DATAGRAMS_REMEMBERED);
        self.written.drain(..old);
    }

    /// Blanks what nobody claimed of a packet, and will not.
    pub(super) fn blank(&mut self, id: PacketId) {
        let Some(index) = id.0.checked_sub(self.first_packet) else { return };
        let Some(open) = self.open.get_mut(index as usize) else { return };
        let Some(held) = self.batches.get_mut((open.batch - self.first_batch) as usize) else { return };
        let record = &mut held.batch.bytes[open.start..open.start + open.len];
        open.claims.sort_by_key(|claim| claim.start);
        settle_runs(&open.claims, &mut self.runs, record, &open.data);
    }

    /// Blanks what nobody claimed, restores checksum states, counts labels.
    fn finish_record(&mut self, mut open: Open) -> io::Result<()> {
        let held = &mut self.batches[(open.batch - self.first_batch) as usize];
        let record = &mut held.batch.bytes[open.start..open.start + open.len];
        open.claims.sort_by_key(|claim| claim.start);
        settle_runs(&open.claims, &mut self.runs, record, &open.data);
        for checksum in &open.checksums {
            if let Some(frame) = record.get_mut(open.data.clone()) {
                checksum.write(frame);
            }
        }
        let to = &mut self.destinations[held.file - self.first_file];
        to.output.record(&held.batch.records[open.index], record, &self.runs, &mut to.ledger)?;
        held.done = open.start + open.len;
        open.claims.clear();
        open.checksums.clear();
        if self.spare.len() < SPARE_MAX {
            self.spare.push((open.claims, open.checksums));
        }
        Ok(())
    }
}

/// A record's bytes, and what is claimed of them.
pub(super) struct Held<'a> {
    /// The frame (or the whole record).
    pub(super) frame: &'a mut [u8],
    base: u32,
    claims: &'a mut Vec<Claim>,
    /// The frame's checksums, innermost first.
    pub(super) checksums: &'a mut Vec<Checksum>,
}

impl Held<'_> {
    /// Claims a range of the frame.
    pub(super) fn claim(&mut self, at: Range<u32>, label: Label, because: Because) {
        if at.is_empty() {
            return;
        }
        let start = self.base + at.start;
        match self.claims.last_mut() {
            Some(last) if last.start + last.len == start && last.label == label && last.because == because => {
                last.len += at.end - at.start;
            }
            _ => self.claims.push(Claim { start, len: at.end - at.start, label, because }),
        }
    }
}

/// Turns sorted claims into runs that cover the record: what lies between them is framing outside the packet data,
/// and blank within it.
fn settle_runs(claims: &[Claim], runs: &mut Vec<Claim>, record: &mut [u8], data: &Range<usize>) {
    runs.clear();
    let mut at = 0;
    for claim in claims {
        let (start, end) = ((claim.start as usize).max(at), (claim.start + claim.len) as usize);
        if start < end {
            fill(at..start, runs, record, data);
            runs.push(Claim { start: start as u32, len: (end - start) as u32, ..*claim });
            at = end;
        }
    }
    fill(at..record.len(), runs, record, data);
}

/// Labels a range that nobody claimed.
fn fill(range: Range<usize>, runs: &mut Vec<Claim>, record: &mut [u8], data: &Range<usize>) {
    let inside = range.start.max(data.start).min(range.end)..range.end.min(data.end).max(range.start);
    let parts = if inside.start >= inside.end {
        [(range, Label::Structural, FRAMING), (0..0, Label::Structural, FRAMING), (0..0, Label::Structural, FRAMING)]
    } else {
        record[inside.clone()].fill(0);
        [
            (range.start..inside.start, Label::Structural, FRAMING),
            (inside.clone(), Label::Blanked, UNCLAIMED),
            (inside.end..range.end, Label::Structural, FRAMING),
        ]
    };
    for (part, label, because) in parts {
        if !part.is_empty() {
            runs.push(Claim { start: part.start as u32, len: (part.end - part.start) as u32, label, because });
        }
    }
}
