//! HTTP/1.x (RFC 9110, RFC 9112), and what is sent under its name.
//!
//! Tolerant where real servers are, since messages must not be lost; where it cannot tell, bytes are opaque up to the
//! next *anchor*: a start line at the beginning of a segment. So an error never puts reading out of step.

mod body;
pub mod head;
pub mod header;
pub mod line;
mod media_types;
pub mod payload;
pub mod url;
pub mod value;
pub mod words;

use std::collections::VecDeque;

use self::body::{Body, Chunk, Framing, Turn};
use self::head::Facts;
use self::line::{Look, look};
use super::emit::{Emit, Together};
use super::http2::Http2;
use super::path::Path;
use super::tunnel::Tunnel;
use super::websocket::WebSocket;
use super::{Conversation, Mark, Probe, Protocol, Side, Sink};
use crate::limits::{HEAD_BYTES_MAX, PIPELINE_MAX};

/// The protocol.
pub struct Http1;

impl Protocol for Http1 {
    fn id(&self) -> &'static str {
        "http1"
    }

    fn about(&self) -> &'static str {
        "HTTP/0.9, 1.0 and 1.1: start lines, headers, bodies, compressed ones included"
    }

    fn probe(&self, first_bytes: &[u8]) -> Probe {
        match look(&first_bytes[blank_len(first_bytes)..]) {
            Look::Request => Probe::Certain(Side::Client),
            Look::Status => Probe::Certain(Side::Server),
            Look::Unclear => Probe::Undecided,
            Look::Neither => Probe::Decline,
        }
    }

    fn open(&self, depth: u32) -> Box<dyn Conversation> {
        Box::new(Connection { depth, bodies: u64::from(depth) << 32, ..Connection::default() })
    }
}

const BETWEEN: &str = "http between messages";
const GAP: &str = "http behind a gap";
const TOO_LONG: &str = "http head too long";
const CUT: &str = "http head cut";
const CHUNKS: &str = "http chunks damaged";

/// Bytes that may wait when it is unclear whether they begin a start line and there is no reason to expect one.
const ANCHOR_WAIT: usize = 256;

/// Empty lines before a start line (RFC 9112 §2.2).
fn blank_len(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()
}

/// One connection. Which side sends requests is told by their start lines: in a capture that begins late, the sides
/// may be guessed wrong.
#[derive(Default)]
struct Connection {
    client: Half,
    server: Half,
    /// Requests without a response, oldest first.
    asked: VecDeque<Asked>,
    /// Whether `asked` may be wrong.
    unsure: bool,
    /// Counts compressed bodies, apart from those of the conversations around this one.
    bodies: u64,
    /// How many conversations are around this one.
    depth: u32,
    /// The last request was one of Engine.IO.
    engine: bool,
    /// What both sides speak since an upgrade, or through a tunnel.
    through: Option<Box<dyn Conversation>>,
}

/// What a request's method means for the response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// There is no body.
    Head,
    /// A success opens a tunnel.
    Connect,
    /// Nothing.
    Other,
}

/// One direction.
#[derive(Default)]
struct Half {
    state: State,
    /// How far the undecided bytes were searched for a head's end.
    scanned: usize,
    path: Path,
    /// Behind the last byte that was consumed.
    at: u64,
}

#[derive(Default)]
enum State {
    /// A message begins here.
    #[default]
    Start,
    /// Out of step, for this reason, up to the next start line at the beginning of a segment.
    Lost(&'static str),
    /// In a message's body.
    Body(Box<Body>),
}

/// What a step used of the bytes, and whether another one may follow.
struct Step {
    used: usize,
    go_on: bool,
}

impl Step {
    fn go(used: usize) -> Self {
        Step { used, go_on: true }
    }

    fn wait(used: usize) -> Self {
        Step { used, go_on: false }
    }
}

/// The bytes of one step.
#[derive(Clone, Copy)]
struct Input<'a> {
    side: Side,
    at: u64,
    bytes: &'a [u8],
    /// They begin a segment.
    fresh: bool,
    /// They can't wait.
    end: bool,
}

