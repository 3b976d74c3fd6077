//! Sessions of exchanges: what a capture says about how clients use a service.
//!
//! A [`Workload`] comes from a capture by [`Collector`], or from bytes by [`hand`]. [`correlate`] then finds which request
//! values were handed out by earlier responses, and joins the connections that such values cross into one session.
//! [`stream`] tells the same of a capture of any size, exchange by exchange, in bounded memory.

mod collect;
mod correlate;
pub mod endpoint;
mod facts;
mod following;
pub mod formats;
mod gather;
mod grpc;
pub mod hand;
mod hosts;
mod known;
mod lanes;
mod line;
mod lines;
mod message;
mod prefixes;
mod reading;
mod render;
mod shape;
mod socket;
mod stream;
mod turn;
mod values;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::protocol::Encoding;

pub use crate::capture::CaptureError;
pub use collect::{Asker, Collector, Listener};
pub use correlate::{correlate, correlate_by};
pub use facts::{Cut, Facts, Hash, Wanted, content, hash, note};
pub use following::{Following, Forced};
pub use gather::Gather;
pub use grpc::{grpc_code, grpc_status};
pub use hosts::hosts;
pub use line::{Place, Told};
pub use lines::HeaderLine;
pub use message::{
    FrameEvent, FrameHead, Message, Messages, NoFrame, Opcode, Unpacker, Whole, heard, mask, pack, proof,
};
pub use prefixes::prefix_places;
pub use render::{Length, Replacement, lengths, render, replacement};
pub use shape::{Shape, Shapes};
pub use stream::stream;
pub use turn::{Closing, Event, Follows, Turn};
pub use values::{Answer, answer, fields};

/// The traffic of a capture, as clients made it.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// In order of their first request.
    pub sessions: Vec<Session>,
    /// Host names and addresses that requests were sent to (lower case, without port). A replay must not go there.
    pub hosts: BTreeSet<String>,
    /// What could not be taken over.
    pub left_out: LeftOut,
    /// Instant 0 of all times, nanoseconds since 1970 by the capture's clock.
    pub started_ns: i128,
    /// Its source tells no times: each connection sends its requests one after another, when the one before is answered.
    pub untimed: bool,
}

/// What of a capture is no part of its workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Requests that the capture does not hold completely.
    pub incomplete_requests: u64,
    /// Responses to requests before the capture's beginning.
    pub orphan_responses: u64,
    /// Records of a file that are no request that can be sent.
    pub unreadable: u64,
}

/// Connections of one client that belong together: values went from one to another. Sessions are independent.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Counts clients; says nothing about who it was.
    pub client: u32,
    /// In order of opening.
    pub connections: Vec<Connection>,
    /// In order of [`Step::at`].
    pub steps: Vec<Step>,
    /// Values that later requests take from earlier responses.
    pub sources: Vec<Source>,
}

/// One TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// When it was opened (or first seen), nanoseconds from the capture's start.
    pub opened: u64,
    /// When it was closed, when that is known.
    pub closed: Option<u64>,
    /// It spoke HTTP/2: its exchanges may overlap, and stand here in the form that HTTP/1 gives them.
    pub http2: bool,
}

/// One exchange: a request and what it was answered.
#[derive(Clone, Debug)]
pub struct Step {
    /// Index into [`Session::connections`].
    pub connection: u32,
    /// Time of the request's first byte, nanoseconds from the capture's start.
    pub at: u64,
    /// The step of the session whose response was the last to be complete before this request: what its sender had seen.
    pub after: Option<u32>,
    /// Nanoseconds since that response's last byte; without one, since the connection was opened.
    pub think: u64,
    /// What was asked.
    pub request: Request,
    /// What was answered, when the capture tells.
    pub expect: Option<Response>,
    /// Values of the request that come from earlier responses, in order of position, without overlap.
    pub edges: Vec<Edge>,
}

