//! WebSocket (RFC 6455): frames put together to messages, and messages read as bodies are.
//!
//! A client's frames stand under a mask, compressed messages (RFC 7692) are windows of a body that goes on from message to
//! message where that was agreed on. What a message holds has the paths that it would have in the body of a request or a
//! response, so that rules, and values, are the same in both. Headers are kept, and masks where what is under them is read.

pub mod deflate;
pub mod frame;
pub mod messages;
mod packed;
pub mod proof;
mod reading;
mod text;

use self::deflate::Agreed;
use self::frame::{Head, Opcode};
use self::packed::Unpacking;
use self::reading::{Control, Known, Reading};
use super::content::{Content, Until};
use super::{Conversation, Side, Sink};

const PAYLOAD: &str = "websocket payload";
const LOST: &str = "websocket out of step";
const BEHIND: &str = "websocket message behind a gap";

/// A reader for a whole message, unmasked and unpacked; its fields' paths begin with `root`. `is_text`: it says that it is
/// text. Digits in front, as Engine.IO writes them, stay.
pub fn reader(root: &str, is_text: bool) -> Box<dyn Content> {
    Box::new(text::Text::new(root, is_text, true))
}

/// Both directions of an upgraded connection.
pub struct WebSocket {
    client: Half,
    server: Half,
    known: Known,
}

/// One direction.
struct Half {
    /// Behind the last byte that was consumed.
    at: u64,
    frame: Option<Frame>,
    /// The message of which a frame was the last one.
    message: Option<Reading>,
    control: Control,
    unpacking: Unpacking,
    /// A client's, a server's.
    root: &'static str,
    /// It is not known where frames begin.
    lost: bool,
}

/// A frame whose payload is being read.
#[derive(Clone, Copy)]
struct Frame {
    head: Head,
    done: u64,
}

impl WebSocket {
    /// With what was agreed on about compression; `engine`: upgraded by a request of Engine.IO; `bodies` counts the bodies
    /// of the conversation before.
    pub fn new(agreed: Option<Agreed>, engine: bool, bodies: u64) -> WebSocket {
        let half = |root, packing| Half {
            at: 0,
            frame: None,
            message: None,
            control: Control::default(),
            unpacking: Unpacking::new(packing),
            root,
            lost: false,
        };
        WebSocket {
            client: half("http.request.body", agreed.map(|agreed| agreed.client)),
            server: half("http.response.body", agreed.map(|agreed| agreed.server)),
            known: Known::new(engine, bodies),
        }
    }

    fn half(&mut self, side: Side) -> (&mut Half, &mut Known) {
        match side {
            Side::Client => (&mut self.client, &mut self.known),
            Side::Server => (&mut self.server, &mut self.known),
        }
    }
}

impl Conversation for WebSocket {
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize {
        let (half, known) = self.half(side);
        if !sink.wants_values() || half.lost {
            opaque(at, bytes.len(), if half.lost { LOST } else { PAYLOAD }, sink);
            return bytes.len();
        }
        let mut done = 0;
        while done < bytes.len() {
            let used = half.step(at + done as u64, &bytes[done..], end, known, sink);
            done += used;
            if used == 0 {
                break;
            }
        }
        half.at = at + done as u64;
        if end {
            half.flush(known, sink);
        }
        done
    }

    fn gap(&mut self, side: Side, missing: u64) {
        let (half, _) = self.half(side);
        half.gap(missing);
    }

    fn flush(&mut self, side: Side, sink: &mut dyn Sink) {
        let (half, known) = self.half(side);
        half.flush(known, sink);
    }

    fn pending(&self, side: Side) -> usize {
        let half = if side == Side::Client { &self.client } else { &self.server };
        half.pending()
    }

    fn memory(&self) -> usize {
        [&self.client, &self.server].iter().map(|half| half.memory()).sum()
    }
}

impl Half {
    /// Reads a header, or a piece of a payload; how many bytes are done with.
    fn step(&mut self, at: u64, bytes: &[u8], end: bool, known: &mut Known, sink: &mut dyn Sink) -> usize {
        let Some(Frame { head, done }) = self.frame else { return self.header(at, bytes, end, known, sink) };
        let len = bytes.len().min(usize::try_from(head.len - done).unwrap_or(usize::MAX));
        let piece = reading::Piece { at, bytes: &bytes[..len], key: head.key.unwrap_or_default(), phase: done };
        self.frame = Some(Frame { head, done: done + len as u64 });
        if head.opcode.is_control() {
            self.control.take(&piece);
        } else if let Some(message) = &mut self.message {
            message.take(&piece, &mut self.unpacking, known, sink);
        }
        self.end_if_done(known, sink);
        len
    }

