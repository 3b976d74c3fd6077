//! Frames (RFC 9113 §4 and §6): their heads, and header blocks over several of them.

use std::ops::Range;

use crate::limits::{HEAD_BYTES_MAX, HTTP2_FRAME_BYTES_MAX};

/// Length of a frame's head.
pub const HEAD: usize = 9;

/// Types of frames.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    /// The last one that is registered, PRIORITY_UPDATE.
    pub const LAST: u8 = 16;
}

const END_STREAM: u8 = 0x01;
const END_HEADERS: u8 = 0x04;
const PADDED: u8 = 0x08;
const PRIORITY: u8 = 0x20;

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Length of what is behind it.
    pub len: usize,
    pub kind: u8,
    flags: u8,
    pub stream: u32,
}

/// Bytes that are no frame that anyone would send: reading is out of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFrame;

impl Head {
    /// Nothing when it is not whole.
    pub fn read(bytes: &[u8]) -> Result<Option<Head>, NoFrame> {
        let Some(&[a, b, c, kind, flags, d, e, f, g]) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        let head = Head { len, kind, flags, stream: u32::from_be_bytes([d, e, f, g]) };
        if head.is_plausible() { Ok(Some(head)) } else { Err(NoFrame) }
    }

    /// Peers must ignore types that they do not know; here what is not known is not kept. (Flags that mean nothing are sent.)
    fn is_plausible(&self) -> bool {
        let whole_connection = match self.kind {
            kind::SETTINGS | kind::PING | kind::GOAWAY => Some(true),
            kind::DATA | kind::HEADERS | kind::PRIORITY | kind::RST_STREAM => Some(false),
            kind::PUSH_PROMISE | kind::CONTINUATION => Some(false),
            _ => None,
        };
        // Reserved so that peers learn to ignore unknown types.
        let greased = self.kind > kind::LAST && self.kind % 0x1f == 0x0b;
        self.len <= HTTP2_FRAME_BYTES_MAX
            && (self.kind <= kind::LAST || greased)
            && self.stream >> 31 == 0
            && whole_connection.is_none_or(|whole| whole == (self.stream == 0))
    }

    /// The sender says nothing more on this stream.
    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & END_STREAM != 0
    }

    fn ends_block(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    fn is_padded(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS | kind::PUSH_PROMISE) && self.flags & PADDED != 0
    }

    /// Length of what stands between the head and what the frame is for, and of the padding behind that. `bytes` begin with
    /// the head. Nothing when the frame is too short for it, or more bytes are needed to tell.
    pub fn layout(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let padding = if self.is_padded() { usize::from(*bytes.get(HEAD)?) } else { 0 };
        let priority = if self.kind == kind::HEADERS && self.flags & PRIORITY != 0 { 5 } else { 0 };
        let promised = if self.kind == kind::PUSH_PROMISE { 4 } else { 0 };
        let lead = usize::from(self.is_padded()) + priority + promised;
        (lead + padding <= self.len).then_some((lead, padding))
    }

    /// How many bytes tell the layout.
    pub fn layout_bytes(&self) -> usize {
        HEAD + usize::from(self.is_padded()).min(self.len)
    }
}

/// A header block's frames; positions in the bytes that begin with the first one.
#[derive(Debug, Default)]
pub struct Block {
    /// Of each frame: its head and what belongs to it, its part of the block, its padding.
    pub frames: Vec<[Range<usize>; 3]>,
    /// Length of all of them.
    pub len: usize,
}

/// What a header block's beginning shows.
#[derive(Debug)]
pub enum Gathered {
    /// All frames are there.
    Whole(Block),
    /// Some are missing yet.
    Cut,
    /// They are no block.
    Damaged,
}

/// The frames of the header block that begins `bytes`.
pub fn gather(bytes: &[u8]) -> Gathered {
    let mut block = Block::default();
    let mut first = None;
    loop {
        let rest = &bytes[block.len.min(bytes.len())..];
        if block.len > HEAD_BYTES_MAX {
            return Gathered::Damaged;
        }
        let head = match Head::read(rest) {
            Ok(Some(head)) => head,
            Ok(None) => return Gathered::Cut,
            Err(NoFrame) => return Gathered::Damaged,
        };
        if first.is_some_and(|stream| head.kind != kind::CONTINUATION || head.stream != stream) {
            return Gathered::Damaged;
        }
        if HEAD + head.len > HEAD_BYTES_MAX {
            return Gathered::Damaged;
        }
        if rest.len() < HEAD + head.len {
            return Gathered::Cut;
        }
        let Some((lead, padding)) = head.layout(rest) else { return Gathered::Damaged };
        let start = block.len;
        let end = start + HEAD + head.len;
        block.frames.push([start..start + HEAD + lead, start + HEAD + lead..end - padding, end - padding..end]);
        block.len = end;
        first = first.or(Some(head.stream));
        if head.ends_block() {
            return Gathered::Whole(block);
        }
    }
}

/// Identifiers of settings whose values are numbers that are known.
pub fn is_known_setting(identifier: u16) -> bool {
    matches!(identifier, 1..=6 | 8 | 9)
}
