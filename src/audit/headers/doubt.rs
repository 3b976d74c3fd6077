//! Whether masking's reader of compressed headers understands what the audit's understands.

use std::collections::HashMap;

use super::frames::{Block, Frames};
use super::hpack::Header;
use crate::dissect::Stream;
use crate::protocol::http2::hpack::Decoder;

/// How the masking reads the blocks of one direction: a reader that has seen those before. Each header's name and value;
/// nothing when it does not understand the block, which it blanks then, with all behind it.
pub type Reading = Box<dyn FnMut(&[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>>>;

/// Masking's reader, at the beginning of a direction.
pub fn masking() -> Reading {
    let mut decoder = Decoder::default();
    Box::new(move |block| {
        let headers = decoder.read(block).ok()?;
        Some(headers.iter().map(|header| (header.name.to_vec(), header.value.to_vec())).collect())
    })
}

/// Both readings, side by side.
pub struct Doubts {
    frames: Frames,
    other: fn() -> Reading,
    others: HashMap<Stream, Reading>,
    /// The packets, from 1, with whose last byte a block was whole that the two read differently.
    pub packets: Vec<u64>,
}

impl Doubts {
    /// `other` makes the reader that is doubted.
    pub fn new(other: fn() -> Reading) -> Doubts {
        Doubts { frames: Frames::default(), other, others: HashMap::new(), packets: Vec::new() }
    }

    /// Takes the next bytes of a direction, which came with a packet; `told` is called with the headers of each block, as the
    /// audit reads them, and whether they ask.
    pub fn push(&mut self, stream: Stream, at: u64, packet: u64, bytes: &[u8], told: &mut dyn FnMut(&[Header], bool)) {
        let Doubts { frames, others, packets, .. } = self;
        let other = self.other;
        let mut given_up = false;
        frames.push(stream, at, bytes, &mut |block: &Block<'_>| {
            if given_up {
                return;
            }
            let theirs = others.entry(stream).or_insert_with(other)(block.raw);
            match (block.headers, theirs) {
                (mine, Some(theirs)) => {
                    if !mine.is_some_and(|mine| alike(mine, &theirs)) {
                        packets.push(packet);
                    }
                }
                (_, None) => given_up = true,
            }
            if let Some(headers) = block.headers {
                told(headers, block.is_request);
            }
        });
        if given_up {
            frames.give_up(stream);
        }
    }

    /// The flow is forgotten.
    pub fn close(&mut self, flow: u64) {
        self.frames.close(flow);
        self.others.retain(|stream, _| stream.flow != flow);
    }
}

fn alike(mine: &[Header], theirs: &[(Vec<u8>, Vec<u8>)]) -> bool {
    mine.len() == theirs.len()
        && mine.iter().zip(theirs).all(|(mine, (name, value))| mine.name == *name && mine.value == *value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Side;

    const CLIENT: Stream = Stream { flow: 7, side: Side::Client };

    /// Two requests: the second one refers to what the first one spelled out.
    fn talk() -> Vec<Vec<u8>> {
        let frame = |content: &[u8]| [&[0, 0, content.len() as u8, 1, 4, 0, 0, 0, 1], content].concat();
        let first = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(b"\x82\x40\x03x-a\x03one\x40\x03x-b\x03two")];
        vec![first.concat(), frame(b"\x82\xbf\xbe")]
    }

    /// The packets that are doubted, and the headers told.
    fn read(other: fn() -> Reading) -> (Vec<u64>, usize) {
        let (mut doubts, mut at, mut told) = (Doubts::new(other), 0, 0);
        for (bytes, packet) in talk().iter().zip(3..) {
            doubts.push(CLIENT, at, packet, bytes, &mut |headers, is_request| {
                assert!(is_request);
                told += headers.len();
            });
            at += bytes.len() as u64;
        }
        (doubts.packets, told)
    }

    #[test]
    fn readers_that_agree_raise_no_doubt() {
        assert_eq!(read(masking), (vec![], 6));
    }

    #[test]
    fn a_reader_that_takes_the_wrong_entry_is_told() {
        let double = || -> Reading {
            let mut right = masking();
            Box::new(move |block| {
                let mut headers = right(block)?;
                // It counts entries from the wrong end.
                if block.contains(&0xbf) {
                    headers.swap(1, 2);
                }
                Some(headers)
            })
        };
        assert_eq!(read(double), (vec![4], 6));
    }

    #[test]
    fn a_reader_that_gives_up_blanks_and_is_not_doubted() {
        assert_eq!(read(|| Box::new(|_| None)), (vec![], 3));
    }
}
