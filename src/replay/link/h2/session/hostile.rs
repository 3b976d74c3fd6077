//! What holds of a connection whatever its target sends: told by property tests and by fuzzing, never in a run.

use hashbrown::HashMap;

use super::super::super::Reader;
use super::super::call::Stop;
use super::super::frame::{self, ACK, Code, HEAD, Head, kind};
use super::super::request::Message;
use super::{AHEAD_BYTES, FRAME_BYTES, FRAME_BYTES_FIRST, OWED_BYTES_MAX, PREFACE, Session, WINDOW, setting};
use crate::limits::{HEAD_BYTES_MAX, RESPONSE_BYTES_KEPT};
use crate::protocol::http2::hpack::Decoder;
use crate::replay::response::Asked;

/// Requests on one connection.
const REQUESTS: usize = 12;

/// Plays a target's bytes to connections with requests under way. The first byte says how these are dealt with, the second
/// how many bytes come at a time.
///
/// # Panics
///
/// When the connection does what it must not: it understands other things by how the bytes are cut, sends more than the
/// target allows or what is no HTTP/2, or remembers without bounds.
pub fn serve(data: &[u8]) {
    let &[way, step, ref said @ ..] = data else { return };
    let mut greeting = Vec::new();
    if way & 1 == 0 {
        frame::frame(&mut greeting, kind::SETTINGS, 0, 0, &[]);
    }
    let said = [&greeting, said].concat();
    let step = 1 + usize::from(step);
    assert!(heard(&said, said.len().max(1)) == heard(&said, step), "what was heard depends on how it was cut");
    converse(&said, step, way);
}

/// What became of each request, the connection, and what there is to write.
type Heard = (Vec<(Option<Result<(), Stop>>, u16, Option<u32>, u64, Vec<u8>)>, Option<Code>, Vec<u8>);

/// Asks, and only listens.
fn heard(said: &[u8], step: usize) -> Heard {
    let mut session = Session::default();
    let streams: Vec<u32> = (0..4).map(|number| ask(&mut session, number)).collect();
    while !session.unwritten().is_empty() {
        let len = session.unwritten().len();
        session.went(len, 1);
    }
    let end = said.chunks(step).find_map(|piece| session.read(piece, 1).err());
    let calls = streams.into_iter().filter_map(|stream| session.leave(stream));
    let calls = calls.map(|call| {
        let (status, grpc) = (call.reader.status(), call.reader.grpc_status());
        (call.end, status, grpc, call.timing.received, call.reader.into_bytes())
    });
    (calls.collect(), end, session.unwritten().to_vec())
}

/// Asks, listens, writes, loses patience, asks again.
fn converse(said: &[u8], step: usize, way: u8) {
    let (leaves, loses_patience, is_deaf) = (way & 2 != 0, way & 4 != 0, way & 8 != 0);
    let (mut session, mut target) = (Session::default(), Target::default());
    let (mut asked, mut streams) = (0, Vec::new());
    let mut end = None;
    for (turn, piece) in said.chunks(step).enumerate() {
        if asked < REQUESTS && session.is_usable() && session.calls() < session.allowed().unwrap_or(4).min(5) {
            streams.push(ask(&mut session, asked));
            asked += 1;
        }
        if !is_deaf {
            write(&mut session, &mut target);
        }
        if let Err(code) = session.read(piece, turn as u64) {
            end = Some(code);
            break;
        }
        target.says(piece);
        streams.retain(|stream| {
            let Some(call) = session.call(*stream) else { return false };
            let (is_over, is_encouraged) = (call.end.is_some(), call.is_encouraged());
            if is_encouraged {
                session.release(*stream);
            }
            let stays = !(leaves && is_over || loses_patience && turn % 16 == 15);
            if !stays && let Some(call) = session.leave(*stream) {
                assert!(call.reader.into_bytes().len() <= RESPONSE_BYTES_KEPT);
            }
            stays
        });
        assert_bounded(&session);
    }
    match end {
        None if is_deaf => {}
        None => write(&mut session, &mut target),
        Some(code) => {
            session.end(code);
            let mut calls = streams.iter().filter_map(|stream| session.calls.get(stream));
            assert!(calls.all(|call| call.end.is_some()), "who waits for an answer is told that none comes");
            let last = &session.out[session.out.len() - 4..];
            assert_eq!(last, (code as u32).to_be_bytes(), "the target is told why");
        }
    }
}

/// One of several kinds of request; its stream.
fn ask(session: &mut Session, number: usize) -> u32 {
    let content = "0123456789abcdef".repeat(5000);
    let (request, asked) = match number % 4 {
        0 => ("GET /first HTTP/1.1\r\nHost: h\r\nCookie: a=b; c=d\r\nX-Same: same\r\n\r\n".into(), Asked::Other),
        1 => (format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{content}", content.len()), Asked::Other),
        2 => (format!("HEAD /{number} HTTP/1.1\r\nX-Long: {}\r\n\r\n", &content[..number * 2000]), Asked::Head),
        _ => (
            format!(
                "PUT /n HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{content}\r\n0\r\nX-T: t\r\n\r\n",
                content.len()
            ),
            Asked::Other,
        ),
    };
    let message = Message::of(request.as_bytes(), false, "target").expect("a request");
    session.send(message, number % 8 == 5, Reader::new(asked, number % 8 < 4))
}

/// All that can be written is, in two pieces each time.
fn write(session: &mut Session, target: &mut Target) {
    loop {
        let bytes = session.unwritten().to_vec();
        if bytes.is_empty() {
            return;
        }
        target.hears(&bytes);
        session.went(bytes.len() / 2, 1);
        session.went(bytes.len() - bytes.len() / 2, 1);
    }
}

fn assert_bounded(session: &Session) {
    let requests = REQUESTS * (REQUESTS * 2000 + 1000);
    assert!(session.backlog() <= requests + 2 * AHEAD_BYTES + OWED_BYTES_MAX, "{} bytes to write", session.backlog());
    assert!(session.part.len() <= HEAD + FRAME_BYTES);
    assert!(session.block.as_ref().is_none_or(|block| block.bytes.len() <= HEAD_BYTES_MAX + FRAME_BYTES));
}

/// What a target knows of a client that keeps to the rules.
struct Target {
    /// Said so far, from the last frame that is not whole.
    said: Vec<u8>,
    /// Content that it takes at first on a stream, and how much more since, by stream; 0 is the connection.
    first_window: i64,
    more: HashMap<u32, i64>,
    /// Longest frame that it takes.
    longest: usize,
    /// Content that came, by stream; 0 is the connection.
    content: HashMap<u32, i64>,
    streams: HashMap<u32, Heads>,
    greeted: bool,
    /// A header block that goes on.
    block: Option<(u32, Vec<u8>)>,
    decoder: Decoder,
}

/// How far a client is on a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heads {
    Open,
    Ended,
    Reset,
}

