//! From a capture's events to exchanges: a visitor that keeps the bytes of whole messages, and tells a [`Listener`].

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::ops::Range;

use hashbrown::HashMap;

use crate::decode::Layers;
use crate::dissect::{Ending, Packet, Roles, Stream, Visitor};
use crate::flow::{Datagram, Span};
use crate::limits::{GAP_NANOS_MAX, PIPELINE_MAX, READING_BYTES_MAX, RESPONSE_BYTES_KEPT};
use crate::protocol::{Mark, Side};

use super::endpoint::is_websocket;
use super::gather::Gather;
use super::lanes::Lanes;
use super::lines::headers;
use super::reading::{Begun, Body, Reading};
use super::socket::{Socket, Told};
use super::{LeftOut, Request, Response, TooLarge, Workload, grpc_status};

/// Flows that were reset and forgotten which may stay noted, beside as many as are open.
const RESET_MAX: usize = 1024;

/// Hears of exchanges while a capture is read.
pub trait Listener {
    /// A request's first byte was captured. Its `number` counts such events.
    fn begins(&mut self, number: u64, asker: &Asker);
    /// It is complete.
    fn asks(&mut self, number: u64, request: Request);
    /// It never will be.
    fn lost(&mut self, number: u64);
    /// It was answered, perhaps before it was complete.
    fn answers(&mut self, number: u64, response: Response);
    /// It never will be.
    fn unanswered(&mut self, number: u64);
    /// Nothing more comes on this connection, since an instant; none: it is open at the capture's end.
    fn closes(&mut self, connection: u32, at: Option<u64>);
    /// `position`: capture bytes read so far; `held`: bytes of messages being read. After each packet.
    fn reads(&mut self, position: u64, held: usize);
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The same for all connections of a client; says nothing about who it was.
    pub client: u64,
    /// Counts connections.
    pub connection: u32,
    /// When the connection was opened (or first seen), nanoseconds from the capture's start.
    pub opened: u64,
    /// It speaks HTTP/2.
    pub http2: bool,
    /// When the request's first byte was captured.
    pub at: u64,
}

/// Reads the exchanges of a capture. Give it to the loop, then call [`Collector::finish`]. Without another listener it
/// gathers them.
pub struct Collector<L = Gather> {
    listener: L,
    start: Option<i128>,
    now: u64,
    /// Source address of the current packet.
    source: Option<IpAddr>,
    open: HashMap<u64, Dialogue>,
    /// Flows that were reset, and when: what their peers had sent by then may still come.
    reset: VecDeque<(u64, u64)>,
    /// The capture is over.
    over: bool,
    begun: u64,
    position: u64,
    /// Bytes of messages being read.
    held: usize,
    left_out: LeftOut,
}

/// A connection being read.
#[derive(Default)]
struct Dialogue {
    connection: u32,
    opened: u64,
    client: Option<IpAddr>,
    server: Option<IpAddr>,
    roles: Roles,
    requests: Reading,
    responses: Reading,
    /// When bytes came last, on any side.
    heard: u64,
    /// When it was reset.
    reset: Option<u64>,
    /// What it says in several messages at once, since it does.
    lanes: Lanes,
    /// The request that is not complete yet.
    asking: Option<u64>,
    /// Numbers of the requests without a final response, oldest first.
    unanswered: VecDeque<u64>,
    /// What messages are called after the upgrade that was asked for last.
    upgrade: Option<Box<str>>,
    /// It was upgraded.
    socket: Option<Box<Socket>>,
}

impl Dialogue {
    /// What a side says.
    fn reading(&mut self, side: Side) -> &mut Reading {
        match self.roles.of(side) {
            Side::Client => &mut self.requests,
            Side::Server => &mut self.responses,
        }
    }

    /// A message of that role's begins on a side. The first one tells who is who.
    fn begins(&mut self, side: Side, role: Side) {
        if self.roles.begins(side, role) {
            std::mem::swap(&mut self.client, &mut self.server);
            std::mem::swap(&mut self.requests, &mut self.responses);
            self.lanes.swap();
        }
    }

