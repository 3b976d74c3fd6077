//! A compressed body as [`Window`]s: gathered, inflated, read; no more than one window is held.

use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

use super::content::{self, Content, Until};
use super::emit::{Emit, Written};
use super::{Codec, Sink, Window};
use crate::limits::{INFLATING_BYTES, WINDOW_BYTES, WINDOW_PARTS_BYTES_MAX, WINDOW_PLAIN_MAX};

/// Bytes of a stream, and where they stand.
#[derive(Default)]
pub struct Bytes {
    /// The bytes.
    pub data: Vec<u8>,
    /// Their stream ranges, in order.
    pub ranges: Vec<Range<u64>>,
}

impl Bytes {
    /// Adds bytes that stand at `at`.
    pub fn push(&mut self, at: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.data.extend_from_slice(data);
        let end = at + data.len() as u64;
        match self.ranges.last_mut() {
            Some(last) if last.end == at => last.end = end,
            _ => self.ranges.push(at..end),
        }
    }

    /// Takes `len` bytes off the front.
    pub fn drop_front(&mut self, len: usize) {
        self.data.drain(..len);
        let mut left = len as u64;
        self.ranges.retain_mut(|range| {
            let take = left.min(range.end - range.start);
            range.start += take;
            left -= take;
            range.start < range.end
        });
    }

    /// Takes `len` bytes off the end.
    pub fn drop_back(&mut self, len: usize) {
        self.data.truncate(self.data.len() - len);
        let mut left = len as u64;
        while let Some(last) = self.ranges.last_mut().filter(|_| left > 0) {
            let take = left.min(last.end - last.start);
            last.end -= take;
            left -= take;
            if last.start == last.end {
                self.ranges.pop();
            }
        }
    }

    /// Takes off what is behind the first `len` bytes.
    fn split_off(&mut self, len: usize) -> Bytes {
        let mut behind = Bytes { data: self.data.clone(), ranges: self.ranges.clone() };
        behind.drop_front(len);
        self.drop_back(behind.data.len());
        behind
    }

    fn opaque(&mut self, what: &'static str, sink: &mut dyn Sink) {
        self.ranges.drain(..).for_each(|at| sink.opaque(at, what));
        self.data.clear();
    }
}

/// A compressed body that is being read.
pub struct Inflating {
    codec: Codec,
    body: u64,
    state: State,
    inflate: Decompress,
    packed: Bytes,
    /// Length of the codec's header at the front of `packed`.
    header: usize,
    /// Inflated, not yet decided.
    plain: Vec<u8>,
    content: Box<dyn Content>,
}

enum State {
    /// The codec's header comes next.
    Header,
    /// Deflate data.
    Data,
    /// The trailer; the deflate data ended at this position of what is gathered.
    Trailer(usize),
    /// Nothing more is understood, for this reason.
    Over(&'static str),
}

const DAMAGED: &str = "http body damaged";
const TOO_LARGE: &str = "http body too large when inflated";
const BEHIND: &str = "http body behind its end";

impl Inflating {
    /// A body numbered `body`, framed by `codec` ([`Codec::Zlib`] may turn out to be [`Codec::Deflate`]).
    pub fn new(codec: Codec, body: u64, content: Box<dyn Content>) -> Self {
        Inflating {
            codec,
            body,
            state: State::Header,
            inflate: Decompress::new(false),
            packed: Bytes::default(),
            header: 0,
            plain: Vec::new(),
            content,
        }
    }

    /// Bytes that are taken but not reported.
    pub fn pending(&self) -> usize {
        self.packed.data.len()
    }

    /// Bytes of memory that it keeps, about.
    pub fn memory(&self) -> usize {
        INFLATING_BYTES + self.packed.data.capacity() + self.plain.capacity()
    }

    /// Takes all of `data`, which stands at `at`. `bodies` counts bodies: another one may begin in it.
    pub fn read(&mut self, at: u64, data: &[u8], until: Until, bodies: &mut u64, sink: &mut dyn Sink) {
        let (mut at, mut data) = (at, data);
        while !data.is_empty() {
            let full = match self.state {
                State::Over(what) => return sink.opaque(at..at + data.len() as u64, what),
                State::Trailer(end) => end + self.trailer_len(),
                State::Header | State::Data => WINDOW_BYTES,
            };
            let take = full.saturating_sub(self.packed.data.len()).min(data.len());
            self.packed.push(at, &data[..take]);
            (at, data) = (at + take as u64, &data[take..]);
            if self.packed.data.len() >= full {
                self.windows(Until::More, bodies, sink);
            }
        }
        if until != Until::More {
            self.windows(until, bodies, sink);
        }
    }

    /// Gives up what was not reported yet, and what follows.
    pub fn lose(&mut self, what: &'static str, sink: &mut dyn Sink) {
        self.packed.opaque(what, sink);
        self.plain = Vec::new();
        self.state = State::Over(what);
    }

    /// Reports what is gathered; with [`Until::More`], a trailer that is not whole may wait.
    fn windows(&mut self, until: Until, bodies: &mut u64, sink: &mut dyn Sink) {
        if self.packed.data.is_empty() {
            return;
        }
        if let State::Header = self.state {
            match self.read_header() {
                Some(header) => (self.header, self.state) = (header, State::Data),
                None => return self.lose(DAMAGED, sink),
            }
        }
        if let State::Data = self.state {
            match self.inflate() {
                Ok(None) => return self.report(self.packed.data.len(), 0, until == Until::End, sink),
                Ok(Some(end)) => self.state = State::Trailer(end),
                Err(why) => return self.lose(why, sink),
            }
        }
        if let State::Trailer(end) = self.state {
            let whole = end + self.trailer_len();
            if self.packed.data.len() >= whole || until != Until::More {
                self.finish(end, whole, until, bodies, sink);
            }
        }
    }

