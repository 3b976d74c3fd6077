//! From a parser that goes over its bytes once, front to back, to wherever the bytes stand.
//!
//! A parser says "up to here it is grammar, up to there a field". So each byte is reported once, whatever it does.

use std::ops::Range;

use super::path::Path;
use super::{Encoding, Field, Part, PartKind, Role, Sink, Window};

/// What a run of bytes is.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// Grammar.
    Keep,
    /// A value.
    Field(&'a Path, Encoding, Role),
    /// Not understood.
    Opaque(&'static str),
}

/// Takes runs of bytes, in order.
pub trait Out {
    /// `raw` stands at `at` of the bytes that the [`Emit`] was made for.
    fn put(&mut self, at: Range<usize>, raw: &[u8], what: What<'_>);
}

/// Bytes, and how far they have been reported. Positions are indexes into the bytes; those behind their end count as
/// the end, those that were passed already do nothing.
pub struct Emit<'a> {
    bytes: &'a [u8],
    done: usize,
    out: &'a mut dyn Out,
}

impl<'a> Emit<'a> {
    /// Nothing of `bytes` is reported yet.
    pub fn new(bytes: &'a [u8], out: &'a mut dyn Out) -> Self {
        Emit { bytes, done: 0, out }
    }

    /// All the bytes, those already reported included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many are reported: the position where a parser goes on.
    pub fn done(&self) -> usize {
        self.done
    }

    /// What is not reported yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.done..]
    }

    /// The next `len` bytes are grammar; nothing when there are fewer.
    pub fn keep(&mut self, len: usize) -> Option<&'a [u8]> {
        let bytes = self.rest().get(..len)?;
        self.keep_to(self.done + len);
        Some(bytes)
    }

    /// The next `len` bytes are not understood; nothing when there are fewer.
    pub fn skip(&mut self, len: usize, what: &'static str) -> Option<()> {
        self.rest().get(..len)?;
        self.opaque_to(self.done + len, what);
        Some(())
    }

    /// Grammar up to `end`.
    pub fn keep_to(&mut self, end: usize) {
        self.put_to(end, What::Keep);
    }

    /// A value up to `end`.
    pub fn field_to(&mut self, end: usize, path: &Path, encoding: Encoding, role: Role) {
        self.put_to(end, What::Field(path, encoding, role));
    }

    /// Grammar up to `start`, a value from there up to `end`.
    pub fn field_at(&mut self, at: Range<usize>, path: &Path, encoding: Encoding, role: Role) {
        self.keep_to(at.start);
        self.field_to(at.end, path, encoding, role);
    }

    /// Not understood up to `end`.
    pub fn opaque_to(&mut self, end: usize, what: &'static str) {
        self.put_to(end, What::Opaque(what));
    }

    /// Lets `read` see the bytes up to `end` only.
    pub fn within<T>(&mut self, end: usize, read: impl FnOnce(&mut Emit<'_>) -> T) -> T {
        let end = end.min(self.bytes.len());
        let mut inner = Emit { bytes: &self.bytes[..end], done: self.done.min(end), out: &mut *self.out };
        let result = read(&mut inner);
        self.done = self.done.max(inner.done);
        result
    }

    fn put_to(&mut self, end: usize, what: What<'_>) {
        let end = end.min(self.bytes.len());
        if end > self.done {
            self.out.put(self.done..end, &self.bytes[self.done..end], what);
            self.done = end;
        }
    }
}

/// Bytes that stand together in the stream.
pub struct Together<'a> {
    /// Stream offset of the first one.
    pub base: u64,
    /// Whom to tell.
    pub sink: &'a mut dyn Sink,
}

impl Out for Together<'_> {
    fn put(&mut self, at: Range<usize>, raw: &[u8], what: What<'_>) {
        let at = self.base + at.start as u64..self.base + at.end as u64;
        match what {
            What::Keep => self.sink.keep(at),
            What::Opaque(why) => self.sink.opaque(at, why),
            What::Field(path, encoding, role) => self.sink.field(&[at], &field(path, raw, encoding, role)),
        }
    }
}

