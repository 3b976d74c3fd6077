//! What the fuzz targets share: the oracle of the whole pipeline, and those of its stages.

use std::ops::Range;

use standin::capture::{Batch, Reader};
use standin::protocol::{Field, Mark, Protocol, Side, Sink, Window};

#[path = "../../tests/hostile/oracle.rs"]
pub mod oracle;

/// Reads a capture: its records are a prefix of the file, one behind another, and what is in them lies in them.
pub fn read(file: &[u8]) {
    let Ok(mut reader) = Reader::open(Box::new(std::io::Cursor::new(file.to_vec()))) else { return };
    let mut batch = Batch::default();
    let mut at = 0;
    while reader.next_batch(&mut batch).is_ok_and(|more| more) {
        let mut end = 0;
        for record in &batch.records {
            assert_eq!(record.start, end, "a gap between records");
            end += record.len;
            if let Some(packet) = &record.packet {
                assert!(packet.data.start <= packet.data.end && packet.data.end <= record.len);
                assert!((packet.interface as usize) < reader.interfaces().len());
            }
            for region in &batch.regions[record.regions.clone()] {
                assert!(region.at.start <= region.at.end && region.at.end <= record.len);
            }
        }
        assert_eq!(end, batch.bytes.len());
        assert_eq!(batch.bytes, file[at..at + end]);
        at += end;
    }
    assert_eq!(reader.bytes_read(), at as u64);
}

/// Holds a conversation: lines of `side`, `length`, then so many bytes. Each byte is told once, as it stands there, with no
/// turn lost.
pub fn converse(protocol: &dyn Protocol, data: &[u8]) {
    let mut turns = Vec::new();
    let mut streams = [Vec::new(), Vec::new()];
    let mut rest = data;
    while let &[head, len, ref bytes @ ..] = rest {
        let side = if head & 1 == 0 { Side::Client } else { Side::Server };
        // Bit 1: sixteen times as long, so that bodies come in few turns.
        let len = (usize::from(len) << (head & 2) * 2).min(bytes.len());
        streams[index(side)].extend_from_slice(&bytes[..len]);
        turns.push((side, streams[index(side)].len(), head & 4 != 0));
        rest = &bytes[len..];
    }
    let mut told = Told::new(streams.clone());
    let mut talk = protocol.open(0);
    let mut read = [0, 0];
    for (side, until, cannot_wait) in turns {
        told.turn(side);
        let at = read[index(side)];
        let bytes = &streams[index(side)][at..until];
        let used = talk.read(side, at as u64, bytes, cannot_wait, &mut told);
        assert!(used <= bytes.len() && (!cannot_wait || used == bytes.len()));
        read[index(side)] += used;
        if cannot_wait {
            talk.flush(side, &mut told);
        }
    }
    for side in [Side::Client, Side::Server] {
        told.turn(side);
        let at = read[index(side)];
        let used = talk.read(side, at as u64, &streams[index(side)][at..], true, &mut told);
        assert_eq!(at + used, streams[index(side)].len());
        talk.flush(side, &mut told);
        told.assert_all(side);
    }
}

/// A sink that knows the bytes: each is to be told once, and fields are to be where they say.
pub struct Told {
    /// Bytes of the client and of the server.
    pub bytes: [Vec<u8>; 2],
    counts: [Vec<u8>; 2],
    side: usize,
}

impl Told {
    /// Of these bytes.
    pub fn new(bytes: [Vec<u8>; 2]) -> Told {
        let counts = [vec![0; bytes[0].len()], vec![0; bytes[1].len()]];
        Told { bytes, counts, side: 0 }
    }

    /// What comes next is told of this side.
    pub fn turn(&mut self, side: Side) {
        self.side = index(side);
    }

    /// Each byte of a side was told once.
    pub fn assert_all(&self, side: Side) {
        let missed = self.counts[index(side)].iter().position(|count| *count != 1);
        assert_eq!(missed, None, "a byte of the {side:?} was not told, or twice");
    }

    fn tell(&mut self, at: &[Range<u64>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for range in at {
            let range = range.start as usize..range.end as usize;
            self.counts[self.side][range.clone()].iter_mut().for_each(|count| *count = count.saturating_add(1));
            bytes.extend_from_slice(&self.bytes[self.side][range]);
        }
        bytes
    }
}

impl Sink for Told {
    fn keep(&mut self, at: Range<u64>) {
        self.tell(&[at]);
    }

    fn field(&mut self, at: &[Range<u64>], field: &Field<'_>) {
        // What stands nowhere is said again.
        assert!(at.is_empty() || self.tell(at) == field.raw, "a field is elsewhere");
        assert!(field.path.len() <= standin::limits::PATH_BYTES_MAX + 64, "a path of {}", field.path.len());
    }

    fn opaque(&mut self, at: Range<u64>, _what: &'static str) {
        self.tell(&[at]);
    }

    fn window(&mut self, at: &[Range<u64>], window: &Window<'_>) {
        assert_eq!(self.tell(at), *window.wire(), "a window is elsewhere");
        assert!(window.header + window.trailer <= window.packed.len());
        let mut end = 0;
        for part in window.parts {
            assert_eq!(part.at.start, end, "a gap in a window");
            end = part.at.end;
        }
        assert_eq!(end, window.plain.len());
    }

    fn mark(&mut self, _side: Side, _mark: Mark<'_>) {}
}

/// Which index a side has.
pub fn index(side: Side) -> usize {
    usize::from(side == Side::Server)
}