    fn asker(&self, at: u64) -> Asker {
        let http2 = self.lanes.spoken(Side::Client) > 0;
        Asker { client: hashed(self.client), connection: self.connection, opened: self.opened, http2, at }
    }

    /// Bytes held for this connection.
    fn held(&self) -> usize {
        let socket = self.socket.as_ref().map_or(0, |socket| socket.held());
        self.requests.bytes.len() + self.responses.bytes.len() + self.lanes.held() + socket
    }
}

impl Collector {
    /// One that gathers.
    pub fn new() -> Collector {
        Collector::telling(Gather::default())
    }

    /// The workload: connections as sessions of their own, in order of their first request, not yet correlated.
    pub fn finish(self) -> Result<Workload, TooLarge> {
        let started_ns = self.start.unwrap_or(0);
        let (gather, left_out) = self.end();
        Ok(Workload { started_ns, ..gather.workload(left_out)? })
    }
}

impl Default for Collector {
    fn default() -> Collector {
        Collector::new()
    }
}

impl<L: Listener> Collector<L> {
    /// One that tells somebody.
    pub fn telling(listener: L) -> Collector<L> {
        Collector {
            listener,
            start: None,
            now: 0,
            source: None,
            open: HashMap::new(),
            reset: VecDeque::new(),
            over: false,
            begun: 0,
            position: 0,
            held: 0,
            left_out: LeftOut::default(),
        }
    }

    /// The capture is over.over.
    pub fn end(mut self) -> (L, LeftOut) {
        let mut open: Vec<u64> = self.open.keys().copied().collect();
        open.sort_unstable();
        open.into_iter().for_each(|flow| self.close(flow));
        (self.listener, self.left_out)
    }

    /// Lets go of flows that were reset long ago, and silent since then.
    fn close_reset(&mut self) {
        while let Some(&(since, flow)) = self.reset.front()
            && i128::from(self.now.saturating_sub(since)) > GAP_NANOS_MAX
        {
            self.reset.pop_front();
            match self.open.get(&flow) {
                Some(dialogue) if dialogue.heard > since => self.reset.push_back((dialogue.heard, flow)),
                _ => self.close(flow),
            }
        }
    }

    /// Nanoseconds from the capture's start.
    fn offset(&self, time_ns: i128) -> u64 {
        u64::try_from(time_ns - self.start.unwrap_or(time_ns)).unwrap_or(0)
    }

    /// Does something to a flow's dialogue, and keeps count of what is held.
    fn with<T>(&mut self, flow: u64, change: impl FnOnce(&mut Dialogue, &mut L) -> T) -> Option<T> {
        let dialogue = self.open.get_mut(&flow)?;
        let before = dialogue.held();
        let result = change(dialogue, &mut self.listener);
        self.held = self.held.saturating_sub(before) + dialogue.held();
        Some(result)
    }

    /// What stands before `end` was read: where no message is being read, it belongs to none.
    fn pass(&mut self, stream: Stream, end: u64) {
        self.with(stream.flow, |dialogue, _| {
            let reading = dialogue.reading(stream.side);
            if reading.message.is_none() {
                reading.forget(end);
            }
        });
    }

