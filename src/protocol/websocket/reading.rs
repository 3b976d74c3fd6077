//! What a message holds: its payload from under the masks of its frames, read as a body of its kind.

use std::ops::Range;

use super::frame::{Head, Opcode, mask};
use super::packed::Unpacking;
use super::text::Text as TextMessage;
use super::{PAYLOAD, opaque};
use crate::limits::WINDOW_PARTS_BYTES_MAX;
use crate::protocol::content::json::Json;
use crate::protocol::content::text::Text;
use crate::protocol::content::{self, Content, Until};
use crate::protocol::emit::{Emit, Gathered, Written};
use crate::protocol::path::Path;
use crate::protocol::window::Bytes;
use crate::protocol::{Codec, Sink, Window};

/// What is known of a connection.
pub(super) struct Known {
    /// Counts bodies: see [`Window::body`].
    bodies: u64,
    /// The number of the body that all veiled and unpacked texts of the connection are.
    veiled: u64,
    /// It speaks Engine.IO: a text begins with a digit that says what it is.
    pub(super) engine: bool,
}

impl Known {
    pub(super) fn new(engine: bool, bodies: u64) -> Known {
        Known { bodies, veiled: 0, engine }
    }

    pub(super) fn body(&mut self) -> u64 {
        self.bodies += 1;
        self.bodies
    }

    fn veiled(&mut self) -> u64 {
        if self.veiled == 0 {
            self.veiled = self.body();
        }
        self.veiled
    }
}

/// A piece of a frame's payload.
pub(super) struct Piece<'a> {
    pub(super) at: u64,
    pub(super) bytes: &'a [u8],
    /// The frame's mask, zeros when it has none.
    pub(super) key: [u8; 4],
    /// Where in the payload it begins.
    pub(super) phase: u64,
}

/// Payload that is not reported yet.
#[derive(Default)]
pub(super) struct Held {
    /// Unmasked.
    pub(super) bytes: Bytes,
    /// What each of them is masked with.
    pub(super) veil: Vec<u8>,
}

impl Held {
    pub(super) fn take(&mut self, piece: &Piece<'_>) {
        let from = self.bytes.data.len();
        self.bytes.push(piece.at, piece.bytes);
        mask(piece.key, piece.phase, &mut self.bytes.data[from..]);
        self.veil.resize(self.bytes.data.len(), 0);
        mask(piece.key, piece.phase, &mut self.veil[from..]);
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.data.len()
    }

    pub(super) fn drop_front(&mut self, len: usize) {
        self.bytes.drop_front(len);
        self.veil.drain(..len);
        if self.bytes.data.is_empty() {
            // A connection that is idle keeps no room.
            *self = Held::default();
        }
    }

    /// The veil of the first bytes, when they have one.
    pub(super) fn veil(&self, len: usize) -> &[u8] {
        let veil = &self.veil[..len];
        if veil.iter().all(|byte| *byte == 0) { &[] } else { veil }
    }

    pub(super) fn opaque(&mut self, what: &'static str, sink: &mut dyn Sink) {
        let give_up = |at: Range<u64>| sink.opaque(at, what);
        std::mem::take(self).bytes.ranges.into_iter().for_each(give_up);
    }

    /// Lets `content` read what is held, as far as it can.
    fn read(&mut self, content: &mut dyn Content, until: Until, known: &mut Known, sink: &mut dyn Sink) {
        let data = &self.bytes.data;
        let mut out = Gathered::new(&self.bytes.ranges, sink);
        let veil = self.veil(data.len());
        let done = if veil.is_empty() {
            let mut emit = Emit::new(data, &mut out);
            content::read(content, &mut emit, until);
            emit.done()
        } else {
            let mut parts = Vec::new();
            let mut written = Written { parts: &mut parts, room: WINDOW_PARTS_BYTES_MAX };
            let mut emit = Emit::new(data, &mut written);
            content::read(content, &mut emit, until);
            let done = emit.done();
            if done > 0 {
                let (plain, body) = (&data[..done], known.veiled());
                let veil = &veil[..done];
                let codec = Codec::Plain;
                let window = Window {
                    body,
                    codec,
                    packed: plain,
                    veil,
                    header: 0,
                    trailer: 0,
                    plain,
                    parts: &parts,
                    last: false,
                };
                out.window(&window);
            }
            done
        };
        self.drop_front(done);
    }
}

/// A message that is being read.
pub(super) struct Reading {
    how: How,
    held: Held,
    /// How many bytes were held when they were last read in vain.
    tried: usize,
}