impl Default for Target {
    fn default() -> Target {
        Target {
            said: Vec::new(),
            first_window: WINDOW,
            more: HashMap::from([(0, WINDOW)]),
            longest: FRAME_BYTES_FIRST,
            content: HashMap::new(),
            streams: HashMap::new(),
            greeted: false,
            block: None,
            decoder: Decoder::strict(),
        }
    }
}

impl Target {
    /// Says bytes that the client took for proper.
    fn says(&mut self, piece: &[u8]) {
        self.said.extend_from_slice(piece);
        while let Some((head, payload)) = whole(&self.said) {
            match (head.kind, payload) {
                (kind::SETTINGS, settings) if head.flags & ACK == 0 => {
                    for &[a, b, c, d, e, f] in settings.as_chunks::<6>().0 {
                        let value = u32::from_be_bytes([c, d, e, f]);
                        match u16::from_be_bytes([a, b]) {
                            setting::INITIAL_WINDOW_SIZE => self.first_window = value.into(),
                            setting::MAX_FRAME_SIZE => self.longest = value as usize,
                            _ => {}
                        }
                    }
                }
                (kind::WINDOW_UPDATE, &[a, b, c, d]) => {
                    *self.more.entry(head.stream).or_default() += i64::from(u32::from_be_bytes([a & 0x7f, b, c, d]));
                }
                _ => {}
            }
            let len = HEAD + payload.len();
            self.said.drain(..len);
        }
    }

    /// Hears whole frames.
    fn hears(&mut self, mut bytes: &[u8]) {
        if !self.greeted {
            bytes = bytes.strip_prefix(PREFACE).expect("a connection begins with its preface");
            self.greeted = true;
        }
        while !bytes.is_empty() {
            let (head, payload) = whole(bytes).expect("whole frames");
            bytes = &bytes[HEAD + payload.len()..];
            assert!(payload.len() <= self.longest, "a frame of {}", payload.len());
            assert_eq!(
                self.block.is_some(),
                head.kind == kind::CONTINUATION,
                "nothing comes between the parts of a block"
            );
            match head.kind {
                kind::DATA => self.content(head, payload.len() as i64),
                kind::HEADERS | kind::CONTINUATION => self.headers(head, payload),
                kind::RST_STREAM => {
                    let before = self.streams.insert(head.stream, Heads::Reset);
                    assert!(before.is_some_and(|before| before != Heads::Reset), "a reset of no stream");
                }
                kind::WINDOW_UPDATE => assert_ne!(payload, [0; 4], "a window grows by something"),
                other => {
                    assert!(matches!(other, kind::SETTINGS | kind::PING) && head.stream == 0, "a frame of kind {other}")
                }
            }
        }
    }

    fn content(&mut self, head: Head, len: i64) {
        assert!(self.streams.get(&head.stream) == Some(&Heads::Open), "content on a stream that is not open");
        for stream in [0, head.stream] {
            let content = self.content.entry(stream).or_default();
            *content += len;
            let more = self.more.get(&stream).copied().unwrap_or_default();
            let window = if stream == 0 { more } else { self.first_window + more };
            assert!(len == 0 || *content <= window, "{content} bytes of content, {window} allowed");
        }
        self.ends(head);
    }

    fn headers(&mut self, head: Head, fragment: &[u8]) {
        let (stream, mut block) = self.block.take().unwrap_or((head.stream, Vec::new()));
        assert_eq!(stream, head.stream);
        block.extend_from_slice(fragment);
        if head.kind == kind::HEADERS && !self.streams.contains_key(&stream) {
            let newest = self.streams.keys().max().copied();
            assert!(stream == newest.map_or(1, |newest| newest + 2), "streams are numbered one by one");
            self.streams.insert(stream, Heads::Open);
        } else if head.kind == kind::HEADERS {
            assert!(self.streams[&stream] == Heads::Open && head.ends_stream(), "trailers end a stream");
        }
        self.ends(head);
        if head.ends_block() {
            let headers = self.decoder.read(&block).expect("a header block");
            let is_request = headers.iter().any(|header| &*header.name == b":method");
            assert!(is_request || headers.iter().any(|header| &*header.name == b"x-t"), "neither request nor trailers");
        } else {
            self.block = Some((stream, block));
        }
    }

    fn ends(&mut self, head: Head) {
        if head.ends_stream() {
            self.streams.insert(head.stream, Heads::Ended);
        }
    }
}

/// A frame that is whole.
fn whole(bytes: &[u8]) -> Option<(Head, &[u8])> {
    let head = Head::read(bytes)?;
    Some((head, bytes.get(HEAD..HEAD + head.len)?))
}