    /// What a mark says about a message in a lane. False when it is in none.
    fn mark_in_lane(&mut self, stream: Stream, mark: Mark<'_>, time: u64) -> bool {
        let (now, begun, room) = (self.now, self.begun, READING_BYTES_MAX.saturating_sub(self.held));
        let told = self.with(stream.flow, |dialogue, listener| {
            let side = dialogue.roles.of(stream.side);
            let lane = dialogue.lanes.spoken(side);
            match mark {
                Mark::Lane(lane) => {
                    dialogue.lanes.speak(side, lane);
                    // The bytes say nothing any more that is not told.
                    (dialogue.requests.bytes, dialogue.responses.bytes) = Default::default();
                }
                _ if lane == 0 => return None,
                Mark::Request { .. } => {
                    let asker = dialogue.asker(time);
                    dialogue.lanes.request(lane, begun, &asker, now, listener);
                }
                Mark::Response { status, .. } => {
                    // Behind an upgrade, the request before it is answered in lane 1.
                    if !dialogue.lanes.has(lane)
                        && let Some(number) = dialogue.unanswered.pop_front()
                    {
                        dialogue.lanes.adopt(lane, number, listener);
                    }
                    dialogue.lanes.response(lane, status, time);
                    return Some(u64::from(!dialogue.lanes.has(lane)));
                }
                Mark::Text(text) => dialogue.lanes.text(side, text, now, room),
                Mark::End { .. } => dialogue.lanes.end(side, now, listener),
                Mark::Cut => dialogue.lanes.cut(lane, now, listener),
            }
            Some(0)
        });
        let Some(orphans) = told.flatten() else { return false };
        self.left_out.orphan_responses += orphans;
        self.begun += u64::from(matches!(mark, Mark::Request { .. }));
        true
    }

    fn request_begins(&mut self, flow: u64, at: u64, time: u64) {
        let number = self.begun;
        self.begun += 1;
        let now = self.now;
        self.with(flow, |dialogue, listener| {
            dialogue.requests.forget(at);
            let is_alone = Request::head_len(&dialogue.requests.bytes) == dialogue.requests.bytes.len();
            let body = if is_alone { Body::Awaited(now) } else { Body::After(0) };
            dialogue.requests.message = Some(Begun { at, time, status: 0, number: Some(number), body });
            dialogue.asking.replace(number).into_iter().for_each(|cut| listener.lost(cut));
            dialogue.unanswered.push_back(number);
            if dialogue.unanswered.len() > PIPELINE_MAX {
                dialogue.unanswered.pop_front().into_iter().for_each(|oldest| listener.unanswered(oldest));
            }
            listener.begins(number, &dialogue.asker(time));
        });
    }

    fn request_ends(&mut self, flow: u64, end: u64) {
        self.with(flow, |dialogue, listener| {
            let Some(begun) = dialogue.requests.message.take() else { return };
            let (mut bytes, len) = dialogue.requests.take(&begun, end);
            let Some(number) = dialogue.asking.take() else { return };
            let whole = bytes.len() as u64 == len;
            // It is kept for a while, and was gathered in more room than it takes.
            bytes.shrink_to_fit();
            match Request::new(bytes).filter(|_| whole) {
                Some(request) => {
                    dialogue.upgrade = request.is_upgrade().then(|| request.message_path());
                    let pause = if let Body::After(pause) = begun.body { pause } else { 0 };
                    listener.asks(number, Request { pause, ..request });
                }
                None => listener.lost(number),
            }
        });
    }

    fn response_begins(&mut self, flow: u64, at: u64, time: u64, status: u16) {
        let orphan = self.with(flow, |dialogue, _| {
            dialogue.responses.forget(at);
            let number = dialogue.unanswered.pop_front();
            dialogue.responses.message = Some(Begun { at, time, status, number, body: Body::After(0) });
            number.is_none()
        });
        self.left_out.orphan_responses += u64::from(orphan == Some(true));
    }

    fn response_ends(&mut self, flow: u64, end: u64, time: u64) {
        let upgraded = self.with(flow, |dialogue, listener| {
            let Some(begun) = dialogue.responses.message.take() else { return false };
            let (bytes, _) = dialogue.responses.take(&begun, end);
            let path = dialogue.upgrade.take().filter(|_| begun.status == 101 && upgrades(&bytes));
            let is_upgraded = path.is_some();
            dialogue.socket = path.map(|path| Box::new(Socket::new(path, dialogue.requests.at, end)));
            if let Some(number) = begun.number {
                let last_byte = time.max(begun.time);
                let (status, first_byte) = (begun.status, begun.time);
                listener.answers(
                    number,
                    Response { status, grpc: grpc_status(&bytes), first_byte, last_byte, bytes, facts: None },
                );
            }
            is_upgraded
        });
        if upgraded == Some(true) {
            self.first_messages(flow);
        }
    }

