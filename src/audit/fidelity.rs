//! Original and masked capture, packet by packet: what must not change, and addresses that must.

use super::hits::Lines;
use super::judge::{Judge, sensitive, tells_something};
use super::result::{AuditError, Fidelity, Input};
use crate::capture::{Batch, Meta, PacketRecord, Reader, Record, Region};
use crate::decode::{Checksum, Layers, Piece, What, decode};
use crate::rules::Payload;

/// Reads both captures side by side. Addresses, and bytes of packets that are not understood, which stand unchanged
/// are residue.
pub fn compare(original: &Input, masked: &Input, judge: &Judge, residue: &mut Lines) -> Result<Fidelity, AuditError> {
    let (mut before, mut after) = (Records::open(original)?, Records::open(masked)?);
    let mut pair = Pair { judge, residue, fidelity: Fidelity::default(), layers: Default::default() };
    if before.reader.format() != after.reader.format() {
        pair.fidelity.differ(0, "another container or resolution");
    }
    loop {
        let (more_before, more_after) = (before.advance()?, after.advance()?);
        match (more_before, more_after) {
            (true, true) => pair.records(&before, &after),
            (true, false) => pair.fidelity.packets_original += u64::from(before.record().packet.is_some()),
            (false, true) => pair.fidelity.packets_masked += u64::from(after.record().packet.is_some()),
            (false, false) => break,
        }
        if more_before != more_after {
            pair.count_the_rest(&mut before, &mut after)?;
            break;
        }
    }
    if before.reader.damage().is_none() && after.reader.damage().is_some() {
        pair.fidelity.differ(0, "the masked capture is damaged or cut off");
    }
    Ok(pair.fidelity)
}

/// One record after another.
struct Records<'i> {
    input: &'i Input,
    reader: Reader,
    batch: Batch,
    /// The next record's index.
    next: usize,
}

impl<'i> Records<'i> {
    fn open(input: &'i Input) -> Result<Self, AuditError> {
        let opened = Reader::open(input.open()?);
        let reader = opened.map_err(|source| AuditError::Capture { file: input.to_string(), source })?;
        Ok(Self { input, reader, batch: Batch::default(), next: 0 })
    }

    fn advance(&mut self) -> Result<bool, AuditError> {
        self.next += 1;
        if self.next <= self.batch.records.len() {
            return Ok(true);
        }
        self.next = 1;
        let file = || self.input.to_string();
        loop {
            let more = self.reader.next_batch(&mut self.batch);
            let more = more.map_err(|source| AuditError::Capture { file: file(), source })?;
            if !more || !self.batch.records.is_empty() {
                return Ok(more);
            }
        }
    }

    fn record(&self) -> &Record {
        &self.batch.records[self.next - 1]
    }

    fn bytes(&self) -> &[u8] {
        let record = self.record();
        &self.batch.bytes[record.start..record.start + record.len]
    }

    fn regions(&self) -> &[Region] {
        &self.batch.regions[self.record().regions.clone()]
    }
}

/// The comparison of two records.
struct Pair<'a> {
    judge: &'a Judge,
    residue: &'a mut Lines,
    fidelity: Fidelity,
    layers: [Layers; 2],
}

