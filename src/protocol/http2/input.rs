//! The bytes that are being read, and how they are told by their places.

use std::ops::Range;

use crate::protocol::{Side, Sink};

const PADDING: &str = "http2 padding";

/// The bytes of one step.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub side: Side,
    pub at: u64,
    pub bytes: &'a [u8],
    /// They can't wait.
    pub end: bool,
}

impl Input<'_> {
    pub fn range(&self, at: Range<usize>) -> Range<u64> {
        self.at + at.start as u64..self.at + at.end as u64
    }

    pub fn keep(&self, at: Range<usize>, sink: &mut dyn Sink) {
        if !at.is_empty() {
            sink.keep(self.range(at));
        }
    }

    pub fn opaque(&self, at: Range<usize>, what: &'static str, sink: &mut dyn Sink) {
        if !at.is_empty() {
            sink.opaque(self.range(at), what);
        }
    }

    /// Padding is zeros, or not understood.
    pub fn padding(&self, at: Range<usize>, sink: &mut dyn Sink) {
        match self.bytes[at.clone()].iter().all(|byte| *byte == 0) {
            true => self.keep(at, sink),
            false => self.opaque(at, PADDING, sink),
        }
    }
}
