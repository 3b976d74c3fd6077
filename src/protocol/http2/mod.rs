//! HTTP/2 (RFC 9113) in the clear: frames, compressed headers, bodies.
//!
//! | file | holds |
//! |---|---|
//! | `frame` | heads of frames, and header blocks over several of them |
//! | `hpack` | header compression: texts and where their literals stand |
//! | `huffman` | the code of literals |
//! | `input` | the bytes that are being read, by their places |
//! | `message` | a block's headers as fields, and as the head of an HTTP/1 message |
//! | `opening` | how a connection begins |
//!
//! Each stream's messages are told as lanes ([`Mark::Lane`]), each also in the form that HTTP/1 gives it ([`Mark::Text`]).
//! What one block puts into the table later ones refer to: where a block is missing, nothing is guessed, and all headers
//! behind it on this side are not understood. Where frames are missing, nothing is.

pub(crate) mod frame;
pub mod hpack;
pub mod huffman;
mod input;
mod message;
mod opening;

use std::collections::BTreeMap;
use std::ops::Range;

use self::frame::{Block, Gathered, HEAD, Head, NoFrame, kind};
use self::hpack::{Decoder, Header};
use self::input::Input;
use self::message::{Framing, Said};
use self::opening::{PREFACE, SETTING, SETTINGS_MAX, is_known_setting};
use super::content::Until;
use super::emit;
use super::http1::payload::Payload;
use super::path::Path;
use super::{Conversation, Mark, Probe, Protocol, Side, Sink};
use crate::limits::HTTP2_STREAMS_MAX;

/// The protocol.
pub struct Http2;

pub use self::message::{Whose, parts};

impl Protocol for Http2 {
    fn id(&self) -> &'static str {
        "http2"
    }

    fn about(&self) -> &'static str {
        "HTTP/2 without TLS: frames, compressed headers, bodies as in HTTP/1"
    }

    fn probe(&self, first_bytes: &[u8]) -> Probe {
        opening::probe(first_bytes)
    }

    fn open(&self, depth: u32) -> Box<dyn Conversation> {
        Box::new(Connection::new(depth))
    }
}

const CUT: &str = "http2 frame cut";
const GAP: &str = "http2 behind a gap";
const NO_FRAME: &str = "http2 out of step";
const NO_HEADERS: &str = "http2 headers of an unknown table";
const NO_STREAM: &str = "http2 data of an unknown stream";
const PING: &str = "http2 ping";
const GOODBYE: &str = "http2 goaway text";
const SETTINGS: &str = "http2 setting";
const WRONG_LENGTH: &str = "http2 frame of a wrong length";
const EXTENSION: &str = "http2 frame of another type";

/// One connection.
struct Connection {
    client: Half,
    server: Half,
    /// Counts compressed bodies and literals, apart from those of the conversations around this one.
    bodies: u64,
}

/// One direction.
struct Half {
    state: State,
    /// Nothing when a block is missing.
    table: Option<Decoder>,
    /// Messages being read, by stream.
    messages: BTreeMap<u32, Message>,
    path: Path,
    /// Behind the last byte that was consumed.
    at: u64,
}