    /// Reads what came behind the upgrade with its packets.
    fn first_messages(&mut self, flow: u64) {
        for side in [Side::Client, Side::Server] {
            let rest = self.with(flow, |dialogue, _| {
                let reading = if side == Side::Client { &mut dialogue.requests } else { &mut dialogue.responses };
                (reading.at, std::mem::take(reading).bytes)
            });
            let Some((at, bytes)) = rest else { continue };
            self.messages(flow, side, at, &bytes);
        }
    }

    /// Reads bytes of an upgraded connection.
    fn messages(&mut self, flow: u64, role: Side, at: u64, bytes: &[u8]) {
        let (now, room) = (self.now, READING_BYTES_MAX.saturating_sub(self.held));
        let mut begun = self.begun;
        self.with(flow, |dialogue, listener| {
            let Dialogue { connection, opened, client, .. } = *dialogue;
            let asker = |at| Asker { client: hashed(client), connection, opened, http2: false, at };
            let Some(socket) = &mut dialogue.socket else { return };
            let room = socket.held() + room;
            socket.read((role, at), bytes, now, (&mut begun, room), &mut |told| tell(told, &asker, listener));
        });
        self.begun = begun;
    }
}

/// Tells what a connection tells of its messages.
fn tell(told: Told, asker: &dyn Fn(u64) -> Asker, listener: &mut impl Listener) {
    match told {
        Told::Begins(number, at) => listener.begins(number, &asker(at)),
        Told::Is(number, request) => listener.asks(number, request),
        Told::Lost(number) => listener.lost(number),
        Told::Answered(number, response) => listener.answers(number, response),
        Told::Unanswered(number) => listener.unanswered(number),
    }
}

/// A client's address as a number.
fn hashed(client: Option<IpAddr>) -> u64 {
    let mut hasher = DefaultHasher::new();
    client.hash(&mut hasher);
    hasher.finish()
}

/// A response says that WebSocket frames follow.
fn upgrades(response: &[u8]) -> bool {
    let names = |at: Range<usize>| response[at].eq_ignore_ascii_case(b"upgrade");
    headers(response).into_iter().any(|line| names(line.name) && is_websocket(&response[line.value]))
}

impl<L: Listener> Visitor for Collector<L> {
    /// Messages are kept whole; who wants their values reads them.
    fn wants_values(&self) -> bool {
        false
    }

    fn packet(&mut self, packet: &Packet<'_>, layers: &Layers) {
        self.start.get_or_insert(packet.time_ns);
        self.now = self.offset(packet.time_ns);
        self.source = layers.transport.as_ref().map(|transport| transport.src.0);
        self.position += packet.frame.len() as u64;
        self.close_reset();
        self.listener.reads(self.position, self.held);
    }

    fn datagram(&mut self, _datagram: &Datagram, layers: &Layers) {
        self.source = layers.transport.as_ref().map(|transport| transport.src.0);
    }

    fn open(&mut self, flow: u64, _layers: &Layers) {
        // Flows are counted from 0; a capture of more than 2^32 connections begins anew.
        self.open.insert(flow, Dialogue { connection: flow as u32, opened: self.now, ..Dialogue::default() });
    }

