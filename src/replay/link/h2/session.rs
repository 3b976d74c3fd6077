//! What both sides of a connection know of each other, and what frames mean (RFC 9113 §5 and §6). No I/O: bytes in, bytes out.
//!
//! It is our own because a request over the library `h2` costs half as much again as all the rest of sending it: types of
//! the crate `http` made for each head, tables behind locks, a wake-up for each step. It writes frames at once, and reads a
//! response where it lies.

#[cfg(any(test, fuzzing))]
pub mod hostile;
mod reading;

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::super::Reader;
use super::call::{Call, Stop, Upload};
use super::frame::{self, Code, END_STREAM, Patience, kind};
use super::packing::Packer;
use super::request::Message;
use crate::limits::HEAD_BYTES_MAX;
use crate::protocol::http2::hpack::Decoder;

/// What the target may send ahead on a stream, and on a connection: what answers need that are read at once.
const STREAM_WINDOW: i64 = 1 << 20;
const CONNECTION_WINDOW: i64 = 4 << 20;
/// Longest frame that the target may send.
const FRAME_BYTES: usize = 64 << 10;
/// Windows, and the longest frame, before anyone speaks of them (RFC 9113 §6.5.2, §6.9.2).
const WINDOW: i64 = 65_535;
const FRAME_BYTES_FIRST: usize = 16 << 10;
/// No window is larger, and no stream has a larger number.
const MOST: i64 = (1 << 31) - 1;
/// Content that is written ahead of the socket.
const AHEAD_BYTES: usize = 128 << 10;
/// Content sent in one frame at most, whatever the target takes: others are to have their turn.
const PIECE_BYTES: i64 = 64 << 10;
/// What each buffer keeps for the next time: connections are many.
const IDLE_BYTES: usize = 4 << 10;
/// Bytes owed to a target that asks and does not read the answers.
const OWED_BYTES_MAX: usize = 256 << 10;

/// First bytes of every connection (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Identifiers of settings (RFC 9113 §6.5.2).
mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// A connection, as far as it is no socket.
pub struct Session {
    /// To be written.
    out: Vec<u8>,
    /// How much of it is.
    written: usize,
    /// Where requests begin in it, by their streams.
    begins: VecDeque<(usize, u32)>,
    /// Bytes in it that answer the target.
    owed: usize,
    packer: Packer,
    calls: HashMap<u32, Call>,
    /// Streams with something left to send.
    uploads: VecDeque<u32>,
    /// Number of the next stream.
    next: u32,
    /// Bytes of content that the target takes: on the connection, on a new stream, in a frame.
    window: i64,
    first_window: i64,
    longest: usize,
    /// Streams that it allows at a time; none before it said so.
    allowed: Option<usize>,
    /// It said that it is going away.
    going: bool,
    decoder: Decoder,
    /// The beginning of a frame, and when that came.
    part: Vec<u8>,
    part_at: u64,
    /// A header block that goes on.
    block: Option<Block>,
    /// Bytes of content that the target may send.
    room: i64,
    patience: Patience,
}

struct Block {
    stream: u32,
    ends: bool,
    began: u64,
    bytes: Vec<u8>,
}

impl Default for Session {
    fn default() -> Session {
        let mut out = PREFACE.to_vec();
        let settings = [
            (setting::ENABLE_PUSH, 0),
            (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW as u32),
            (setting::MAX_FRAME_SIZE, FRAME_BYTES as u32),
            (setting::MAX_HEADER_LIST_SIZE, HEAD_BYTES_MAX as u32),
        ];
        let settings = settings.map(|(identifier, value): (u16, u32)| {
            let ([a, b], [c, d, e, f]) = (identifier.to_be_bytes(), value.to_be_bytes());
            [a, b, c, d, e, f]
        });
        frame::frame(&mut out, kind::SETTINGS, 0, 0, settings.as_flattened());
        frame::number(&mut out, kind::WINDOW_UPDATE, 0, (CONNECTION_WINDOW - WINDOW) as u32);
        Session {
            out,
            written: 0,
            begins: VecDeque::new(),
            owed: 0,
            packer: Packer::default(),
            calls: HashMap::new(),
            uploads: VecDeque::new(),
            next: 1,
            window: WINDOW,
            first_window: WINDOW,
            longest: FRAME_BYTES_FIRST,
            allowed: None,
            going: false,
            decoder: Decoder::strict(),
            part: Vec::new(),
            part_at: 0,
            block: None,
            room: CONNECTION_WINDOW,
            patience: Patience::default(),
        }
    }
}

/// What is asked and answered.
impl Session {
    /// Streams that the target allows at a time, when it has said so.
    pub fn allowed(&self) -> Option<usize> {
        self.allowed
    }

    /// Another request may be sent, now or later.
    pub fn is_usable(&self) -> bool {
        !self.going && i64::from(self.next) <= MOST
    }

    /// Bytes that wait to be written, without the content that is to follow them.
    pub fn backlog(&self) -> usize {
        self.out.len() - self.written
    }