    /// Reports the last window, and goes on with what is behind it.
    fn finish(&mut self, end: usize, whole: usize, until: Until, bodies: &mut u64, sink: &mut dyn Sink) {
        let whole = whole.min(self.packed.data.len());
        let mut behind = self.packed.split_off(whole);
        self.report(whole, whole - end, true, sink);
        if self.codec == Codec::Gzip && behind.data.starts_with(&[0x1F, 0x8B]) {
            // Another member, RFC 1952 §2.2.
            self.body = next(bodies);
            self.inflate.reset(false);
            self.state = State::Header;
            self.packed = behind;
            if until != Until::More || self.packed.data.len() >= WINDOW_BYTES {
                self.windows(until, bodies, sink);
            }
        } else {
            behind.opaque(BEHIND, sink);
            self.state = State::Over(BEHIND);
        }
    }

    /// Inflates what is gathered behind the header. Where the deflate data ended, if it did.
    fn inflate(&mut self) -> Result<Option<usize>, &'static str> {
        let packed = self.packed.data.get(self.header..).unwrap_or_default();
        let before = self.inflate.total_in();
        let limit = self.plain.len() + WINDOW_PLAIN_MAX;
        loop {
            let read = (self.inflate.total_in() - before) as usize;
            let written = self.inflate.total_out();
            self.plain.reserve(packed.len().max(4096));
            let status = self.inflate.decompress_vec(&packed[read..], &mut self.plain, FlushDecompress::None);
            let read_now = (self.inflate.total_in() - before) as usize;
            match status {
                Err(_) => return Err(DAMAGED),
                Ok(_) if self.plain.len() > limit => return Err(TOO_LARGE),
                Ok(Status::StreamEnd) => return Ok(Some(self.header + read_now)),
                Ok(_) if read_now == read && self.inflate.total_out() == written => return Ok(None),
                Ok(_) => {}
            }
        }
    }

    /// Reports one window: `len` gathered bytes, of which `trailer` are behind the deflate data.
    fn report(&mut self, len: usize, trailer: usize, last: bool, sink: &mut dyn Sink) {
        let mut parts = Vec::new();
        let mut written = Written { parts: &mut parts, room: WINDOW_PARTS_BYTES_MAX };
        let mut emit = Emit::new(&self.plain, &mut written);
        // Another member may go on with the content, so its end is not told apart from a flush.
        content::read(&mut *self.content, &mut emit, if last { Until::Flush } else { Until::More });
        let decided = emit.done();
        if len > 0 {
            let window = Window {
                body: self.body,
                codec: self.codec,
                packed: &self.packed.data[..len],
                veil: &[],
                header: std::mem::take(&mut self.header),
                trailer,
                plain: &self.plain[..decided],
                parts: &parts,
                last,
            };
            sink.window(&self.packed.ranges, &window);
        }
        self.plain.drain(..decided);
        self.plain.shrink_to(2 * self.plain.len() + WINDOW_BYTES);
        self.packed.drop_front(len);
    }

    fn trailer_len(&self) -> usize {
        match self.codec {
            Codec::Gzip => 8,
            Codec::Zlib => 4,
            Codec::Deflate | Codec::Message { .. } | Codec::Huffman | Codec::Plain => 0,
        }
    }

    /// The length of the codec's header, when it is whole and right.
    fn read_header(&mut self) -> Option<usize> {
        let data = &self.packed.data;
        match self.codec {
            Codec::Gzip => gzip_header(data),
            Codec::Deflate | Codec::Message { .. } | Codec::Huffman | Codec::Plain => Some(0),
            Codec::Zlib if is_zlib_header(data) => Some(2),
            Codec::Zlib => {
                // Many servers send bare deflate data under the name of "deflate".
                self.codec = Codec::Deflate;
                Some(0)
            }
        }
    }
}

/// Counts one more body and gives it its number.
pub fn next(bodies: &mut u64) -> u64 {
    *bodies += 1;
    *bodies
}

/// RFC 1950 §2.2; a preset dictionary is unknown to us, so it counts as wrong.
fn is_zlib_header(data: &[u8]) -> bool {
    matches!(data, &[cmf, flags, ..] if cmf & 0x0F == 8
        && (u16::from(cmf) << 8 | u16::from(flags)) % 31 == 0
        && flags & 0x20 == 0)
}

/// RFC 1952 §2.3.
fn gzip_header(data: &[u8]) -> Option<usize> {
    const HEADER_CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let &[0x1F, 0x8B, 8, flags, ..] = data else { return None };
    let mut len = 10;
    if flags & EXTRA != 0 {
        let &[low, high] = data.get(len..len + 2)? else { return None };
        len += 2 + usize::from(u16::from_le_bytes([low, high]));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            len += memchr::memchr(0, data.get(len..)?)? + 1;
        }
    }
    if flags & HEADER_CRC != 0 {
        len += 2;
    }
    (len <= data.len()).then_some(len)
}
