//! Stream bytes gathered into pieces worth searching, in bounded memory, with the way back to packets.

use std::collections::HashMap;
use std::ops::Range;

use crate::limits::{AUDIT_GATHERED_BYTES_MAX, AUDIT_STREAM_BYTES, HEAD_BYTES_MAX, WINDOW_BYTES};

/// Bytes of a searched piece that are searched again with the next one: longer than any disguise.
const OVERLAP: usize = 1 << 10;
/// Bytes at a stream's end that may still be undecided: a head or a value, and a window behind it.
const UNDECIDED: usize = HEAD_BYTES_MAX + WINDOW_BYTES;

/// What pieces are gathered for: a stream, or a compressed body of one.
pub type Source = (crate::dissect::Stream, Option<u64>);

/// Bytes of one source, not yet searched but for the overlap at their front.
#[derive(Default)]
pub struct Piece {
    flow: u64,
    /// Stream offset of the first byte.
    base: u64,
    bytes: Vec<u8>,
    /// The same, with zeros for what is not to be searched.
    shown: Vec<u8>,
    /// Bytes that nobody has said yet what they are.
    undecided: usize,
    /// (position in `bytes`, packet) where a packet's bytes begin, in order.
    packets: Vec<(usize, u64)>,
    /// Bytes at the front that were searched with the piece before.
    searched: usize,
    /// Where the search ends for now.
    ready: usize,
}

impl Piece {
    /// The bytes to be searched.
    pub fn shown(&self) -> &[u8] {
        self.shown.get(..self.ready).unwrap_or(&self.shown)
    }

    /// The flow that the piece is part of.
    pub fn flow(&self) -> u64 {
        self.flow
    }

    /// What the piece begins with was searched before, up to here.
    pub fn searched(&self) -> usize {
        self.searched
    }

    /// The packet that brought the byte.
    pub fn packet(&self, at: usize) -> u64 {
        let next = self.packets.partition_point(|(from, _)| *from <= at);
        self.packets.get(next.saturating_sub(1)).map_or(0, |(_, packet)| *packet)
    }

    fn range(&self, at: &Range<u64>) -> Option<Range<usize>> {
        let from = usize::try_from(at.start.saturating_sub(self.base)).ok()?;
        let to = usize::try_from(at.end.checked_sub(self.base)?).ok()?;
        Some(from..to.min(self.bytes.len())).filter(|range| range.start <= range.end)
    }

    fn decide(&mut self, at: &Range<u64>, show: bool) {
        self.undecided = self.undecided.saturating_sub(usize::try_from(at.end - at.start).unwrap_or(usize::MAX));
        let Some(range) = self.range(at) else { return };
        if show {
            self.shown[range.clone()].copy_from_slice(&self.bytes[range]);
        } else {
            self.shown[range].fill(0);
        }
    }

    /// How far everything is decided.
    fn decided(&self) -> usize {
        if self.undecided == 0 { self.bytes.len() } else { self.bytes.len().saturating_sub(UNDECIDED) }
    }

    /// Searches what is decided.
    fn search(&mut self, search: &mut dyn FnMut(&Piece)) {
        self.ready = self.decided();
        search(self);
    }

    /// Leaves the overlap, and what is undecided.
    fn forget(&mut self) {
        let gone = self.ready.saturating_sub(OVERLAP);
        let packet = self.packet(gone);
        self.bytes.drain(..gone);
        self.shown.drain(..gone);
        self.base += gone as u64;
        self.searched = self.ready - gone;
        self.packets.retain(|(from, _)| *from > gone);
        self.packets.iter_mut().for_each(|(from, _)| *from -= gone);
        self.packets.insert(0, (0, packet));
    }
}

/// All sources.
#[derive(Default)]
pub struct Gather {
    pieces: HashMap<Source, Piece>,
    bytes: usize,
}

impl Gather {
    /// Takes the next bytes of a source, and what of them is shown as long as nothing else is decided; `search` is
    /// called with what has become enough before.
    pub fn push(
        &mut self,
        source: Source,
        at: u64,
        packet: u64,
        (bytes, shown): (&[u8], &[u8]),
        search: &mut dyn FnMut(&Piece),
    ) {
        let piece = self.pieces.entry(source).or_default();
        if piece.base + piece.bytes.len() as u64 != at {
            piece.search(search);
            self.bytes -= piece.bytes.len();
            *piece = Piece { base: at, ..Piece::default() };
        }
        if piece.decided() >= AUDIT_STREAM_BYTES {
            let before = piece.bytes.len();
            piece.search(search);
            piece.forget();
            self.bytes -= before - piece.bytes.len();
        }
        piece.flow = source.0.flow;
        piece.packets.push((piece.bytes.len(), packet));
        piece.bytes.extend_from_slice(bytes);
        piece.shown.extend_from_slice(shown);
        piece.shown.resize(piece.bytes.len(), 0);
        piece.undecided += bytes.len();
        self.bytes += bytes.len();
        if self.bytes > AUDIT_GATHERED_BYTES_MAX {
            self.make_room(search);
        }
    }

    /// A stream range is decided, and shown or not.
    pub fn decide(&mut self, source: &Source, at: &Range<u64>, show: bool) {
        if let Some(piece) = self.pieces.get_mut(source) {
            piece.decide(at, show);
        }
    }

    /// Everything that was pushed is decided.
    pub fn settle(&mut self, source: &Source) {
        if let Some(piece) = self.pieces.get_mut(source) {
            piece.undecided = 0;
        }
    }

    /// The bytes of a stream range, and what is shown of them, as far as they are still here.
    pub fn slice(&self, source: &Source, at: &Range<u64>) -> Option<(&[u8], &[u8])> {
        let piece = self.pieces.get(source)?;
        let range = piece.range(at)?;
        Some((piece.bytes.get(range.clone())?, piece.shown.get(range)?))
    }

    /// Everything of a flow that is still here.
    pub fn close(&mut self, flow: u64, search: &mut dyn FnMut(&Piece)) {
        self.leave(search, |stream, _| stream.flow == flow);
    }

    /// Everything that is still here.
    pub fn finish(&mut self, search: &mut dyn FnMut(&Piece)) {
        self.leave(search, |_, _| true);
    }

    fn make_room(&mut self, search: &mut dyn FnMut(&Piece)) {
        self.leave(search, |_, piece| piece.undecided == 0);
        if self.bytes > AUDIT_GATHERED_BYTES_MAX {
            self.finish(search);
        }
    }

    fn leave(&mut self, search: &mut dyn FnMut(&Piece), who: impl Fn(&crate::dissect::Stream, &Piece) -> bool) {
        let bytes = &mut self.bytes;
        self.pieces.retain(|(stream, _), piece| {
            let leaves = who(stream, piece);
            if leaves {
                piece.undecided = 0;
                piece.search(search);
                *bytes -= piece.bytes.len();
            }
            !leaves
        });
    }
}