impl Conversation for Connection {
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize {
        let mut done = 0;
        while self.through.is_none() {
            let input = Input { side, at: at + done as u64, bytes: &bytes[done..], fresh: done == 0, end };
            let step = self.step(input, sink);
            done += step.used;
            self.half(side).at = at + done as u64;
            if !step.go_on {
                break;
            }
        }
        if let Some(through) = &mut self.through {
            return done + through.read(side, at + done as u64, &bytes[done..], end, sink);
        }
        if end && done < bytes.len() {
            let input = Input { side, at: at + done as u64, bytes: &bytes[done..], fresh: false, end };
            self.lose(input, CUT, sink);
            done = bytes.len();
            self.half(side).at = at + done as u64;
        }
        done
    }

    fn gap(&mut self, side: Side, missing: u64) {
        if let Some(through) = &mut self.through {
            return through.gap(side, missing);
        }
        self.unsure = true;
        let half = self.half(side);
        half.scanned = 0;
        let goes_on = match &mut half.state {
            State::Body(body) => body.gap(missing),
            State::Start | State::Lost(_) => false,
        };
        if !goes_on {
            half.state = State::Lost(GAP);
        }
    }

    fn flush(&mut self, side: Side, sink: &mut dyn Sink) {
        let Connection { client, server, bodies, through, .. } = self;
        if let Some(through) = through {
            return through.flush(side, sink);
        }
        let half = if side == Side::Client { client } else { server };
        if let State::Body(body) = &mut half.state {
            body.flush(half.at, bodies, sink);
        }
    }

    fn pending(&self, side: Side) -> usize {
        if let Some(through) = &self.through {
            return through.pending(side);
        }
        let half = if side == Side::Client { &self.client } else { &self.server };
        match &half.state {
            State::Body(body) => body.pending(),
            _ => 0,
        }
    }

    fn memory(&self) -> usize {
        let kept = |half: &Half| match &half.state {
            State::Body(body) => body.memory(),
            _ => 0,
        };
        kept(&self.client) + kept(&self.server) + self.through.as_ref().map_or(0, |through| through.memory())
    }
}

impl Connection {
    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn step(&mut self, input: Input<'_>, sink: &mut dyn Sink) -> Step {
        match &mut self.half(input.side).state {
            State::Start => self.start(input, sink),
            State::Body(_) => self.body(input, sink),
            State::Lost(what) => {
                let what = *what;
                let blank = blank_len(input.bytes);
                match look(&input.bytes[blank..]) {
                    Look::Request | Look::Status if input.fresh => self.turn_to(input.side, State::Start, 0),
                    Look::Unclear if input.fresh && !input.end && input.bytes.len() < ANCHOR_WAIT => Step::wait(0),
                    _ => opaque(input, what, sink),
                }
            }
        }
    }

    fn turn_to(&mut self, side: Side, state: State, used: usize) -> Step {
        let half = self.half(side);
        half.scanned = 0;
        half.state = state;
        Step::go(used)
    }

    /// Gives the bytes up; the next start line puts reading into step again.
    fn lose(&mut self, input: Input<'_>, what: &'static str, sink: &mut dyn Sink) -> Step {
        self.unsure = true;
        let Connection { client, server, bodies, .. } = self;
        let half = if input.side == Side::Client { client } else { server };
        if let State::Body(body) = &mut half.state {
            body.finish(input.at, bodies, sink);
        }
        self.turn_to(input.side, State::Lost(what), 0);
        opaque(input, what, sink)
    }