    /// Streams whose answer nobody has taken yet.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Sends a request; its stream. With `held`, the content waits for [`Session::release`].
    pub fn send(&mut self, message: Message<'_>, held: bool, reader: Reader) -> u32 {
        let (stream, bodiless) = (self.next, message.content.is_empty() && message.trailers.is_none());
        self.next += 2;
        self.begins.push_back((self.out.len(), stream));
        let packer = &mut self.packer;
        frame::block(&mut self.out, stream, bodiless, self.longest, |out| message.pack(packer, out));
        let upload = (!bodiless).then(|| Upload {
            content: message.content.into_owned(),
            sent: 0,
            trailers: message.trailers.map(|trailers| trailers.owned()),
            held,
        });
        self.calls.insert(stream, Call::new(reader, upload, self.first_window, STREAM_WINDOW));
        if !bodiless && !held {
            self.uploads.push_back(stream);
        }
        stream
    }

    /// The content that waited may be sent, unless all is over: then the target has made up its mind without it.
    pub fn release(&mut self, stream: u32) {
        let call = self.calls.get_mut(&stream).filter(|call| call.end.is_none());
        if let Some(upload) = call.and_then(|call| call.upload.as_mut())
            && std::mem::take(&mut upload.held)
        {
            self.uploads.push_back(stream);
        }
    }

    /// A stream whose answer is not taken yet.
    pub fn call(&mut self, stream: u32) -> Option<&mut Call> {
        self.calls.get_mut(&stream)
    }

    /// Nobody waits for that stream any more. The target is told when it is not over.
    pub fn leave(&mut self, stream: u32) -> Option<Call> {
        let call = self.calls.remove(&stream)?;
        if call.end.is_none() || call.end == Some(Ok(())) && call.upload.is_some() {
            frame::number(&mut self.out, kind::RST_STREAM, stream, Code::Cancel as u32);
        }
        Some(call)
    }

    /// All that is not over ends so.
    pub fn stop(&mut self, stop: Stop) {
        self.calls.values_mut().for_each(|call| call.stop(stop));
    }

    /// The connection ends, by us: what the target is told.
    pub fn end(&mut self, code: Code) {
        frame::frame(&mut self.out, kind::GOAWAY, 0, 0, &(code as u64).to_be_bytes());
        self.stop(Stop::Failed(super::Failure::Protocol));
    }
}

/// What is written.
impl Session {
    /// Bytes to write, as much content among them as the windows allow; none when nothing can be.
    pub fn unwritten(&mut self) -> &[u8] {
        if !self.uploads.is_empty() {
            self.upload();
        }
        &self.out[self.written..]
    }

    /// So many of them went out at some instant.
    pub fn went(&mut self, bytes: usize, at: u64) {
        self.written += bytes;
        while let Some((_, stream)) = self.begins.front().copied().filter(|(begin, _)| *begin < self.written) {
            self.begins.pop_front();
            if let Some(call) = self.calls.get_mut(&stream) {
                call.timing.written = at;
            }
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.out.shrink_to(IDLE_BYTES);
            (self.written, self.owed) = (0, 0);
        } else if self.written > AHEAD_BYTES {
            self.out.drain(..self.written);
            self.begins.iter_mut().for_each(|(begin, _)| *begin -= self.written);
            self.written = 0;
        }
        // What goes out is not owed any more, though it may never be all that goes out.
        self.owed = self.owed.min(self.out.len() - self.written);
    }

    /// Appends content, a piece of each stream in turn.
    fn upload(&mut self) {
        let mut waiting = 0;
        while waiting < self.uploads.len() && self.out.len() - self.written < AHEAD_BYTES {
            let Some(stream) = self.uploads.pop_front() else { break };
            let Some(call) = self.calls.get_mut(&stream).filter(|call| !matches!(call.end, Some(Err(_)))) else {
                continue;
            };
            let Some(upload) = &mut call.upload else { continue };
            let left = upload.content.len() - upload.sent;
            let room = self.window.min(call.window).min(self.longest as i64).clamp(0, PIECE_BYTES) as usize;
            let piece = left.min(room);
            if piece == 0 && left > 0 {
                self.uploads.push_back(stream);
                waiting += 1;
                continue;
            }
            if left > 0 {
                let ends = piece == left && upload.trailers.is_none();
                let bytes = &upload.content[upload.sent..upload.sent + piece];
                frame::frame(&mut self.out, kind::DATA, if ends { END_STREAM } else { 0 }, stream, bytes);
                upload.sent += piece;
                self.window -= piece as i64;
                call.window -= piece as i64;
            }
            if piece < left {
                self.uploads.push_back(stream);
            } else {
                if let Some(trailers) = &upload.trailers {
                    let packer = &mut self.packer;
                    frame::block(&mut self.out, stream, true, self.longest, |out| {
                        packer.begin(out);
                        trailers.iter().for_each(|(name, value)| packer.header(name, value, out));
                    });
                }
                call.upload = None;
            }
            waiting = 0;
        }
    }

    /// Appends what the target is owed.
    fn owe(&mut self, append: impl FnOnce(&mut Vec<u8>)) -> Result<(), Code> {
        let before = self.out.len();
        append(&mut self.out);
        self.owed += self.out.len() - before;
        if self.owed > OWED_BYTES_MAX { Err(Code::EnhanceYourCalm) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