/// Where a direction is.
#[derive(Clone, Copy)]
enum State {
    /// The client's first bytes come.
    Preface,
    /// A frame begins.
    Frame,
    /// In a DATA frame, behind its head.
    Data(Data),
    /// So many bytes are not understood, for this reason.
    Opaque(usize, &'static str),
    /// Nothing is understood any more.
    Lost(&'static str),
}

/// What is left of a DATA frame.
#[derive(Clone, Copy)]
struct Data {
    stream: u32,
    left: usize,
    padding: usize,
    /// The message ends with it.
    ends: bool,
}

/// A message whose head was read and that goes on.
struct Message {
    payload: Payload,
    framing: Framing,
    /// Whether it is told as one.
    told: bool,
    /// Nothing of it is missing.
    whole: bool,
}

/// What a step used of the bytes, and whether another one may follow.
struct Step {
    used: usize,
    go_on: bool,
}

impl Conversation for Connection {
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize {
        let mut done = 0;
        loop {
            let input = Input { side, at: at + done as u64, bytes: &bytes[done..], end };
            let step = self.step(input, sink);
            done += step.used;
            self.half(side).at = at + done as u64;
            if !step.go_on {
                break;
            }
        }
        if end && done < bytes.len() {
            let input = Input { side, at: at + done as u64, bytes: &bytes[done..], end };
            self.half(side).state = State::Lost(CUT);
            input.opaque(0..input.bytes.len(), CUT, sink);
            done = bytes.len();
            self.half(side).at = at + done as u64;
        }
        done
    }

    fn gap(&mut self, side: Side, missing: u64) {
        let half = self.half(side);
        let missing = usize::try_from(missing).unwrap_or(usize::MAX);
        half.state = match half.state {
            State::Data(data) if missing <= data.left => {
                if let Some(message) = half.messages.get_mut(&data.stream) {
                    message.payload.lose();
                    message.whole = false;
                }
                State::Data(Data { left: data.left - missing, padding: data.padding.min(data.left - missing), ..data })
            }
            State::Opaque(left, what) if missing < left => State::Opaque(left - missing, what),
            State::Opaque(left, _) if missing == left => State::Frame,
            _ => State::Lost(GAP),
        };
    }

    fn flush(&mut self, side: Side, sink: &mut dyn Sink) {
        let Connection { client, server, bodies } = self;
        let half = if side == Side::Client { client } else { server };
        for (stream, message) in &mut half.messages {
            if message.payload.pending() > 0 {
                sink.mark(side, Mark::Lane(*stream));
                message.payload.read(half.at, &[], Until::Flush, bodies, sink);
            }
        }
    }

    fn pending(&self, side: Side) -> usize {
        let half = if side == Side::Client { &self.client } else { &self.server };
        half.messages.values().map(|message| message.payload.pending()).sum()
    }

    fn memory(&self) -> usize {
        let kept = |half: &Half| {
            let payloads = half.messages.values().map(|message| size_of::<Message>() + message.payload.memory());
            half.table.as_ref().map_or(0, Decoder::memory) + payloads.sum::<usize>()
        };
        kept(&self.client) + kept(&self.server)
    }
}

impl Half {
    fn new(state: State) -> Half {
        Half { state, table: Some(Decoder::default()), messages: BTreeMap::new(), path: Path::default(), at: 0 }
    }

    fn settings(&mut self, input: Input<'_>, head: Head, sink: &mut dyn Sink) -> Step {
        let end = HEAD + head.len;
        let Some(settings) = input.bytes.get(HEAD..end) else { return WAIT };
        input.keep(0..HEAD, sink);
        for (at, setting) in (HEAD..end).step_by(SETTING).zip(settings.chunks_exact(SETTING)) {
            match is_known_setting(setting) {
                true => input.keep(at..at + SETTING, sink),
                false => input.opaque(at..at + SETTING, SETTINGS, sink),
            }
        }
        self.turn_to(State::Frame, end)
    }

    fn turn_to(&mut self, state: State, used: usize) -> Step {
        self.state = state;
        Step { used, go_on: true }
    }

    /// Makes room for one more message: the oldest is given up.
    fn make_room(&mut self, input: Input<'_>, bodies: &mut u64, sink: &mut dyn Sink) {
        if self.messages.len() >= HTTP2_STREAMS_MAX
            && let Some((stream, mut oldest)) = self.messages.pop_first()
        {
            sink.mark(input.side, Mark::Lane(stream));
            oldest.payload.read(input.at, &[], Until::End, bodies, sink);
            sink.mark(input.side, Mark::Cut);
        }
    }

    /// A block begins a message on its stream, or ends the one that is there.
    fn begin(&mut self, input: Input<'_>, head: Head, headers: &[Header], bodies: &mut u64, sink: &mut dyn Sink) {
        let (side, stream, at) = (input.side, head.stream, input.at);
        let said = Said::of(headers);
        let is_informational = side == Side::Server && (100..200).contains(&said.status);
        if head.kind == kind::PUSH_PROMISE || is_informational {
            return sink.mark(side, Mark::Lane(stream));
        }
        if let Some(message) = self.messages.get_mut(&stream) {
            sink.mark(side, Mark::Lane(stream));
            return message.trailers(&said, side, sink);
        }
        self.make_room(input, bodies, sink);
        sink.mark(side, Mark::Lane(stream));
        // What a server pushes answers nothing that a client asked.
        let (root, text) = match side {
            Side::Client => ("http.request", said.request(head.ends_stream())),
            Side::Server => ("http.response", said.response(head.ends_stream())),
        };
        let text = text.filter(|_| stream % 2 == 1);
        let told = text.is_some();
        let (text, framing) = text.unwrap_or((Vec::new(), Framing::Chunked));
        if told {
            sink.mark(
                side,
                match side {
                    Side::Client => Mark::Request { method: said.method, target: said.target, at },
                    Side::Server => Mark::Response { status: said.status, at },
                },
            );
            sink.mark(side, Mark::Text(&text));
        }
        let payload = match sink.wants_values() {
            true => Payload::new(root, &said.facts, bodies),
            false => Payload::unread(),
        };
        self.messages.insert(stream, Message { payload, framing, told, whole: true });
    }

    /// Nothing more comes of a message. `end`: behind its last byte.
    fn end(&mut self, stream: u32, input: Input<'_>, end: u64, bodies: &mut u64, sink: &mut dyn Sink) {
        let Some(mut message) = self.messages.remove(&stream) else { return };
        sink.mark(input.side, Mark::Lane(stream));
        message.payload.read(end, &[], Until::End, bodies, sink);
        if message.told {
            if message.framing == Framing::Chunked {
                sink.mark(input.side, Mark::Text(b"0\r\n\r\n"));
            }
            let whole = message.whole && matches!(message.framing, Framing::Chunked | Framing::Length(0));
            sink.mark(input.side, if whole { Mark::End { end } } else { Mark::Cut });
        }
    }

    /// The sender gives a stream up.
    fn reset(&mut self, stream: u32, input: Input<'_>, bodies: &mut u64, sink: &mut dyn Sink) {
        sink.mark(input.side, Mark::Lane(stream));
        if let Some(mut message) = self.messages.remove(&stream) {
            message.payload.read(input.at, &[], Until::End, bodies, sink);
        }
        sink.mark(input.side, Mark::Cut);
    }
}

impl Message {
    /// Reads `len` bytes of data; says how many it is done with. `whole`: the frame has no more.
    fn read(
        &mut self,
        input: Input<'_>,
        stream: u32,
        len: usize,
        whole: bool,
        bodies: &mut u64,
        sink: &mut dyn Sink,
    ) -> usize {
        sink.mark(input.side, Mark::Lane(stream));
        let data = &input.bytes[..len];
        let until = if input.end && !whole { Until::Flush } else { Until::More };
        let mut used = self.payload.read(input.at, data, until, bodies, sink);
        if whole {
            // What is undecided waits for the next frame.
            self.payload.hold(input.at + used as u64, &data[used..]);
            used = len;
        }
        self.tell(&data[..used], input.side, sink);
        used
    }

    /// Tells a piece of the body as HTTP/1 says it.
    fn tell(&mut self, data: &[u8], side: Side, sink: &mut dyn Sink) {
        if !self.told || data.is_empty() {
            return;
        }
        match &mut self.framing {
            Framing::Chunked => {
                sink.mark(side, Mark::Text(format!("{:x}\r\n", data.len()).as_bytes()));
                sink.mark(side, Mark::Text(data));
                sink.mark(side, Mark::Text(b"\r\n"));
            }
            Framing::Length(left) => {
                sink.mark(side, Mark::Text(data));
                match left.checked_sub(data.len() as u64) {
                    Some(rest) => *left = rest,
                    None => self.whole = false,
                }
            }
        }
    }

    /// What stands behind a body of stated length HTTP/1 cannot say.
    fn trailers(&mut self, said: &Said<'_>, side: Side, sink: &mut dyn Sink) {
        if self.told && self.framing == Framing::Chunked {
            sink.mark(side, Mark::Text(b"0\r\n"));
            sink.mark(side, Mark::Text(&said.trailers()));
            self.framing = Framing::Length(0);
        }
    }
}

impl Connection {
    fn new(depth: u32) -> Connection {
        let (client, server) = (Half::new(State::Preface), Half::new(State::Frame));
        Connection { client, server, bodies: u64::from(depth) << 32 }
    }

    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Reads the next bit.
    fn step(&mut self, input: Input<'_>, sink: &mut dyn Sink) -> Step {
        let half = self.half(input.side);
        match half.state {
            State::Preface if input.bytes.starts_with(PREFACE) => {
                input.keep(0..PREFACE.len(), sink);
                half.turn_to(State::Frame, PREFACE.len())
            }
            State::Preface if PREFACE.starts_with(input.bytes) => WAIT,
            State::Preface => half.turn_to(State::Lost(NO_FRAME), 0),
            State::Frame => match Head::read(input.bytes) {
                Ok(Some(head)) => self.frame(input, head, sink),
                Ok(None) => WAIT,
                Err(NoFrame) => half.turn_to(State::Lost(NO_FRAME), 0),
            },
            State::Data(data) => self.data(input, data, sink),
            State::Opaque(0, _) => half.turn_to(State::Frame, 0),
            State::Opaque(left, what) => {
                let len = left.min(input.bytes.len());
                input.opaque(0..len, what, sink);
                half.state = State::Opaque(left - len, what);
                Step { used: len, go_on: len > 0 }
            }
            State::Lost(what) => {
                input.opaque(0..input.bytes.len(), what, sink);
                Step { used: input.bytes.len(), go_on: false }
            }
        }
    }

    fn frame(&mut self, input: Input<'_>, head: Head, sink: &mut dyn Sink) -> Step {
        let Connection { client, server, bodies } = self;
        let half = if input.side == Side::Client { client } else { server };
        // How much is kept, and what the rest is.
        let (len, behind) = match head.kind {
            kind::DATA if input.bytes.len() < head.layout_bytes() => return WAIT,
            kind::DATA => match head.layout(input.bytes) {
                Some((lead, padding)) => {
                    input.keep(0..HEAD + lead, sink);
                    let (stream, left, ends) = (head.stream, head.len - lead, head.ends_stream());
                    return half.turn_to(State::Data(Data { stream, left, padding, ends }), HEAD + lead);
                }
                None => (HEAD, WRONG_LENGTH),
            },
            kind::HEADERS | kind::PUSH_PROMISE => match frame::gather(input.bytes) {
                Gathered::Whole(block) => return self.headers(input, head, &block, sink),
                Gathered::Cut => return WAIT,
                Gathered::Damaged => {
                    half.table = None;
                    (HEAD, NO_HEADERS)
                }
            },
            kind::CONTINUATION => {
                half.table = None;
                (HEAD, NO_HEADERS)
            }
            kind::SETTINGS if head.len <= SETTINGS_MAX * SETTING && head.len.is_multiple_of(SETTING) => {
                return half.settings(input, head, sink);
            }
            kind::PING if head.len == 8 => (HEAD, PING),
            // The last stream, and why.
            kind::GOAWAY if head.len >= 8 => (HEAD + 8, GOODBYE),
            kind::PRIORITY if head.len == 5 => (HEAD + 5, ""),
            kind::WINDOW_UPDATE | kind::RST_STREAM if head.len == 4 => (HEAD + 4, ""),
            kind::SETTINGS | kind::PING | kind::GOAWAY => (HEAD, WRONG_LENGTH),
            kind::PRIORITY | kind::WINDOW_UPDATE | kind::RST_STREAM => (HEAD, WRONG_LENGTH),
            _ => (HEAD, EXTENSION),
        };
        if input.bytes.len() < len {
            return WAIT;
        }
        input.keep(0..len, sink);
        if head.kind == kind::RST_STREAM {
            half.reset(head.stream, input, bodies, sink);
        }
        half.turn_to(State::Opaque(HEAD + head.len - len, behind), len)
    }

    /// Reads a whole header block.
    fn headers(&mut self, input: Input<'_>, head: Head, block: &Block, sink: &mut dyn Sink) -> Step {
        let Connection { client, server, bodies } = self;
        let half = if input.side == Side::Client { client } else { server };
        let parts = || block.frames.iter().map(|[_, part, _]| part.clone()).filter(|part| !part.is_empty());
        let joined: Vec<u8> = parts().flat_map(|part| &input.bytes[part]).copied().collect();
        let headers = half.table.as_mut().and_then(|table| table.read(&joined).ok());
        if let Some(headers) = &headers {
            half.begin(input, head, headers, bodies, sink);
        }
        block.frames.iter().for_each(|[lead, ..]| input.keep(lead.clone(), sink));
        match &headers {
            Some(_) if !sink.wants_values() => parts().for_each(|part| input.keep(part, sink)),
            Some(headers) => {
                let ranges: Vec<Range<u64>> = parts().map(|part| input.range(part)).collect();
                let is_request = input.side == Side::Client || head.kind == kind::PUSH_PROMISE;
                half.path.restart(if is_request { "http.request" } else { "http.response" });
                let mut out = emit::Gathered::new(&ranges, sink);
                message::report(&joined, headers, &mut half.path, bodies, &mut out);
            }
            None => {
                half.table = None;
                parts().for_each(|part| input.opaque(part, NO_HEADERS, sink));
            }
        }
        block.frames.iter().for_each(|[.., padding]| input.padding(padding.clone(), sink));
        if head.ends_stream() {
            half.end(head.stream, input, input.at + block.len as u64, bodies, sink);
        }
        half.turn_to(State::Frame, block.len)
    }

    /// Reads what is there of a DATA frame.
    fn data(&mut self, input: Input<'_>, data: Data, sink: &mut dyn Sink) -> Step {
        let Connection { client, server, bodies } = self;
        let half = if input.side == Side::Client { client } else { server };
        let content = data.left - data.padding;
        let wanted = if content > 0 { content } else { data.padding };
        let here = wanted.min(input.bytes.len());
        if wanted == 0 {
            if data.ends {
                half.end(data.stream, input, input.at, bodies, sink);
            }
            return half.turn_to(State::Frame, 0);
        }
        if here == 0 {
            return WAIT;
        }
        let used = match half.messages.get_mut(&data.stream) {
            _ if content == 0 => {
                input.padding(0..here, sink);
                here
            }
            Some(message) => message.read(input, data.stream, here, here == content, bodies, sink),
            None => {
                input.opaque(0..here, NO_STREAM, sink);
                here
            }
        };
        let padding = if content > 0 { data.padding } else { data.padding - used };
        half.state = State::Data(Data { left: data.left - used, padding, ..data });
        Step { used, go_on: here == wanted }
    }
}

const WAIT: Step = Step { used: 0, go_on: false };
