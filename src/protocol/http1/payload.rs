//! A body's data: read as what its media type says, inflated where that pays, whatever framing it comes in.

use super::head::{Coding, Facts};
use crate::protocol::Sink;
use crate::protocol::content::opaque::Opaque;
use crate::protocol::content::{self, Content, Until};
use crate::protocol::emit::{Emit, Gathered, Together};
use crate::protocol::grpc::Messages;
use crate::protocol::window::{self, Bytes, Inflating};

const UNREAD: &str = "http body not read";
const INCOMPLETE: &str = "http body behind a gap";

/// What is read of a body's data.
pub struct Payload {
    reader: Reader,
    /// Data of chunks that were passed, undecided.
    held: Bytes,
    /// How many bytes were held when they were last read in vain.
    tried: usize,
}

enum Reader {
    Plain(Box<dyn Content>),
    Packed(Box<Inflating>),
    Messages(Box<Messages>),
}

impl Payload {
    /// For a message whose paths begin with `root`; `bodies` counts compressed bodies.
    pub fn new(root: &str, facts: &Facts, bodies: &mut u64) -> Self {
        let body_root = format!("{root}.body");
        let reader = match facts.coding {
            Coding::Identity => match Messages::open(&facts.media, root, facts.message_codec) {
                Some(messages) => Reader::Messages(Box::new(messages)),
                None => Reader::Plain(content::open(&facts.media, &body_root)),
            },
            Coding::Packed(codec) if content::is_understood(&facts.media) => {
                let content = content::open(&facts.media, &body_root);
                Reader::Packed(Box::new(Inflating::new(codec, window::next(bodies), content)))
            }
            Coding::Packed(_) => Reader::Plain(Box::new(Opaque::new(&facts.media))),
            Coding::Unknown => Reader::Plain(Box::new(Opaque::rest("http body in another coding"))),
        };
        Payload { reader, held: Bytes::default(), tried: 0 }
    }

    /// One whose data is of no interest.
    pub fn unread() -> Self {
        Payload { reader: Reader::Plain(Box::new(Opaque::rest(UNREAD))), held: Bytes::default(), tried: 0 }
    }

    /// Bytes of memory that it keeps, about.
    pub fn memory(&self) -> usize {
        match &self.reader {
            Reader::Plain(_) => self.held.data.capacity(),
            Reader::Packed(inflating) => inflating.memory(),
            Reader::Messages(messages) => messages.memory(),
        }
    }

    /// See [`crate::protocol::Conversation::pending`].
    pub fn pending(&self) -> usize {
        match &self.reader {
            Reader::Plain(_) => self.held.data.len(),
            Reader::Packed(inflating) => inflating.pending(),
            Reader::Messages(messages) => messages.pending(),
        }
    }

    /// Data are missing: what follows is not understood, what was held is lost.
    pub fn lose(&mut self) {
        self.held = Bytes::default();
        self.reader = Reader::Plain(Box::new(Opaque::rest(INCOMPLETE)));
    }

    /// Reads data at `at` and says how much of it is done with.
    pub fn read(&mut self, at: u64, data: &[u8], until: Until, bodies: &mut u64, sink: &mut dyn Sink) -> usize {
        match &mut self.reader {
            Reader::Packed(inflating) => {
                inflating.read(at, data, until, bodies, sink);
                data.len()
            }
            Reader::Messages(messages) => {
                messages.read(at, data, until, bodies, sink);
                data.len()
            }
            Reader::Plain(content) if self.held.data.is_empty() => {
                let mut out = Together { base: at, sink };
                let mut emit = Emit::new(data, &mut out);
                content::read(&mut **content, &mut emit, until);
                emit.done()
            }
            Reader::Plain(content) => {
                self.held.push(at, data);
                // Read again only when it may pay, or tiny chunks would cost the square of a value's length.
                if until == Until::More && self.held.data.len() - self.tried < self.tried / 4 {
                    return data.len();
                }
                let mut out = Gathered::new(&self.held.ranges, sink);
                let mut emit = Emit::new(&self.held.data, &mut out);
                content::read(&mut **content, &mut emit, until);
                let done = emit.done();
                self.held.drop_front(done);
                // What is left of these data alone need not be held: it will be shown again.
                let left = self.held.data.len();
                self.tried = left;
                if left > data.len() {
                    return data.len();
                }
                self.held = Bytes::default();
                self.tried = 0;
                data.len() - left
            }
        }
    }

    /// Takes data that will not be shown again.
    pub fn hold(&mut self, at: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        if let Reader::Plain(_) = self.reader {
            self.held.push(at, data);
            self.tried = self.held.data.len();
        }
    }
}