impl Pair<'_> {
    fn records(&mut self, before: &Records<'_>, after: &Records<'_>) {
        let (a, b) = (before.record(), after.record());
        self.fidelity.packets_original += u64::from(a.packet.is_some());
        self.fidelity.packets_masked += u64::from(b.packet.is_some());
        let number = if a.packet.is_some() { self.fidelity.packets_original } else { 0 };
        if a.len != b.len {
            self.fidelity.differ(number, "a record of another length");
        } else if !same_framing(before, after) {
            self.fidelity.differ(number, "a record's framing changed");
        }
        self.regions(number, before, after);
        match (&a.packet, &b.packet) {
            (Some(p), Some(q)) => self.packets(number, (p, before.bytes()), (q, after.bytes())),
            (None, None) => {}
            _ => self.fidelity.differ(number, "a packet where there was none, or none where there was one"),
        }
    }

    /// What stands beside packets: comments, names, addresses.
    fn regions(&mut self, number: u64, before: &Records<'_>, after: &Records<'_>) {
        for region in before.regions() {
            let (old, new) = (before.bytes().get(region.at.clone()), after.bytes().get(region.at.clone()));
            let Some(old) = old.filter(|old| Some(*old) == new && !self.judge.keeps_region(region.what, old)) else {
                continue;
            };
            let kind = match region.what {
                Meta::Ipv4 => Some("ipv4"),
                Meta::Ipv6 => Some("ipv6"),
                Meta::Mac => Some("mac"),
                Meta::Text(what) | Meta::Opaque(what) => Some(what).filter(|_| tells_something(old)),
                Meta::Host => Some("host").filter(|_| tells_something(old)),
            };
            kind.into_iter().for_each(|kind| self.residue.add(kind, "record", "unchanged", number, 1));
        }
    }

    fn packets(&mut self, number: u64, (a, x): (&PacketRecord, &[u8]), (b, y): (&PacketRecord, &[u8])) {
        let facts = [
            (a.time_ns == b.time_ns, "time"),
            (a.data.len() == b.data.len(), "captured length"),
            (a.wire_len == b.wire_len, "length on the wire"),
            (a.link == b.link, "link type"),
            (a.interface == b.interface, "interface"),
        ];
        for (_, what) in facts.iter().filter(|(same, _)| !same) {
            self.fidelity.differ(number, *what);
        }
        let (x, y) = (x.get(a.data.clone()).unwrap_or_default(), y.get(b.data.clone()).unwrap_or_default());
        let [before, after] = &mut self.layers;
        decode(a.link, x, a.wire_len, before);
        decode(b.link, y, b.wire_len, after);
        self.frames(number, x, y);
    }

    fn frames(&mut self, number: u64, x: &[u8], y: &[u8]) {
        let [before, after] = &self.layers;
        let facts = [
            (before.names == after.names, "layers"),
            (before.pieces == after.pieces, "header layout"),
            (same_states(before, after, y), "checksum state"),
            (same_structure(&before.pieces, x, y), "header fields"),
        ];
        for (_, what) in facts.iter().filter(|(same, _)| !same) {
            self.fidelity.differ(number, *what);
        }
        if !self.judge.keeps_addresses() {
            for piece in &before.pieces {
                let (old, new) = (bytes_of(piece, x), bytes_of(piece, y));
                if let Some(kind) = sensitive(piece.what, old).filter(|_| old == new) {
                    self.residue.add(kind, "header", "unchanged", number, 1);
                }
            }
        }
        if self.judge.payload() != Payload::Keep {
            for (what, at) in &before.not_understood {
                let (old, new) = (x.get(at.clone()).unwrap_or_default(), y.get(at.clone()).unwrap_or_default());
                if old == new && old.len() >= 4 && old.iter().any(|b| *b != old[0]) {
                    self.residue.add("not understood", what, "unchanged", number, 1);
                }
            }
        }
    }

    fn count_the_rest(&mut self, before: &mut Records<'_>, after: &mut Records<'_>) -> Result<(), AuditError> {
        while before.advance()? {
            self.fidelity.packets_original += u64::from(before.record().packet.is_some());
        }
        while after.advance()? {
            self.fidelity.packets_masked += u64::from(after.record().packet.is_some());
        }
        self.fidelity.differ(0, "another number of records");
        Ok(())
    }
}

/// Everything outside packet data and regions is the same.
fn same_framing(before: &Records<'_>, after: &Records<'_>) -> bool {
    let mut free: Vec<_> = before.regions().iter().map(|region| region.at.clone()).collect();
    free.extend(before.record().packet.as_ref().map(|packet| packet.data.clone()));
    free.sort_by_key(|at| at.start);
    let (x, y) = (before.bytes(), after.bytes());
    let mut from = 0;
    for at in free {
        if x.get(from..at.start) != y.get(from..at.start) {
            return false;
        }
        from = from.max(at.end);
    }
    x.get(from..) == y.get(from..)
}

fn same_states(before: &Layers, after: &Layers, masked: &[u8]) -> bool {
    let [before, after] = [before, after].map(|layers| &layers.checksums);
    let alike = |(a, b): (&Checksum, &Checksum)| a.at == b.at && b.reads_as(a.state, masked);
    before.len() == after.len() && before.iter().zip(after).all(alike)
}

fn same_structure(pieces: &[Piece], x: &[u8], y: &[u8]) -> bool {
    let structural = pieces.iter().filter(|piece| piece.what == What::Structural);
    structural.into_iter().all(|piece| bytes_of(piece, x) == bytes_of(piece, y))
}

fn bytes_of<'f>(piece: &Piece, frame: &'f [u8]) -> &'f [u8] {
    frame.get(piece.start as usize..(piece.start as usize + piece.len as usize)).unwrap_or_default()
}
