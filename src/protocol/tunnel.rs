//! What goes through a connection, or through another conversation (a proxy's tunnel, an upgrade): recognised by its own
//! first bytes, or opaque.

use super::{Conversation, Recognised, Side, Sink, recognise};
use crate::limits::{PROBE_BYTES_MAX, TUNNELS_MAX};

/// A connection, or one within another; offsets are then those of the outer one.
pub struct Tunnel {
    /// How bytes are called that nobody recognises.
    what: &'static str,
    depth: u32,
    talk: Option<Box<dyn Conversation>>,
    /// The recognised protocol's client is the outer one's server.
    swapped: bool,
}

impl Tunnel {
    /// A connection of its own.
    pub fn outermost(what: &'static str) -> Self {
        Tunnel { what, depth: 0, talk: None, swapped: false }
    }

    /// A tunnel through a conversation that goes through `depth` others itself.
    pub fn new(what: &'static str, depth: u32) -> Self {
        Tunnel { depth: depth + 1, ..Tunnel::outermost(what) }
    }

    /// True when someone reads.
    fn recognise(&mut self, side: Side, bytes: &[u8]) -> Option<bool> {
        match recognise(bytes) {
            _ if self.depth > TUNNELS_MAX => Some(false),
            Recognised::As(protocol, speaker) => {
                self.talk = Some(protocol.open(self.depth));
                self.swapped = speaker != side;
                Some(true)
            }
            Recognised::Undecided if bytes.len() < PROBE_BYTES_MAX => None,
            Recognised::Undecided | Recognised::No => Some(false),
        }
    }

    fn spoken(&self, side: Side) -> Side {
        match (side, self.swapped) {
            (Side::Client, false) | (Side::Server, true) => Side::Client,
            _ => Side::Server,
        }
    }
}

impl Conversation for Tunnel {
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize {
        let recognised = if self.talk.is_some() { Some(true) } else { self.recognise(side, bytes) };
        let spoken = self.spoken(side);
        match (&mut self.talk, recognised) {
            (Some(talk), _) => talk.read(spoken, at, bytes, end, sink),
            (None, None) if !end => 0,
            (None, _) => {
                if !bytes.is_empty() {
                    sink.opaque(at..at + bytes.len() as u64, self.what);
                }
                bytes.len()
            }
        }
    }

    fn gap(&mut self, side: Side, missing: u64) {
        let spoken = self.spoken(side);
        if let Some(talk) = &mut self.talk {
            talk.gap(spoken, missing);
        }
    }

    fn flush(&mut self, side: Side, sink: &mut dyn Sink) {
        let spoken = self.spoken(side);
        if let Some(talk) = &mut self.talk {
            talk.flush(spoken, sink);
        }
    }

    fn pending(&self, side: Side) -> usize {
        self.talk.as_ref().map_or(0, |talk| talk.pending(self.spoken(side)))
    }

    fn memory(&self) -> usize {
        self.talk.as_ref().map_or(0, |talk| talk.memory())
    }
}
