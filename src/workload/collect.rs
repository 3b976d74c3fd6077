//! From a capture's events to sessions: a visitor that keeps the bytes of whole messages.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::decode::Layers;
use crate::dissect::{Packet, Stream, Visitor};
use crate::flow::Datagram;
use crate::limits::{HEAD_BYTES_MAX, RESPONSE_BYTES_KEPT, WORKLOAD_BYTES_MAX};
use crate::protocol::{Mark, Side};

use super::{Connection, LeftOut, Request, Response, Session, Step, TooLarge, Workload};

/// Collects the workload of a capture. Give it to the loop, then call [`Collector::finish`].
#[derive(Default)]
pub struct Collector {
    start: Option<i128>,
    now: u64,
    /// Source address of the current packet.
    source: Option<IpAddr>,
    open: HashMap<u64, Dialogue>,
    closed: Vec<Dialogue>,
    kept: usize,
    left_out: LeftOut,
}

/// A connection being read.
#[derive(Default)]
struct Dialogue {
    flow: u64,
    opened: u64,
    client: Option<IpAddr>,
    requests: Reading,
    responses: Reading,
    exchanges: Vec<Exchange>,
    /// Index of the first exchange without a final response.
    unanswered: usize,
    /// Bytes of the messages in `exchanges`.
    stored: usize,
}

/// A request that was begun, and what followed.
struct Exchange {
    at: u64,
    request: Option<Request>,
    expect: Option<Response>,
}

/// One direction: the bytes of the message that is being read.
#[derive(Default)]
struct Reading {
    /// Stream bytes from `at` on that belong to no complete message yet. Of a long response, the first ones.
    bytes: Vec<u8>,
    at: u64,
    /// Stream offset of the next bytes.
    next: u64,
    message: Option<Begun>,
}

/// A message whose head was seen.
struct Begun {
    at: u64,
    time: u64,
    status: u16,
    /// Index of its exchange; none for a response to nothing.
    exchange: Option<usize>,
}

impl Reading {
    /// Takes the next bytes, of which up to `most` are kept for the message being read.
    fn push(&mut self, at: u64, bytes: &[u8], most: usize) {
        if at != self.next {
            // A hole: what was begun cannot be complete any more.
            *self = Reading { at, ..Reading::default() };
        }
        self.next = at + bytes.len() as u64;
        let room = most.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Drops what stands before `at`.
    fn forget(&mut self, at: u64) {
        let gone =
            usize::try_from(at.saturating_sub(self.at)).map_or(self.bytes.len(), |gone| gone.min(self.bytes.len()));
        self.bytes.drain(..gone);
        self.at = self.at.max(at);
    }

    /// Keeps no more than a head's bytes while no message is being read: this may be no HTTP at all.
    fn idle(&mut self) {
        if self.message.is_none() {
            self.forget(self.next.saturating_sub(HEAD_BYTES_MAX as u64));
        }
    }

    /// The bytes kept of a message (none when its beginning is missing), and its length.
    fn take(&mut self, begun: &Begun, end: u64) -> (Vec<u8>, u64) {
        let len = end.saturating_sub(begun.at);
        if self.at > begun.at {
            return (Vec::new(), len);
        }
        self.forget(begun.at);
        let cut = self.at + (self.bytes.len() as u64) < self.next;
        let kept = usize::try_from(len).unwrap_or(usize::MAX).min(self.bytes.len());
        let message = self.bytes.drain(..kept).collect();
        self.at = end;
        if cut {
            self.bytes.clear();
            self.at = self.next;
        }
        (message, len)
    }
}

impl Dialogue {
    /// Bytes held for this connection.
    fn held(&self) -> usize {
        self.requests.bytes.len() + self.responses.bytes.len() + self.stored
    }

    fn request_begins(&mut self, at: u64, time: u64) {
        self.requests.forget(at);
        self.requests.message = Some(Begun { at, time, status: 0, exchange: Some(self.exchanges.len()) });
        self.exchanges.push(Exchange { at: time, request: None, expect: None });
    }

    fn request_ends(&mut self, end: u64) {
        let Some(begun) = self.requests.message.take() else { return };
        let (bytes, len) = self.requests.take(&begun, end);
        let exchange = begun.exchange.and_then(|n| self.exchanges.get_mut(n));
        if let (Some(exchange), true) = (exchange, bytes.len() as u64 == len) {
            self.stored += bytes.len();
            exchange.request = Request::new(bytes);
        }
    }

    /// False when it answers nothing that was seen.
    fn response_begins(&mut self, at: u64, time: u64, status: u16) -> bool {
        self.responses.forget(at);
        let exchange = (self.unanswered < self.exchanges.len()).then_some(self.unanswered);
        self.unanswered += usize::from(exchange.is_some());
        self.responses.message = Some(Begun { at, time, status, exchange });
        exchange.is_some()
    }

    fn response_ends(&mut self, end: u64, time: u64) {
        let Some(begun) = self.responses.message.take() else { return };
        let (bytes, _) = self.responses.take(&begun, end);
        if let Some(exchange) = begun.exchange.and_then(|n| self.exchanges.get_mut(n)) {
            self.stored += bytes.len();
            exchange.expect = Some(Response {
                status: begun.status,
                first_byte: begun.time,
                last_byte: time.max(begun.time),
                bytes,
                facts: None,
            });
        }
    }