    /// A message begins.
    fn start(&mut self, input: Input<'_>, sink: &mut dyn Sink) -> Step {
        let blank = blank_len(input.bytes);
        if blank > 0 {
            sink.keep(input.at..input.at + blank as u64);
            self.half(input.side).scanned = 0;
            return Step::go(blank);
        }
        if input.bytes.is_empty() {
            return Step::wait(0);
        }
        let kind = look(input.bytes);
        match kind {
            Look::Unclear if !input.end => Step::wait(0),
            Look::Unclear | Look::Neither => self.lose(input, BETWEEN, sink),
            Look::Request | Look::Status => match self.head_end(input, kind) {
                Some(len) if kind == Look::Request => self.request(input, len, sink),
                Some(len) => self.response(input, len, sink),
                None if input.bytes.len() > HEAD_BYTES_MAX => self.lose(input, TOO_LONG, sink),
                None if input.end => self.cut_head(input, kind, sink),
                None => Step::wait(0),
            },
        }
    }

    fn head_end(&mut self, input: Input<'_>, kind: Look) -> Option<usize> {
        let (line, next) = head::lines(input.bytes, 0).next()?;
        // A request of HTTP/0.9 is a line; one that has no target either is just wrong.
        let is_simple = kind == Look::Request && input.bytes[..next].ends_with(b"\n") && {
            let parts = line::request_line(&input.bytes[line]);
            parts.version.is_empty() && !parts.target.is_empty()
        };
        if is_simple { Some(next) } else { head::end(input.bytes, &mut self.half(input.side).scanned) }
    }

    /// What there is of a head; it is no message.
    fn cut_head(&mut self, input: Input<'_>, kind: Look, sink: &mut dyn Sink) -> Step {
        self.report_head(input, input.bytes.len(), kind, sink);
        self.unsure = true;
        self.turn_to(input.side, State::Lost(CUT), input.bytes.len());
        Step::wait(input.bytes.len())
    }

    fn report_head(&mut self, input: Input<'_>, len: usize, kind: Look, sink: &mut dyn Sink) {
        if !sink.wants_values() {
            return sink.keep(input.at..input.at + len as u64);
        }
        let mut out = Together { base: input.at, sink };
        let mut emit = Emit::new(&input.bytes[..len], &mut out);
        let path = &mut self.half(input.side).path;
        if kind == Look::Request {
            head::request(&mut emit, path)
        } else {
            head::response(&mut emit, path)
        }
        emit.keep_to(len);
    }

    fn request(&mut self, input: Input<'_>, len: usize, sink: &mut dyn Sink) -> Step {
        let head = &input.bytes[..len];
        let line = head::lines(head, 0).next().map_or(&[][..], |(line, _)| &head[line]);
        let parts = line::request_line(line);
        let method = &line[parts.method];
        let target = &line[parts.target];
        sink.mark(input.side, Mark::Request { method, target, at: input.at });
        self.engine = memchr::memmem::find(target, b"EIO=").is_some();
        self.asked.push_back(match method.to_ascii_uppercase().as_slice() {
            b"HEAD" => Asked::Head,
            b"CONNECT" => Asked::Connect,
            _ => Asked::Other,
        });
        if self.asked.len() > PIPELINE_MAX {
            self.asked.clear();
            self.unsure = true;
        }
        self.report_head(input, len, Look::Request, sink);
        let facts = Facts::of(head);
        let framing = match facts.length {
            _ if facts.chunked => Framing::Chunked(Chunk::First),
            Some(length) => Framing::Length(length),
            None => Framing::Length(0),
        };
        self.begin_body(input, len, "http.request", &facts, framing, facts.expects, sink)
    }