/// Bytes gathered from several stream ranges.
pub struct Gathered<'a> {
    /// Where they come from, in order.
    pub ranges: &'a [Range<u64>],
    /// Whom to tell.
    pub sink: &'a mut dyn Sink,
    /// Bytes of the first of `ranges` that are reported.
    passed: u64,
    found: Vec<Range<u64>>,
}

impl<'a> Gathered<'a> {
    /// `ranges` hold the bytes in order.
    pub fn new(ranges: &'a [Range<u64>], sink: &'a mut dyn Sink) -> Self {
        Gathered { ranges, sink, passed: 0, found: Vec::new() }
    }

    /// Reports the next bytes as a window of their own.
    pub fn window(&mut self, window: &Window<'_>) {
        self.take(window.packed.len() as u64);
        self.sink.window(&self.found, window);
    }

    /// Moves the next `len` bytes' ranges to `found`.
    fn take(&mut self, mut len: u64) {
        self.found.clear();
        while len > 0 {
            let Some(first) = self.ranges.first() else { return };
            let start = first.start + self.passed;
            let take = len.min(first.end - start);
            self.found.push(start..start + take);
            self.passed += take;
            len -= take;
            if start + take == first.end {
                self.ranges = &self.ranges[1..];
                self.passed = 0;
            }
        }
    }
}

impl Out for Gathered<'_> {
    fn put(&mut self, at: Range<usize>, raw: &[u8], what: What<'_>) {
        self.take(at.len() as u64);
        match what {
            What::Keep => self.found.drain(..).for_each(|at| self.sink.keep(at)),
            What::Opaque(why) => self.found.drain(..).for_each(|at| self.sink.opaque(at, why)),
            What::Field(path, encoding, role) => self.sink.field(&self.found, &field(path, raw, encoding, role)),
        }
    }
}

/// Bytes that were told before and are meant again: their values have no place.
pub struct Again<'a>(pub &'a mut dyn Sink);

impl Out for Again<'_> {
    fn put(&mut self, _at: Range<usize>, raw: &[u8], what: What<'_>) {
        if let What::Field(path, encoding, role) = what {
            self.0.field(&[], &field(path, raw, encoding, role));
        }
    }
}

/// Bytes that stand nowhere in the stream (inflated ones): what they are is written down.
pub struct Written<'a> {
    /// Gets one part per run.
    pub parts: &'a mut Vec<Part>,
    /// Bytes of memory that parts may still take; those behind are not understood, together.
    pub room: usize,
}

const TOO_MANY: &str = "http body of too many values when inflated";

impl Out for Written<'_> {
    fn put(&mut self, at: Range<usize>, _raw: &[u8], what: What<'_>) {
        let names = if let What::Field(path, ..) = what { path.text().len() + path.name().len() } else { 0 };
        let takes = size_of::<Part>() + names;
        if takes > self.room {
            self.room = 0;
            match self.parts.last_mut() {
                Some(Part { at: last, what: PartKind::Opaque(TOO_MANY) }) => last.end = at.end,
                _ => self.parts.push(Part { at, what: PartKind::Opaque(TOO_MANY) }),
            }
            return;
        }
        self.room -= takes;
        let what = match what {
            What::Keep => PartKind::Keep,
            What::Opaque(why) => PartKind::Opaque(why),
            What::Field(path, encoding, role) => {
                PartKind::Field { path: path.text().into(), name: path.name().into(), encoding, role }
            }
        };
        self.parts.push(Part { at, what });
    }
}

fn field<'a>(path: &'a Path, raw: &'a [u8], encoding: Encoding, role: Role) -> Field<'a> {
    Field { path: path.text(), name: path.name(), raw, encoding, role }
}