enum How {
    /// As it stands, or under a mask.
    Plain(Box<dyn Content>),
    /// Unpacked.
    Packed(Box<dyn Content>),
    /// Not at all, for this reason.
    Unread(&'static str),
}

impl Reading {
    /// One that begins with this header and, unmasked, this byte; its fields' paths begin with `root`.
    pub(super) fn new(
        (root, engine): (&str, bool),
        head: &Head,
        first: Option<u8>,
        unpacking: &mut Unpacking,
    ) -> Reading {
        let is_text = head.opcode == Opcode::Text;
        let may_be_json = first.is_some_and(|byte| matches!(byte, b'{' | b'['));
        let how = match (head.packed, is_text) {
            (true, _) if unpacking.begin() => How::Packed(Box::new(TextMessage::new(root, is_text, engine))),
            (true, _) => How::Unread(PAYLOAD),
            (false, true) => How::Plain(Box::new(TextMessage::new(root, true, engine))),
            (false, false) if may_be_json => How::Plain(Box::new(Json::new(Path::new(&format!("{root}.json"))))),
            (false, false) => How::Unread(PAYLOAD),
        };
        Reading { how, held: Held::default(), tried: 0 }
    }

    /// One that is not read.
    pub(super) fn unread(why: &'static str) -> Reading {
        Reading { how: How::Unread(why), held: Held::default(), tried: 0 }
    }

    pub(super) fn is_read(&self) -> bool {
        !matches!(self.how, How::Unread(_))
    }

    pub(super) fn pending(&self, unpacking: &Unpacking) -> usize {
        self.held.len() + if let How::Packed(_) = self.how { unpacking.pending() } else { 0 }
    }

    pub(super) fn memory(&self) -> usize {
        2 * self.held.len() + size_of::<Reading>()
    }

    /// Takes a piece of its payload.
    pub(super) fn take(
        &mut self,
        piece: &Piece<'_>,
        unpacking: &mut Unpacking,
        known: &mut Known,
        sink: &mut dyn Sink,
    ) {
        match &mut self.how {
            How::Unread(why) => opaque(piece.at, piece.bytes.len(), why, sink),
            How::Packed(content) => unpacking.take(piece, &mut **content, known, sink),
            How::Plain(_) => {
                self.held.take(piece);
                // Read again only when it may pay, or tiny pieces would cost the square of a value's length.
                if self.held.len() - self.tried >= self.tried / 4 {
                    self.read(Until::More, unpacking, known, sink);
                }
            }
        }
    }

    /// Reads what is held.
    pub(super) fn read(&mut self, until: Until, unpacking: &mut Unpacking, known: &mut Known, sink: &mut dyn Sink) {
        match &mut self.how {
            How::Unread(_) => {}
            How::Packed(content) => unpacking.read(until, &mut **content, known, sink),
            How::Plain(content) => {
                self.held.read(&mut **content, until, known, sink);
                self.tried = self.held.len();
            }
        }
    }

    /// It is complete.
    pub(super) fn end(&mut self, unpacking: &mut Unpacking, known: &mut Known, sink: &mut dyn Sink) {
        self.read(Until::End, unpacking, known, sink);
    }
}

/// A control frame (§5.5) that is being read.
#[derive(Default)]
pub(super) struct Control {
    held: Held,
    /// Bytes of it are missing.
    pub(super) torn: bool,
}

/// A close begins with a code (§5.5.1).
const CODE: usize = 2;

impl Control {
    pub(super) fn pending(&self) -> usize {
        self.held.len()
    }

    pub(super) fn take(&mut self, piece: &Piece<'_>) {
        self.held.take(piece);
    }

    /// It can't wait.
    pub(super) fn give_up(&mut self, sink: &mut dyn Sink) {
        self.torn |= self.held.len() > 0;
        self.held.opaque(PAYLOAD, sink);
    }

    /// It is complete: the reason of a close is a text, as is what a ping says when it can be read.
    pub(super) fn end(&mut self, opcode: Opcode, root: &str, known: &mut Known, sink: &mut dyn Sink) {
        let Control { mut held, torn } = std::mem::take(self);
        let code = if opcode == Opcode::Close { CODE } else { 0 };
        let is_text = std::str::from_utf8(held.bytes.data.get(code..).unwrap_or_default())
            .is_ok_and(|text| !text.contains(|c: char| c.is_control()));
        if torn || !is_text {
            return held.opaque(PAYLOAD, sink);
        }
        let mut reason = Reason { code, text: Text::new(Path::new(&format!("{root}.text"))) };
        held.read(&mut reason, Until::End, known, sink);
    }
}

/// A code, and a text.
struct Reason {
    code: usize,
    text: Text,
}

impl Content for Reason {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        emit.keep_to(self.code);
        self.text.read(emit, until);
    }
}
