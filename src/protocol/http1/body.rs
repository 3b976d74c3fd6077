//! Bodies: where one ends (RFC 9112 §6 and §7), and what is read of it.

use std::ops::Range;

use super::head::{self, Facts};
use super::payload::Payload;
use crate::limits::HEAD_BYTES_MAX;
use crate::protocol::content::Until;
use crate::protocol::emit::{Emit, Together};
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role, Sink};

/// How a body's end is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By its length; so many bytes are left.
    Length(u64),
    /// By the connection's end.
    Close,
    /// By its chunks.
    Chunked(Chunk),
}

/// Where in its chunks a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunk {
    /// Before the very first size line, which may show that there are no chunks.
    First,
    /// Before a size line.
    Size,
    /// In a chunk's data; so many bytes are left.
    Data(u64),
    /// Behind a chunk's data, before its line end.
    End,
    /// Behind the last chunk.
    Trailer,
}

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// More bytes are needed.
    Wait,
    /// The next step may follow.
    Go,
    /// The body is complete.
    Done,
    /// The framing is broken.
    Lost,
}

/// A body that is being read.
pub struct Body {
    framing: Framing,
    payload: Payload,
    /// Its message's path, `http.request`.
    path: Path,
    /// Whether there may be none after all: nothing of it was seen, and the head can't tell.
    doubtful: bool,
    /// Whether its end was reported, though more may come: framed by a close that was none.
    ended: bool,
    /// Its Content-Length, for when it has no chunks.
    length: Option<u64>,
}

impl Body {
    /// For a message whose paths begin with `root`; `bodies` counts compressed bodies. Without it, only the body's end is
    /// looked for.
    pub fn new(root: &str, facts: &Facts, framing: Framing, doubtful: bool, bodies: Option<&mut u64>) -> Self {
        let payload = bodies.map_or_else(Payload::unread, |bodies| Payload::new(root, facts, bodies));
        Body { framing, payload, path: Path::new(root), doubtful, ended: false, length: facts.length }
    }

    /// Whether the next bytes may begin another message as well.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Whether only the connection's end ends it.
    pub fn is_to_close(&self) -> bool {
        self.framing == Framing::Close
    }

    /// Whether its end was reported before; now it is.
    pub fn end_now(&mut self) -> bool {
        std::mem::replace(&mut self.ended, true)
    }

    /// See [`crate::protocol::Conversation::pending`].
    pub fn pending(&self) -> usize {
        self.payload.pending()
    }

    /// Bytes of memory that it keeps, about.
    pub fn memory(&self) -> usize {
        self.payload.memory()
    }

    /// Reports what waits.
    pub fn flush(&mut self, at: u64, bodies: &mut u64, sink: &mut dyn Sink) {
        self.payload.read(at, &[], Until::Flush, bodies, sink);
    }

    /// Reports what waits; nothing follows.
    pub fn finish(&mut self, at: u64, bodies: &mut u64, sink: &mut dyn Sink) {
        self.payload.read(at, &[], Until::End, bodies, sink);
    }

    /// Bytes are missing. False when it can't go on behind them.
    pub fn gap(&mut self, missing: u64) -> bool {
        self.payload.lose();
        self.doubtful = false;
        match &mut self.framing {
            Framing::Close => true,
            Framing::Length(left) | Framing::Chunked(Chunk::Data(left)) => match left.checked_sub(missing) {
                Some(rest) => {
                    *left = rest;
                    true
                }
                None => false,
            },
            Framing::Chunked(_) => false,
        }
    }

    /// Reads what it can of `bytes`, which stand at `at`; says how many it is done with. `end`: they can't wait.
    pub fn step(&mut self, at: u64, bytes: &[u8], end: bool, bodies: &mut u64, sink: &mut dyn Sink) -> (usize, Turn) {
        let until = if end { Until::Flush } else { Until::More };
        self.doubtful &= bytes.is_empty();
        match self.framing {
            Framing::Close => (self.payload.read(at, bytes, until, bodies, sink), Turn::Wait),
            Framing::Length(left) => {
                let whole = bytes.len() as u64 >= left;
                let data = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
                let used = self.payload.read(at, data, if whole { Until::End } else { until }, bodies, sink);
                self.framing = Framing::Length(left - used as u64);
                (used, if whole { Turn::Done } else { Turn::Wait })
            }
            Framing::Chunked(Chunk::Data(left)) => {
                let data = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
                let used = self.payload.read(at, data, until, bodies, sink);
                if data.len() as u64 == left {
                    // What is undecided waits for the next chunk.
                    self.payload.hold(at + used as u64, &data[used..]);
                    self.chunk(Chunk::End, data.len())
                } else {
                    self.framing = Framing::Chunked(Chunk::Data(left - used as u64));
                    (used, Turn::Wait)
                }
            }
            Framing::Chunked(Chunk::End) => match bytes {
                [b'\n', ..] => self.line_end(at, 1, Chunk::Size, sink),
                [b'\r', b'\n', ..] => self.line_end(at, 2, Chunk::Size, sink),
                [] | [b'\r'] => (0, Turn::Wait),
                _ => (0, Turn::Lost),
            },
            Framing::Chunked(chunk @ (Chunk::First | Chunk::Size)) => match SizeLine::read(bytes) {
                Ok(Some(line)) => self.size_line(at, &bytes[..line.len], &line, bodies, sink),
                Ok(None) => (0, Turn::Wait),
                Err(NoSizeLine) if chunk == Chunk::First => {
                    self.framing = self.length.map_or(Framing::Close, Framing::Length);
                    (0, Turn::Go)
                }
                Err(NoSizeLine) => (0, Turn::Lost),
            },
            Framing::Chunked(Chunk::Trailer) => self.trailer(at, bytes, end, sink),
        }
    }

