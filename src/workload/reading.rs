//! One direction of a connection: the bytes of the message that is being read, and no more.

use crate::limits::HEAD_BYTES_MAX;

/// One direction: the bytes of the message that is being read.
#[derive(Default)]
pub(super) struct Reading {
    /// Stream bytes from `at` on that belong to no complete message yet. Of a long response, the first ones.
    pub(super) bytes: Vec<u8>,
    pub(super) at: u64,
    /// Stream offset of the next bytes.
    pub(super) next: u64,
    pub(super) message: Option<Begun>,
}

/// A message whose head was seen.
pub(super) struct Begun {
    pub(super) at: u64,
    pub(super) time: u64,
    pub(super) status: u16,
    /// Number of its request; none for a response to nothing.
    pub(super) number: Option<u64>,
    pub(super) body: Body,
}

/// When a request's body came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// Its head was complete at that time, and nothing more was there.
    Awaited(u64),
    /// So long after the head.
    After(u64),
}

impl Reading {
    /// Takes the next bytes, of which up to `most` are kept for the message being read.
    pub(super) fn push(&mut self, at: u64, bytes: &[u8], most: usize) {
        if at != self.next {
            // A hole: what was begun cannot be complete any more.
            *self = Reading { at, ..Reading::default() };
        }
        self.next = at + bytes.len() as u64;
        let room = most.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// More bytes are there, at some time.
    pub(super) fn goes_on(&mut self, time: u64) {
        if let Some(Begun { body, .. }) = &mut self.message
            && let Body::Awaited(since) = *body
        {
            *body = Body::After(time.saturating_sub(since));
        }
    }

    /// Drops what stands before `at`.
    pub(super) fn forget(&mut self, at: u64) {
        let gone =
            usize::try_from(at.saturating_sub(self.at)).map_or(self.bytes.len(), |gone| gone.min(self.bytes.len()));
        match gone == self.bytes.len() {
            true => self.bytes = Vec::new(),
            false => drop(self.bytes.drain(..gone)),
        }
        self.at = self.at.max(at);
    }

    /// Keeps no more than a head's bytes while no message is being read: this may be no HTTP at all.
    pub(super) fn idle(&mut self) {
        if self.message.is_none() {
            self.forget(self.next.saturating_sub(HEAD_BYTES_MAX as u64));
        }
    }

    /// The bytes kept of a message (none when its beginning is missing), and its length.
    pub(super) fn take(&mut self, begun: &Begun, end: u64) -> (Vec<u8>, u64) {
        let len = end.saturating_sub(begun.at);
        if self.at > begun.at {
            return (Vec::new(), len);
        }
        self.forget(begun.at);
        let cut = self.at + (self.bytes.len() as u64) < self.next;
        let kept = usize::try_from(len).unwrap_or(usize::MAX).min(self.bytes.len());
        // Most messages are all that is there: an idle connection keeps no room for bytes that it does not have.
        let behind = if cut { Vec::new() } else { self.bytes[kept..].to_vec() };
        let mut message = std::mem::replace(&mut self.bytes, behind);
        message.truncate(kept);
        self.at = if cut { self.next } else { end };
        (message, len)
    }
}