/// A request's exact bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Head and body, with all framing.
    pub bytes: Vec<u8>,
    /// The method's bytes.
    pub method: Range<usize>,
    /// The target's bytes.
    pub target: Range<usize>,
    /// Nanoseconds that the client waited between the head and the body's first byte; 0 when they came together.
    pub pause: u64,
    /// It is no HTTP request, but a message that [`Message`] describes.
    pub message: Option<Box<Message>>,
    as_sent: OnceLock<Box<[u8]>>,
}

/// A final response as captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// The status of a gRPC call, when it is one.
    pub grpc: Option<u32>,
    /// Time of the first byte, nanoseconds from the capture's start.
    pub first_byte: u64,
    /// Time of the last byte.
    pub last_byte: u64,
    /// Head and body with all framing; empty once correlated (nothing else needs them).
    pub bytes: Vec<u8>,
    /// What checks of live answers compare with, when that was asked for ([`note`]).
    pub facts: Option<Arc<Facts>>,
}

/// A value of a request that was found in an earlier response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Where it stands in [`Request::bytes`].
    pub at: Range<usize>,
    /// How the bytes there stand for text.
    pub encoding: Encoding,
    /// Where it comes from: an index into [`Session::sources`].
    pub source: u32,
}

/// A value in a response: the `ordinal`th field at `path`, or the `token`th word in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// Index into [`Session::steps`].
    pub step: u32,
    /// As [`crate::protocol::Field::path`].
    pub path: Box<str>,
    /// Which of the fields at this path, from 0.
    pub ordinal: u32,
    /// Which word of the field's text; none means all of it.
    pub token: Option<u32>,
}

impl Step {
    /// When what it was answered was there, or what is heard in it.
    pub(crate) fn heard_at(&self) -> Option<u64> {
        match &self.request.message {
            Some(message) => message.is_heard().then_some(message.last_byte),
            None => self.expect.as_ref().map(|response| response.last_byte),
        }
    }
}

impl Session {
    /// Sets [`Step::after`] and [`Step::think`] from the times of requests and responses.
    fn pace(&mut self) {
        let ends = self.steps.iter().zip(0..).filter_map(|(step, n)| Some((step.heard_at()?, n)));
        let mut ends: Vec<(u64, u32)> = ends.collect();
        ends.sort_unstable();
        for (n, step) in (0..).zip(&mut self.steps) {
            // Only what came before in the order of steps: no circle can arise.
            let seen = ends.partition_point(|(end, _)| *end <= step.at);
            let before = ends[..seen].iter().rev().find(|(_, by)| *by < n);
            let opened = self.connections.get(step.connection as usize).map_or(step.at, |connection| connection.opened);
            step.after = before.map(|(_, by)| *by);
            step.think = step.at.saturating_sub(before.map_or(opened, |(end, _)| *end));
        }
    }
}

impl Request {
    /// The request in `bytes`; none when they don't begin with a request line.
    pub fn new(bytes: Vec<u8>) -> Option<Request> {
        let line_end = memchr::memchr2(b'\r', b'\n', &bytes)?;
        let line = bytes.get(..line_end)?;
        let Some(first) = memchr::memchr(b' ', line) else {
            return Some(Request {
                method: 0..line_end,
                target: line_end..line_end,
                bytes,
                pause: 0,
                message: None,
                as_sent: OnceLock::new(),
            });
        };
        let last = memchr::memrchr(b' ', line).filter(|&last| last > first).unwrap_or(line_end);
        let target = first + 1..last.max(first + 1);
        Some(Request { method: 0..first, target, bytes, pause: 0, message: None, as_sent: OnceLock::new() })
    }

    /// The same request with other bytes, as many of them and laid out alike: what is said in it differs.
    pub fn with_bytes(&self, bytes: Vec<u8>) -> Request {
        let (method, target) = (self.method.clone(), self.target.clone());
        Request { bytes, method, target, pause: self.pause, message: self.message.clone(), as_sent: OnceLock::new() }
    }