    fn chunk(&mut self, next: Chunk, used: usize) -> (usize, Turn) {
        self.framing = Framing::Chunked(next);
        (used, Turn::Go)
    }

    fn line_end(&mut self, at: u64, len: usize, next: Chunk, sink: &mut dyn Sink) -> (usize, Turn) {
        sink.keep(at..at + len as u64);
        self.chunk(next, len)
    }

    /// Reports a size line; its bytes are `bytes`.
    fn size_line(
        &mut self,
        at: u64,
        bytes: &[u8],
        line: &SizeLine,
        bodies: &mut u64,
        sink: &mut dyn Sink,
    ) -> (usize, Turn) {
        if line.size == 0 {
            self.finish(at, bodies, sink);
        }
        let level = self.path.level();
        self.path.push_unnamed(".chunk-extension");
        let mut out = Together { base: at, sink };
        let mut emit = Emit::new(bytes, &mut out);
        emit.field_at(line.extension.clone(), &self.path, Encoding::Plain, Role::Value);
        emit.keep_to(bytes.len());
        self.path.back(level);
        self.chunk(if line.size == 0 { Chunk::Trailer } else { Chunk::Data(line.size) }, bytes.len())
    }

    fn trailer(&mut self, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> (usize, Turn) {
        let len = match bytes {
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => head::end(bytes, &mut 0),
        };
        let too_long = len.is_none() && bytes.len() > HEAD_BYTES_MAX;
        if too_long || (len.is_none() && !end) {
            return (0, if too_long { Turn::Lost } else { Turn::Wait });
        }
        let bytes = &bytes[..len.unwrap_or(bytes.len())];
        let mut out = Together { base: at, sink };
        head::header_lines(&mut Emit::new(bytes, &mut out), &mut self.path);
        (bytes.len(), if len.is_some() { Turn::Done } else { Turn::Wait })
    }
}

/// The line before a chunk's data: `1a;name=value`.
struct SizeLine {
    size: u64,
    extension: Range<usize>,
    /// Its line end included.
    len: usize,
}

/// The bytes are no size line.
struct NoSizeLine;

impl SizeLine {
    /// Longest line; a longer one is damage.
    const LEN_MAX: usize = 4096;

    /// Nothing when the line is not whole yet.
    fn read(bytes: &[u8]) -> Result<Option<Self>, NoSizeLine> {
        // Blanks before the size are wrong, and sent; vertical tabs and form feeds too.
        let start = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t' | 0x0b | 0x0c)).count();
        let digits = bytes[start..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let after = start + digits;
        let Some(&behind) = bytes.get(after) else {
            return if bytes.len() < Self::LEN_MAX { Ok(None) } else { Err(NoSizeLine) };
        };
        if digits == 0 || !matches!(behind, b'\r' | b'\n' | b' ' | b'\t' | b';') {
            return Err(NoSizeLine);
        }
        let line = &bytes[..bytes.len().min(Self::LEN_MAX)];
        let Some(newline) = memchr::memchr(b'\n', line) else {
            return if line.len() < Self::LEN_MAX { Ok(None) } else { Err(NoSizeLine) };
        };
        let text = std::str::from_utf8(&bytes[start..after]).map_err(|_| NoSizeLine)?;
        let size = u64::from_str_radix(text, 16).map_err(|_| NoSizeLine)?;
        let end = line[..newline].trim_ascii_end().len().max(after);
        let sep = line[after..end].iter().take_while(|b| matches!(b, b' ' | b'\t' | b';')).count();
        Ok(Some(SizeLine { size, extension: after + sep..end, len: newline + 1 }))
    }
}