    fn header(&mut self, at: u64, bytes: &[u8], end: bool, known: &mut Known, sink: &mut dyn Sink) -> usize {
        let (head, len) = match Head::read(bytes) {
            Ok(Some((head, len))) => (head, len),
            Ok(None) if !end => return 0,
            Ok(None) | Err(frame::Malformed) => return self.lose(at, bytes, known, sink),
        };
        let is_first = matches!(head.opcode, Opcode::Text | Opcode::Binary);
        let behind = bytes.get(len..).unwrap_or_default();
        if is_first && head.len > 0 && behind.is_empty() && !end {
            // The first byte of what is under the mask tells whether it is read, and the mask kept.
            return 0;
        }
        if is_first {
            self.finish_message(known, sink);
            let first = behind.first().map(|byte| byte ^ head.key.map_or(0, |key| key[0]));
            self.message = Some(Reading::new((self.root, known.engine), &head, first, &mut self.unpacking));
        }
        let is_read = head.opcode.is_control() || self.message.as_ref().is_some_and(|message| message.is_read());
        let kept = len - if is_read { 0 } else { head.key.map_or(0, |key| key.len()) };
        sink.keep(at..at + kept as u64);
        // With the mask blank too, a blank payload reads as zeros.
        opaque(at + kept as u64, len - kept, PAYLOAD, sink);
        if head.opcode == Opcode::Continuation && self.message.is_none() {
            self.message = Some(Reading::unread(PAYLOAD));
        }
        self.frame = Some(Frame { head, done: 0 });
        self.end_if_done(known, sink);
        len
    }

    /// What is behind a frame's last byte.
    fn end_if_done(&mut self, known: &mut Known, sink: &mut dyn Sink) {
        let Some(Frame { head, .. }) = self.frame.take_if(|frame| frame.done == frame.head.len) else { return };
        if head.opcode.is_control() {
            self.control.end(head.opcode, self.root, known, sink);
        } else if head.last {
            self.finish_message(known, sink);
        }
    }

    fn finish_message(&mut self, known: &mut Known, sink: &mut dyn Sink) {
        if let Some(mut message) = self.message.take() {
            message.end(&mut self.unpacking, known, sink);
        }
    }

    /// No header stands here, and none will be found.
    fn lose(&mut self, at: u64, bytes: &[u8], known: &mut Known, sink: &mut dyn Sink) -> usize {
        self.finish_message(known, sink);
        self.lost = true;
        opaque(at, bytes.len(), LOST, sink);
        bytes.len()
    }

    fn flush(&mut self, known: &mut Known, sink: &mut dyn Sink) {
        self.control.give_up(sink);
        if let Some(message) = &mut self.message {
            message.read(Until::Flush, &mut self.unpacking, known, sink);
        }
    }

    fn gap(&mut self, missing: u64) {
        match &mut self.frame {
            Some(Frame { head, done }) if head.len - *done >= missing => {
                *done += missing;
                if !head.opcode.is_control() {
                    self.message = Some(Reading::unread(BEHIND));
                    self.unpacking.lose();
                }
                self.control.torn = head.opcode.is_control();
                let ends = *done == head.len;
                let last = head.last;
                let is_control = head.opcode.is_control();
                if ends {
                    self.frame = None;
                    match is_control {
                        true => self.control = Control::default(),
                        false if last => self.message = None,
                        false => {}
                    }
                }
            }
            _ => self.lost = true,
        }
    }

    fn pending(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| message.pending(&self.unpacking));
        message + self.control.pending()
    }

    fn memory(&self) -> usize {
        self.message.as_ref().map_or(0, Reading::memory) + self.control.pending() + self.unpacking.memory()
    }
}

fn opaque(at: u64, len: usize, what: &'static str, sink: &mut dyn Sink) {
    if len > 0 {
        sink.opaque(at..at + len as u64, what);
    }
}
