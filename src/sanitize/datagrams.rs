//! Datagrams in fragments: decided as a whole, edited in the packets that hold them.

use std::ops::Range;

use super::edits::{Editor, mask_address};
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
                    let why = mask_address(what, new, self.addresses, &mut self.values);
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
    parts: Vec<Part>,
    len: usize,
    checksums: Vec<Checksum>,
}

impl Scattered {
    /// The first packet that holds some of it.
    pub(super) fn first(&self) -> PacketId {
        self.packets().min().unwrap_or(PacketId(0))
    }

    /// The packets that hold it.
    pub(super) fn packets(&self) -> impl Iterator<Item = PacketId> {
        self.parts.iter().map(|part| part.packet)
    }

    /// Puts the checksums into the state that they had. The packets are decided, but none has left.
    pub(super) fn finish(&self, hold: &mut Hold<'_>) {
        self.packets().for_each(|packet| hold.blank(packet));
        let mut frame = vec![0; self.len];
        for part in self.parts.iter().filter(|part| !part.copy) {
            let (at, len) = (part.at as usize, part.len as usize);
            if let Some(held) = hold.packet(part.packet)
                && let Some(bytes) = held.frame.get(part.frame_at as usize..part.frame_at as usize + len)
                && let Some(to) = frame.get_mut(at..at + len)
            {
                to.copy_from_slice(bytes);
            }
        }
        for checksum in &self.checksums {
            checksum.write(&mut frame);
            let field = checksum.at as u32..checksum.at as u32 + 2;
            for part in self.parts.iter().filter_map(|part| part.within(&field)) {
                let new = frame.get(part.at as usize..(part.at + part.len) as usize);
                if let (Some(held), Some(new)) = (hold.packet(part.packet), new) {
                    held.frame[part.frame_at as usize..part.frame_at as usize + new.len()].copy_from_slice(new);
                }
            }
        }
    }
}