    fn response(&mut self, input: Input<'_>, len: usize, sink: &mut dyn Sink) -> Step {
        let head = &input.bytes[..len];
        let line = head::lines(head, 0).next().map_or(&[][..], |(line, _)| &head[line]);
        let status = line::status_line(line).status;
        let facts = Facts::of(head);
        if status == 101 && facts.http2 {
            // The request is answered in HTTP/2, on stream 1.
            self.report_head(input, len, Look::Status, sink);
            self.through = Some(Http2.open(self.depth));
            return Step::wait(len);
        }
        if (100..200).contains(&status) && status != 101 {
            self.report_head(input, len, Look::Status, sink);
            return self.turn_to(input.side, State::Start, len);
        }
        sink.mark(input.side, Mark::Response { status, at: input.at });
        self.report_head(input, len, Look::Status, sink);
        let doubtful = self.unsure || self.asked.is_empty();
        let asked = self.asked.pop_front().unwrap_or(Asked::Other);
        let success = (200..300).contains(&status);
        if status == 101 || (asked == Asked::Connect && success) {
            sink.mark(input.side, Mark::End { end: input.at + len as u64 });
            self.through = Some(match (status, facts.websocket) {
                (101, true) => Box::new(WebSocket::new(facts.deflate, self.engine, self.bodies)),
                (101, false) => Box::new(Tunnel::new("http upgraded", self.depth)),
                _ => Box::new(Tunnel::new("http tunnel", self.depth)),
            });
            return Step::wait(len);
        }
        let framing = match facts.length {
            _ if asked == Asked::Head || matches!(status, 204 | 304) => Framing::Length(0),
            _ if facts.chunked => Framing::Chunked(Chunk::First),
            Some(length) => Framing::Length(length),
            None => Framing::Close,
        };
        self.begin_body(input, len, "http.response", &facts, framing, doubtful, sink)
    }

    #[expect(clippy::too_many_arguments, reason = "a message's parts, each once")]
    fn begin_body(
        &mut self,
        input: Input<'_>,
        len: usize,
        root: &str,
        facts: &Facts,
        framing: Framing,
        doubtful: bool,
        sink: &mut dyn Sink,
    ) -> Step {
        if framing == Framing::Length(0) {
            sink.mark(input.side, Mark::End { end: input.at + len as u64 });
            return self.turn_to(input.side, State::Start, len);
        }
        let bodies = sink.wants_values().then_some(&mut self.bodies);
        let body = Body::new(root, facts, framing, doubtful, bodies);
        self.turn_to(input.side, State::Body(Box::new(body)), len)
    }

    fn body(&mut self, input: Input<'_>, sink: &mut dyn Sink) -> Step {
        let Input { side, at, bytes, end, .. } = input;
        let is_awaited = !self.asked.is_empty() || self.unsure;
        let Connection { client, server, bodies, .. } = self;
        let half = if side == Side::Client { client } else { server };
        let State::Body(body) = &mut half.state else { return Step::wait(0) };
        // Where a body could be missing, or have ended unseen, a start line tells.
        let may_be_another = body.is_doubtful() || (body.is_to_close() && is_awaited && input.fresh);
        let is_another = may_be_another
            && match look(bytes) {
                Look::Request => body.is_doubtful(),
                Look::Status => bytes.starts_with(b"HTTP/1."),
                Look::Neither | Look::Unclear => false,
            };
        if is_another {
            body.finish(at, bodies, sink);
            if !body.end_now() {
                sink.mark(side, Mark::End { end: at });
            }
            return self.turn_to(side, State::Start, 0);
        }
        let (used, turn) = body.step(at, bytes, end, bodies, sink);
        match turn {
            Turn::Wait if end && body.is_to_close() && !body.end_now() => {
                sink.mark(side, Mark::End { end: at + used as u64 });
                Step::wait(used)
            }
            Turn::Wait => Step::wait(used),
            Turn::Go => Step::go(used),
            Turn::Done => {
                sink.mark(side, Mark::End { end: at + used as u64 });
                self.turn_to(side, State::Start, used)
            }
            Turn::Lost => {
                let rest = Input { at: at + used as u64, bytes: &bytes[used..], ..input };
                let lost = self.lose(rest, CHUNKS, sink);
                Step::wait(used + lost.used)
            }
        }
    }
}

fn opaque(input: Input<'_>, what: &'static str, sink: &mut dyn Sink) -> Step {
    if !input.bytes.is_empty() {
        sink.opaque(input.at..input.at + input.bytes.len() as u64, what);
    }
    Step::wait(input.bytes.len())
}
