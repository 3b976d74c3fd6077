//! Stream bytes gathered into pieces worth searching, in bounded memory, with the way back to packets.

use std::collections::HashMap;
use std::ops::Range;

use crate::limits::{AUDIT_GATHERED_BYTES_MAX, AUDIT_STREAM_BYTES};

/// Bytes of a searched piece that are searched again with the next one: longer than any disguise.
const OVERLAP: usize = 1 << 10;

/// What pieces are gathered for: a stream, or a compressed body of one.
pub type Source = (crate::dissect::Stream, Option<u64>);

/// Bytes of one source, not yet searched but for the overlap at their front.
#[derive(Default)]
pub struct Piece {
    /// Stream offset of the first byte.
    base: u64,
    bytes: Vec<u8>,
    /// (position in `bytes`, packet) where a packet's bytes begin, in order.
    packets: Vec<(usize, u64)>,
    /// Bytes at the front that were searched with the piece before.
    searched: usize,
}

impl Piece {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
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

    /// The bytes of a stream range, as far as they are still here.
    pub fn slice(&self, at: &Range<u64>) -> Option<&[u8]> {
        let from = usize::try_from(at.start.saturating_sub(self.base)).ok()?;
        let to = usize::try_from(at.end.checked_sub(self.base)?).ok()?;
        self.bytes.get(from..to.min(self.bytes.len()))
    }

    /// Leaves the overlap only.
    fn forget(&mut self) {
        let gone = self.bytes.len().saturating_sub(OVERLAP);
        let packet = self.packet(gone);
        self.bytes.drain(..gone);
        self.base += gone as u64;
        self.searched = self.bytes.len();
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
    /// Takes the next bytes of a source; `search` is called with what has become enough.
    pub fn push(&mut self, source: Source, at: u64, packet: u64, bytes: &[u8], search: &mut dyn FnMut(&Piece)) {
        let piece = self.pieces.entry(source).or_default();
        if piece.base + piece.bytes.len() as u64 != at {
            self.bytes -= piece.bytes.len();
            *piece = Piece { base: at, ..Piece::default() };
        }
        piece.packets.push((piece.bytes.len(), packet));
        piece.bytes.extend_from_slice(bytes);
        self.bytes += bytes.len();
        if piece.bytes.len() >= AUDIT_STREAM_BYTES {
            let before = piece.bytes.len();
            search(piece);
            piece.forget();
            self.bytes -= before - piece.bytes.len();
        }
        if self.bytes > AUDIT_GATHERED_BYTES_MAX {
            self.finish(search);
        }
    }

    /// The piece of a source.
    pub fn piece(&self, source: &Source) -> Option<&Piece> {
        self.pieces.get(source)
    }

    /// Everything of a flow that is still here.
    pub fn close(&mut self, flow: u64, search: &mut dyn FnMut(&Piece)) {
        let bytes = &mut self.bytes;
        self.pieces.retain(|(stream, _), piece| {
            if stream.flow == flow {
                search(piece);
                *bytes -= piece.bytes.len();
            }
            stream.flow != flow
        });
    }

    /// Everything that is still here.
    pub fn finish(&mut self, search: &mut dyn FnMut(&Piece)) {
        self.pieces.drain().for_each(|(_, piece)| search(&piece));
        self.bytes = 0;
    }
}