    /// A line without a version and nothing else: HTTP/0.9.
    pub fn is_simple(&self) -> bool {
        // Where nearly all have their version.
        if self.bytes.get(self.target.end..).is_some_and(|rest| rest.starts_with(b" HTTP/")) {
            return false;
        }
        let line_end = memchr::memchr(b'\n', &self.bytes).unwrap_or(self.bytes.len());
        memchr::memmem::find(&self.bytes[..line_end], b"HTTP/").is_none()
    }

    /// Where the body begins, in bytes like this request's.
    pub fn head_len(bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &bytes[at..]) {
            let line = &bytes[at..at + end];
            at += end + 1;
            if line.trim_ascii_end().is_empty() {
                return at;
            }
        }
        bytes.len()
    }

    /// The client meant to wait for leave to send the body (RFC 9110 §10.1.1), and did wait.
    pub fn waits_for_leave(&self) -> bool {
        let expects = |at: Range<usize>| self.bytes[at].eq_ignore_ascii_case(b"100-continue");
        self.pause > 0 && self.header("expect").is_some_and(expects)
    }

    /// The method.
    pub fn method(&self) -> &[u8] {
        self.bytes.get(self.method.clone()).unwrap_or_default()
    }

    /// The target.
    pub fn target(&self) -> &[u8] {
        self.bytes.get(self.target.clone()).unwrap_or_default()
    }

    /// The bytes that are sent for it, where that is always the same: made once.
    pub fn as_sent(&self, make: impl FnOnce() -> Vec<u8>) -> &[u8] {
        self.as_sent.get_or_init(|| make().into_boxed_slice())
    }

    /// Where the value of the first header of this name stands, surrounding spaces left out.
    pub fn header(&self, name: &str) -> Option<Range<usize>> {
        let mut at = memchr::memchr(b'\n', &self.bytes)? + 1;
        loop {
            let rest = self.bytes.get(at..)?;
            let end = memchr::memchr(b'\n', rest)?;
            let line = rest.get(..end)?.trim_ascii_end();
            if line.is_empty() {
                return None;
            }
            let colon = memchr::memchr(b':', line).unwrap_or(line.len());
            if line.get(..colon)?.eq_ignore_ascii_case(name.as_bytes()) {
                let value = line.get(colon + 1..).unwrap_or_default().trim_ascii_start();
                let value_end = at + line.len();
                return Some(value_end - value.len()..value_end);
            }
            at += end + 1;
        }
    }
}

impl Workload {
    /// One after another on each connection, without a pause.
    fn in_sequence(&mut self) {
        for session in &mut self.sessions {
            let mut last: Vec<Option<u32>> = vec![None; session.connections.len()];
            for (n, step) in (0..).zip(&mut session.steps) {
                step.think = 0;
                step.after = last.get_mut(step.connection as usize).and_then(|last| last.replace(n));
            }
        }
    }

    /// Number of requests, and of messages that clients sent.
    pub fn requests(&self) -> usize {
        let steps = self.sessions.iter().flat_map(|session| &session.steps);
        steps.filter(|step| step.request.message.as_ref().is_none_or(|message| !message.is_heard())).count()
    }

    /// Number of correlated values.
    pub fn edges(&self) -> usize {
        self.sessions.iter().flat_map(|session| &session.steps).map(|step| step.edges.len()).sum()
    }

    /// Time of the last event, nanoseconds from the capture's start.
    pub fn end(&self) -> u64 {
        let of = |step: &Step| step.expect.as_ref().map_or(step.at, |response| response.last_byte.max(step.at));
        self.sessions.iter().flat_map(|session| &session.steps).map(of).max().unwrap_or(0)
    }
}

/// A workload larger than memory is meant to be.
#[derive(Debug, thiserror::Error)]
#[error(
    "the capture holds more than {} MiB of HTTP messages, more than a workload may keep; cut it (editcap -A/-B, or by host) and replay the parts",
    crate::limits::WORKLOAD_BYTES_MAX >> 20
)]
pub struct TooLarge;
