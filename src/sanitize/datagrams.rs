//! Datagrams in fragments: decided as a whole, edited in the packets that hold them.

use std::ops::Range;

use super::edits::Editor;
use super::hold::{CHECKSUM, FRAMING, Hold};
use super::ledger::{Because, Label};
use super::values::KEPT_PAYLOAD;
use crate::capture::PacketId;
use crate::decode::{Checksum, Layers, What};
use crate::flow::{Datagram, Part};
use crate::rules::Payload;

impl Editor<'_> {
    /// Labels what stands behind a datagram's header, and masks the addresses there.
    pub(super) fn put_datagram(&mut self, datagram: &Datagram, layers: &Layers) {
        let mut done = datagram.header as u32;
        for piece in &layers.pieces {
            let at = piece.start..piece.start + piece.len;
            self.keep_between(datagram, done..at.start);
            done = at.end;
            match piece.what {
                What::Structural => self.scatter(datagram, at, None, (Label::Structural, FRAMING)),
                What::Checksum => self.scatter(datagram, at, None, (Label::Recomputed, CHECKSUM)),
                what => {
                    let mut new = [0; 16];
                    let new = &mut new[..piece.len.min(16) as usize];
                    let old = datagram.frame.get(at.start as usize..at.end as usize).unwrap_or_default();
                    new.copy_from_slice(old);
                    let why = self.headers.mask(what, new, &datagram.frame, &mut self.values.masker);
                    self.scatter(datagram, at, Some(new), why);
                }
            }
        }
        // What a fragment inside holds is decided with its own datagram.
        let end = datagram.frame.len() as u32;
        let inner =
            layers.fragment.as_ref().map_or(end..end, |inner| inner.payload.start as u32..inner.payload.end as u32);
        self.keep_between(datagram, done..inner.start);
        self.keep_between(datagram, inner.end..end);
        if self.payload != Payload::Keep {
            self.tally_unread(layers);
        }
        self.hold.datagram(Scattered {
            number: datagram.number,
            parts: datagram.parts.clone(),
            len: datagram.frame.len(),
            checksums: layers.checksums.clone(),
        });
    }

    /// Keeps what is no header, if the rules want it.
    fn keep_between(&mut self, datagram: &Datagram, range: Range<u32>) {
        if self.payload == Payload::Keep && !range.is_empty() {
            self.scatter(datagram, range, None, (Label::Kept, KEPT_PAYLOAD));
        }
    }

    /// Claims a range of a datagram, copies of it too; `new` is to stand there.
    fn scatter(&mut self, datagram: &Datagram, range: Range<u32>, new: Option<&[u8]>, why: (Label, Because)) {
        for part in datagram.parts_of(range.clone()) {
            let Some(mut held) = self.hold.packet(part.packet) else { continue };
            let at = part.in_frame();
            let from = (part.at - range.start) as usize;
            if let Some(new) = new.and_then(|new| new.get(from..from + part.len as usize))
                && let Some(bytes) = held.frame.get_mut(at.start as usize..at.end as usize)
            {
                bytes.copy_from_slice(new);
            }
            held.claim(at, why.0, why.1);
        }
    }
}

/// Checksums of a datagram that lies in several packets.
pub(super) struct Scattered {
    number: u64,
    parts: Vec<Part>,
    len: usize,
    checksums: Vec<Checksum>,
}

/// What was written into the checksums of a datagram.
pub(super) struct Written {
    number: u64,
    fields: Vec<(u32, Vec<u8>)>,
}

impl Scattered {
    /// The packet before whose leaving its checksums are written.
    pub(super) fn leader(&self) -> Option<PacketId> {
        self.parts.iter().map(|part| part.leader).min()
    }

    /// Whether these are copies alone, of a datagram that was whole before.
    pub(super) fn is_late(&self) -> bool {
        self.parts.iter().all(|part| part.copy)
    }

    /// Whether these are parts of the same datagram.
    pub(super) fn is_of(&self, other: &Scattered) -> bool {
        self.number == other.number
    }

    /// Takes late copies, of the same datagram, along.
    pub(super) fn join(&mut self, copies: Scattered) {
        self.parts.extend(copies.parts);
    }

    /// Puts the checksums into the state that they had. The originals are decided, and none of them has left.
    pub(super) fn finish(&self, hold: &mut Hold<'_>) -> Written {
        let mut frame = vec![0; self.len];
        for part in self.parts.iter().filter(|part| !part.copy) {
            hold.blank(part.packet);
            if let Some(held) = hold.packet(part.packet)
                && let Some(bytes) = held.frame.get(in_frame(part))
                && let Some(to) = frame.get_mut(part.at as usize..part.at as usize + bytes.len())
            {
                to.copy_from_slice(bytes);
            }
        }
        let mut written = Written { number: self.number, fields: Vec::new() };
        for checksum in &self.checksums {
            checksum.write(&mut frame);
            if let Some(field) = frame.get(checksum.at..checksum.at + checksum.algorithm.size()) {
                self.put(checksum.at as u32, field, hold);
                written.fields.push((checksum.at as u32, field.to_vec()));
            }
        }
        written
    }

    /// Late copies get the checksums that were written before. False if these are of another datagram.
    pub(super) fn repeat(&self, written: &Written, hold: &mut Hold<'_>) -> bool {
        if written.number != self.number {
            return false;
        }
        written.fields.iter().for_each(|(at, field)| self.put(*at, field, hold));
        true
    }

    fn put(&self, at: u32, field: &[u8], hold: &mut Hold<'_>) {
        let range = at..at + field.len() as u32;
        for part in self.parts.iter().filter_map(|part| part.within(&range)) {
            let new = field.get((part.at - at) as usize..(part.at - at + part.len) as usize);
            let held = hold.packet(part.packet);
            let bytes = held.and_then(|held| held.frame.get_mut(in_frame(&part)));
            if let (Some(bytes), Some(new)) = (bytes, new) {
                bytes.copy_from_slice(new);
            }
        }
    }
}

fn in_frame(part: &Part) -> Range<usize> {
    let at = part.in_frame();
    at.start as usize..at.end as usize
}
