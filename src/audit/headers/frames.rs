//! Where blocks of compressed headers stand in a direction's bytes (RFC 9113 §4), read by the audit alone.

use std::collections::HashMap;

use memchr::memmem;

use super::hpack::{Header, Table};
use crate::dissect::Stream;
use crate::limits::{HEAD_BYTES_MAX, HTTP2_FRAME_BYTES_MAX};
use crate::protocol::Side;

/// A client begins so (§3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length of a frame's head.
const HEAD: usize = 9;
/// A server begins with settings; more than so many bytes of them nobody sends.
const SETTINGS_MAX: usize = 32 * 6;

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// A whole block.
pub struct Block<'a> {
    /// What it says; nothing when it cannot be read.
    pub headers: Option<&'a [Header]>,
    /// Its bytes, put together.
    pub raw: &'a [u8],
    /// It asks.
    pub is_request: bool,
}

/// All directions that speak HTTP/2.
#[derive(Default)]
pub struct Frames {
    halves: HashMap<Stream, Half>,
}

/// One direction.
struct Half {
    state: State,
    /// Stream offset of the next byte.
    next: u64,
    /// Bytes that are not read yet.
    held: Vec<u8>,
    /// The parts of a block that were read, and whether it asks.
    block: Option<(Vec<u8>, bool)>,
    table: Table,
}

enum State {
    /// Nobody spoke HTTP/2 yet.
    Waiting,
    /// A frame begins, or is held in part.
    Frame,
    /// So many bytes of a frame come that say nothing about headers.
    Passing(usize),
    /// Out of step, or a block is missing or damaged: what came behind it cannot be known.
    Lost,
}

impl Frames {
    /// Takes the next bytes of a direction; `told` is called with each block that becomes whole.
    pub fn push(&mut self, stream: Stream, at: u64, bytes: &[u8], told: &mut dyn FnMut(&Block<'_>)) {
        let half = self.halves.entry(stream).or_insert_with(|| Half {
            state: State::Waiting,
            next: at,
            held: Vec::new(),
            block: None,
            table: Table::default(),
        });
        half.push(stream.side, at, bytes, told);
    }

    /// A direction's later headers are not asked for: masking has given them up, and blanks them.
    pub fn give_up(&mut self, stream: Stream) {
        if let Some(half) = self.halves.get_mut(&stream) {
            half.lose();
        }
    }

    /// The flow is forgotten.
    pub fn close(&mut self, flow: u64) {
        self.halves.retain(|stream, _| stream.flow != flow);
    }
}

impl Half {
    fn push(&mut self, side: Side, at: u64, bytes: &[u8], told: &mut dyn FnMut(&Block<'_>)) {
        let missing = at.saturating_sub(self.next);
        self.next = at + bytes.len() as u64;
        if missing > 0 {
            match &mut self.state {
                State::Waiting => self.held.clear(),
                State::Passing(left) if missing <= *left as u64 => *left -= missing as usize,
                State::Frame | State::Passing(_) => self.lose(),
                State::Lost => {}
            }
        }
        if matches!(self.state, State::Lost) {
            return;
        }
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut done = 0;
        while let Some(used) = self.step(side, &held[done..], told) {
            done += used;
        }
        if !matches!(self.state, State::Lost) {
            self.held.extend_from_slice(&held[done..]);
        }
    }

    fn lose(&mut self) {
        (self.state, self.held, self.block, self.table) = (State::Lost, Vec::new(), None, Table::default());
    }

    /// Reads the next bit and says how many bytes that were; nothing when more must come first.
    fn step(&mut self, side: Side, rest: &[u8], told: &mut dyn FnMut(&Block<'_>)) -> Option<usize> {
        match self.state {
            State::Lost => None,
            State::Waiting => match begins(side, rest) {
                Ok(at) => {
                    self.state = State::Frame;
                    Some(at)
                }
                Err(hopeless) => Some(hopeless).filter(|n| *n > 0),
            },
            State::Passing(left) => {
                let used = left.min(rest.len());
                self.state = if used == left { State::Frame } else { State::Passing(left - used) };
                Some(used).filter(|used| *used > 0 || left == 0)
            }
            State::Frame => self.frame(side, rest, told),
        }
    }

    fn frame(&mut self, side: Side, rest: &[u8], told: &mut dyn FnMut(&Block<'_>)) -> Option<usize> {
        let &[a, b, c, kind, flags, ..] = rest.first_chunk::<HEAD>()?;
        let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let of_block = matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION);
        let in_order = (kind == CONTINUATION) == self.block.is_some();
        let most = if of_block { HEAD_BYTES_MAX } else { HTTP2_FRAME_BYTES_MAX };
        if !in_order || len > most {
            self.lose();
            return None;
        }
        if !of_block {
            self.state = State::Passing(len);
            return Some(HEAD);
        }
        let content = rest.get(HEAD..HEAD + len)?;
        let Some(part) = part(kind, flags, content) else {
            self.lose();
            return None;
        };
        let (block, _) = self.block.get_or_insert_with(|| (Vec::new(), side == Side::Client || kind == PUSH_PROMISE));
        block.extend_from_slice(part);
        if block.len() > HEAD_BYTES_MAX {
            self.lose();
            return None;
        }
        if flags & END_HEADERS != 0
            && let Some((raw, is_request)) = self.block.take()
        {
            let headers = self.table.headers(&raw);
            told(&Block { headers: headers.as_deref(), raw: &raw, is_request });
            if headers.is_none() {
                self.lose();
                return None;
            }
        }
        Some(HEAD + len)
    }
}

/// How many bytes stand before the first frame; or how many can be forgotten, for none begins in them.
fn begins(side: Side, bytes: &[u8]) -> Result<usize, usize> {
    match side {
        Side::Client => match memmem::find(bytes, PREFACE) {
            Some(at) => Ok(at + PREFACE.len()),
            None => Err(bytes.len().saturating_sub(PREFACE.len() - 1)),
        },
        Side::Server => {
            // At the beginning, or behind the answer to who asked to go on so.
            let mut from = 0;
            while let Some(found) = memmem::find(&bytes[from..], &[SETTINGS, 0, 0, 0, 0, 0]) {
                let kind = from + found;
                if kind >= 3 && bytes[kind - 3] == 0 && bytes[kind - 2] == 0 {
                    let (at, len) = (kind - 3, usize::from(bytes[kind - 1]));
                    let is_front = at == 0 || bytes[..at].ends_with(b"\r\n\r\n");
                    if is_front && len <= SETTINGS_MAX && len.is_multiple_of(6) {
                        return Ok(at);
                    }
                }
                from = kind + 1;
            }
            // What a head may begin with, and the line ends before it.
            Err(bytes.len().saturating_sub(HEAD + 4))
        }
    }
}

/// A frame's part of the block, what stands before it and padding left out (§6.2, §6.6).
fn part(kind: u8, flags: u8, content: &[u8]) -> Option<&[u8]> {
    let (mut content, mut padding) = (content, 0);
    if kind != CONTINUATION && flags & PADDED != 0 {
        let (pad, behind) = content.split_first()?;
        (content, padding) = (behind, usize::from(*pad));
    }
    let lead = match kind {
        HEADERS if flags & PRIORITY != 0 => 5,
        PUSH_PROMISE => 4,
        _ => 0,
    };
    let content = content.get(lead..)?;
    content.get(..content.len().checked_sub(padding)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Stream = Stream { flow: 7, side: Side::Client };

    fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32).to_be_bytes()[1..], &[kind, flags, 0, 0, 0, 1], content].concat()
    }