    fn bytes(&mut self, stream: Stream, at: u64, bytes: &[u8]) {
        let (source, now) = (self.source, self.now);
        let room = READING_BYTES_MAX.saturating_sub(self.held);
        let upgraded = self.open.get_mut(&stream.flow).filter(|dialogue| dialogue.socket.is_some());
        if let Some(dialogue) = upgraded {
            dialogue.heard = now;
            let role = dialogue.roles.of(stream.side);
            return self.messages(stream.flow, role, at, bytes);
        }
        self.with(stream.flow, |dialogue, _| {
            dialogue.heard = now;
            match dialogue.roles.of(stream.side) {
                Side::Client => {
                    dialogue.client = dialogue.client.or(source);
                    if dialogue.lanes.are_spoken() {
                        return;
                    }
                    dialogue.requests.idle();
                    dialogue.requests.goes_on(now);
                    let most = dialogue.requests.bytes.len() + room;
                    dialogue.requests.push(at, bytes, most);
                }
                Side::Server => {
                    dialogue.server = dialogue.server.or(source);
                    if dialogue.lanes.are_spoken() {
                        return;
                    }
                    dialogue.responses.idle();
                    let most = (dialogue.responses.bytes.len() + room).min(RESPONSE_BYTES_KEPT);
                    dialogue.responses.push(at, bytes, most);
                }
            }
        });
    }

    fn keep(&mut self, stream: Stream, at: Range<u64>, _spans: &[Span]) {
        self.pass(stream, at.end);
    }

    fn opaque(&mut self, stream: Stream, _what: &'static str, at: Range<u64>, _spans: &[Span]) {
        self.pass(stream, at.end);
    }

    fn mark(&mut self, stream: Stream, mark: Mark<'_>, time_ns: i128) {
        let time = self.offset(time_ns);
        let begins = match mark {
            Mark::Request { .. } => Some(Side::Client),
            Mark::Response { .. } => Some(Side::Server),
            Mark::End { .. } | Mark::Lane(_) | Mark::Text(_) | Mark::Cut => None,
        };
        let role = self.with(stream.flow, |dialogue, _| {
            begins.into_iter().for_each(|role| dialogue.begins(stream.side, role));
            dialogue.roles.of(stream.side)
        });
        if self.mark_in_lane(stream, mark, time) {
            return;
        }
        match (role.unwrap_or(stream.side), mark) {
            (_, Mark::Request { at, .. }) => self.request_begins(stream.flow, at, time),
            (_, Mark::Response { status, at }) => self.response_begins(stream.flow, at, time, status),
            (Side::Client, Mark::End { end }) => self.request_ends(stream.flow, end),
            (Side::Server, Mark::End { end }) => self.response_ends(stream.flow, end, time),
            (_, Mark::Lane(_) | Mark::Text(_) | Mark::Cut) => {}
        }
    }

    fn ended(&mut self, flow: u64, how: Ending) {
        match how {
            Ending::Finished => self.close(flow),
            Ending::Reset => {
                // Some may have been forgotten meanwhile.
                if self.reset.len() > 2 * self.open.len() + RESET_MAX {
                    let open = &self.open;
                    self.reset.retain(|(_, flow)| open.contains_key(flow));
                }
                self.reset.push_back((self.now, flow));
                if let Some(dialogue) = self.open.get_mut(&flow) {
                    dialogue.reset = Some(self.now);
                }
            }
        }
    }

    fn over(&mut self) {
        self.over = true;
    }

    fn close(&mut self, flow: u64) {
        // A response that broke off still has a status.
        if let Some(next) = self.open.get(&flow).map(|dialogue| dialogue.responses.next) {
            self.response_ends(flow, next, self.now);
        }
        self.with(flow, |dialogue, listener| {
            let (connection, opened) = (dialogue.connection, dialogue.opened);
            let nobody = |at| Asker { client: 0, connection, opened, http2: false, at };
            dialogue.socket.iter_mut().for_each(|socket| socket.end(&mut |told| tell(told, &nobody, listener)));
        });
        let now = self.now;
        self.with(flow, |dialogue, listener| dialogue.lanes.close(now, listener));
        let Some(dialogue) = self.open.remove(&flow) else { return };
        self.held = self.held.saturating_sub(dialogue.held());
        dialogue.asking.iter().for_each(|number| self.listener.lost(*number));
        dialogue.unanswered.iter().for_each(|number| self.listener.unanswered(*number));
        let at = dialogue.reset.or((!self.over).then_some(self.now));
        self.listener.closes(dialogue.connection, at);
    }
}