    /// The exchanges whose requests are complete, and how many are not.
    fn into_steps(self) -> (Vec<Step>, u64) {
        let begun = self.exchanges.len();
        let step = |exchange: Exchange| {
            let (at, request, expect) = (exchange.at, exchange.request?, exchange.expect);
            Some(Step { connection: 0, at, after: None, think: 0, request, expect, edges: Vec::new() })
        };
        let steps: Vec<Step> = self.exchanges.into_iter().filter_map(step).collect();
        let incomplete = (begun - steps.len()) as u64;
        (steps, incomplete)
    }
}

impl Collector {
    /// An empty one.
    pub fn new() -> Collector {
        Collector::default()
    }

    /// The workload: connections as sessions of their own, in order of their first request, not yet correlated.
    pub fn finish(mut self) -> Result<Workload, TooLarge> {
        let open: Vec<u64> = self.open.keys().copied().collect();
        open.into_iter().for_each(|flow| self.close(flow));
        if self.full() {
            return Err(TooLarge);
        }
        let mut workload = Workload { left_out: self.left_out, ..Workload::default() };
        let mut clients = HashMap::new();
        let mut dialogues = self.closed;
        dialogues.sort_by_key(|dialogue| (dialogue.exchanges.first().map(|exchange| exchange.at), dialogue.flow));
        for dialogue in dialogues {
            let (address, opened) = (dialogue.client, dialogue.opened);
            let (steps, incomplete) = dialogue.into_steps();
            workload.left_out.incomplete_requests += incomplete;
            if steps.is_empty() {
                continue;
            }
            let next = clients.len() as u32;
            let client = *clients.entry(address).or_insert(next);
            workload.hosts.extend(steps.iter().filter_map(|step| host(&step.request)));
            let mut session = Session { client, connections: vec![Connection { opened }], steps, sources: Vec::new() };
            session.pace();
            workload.sessions.push(session);
        }
        Ok(workload)
    }

    /// Nanoseconds from the capture's start.
    fn offset(&self, time_ns: i128) -> u64 {
        u64::try_from(time_ns - self.start.unwrap_or(time_ns)).unwrap_or(0)
    }

    fn full(&self) -> bool {
        self.kept > WORKLOAD_BYTES_MAX
    }

    /// Does something to a flow's dialogue, and keeps count of what is held.
    fn with<T>(&mut self, flow: u64, change: impl FnOnce(&mut Dialogue) -> T) -> Option<T> {
        let dialogue = self.open.get_mut(&flow)?;
        let before = dialogue.held();
        let result = change(dialogue);
        self.kept = self.kept.saturating_sub(before) + dialogue.held();
        Some(result)
    }
}

impl Visitor for Collector {
    fn packet(&mut self, packet: &Packet<'_>, layers: &Layers) {
        self.start.get_or_insert(packet.time_ns);
        self.now = self.offset(packet.time_ns);
        self.source = layers.transport.as_ref().map(|transport| transport.src.0);
    }

    fn datagram(&mut self, _datagram: &Datagram, layers: &Layers) {
        self.source = layers.transport.as_ref().map(|transport| transport.src.0);
    }

    fn open(&mut self, flow: u64, _layers: &Layers) {
        self.open.insert(flow, Dialogue { flow, opened: self.now, ..Dialogue::default() });
    }

    fn bytes(&mut self, stream: Stream, at: u64, bytes: &[u8]) {
        if self.full() {
            return;
        }
        let source = self.source;
        self.with(stream.flow, |dialogue| match stream.side {
            Side::Client => {
                dialogue.client = dialogue.client.or(source);
                dialogue.requests.idle();
                dialogue.requests.push(at, bytes, usize::MAX);
            }
            Side::Server => {
                dialogue.responses.idle();
                dialogue.responses.push(at, bytes, RESPONSE_BYTES_KEPT);
            }
        });
    }

    fn mark(&mut self, stream: Stream, mark: Mark<'_>, time_ns: i128) {
        let time = self.offset(time_ns);
        let orphan = self.with(stream.flow, |dialogue| {
            match (stream.side, mark) {
                (_, Mark::Request { at, .. }) => dialogue.request_begins(at, time),
                (_, Mark::Response { status, at }) => return !dialogue.response_begins(at, time, status),
                (Side::Client, Mark::End { end }) => dialogue.request_ends(end),
                (Side::Server, Mark::End { end }) => dialogue.response_ends(end, time),
            }
            false
        });
        self.left_out.orphan_responses += u64::from(orphan == Some(true));
    }

    fn close(&mut self, flow: u64) {
        let now = self.now;
        self.with(flow, |dialogue| {
            // A response that broke off still has a status.
            dialogue.response_ends(dialogue.responses.next, now);
            dialogue.requests = Reading::default();
            dialogue.responses = Reading::default();
        });
        self.closed.extend(self.open.remove(&flow));
    }
}

/// The host that a request names, lower case, without port.
fn host(request: &Request) -> Option<String> {
    let text = std::str::from_utf8(request.bytes.get(request.header("host")?)?).ok()?;
    Some(host_name(text).to_ascii_lowercase()).filter(|host| !host.is_empty())
}

/// `[::1]:80`, `::1`, `a.example:80` without port and brackets.
fn host_name(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match text.parse::<SocketAddr>().is_ok() || text.matches(':').count() == 1 {
        true => text.split(':').next().unwrap_or(text),
        false => text,
    }
}