    /// What is read of bytes that come in pieces of this size, as lines.
    fn read(stream: Stream, bytes: &[u8], piece: usize) -> Vec<String> {
        let (mut frames, mut lines) = (Frames::default(), Vec::new());
        for (n, part) in bytes.chunks(piece).enumerate() {
            frames.push(stream, (n * piece) as u64, part, &mut |block| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let line = |header: &Header| format!("{}={}", text(&header.name), text(&header.value));
                lines.push(
                    block.headers.map_or("damaged".into(), |all| all.iter().map(line).collect::<Vec<_>>().join(" ")),
                );
            });
        }
        lines
    }

    /// A header that is spelled out, without Huffman code.
    fn plain(name: &str, value: &str) -> Vec<u8> {
        [&[0x40, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
    }

    #[test]
    fn blocks_are_found_padded_and_in_several_frames_behind_anything() {
        let block = plain("x-a", "one");
        let padded = [&[3][..], &[0, 0, 0, 0, 9], &block, &[0; 3]].concat();
        let bytes = [
            b"GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n".to_vec(),
            PREFACE.to_vec(),
            frame(SETTINGS, 0, &[]),
            frame(HEADERS, PADDED | PRIORITY | END_HEADERS, &padded),
            frame(0, 1, &[0x82; 300]),
            frame(HEADERS, 0, &[0xbe, 0x40]),
            frame(CONTINUATION, END_HEADERS, &plain("x-b", "two")[1..]),
        ];
        for piece in [1, 7, 10_000] {
            assert_eq!(read(CLIENT, &bytes.concat(), piece), ["x-a=one", "x-a=one x-b=two"], "{piece}");
        }
    }

    #[test]
    fn a_server_begins_with_settings_at_the_front_or_behind_a_head() {
        let talk = [frame(SETTINGS, 0, &[0, 3, 0, 0, 0, 100]), frame(HEADERS, END_HEADERS, &[0x88])].concat();
        let talk: Vec<u8> = talk.iter().enumerate().map(|(n, byte)| if n == 8 { 0 } else { *byte }).collect();
        let server = Stream { flow: 7, side: Side::Server };
        let switched = [&b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"[..], &talk].concat();
        for piece in [1, 10_000] {
            assert_eq!(read(server, &talk, piece), [":status=200"]);
            assert_eq!(read(server, &switched, piece), [":status=200"]);
        }
        assert!(read(server, b"HTTP/1.1 200 OK\r\n\r\n", 3).is_empty());
    }

    #[test]
    fn bytes_may_be_missing_in_a_body_and_nowhere_else() {
        let begins = [PREFACE.to_vec(), frame(0, 0, &[7; 100])].concat();
        let rest = frame(HEADERS, END_HEADERS, &[0x82]);
        for (missing, expected) in [(60, 1), (101, 0)] {
            let (mut frames, mut blocks) = (Frames::default(), 0);
            frames.push(CLIENT, 0, &begins[..begins.len() - 60], &mut |_| blocks += 1);
            frames.push(CLIENT, (begins.len() - 60 + missing) as u64, &rest, &mut |_| blocks += 1);
            assert_eq!(blocks, expected, "{missing} bytes are missing");
        }
    }
}
