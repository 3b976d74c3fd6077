//! The bytes below HTTP/2: stamped when they go and come, and counted where they bring nothing.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::super::stream::Stream;
use super::super::{Failure, broken, now};
use crate::limits::{FRAMES_IDLE_MAX, RESPONSES_INFORMATIONAL_MAX};

/// What is known of a connection, by those who read and write its bytes and by those who wait for answers.
#[derive(Default)]
pub struct Known {
    /// When bytes came last.
    pub read_at: Cell<u64>,
    /// Requests that are handed over and not written.
    pub unwritten: RefCell<Vec<Rc<Cell<u64>>>>,
    /// Streams that the peer allows at a time; 0 until it has said so.
    pub allowed: Cell<usize>,
    /// Streams that are open.
    pub streams: Cell<usize>,
    /// Why it came to its end.
    pub fault: Cell<Option<Failure>>,
    /// It came to its end.
    pub over: Cell<bool>,
    /// A stream ended, more are allowed, or all is over.
    pub changed: Notify,
}

impl Known {
    /// Whether the target speaks HTTP/2: waits for its settings, or the end.
    pub async fn is_greeted(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            if self.over.get() || self.allowed.get() > 0 {
                return !self.over.get();
            }
            changed.await;
        }
    }
}

/// A connection's bytes.
pub struct Wire {
    stream: Stream,
    known: Rc<Known>,
    frames: Frames,
}

impl Wire {
    /// Of an open connection.
    pub fn new(stream: Stream, known: Rc<Known>) -> Wire {
        Wire { stream, known, frames: Frames::default() }
    }

    fn fails(&self, error: io::Error) -> io::Error {
        self.known.fault.set(self.known.fault.get().or(Some(broken(&error))));
        error
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer)).map_err(|error| self.fails(error))?;
        let bytes = &buffer.filled()[before..];
        self.known.read_at.set(now());
        if bytes.is_empty() {
            self.known.fault.set(self.known.fault.get().or(Some(Failure::ClosedEarly)));
        }
        let streams = self.known.streams.get() as u32;
        if !self.frames.walk(bytes, streams) {
            self.known.fault.set(Some(Failure::Protocol));
            return Poll::Ready(Err(io::Error::other("frames that bring nothing")));
        }
        Poll::Ready(Ok(()))
    }
}

impl Wire {
    /// Stamps what was waiting to be written, for bytes go out.
    fn stamp(&self, at: u64) {
        self.known.unwritten.borrow_mut().drain(..).for_each(|written| written.set(at));
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let at = now();
        let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)).map_err(|error| self.fails(error))?;
        self.stamp(at);
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Frames of a peer, as far as their headers tell (RFC 9113 §4.1). The library answers each PING and SETTINGS and keeps each
/// informational response: a peer that sends nothing else must be ended by us.
#[derive(Default)]
struct Frames {
    header: [u8; 9],
    /// Bytes of the header that are there.
    have: usize,
    /// Bytes of the payload to come.
    left: usize,
    /// Frames since one that brought something.
    idle: u32,
    /// Heads since one that ended a stream or was followed by content.
    heads: u32,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;

impl Frames {
    /// Looks at bytes that came, while so many streams are open. False: there were too many frames that bring nothing.
    fn walk(&mut self, mut bytes: &[u8], streams: u32) -> bool {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            let taken = (self.header.len() - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == self.header.len() {
                self.have = 0;
                self.frame();
            }
        }
        self.idle <= FRAMES_IDLE_MAX && self.heads <= RESPONSES_INFORMATIONAL_MAX.saturating_mul(streams + 1)
    }

    /// A frame begins.
    fn frame(&mut self) {
        let [a, b, c, kind, flags, ..] = self.header;
        self.left = u32::from_be_bytes([0, a, b, c]) as usize;
        let ends = flags & END_STREAM != 0;
        match kind {
            DATA if self.left > 0 || ends => (self.idle, self.heads) = (0, 0),
            HEADERS => {
                self.idle = 0;
                self.heads = if ends { 0 } else { self.heads + 1 };
            }
            // Uploads need many; what a window may grow to bounds them.
            WINDOW_UPDATE => {}
            _ => self.idle += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, len: usize) -> Vec<u8> {
        let [_, a, b, c] = (len as u32).to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1][..], &vec![7; len]].concat()
    }

    /// Whether frames are allowed, however they are cut.
    fn allowed(frames: &[u8], streams: u32) -> bool {
        let whole = Frames::default().walk(frames, streams);
        for size in [1, 7, 10] {
            let mut pieces = Frames::default();
            assert_eq!(frames.chunks(size).all(|piece| pieces.walk(piece, streams)), whole, "{size}");
        }
        whole
    }

    #[test]
    fn frames_that_bring_nothing_are_bounded() {
        for kind in [4, 6, 2, 9, 200, DATA] {
            let most = frame(kind, 0, 0).repeat(FRAMES_IDLE_MAX as usize);
            let one = frame(kind, 0, 0);
            assert!(allowed(&most, 1), "{kind}");
            assert!(!allowed(&[&most[..], &one].concat(), 1), "{kind}");
            for useful in [frame(DATA, 0, 20), frame(DATA, END_STREAM, 0), frame(HEADERS, 0, 5)] {
                assert!(allowed(&[&most[..], &useful, &one].concat(), 1), "{kind}");
            }
        }
    }

    #[test]
    fn heads_without_content_are_bounded_by_the_streams() {
        for streams in [0, 1, 5] {
            let most = frame(HEADERS, 0, 3).repeat((RESPONSES_INFORMATIONAL_MAX * (streams + 1)) as usize);
            assert!(allowed(&most, streams));
            assert!(!allowed(&[&most[..], &frame(HEADERS, 0, 3)].concat(), streams));
            assert!(allowed(&[&most[..], &frame(HEADERS, END_STREAM, 3), &frame(HEADERS, 0, 3)].concat(), streams));
        }
    }
}
