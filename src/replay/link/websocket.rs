//! A connection that the target has upgraded to WebSocket (RFC 6455): messages out, messages in, pings answered. Bounded,
//! whatever the target sends.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncRead, ReadBuf};

use super::stream::Stream;
use super::{BUFFER, broken};
use crate::limits::{RESPONSE_BYTES_KEPT, RESPONSES_BYTES_KEPT, SOCKET_UNSENT_BYTES_MAX};
use crate::replay::outcome::Failure;
use crate::replay::pacer::now;
use crate::workload::{FrameEvent, FrameHead, Message, Messages, Opcode, Request, Unpacker, Whole, mask, pack, proof};

/// A window that nobody has made smaller (RFC 7692 §7.1.2).
const WINDOW_BITS: u8 = 15;

/// What client and target have agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// Messages may be compressed; ours within a window of so many bits.
    pub deflate: Option<u8>,
}

/// Whether a response upgrades the connection as its request asked for (§4.1), and what was agreed on. Otherwise the
/// connection must not be used.
pub fn agreed(request: &[u8], response: Vec<u8>) -> Result<Agreed, Failure> {
    let of = |bytes: Vec<u8>| Request::new(bytes).map(Headers).ok_or(Failure::Protocol);
    let (asked, answer) = (of(request.to_vec())?, of(response)?);
    let key = asked.first("sec-websocket-key").unwrap_or_default();
    let proof = proof(key);
    let upgraded = answer.names("upgrade", b"websocket") && answer.names("connection", b"upgrade");
    let proven = answer.first("sec-websocket-accept") == Some(proof.as_bytes());
    let spoken = answer.first("sec-websocket-protocol").is_none_or(|name| asked.names("sec-websocket-protocol", name));
    if !(upgraded && proven && spoken) {
        return Err(Failure::Protocol);
    }
    let mut agreed = Agreed::default();
    for extension in answer.all("sec-websocket-extensions") {
        let mut parts = extension.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let is_deflate = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"permessage-deflate"));
        if !is_deflate || agreed.deflate.is_some() || !asked.offers_deflate() {
            return Err(Failure::Protocol);
        }
        agreed.deflate = Some(parts.try_fold(WINDOW_BITS, window)?);
    }
    Ok(agreed)
}

/// The window that a parameter of permessage-deflate leaves us (RFC 7692 §7.1): those that are not known, or make no
/// sense, must not be agreed to.
fn window(bits: u8, parameter: &[u8]) -> Result<u8, Failure> {
    let text = String::from_utf8_lossy(parameter).to_ascii_lowercase();
    let (name, value) = text.split_once('=').map_or((text.as_str(), None), |(name, value)| (name, Some(value)));
    let stated = value.map(|value| value.trim().trim_matches('"').parse().ok().filter(|bits| (8..=15).contains(bits)));
    match (name.trim(), stated) {
        ("client_max_window_bits", Some(Some(bits))) => Ok(bits),
        ("server_max_window_bits", Some(Some(_))) => Ok(bits),
        ("server_no_context_takeover" | "client_no_context_takeover", None) => Ok(bits),
        _ => Err(Failure::Protocol),
    }
}

/// The headers of a request or response.
struct Headers(Request);

impl Headers {
    /// The values of all headers of a name, taken apart at commas.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let bytes = &self.0.bytes;
        let mine = self
            .0
            .headers()
            .into_iter()
            .filter(move |line| bytes[line.name.clone()].eq_ignore_ascii_case(name.as_bytes()));
        let values = mine.flat_map(move |line| bytes[line.value].split(|&b| b == b',').map(<[u8]>::trim_ascii));
        values.filter(|value| !value.is_empty())
    }

    fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    fn names(&self, name: &str, word: &[u8]) -> bool {
        self.all(name).any(|value| value.eq_ignore_ascii_case(word))
    }

    fn offers_deflate(&self) -> bool {
        let name = |offer: &[u8]| offer.split(|&b| b == b';').next().unwrap_or_default().trim_ascii().to_vec();
        self.all("sec-websocket-extensions").any(|offer| name(offer).eq_ignore_ascii_case(b"permessage-deflate"))
    }
}

thread_local! {
    /// Bytes that the half-read messages of this thread's connections keep together.
    static KEPT: Cell<usize> = const { Cell::new(0) };
}

/// An upgraded connection.
pub struct Socket {
    stream: Stream,
    agreed: Agreed,
    messages: Messages,
    unpacker: Unpacker,
    /// Masking keys (§5.3): unpredictable for those who choose payloads, and the same with the same seed.
    keys: StdRng,
    unsent: VecDeque<u8>,
    arrived: VecDeque<Arrival>,
    /// Nothing more is read, and why.
    over: Option<Failure>,
    said_close: bool,
    heard_close: bool,
    /// Bytes of a half-read message, counted in [`KEPT`].
    kept: usize,
    /// Pings that were heard.
    pub pings: u64,
}

/// A message of the target.
#[derive(Debug)]
pub struct Arrival {
    /// Text or binary.
    pub opcode: Opcode,
    /// When its first byte was there.
    pub first_byte: u64,
    /// When its last byte was there.
    pub last_byte: u64,
    /// Bytes with all framing.
    pub framed: u64,
    /// Its text; the first bytes, when it is long.
    pub payload: Vec<u8>,
    packed: bool,
}

impl Drop for Socket {
    fn drop(&mut self) {
        KEPT.set(KEPT.get().saturating_sub(self.kept));
    }
}

impl Socket {
    /// On an upgraded connection; `rest` is what came behind the upgrade's response.
    pub fn new((stream, rest): (Stream, Vec<u8>), agreed: Agreed, seed: u64) -> Socket {
        let mut socket = Socket {
            stream,
            agreed,
            messages: Messages::default(),
            unpacker: Unpacker::default(),
            keys: StdRng::seed_from_u64(seed),
            unsent: VecDeque::new(),
            arrived: VecDeque::new(),
            over: None,
            said_close: false,
            heard_close: false,
            kept: 0,
            pings: 0,
        };
        socket.take(&rest);
        socket
    }

    /// Bytes that wait to be written.
    pub fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// A close frame was sent, or heard: no message may follow.
    pub fn is_closing(&self) -> bool {
        self.said_close || self.heard_close
    }

    /// Sends a message in frames like the captured ones; how many bytes that makes. They are written when the socket is
    /// polled.
    pub fn send(&mut self, message: &Message, text: &[u8]) -> usize {
        let before = self.unsent.len();
        let packed = self.agreed.deflate.filter(|bits| message.packed && *bits > 8).map(|bits| pack(text, bits));
        let mut payload = packed.as_deref().unwrap_or(text);
        let mut opcode = message.opcode;
        for (n, len) in (1..).zip(fragments(&message.fragments, payload.len())) {
            let (part, rest) = payload.split_at(len);
            let last = n == message.fragments.len().max(1);
            self.frame(last, packed.is_some() && opcode != Opcode::Continuation, opcode, part);
            (payload, opcode) = (rest, Opcode::Continuation);
        }
        self.said_close |= message.opcode == Opcode::Close;
        self.unsent.len() - before
    }

    fn frame(&mut self, last: bool, packed: bool, opcode: Opcode, payload: &[u8]) {
        let key: [u8; 4] = self.keys.random();
        let mut bytes = Vec::with_capacity(payload.len() + 14);
        FrameHead { last, packed, opcode, key: Some(key), len: payload.len() as u64 }.write(&mut bytes);
        let at = bytes.len();
        bytes.extend_from_slice(payload);
        mask(key, 0, &mut bytes[at..]);
        self.unsent.extend(bytes);
    }

    /// Writes what can be written, and gives the target's next text or binary message; an error when there will be none.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival, Failure>> {
        let written = self.write(cx);
        loop {
            if let Some(arrival) = self.arrived.pop_front() {
                return Poll::Ready(self.unpacked(arrival));
            }
            if let Some(failure) = self.over {
                return Poll::Ready(Err(failure));
            }
            let mut socket = Pin::new(&mut *self);
            let read = BUFFER.with_borrow_mut(|buffer| {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(&mut socket.stream).poll_read(cx, &mut buffer))?;
                socket.take(buffer.filled());
                Poll::Ready(Ok(buffer.filled().is_empty()))
            });
            match read {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(Ok(true)) => self.over = Some(Failure::ClosedEarly),
                Poll::Ready(Err(error)) => self.over = Some(broken(&error)),
                Poll::Pending => {
                    if let Err(error) = written {
                        return Poll::Ready(Err(broken(&error)));
                    }
                    // Something heard may ask for an answer.
                    return match self.write(cx) {
                        Err(error) => Poll::Ready(Err(broken(&error))),
                        Ok(()) => Poll::Pending,
                    };
                }
            }
        }
    }

    /// Writes what can be written now.
    pub fn write(&mut self, cx: &mut Context<'_>) -> std::io::Result<()> {
        self.stream.write_out(&mut self.unsent, cx)
    }

    /// Reads bytes that arrived.
    fn take(&mut self, bytes: &[u8]) {
        let at = now();
        let room = RESPONSES_BYTES_KEPT.saturating_sub(KEPT.get()) + self.kept;
        let mut ended = Vec::new();
        let read = self.messages.read(bytes, at, RESPONSE_BYTES_KEPT.min(room), &mut |event| {
            if let FrameEvent::Ends { opcode, packed, whole } = event {
                ended.push((opcode, packed, whole));
            }
        });
        let held = self.messages.held();
        KEPT.set(KEPT.get().saturating_sub(self.kept) + held);
        self.kept = held;
        let mut pinged = None;
        for (opcode, packed, whole) in ended {
            let Whole { payload, begun, framed, masked, .. } = whole;
            if masked || packed && self.agreed.deflate.is_none() {
                self.over = Some(Failure::Protocol);
                return;
            }
            match opcode {
                Opcode::Ping => {
                    self.pings += 1;
                    pinged = Some(payload);
                }
                Opcode::Close => {
                    if !self.is_closing() {
                        self.frame(true, false, Opcode::Close, &payload);
                    }
                    self.heard_close = true;
                }
                Opcode::Text | Opcode::Binary if !self.heard_close => {
                    let (first_byte, last_byte) = (begun, at);
                    self.arrived.push_back(Arrival { opcode, first_byte, last_byte, framed, payload, packed });
                }
                _ => {}
            }
        }
        // Of many pings, the last one is answered (§5.5.3).
        if let Some(payload) = pinged.filter(|_| !self.is_closing() && self.unsent.len() < SOCKET_UNSENT_BYTES_MAX) {
            self.frame(true, false, Opcode::Pong, &payload);
        }
        if read.is_err() {
            self.over = Some(Failure::Protocol);
        }
    }

    fn unpacked(&mut self, arrival: Arrival) -> Result<Arrival, Failure> {
        if !arrival.packed {
            return Ok(arrival);
        }
        // What is too long to be kept has no values; whether it can be unpacked is not known.
        let payload = self.unpacker.message(&arrival.payload, RESPONSE_BYTES_KEPT).unwrap_or_default();
        Ok(Arrival { payload, ..arrival })
    }
}

/// How long the frames of a message are made that is `len` bytes long now: as captured, the last one takes what differs.
fn fragments(captured: &[u64], len: usize) -> Vec<usize> {
    let mut left = len;
    let (_, before) = captured.split_last().unwrap_or((&0, &[]));
    let mut all: Vec<usize> = Vec::with_capacity(captured.len());
    for wanted in before {
        let part = usize::try_from(*wanted).unwrap_or(left).min(left);
        left -= part;
        all.push(part);
    }
    all.push(left);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ASKED: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    fn deflate(asked: &str, answer: &str) -> Result<Option<u8>, Failure> {
        let of = |text: &str, more: &str| format!("{text}{more}\r\n").into_bytes();
        agreed(&of(ASKED, asked), of(ANSWER, answer)).map(|agreed| agreed.deflate)
    }

    /// The key and its proof are those of RFC 6455 §1.3.
    #[test]
    fn only_a_proper_answer_upgrades() {
        let offer = "Sec-WebSocket-Extensions: x, permessage-deflate; client_max_window_bits\r\n";
        assert_eq!(deflate("", ""), Ok(None));
        assert_eq!(deflate(offer, ""), Ok(None));
        assert_eq!(deflate(offer, "Sec-WebSocket-Extensions: permessage-deflate\r\n"), Ok(Some(15)));
        let small =
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=10\r\n";
        assert_eq!(deflate(offer, small), Ok(Some(10)));
        for odd in ["client_max_window_bits", "client_max_window_bits=7", "server_no_context_takeover=1", "x"] {
            let odd = format!("Sec-WebSocket-Extensions: permessage-deflate; {odd}\r\n");
            assert_eq!(deflate(offer, &odd), Err(Failure::Protocol), "{odd}");
        }
        assert_eq!(deflate("", small), Err(Failure::Protocol), "nobody asked");
        assert_eq!(deflate(offer, "Sec-WebSocket-Extensions: x\r\n"), Err(Failure::Protocol));
        assert_eq!(deflate("", "Sec-WebSocket-Protocol: chat\r\n"), Err(Failure::Protocol));
        assert_eq!(deflate("Sec-WebSocket-Protocol: a, chat\r\n", "Sec-WebSocket-Protocol: chat\r\n"), Ok(None));
        for (right, wrong) in [("s3pP", "S3pP"), ("WebSocket\r", "h2c\r"), ("Upgrade\r", "close\r")] {
            let answer = format!("{ANSWER}\r\n").replacen(right, wrong, 1);
            let asked = format!("{ASKED}\r\n");
            assert_eq!(agreed(asked.as_bytes(), answer.into()), Err(Failure::Protocol), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn fragments_hold_the_text_whatever_its_length(captured in prop::collection::vec(0u64..100, 0..6), len in 0usize..400) {
            let all = fragments(&captured, len);
            prop_assert_eq!(all.iter().sum::<usize>(), len);
            prop_assert_eq!(all.len(), captured.len().max(1));
            if captured.iter().sum::<u64>() == len as u64 && !captured.is_empty() {
                prop_assert_eq!(all.iter().map(|part| *part as u64).collect::<Vec<_>>(), captured);
            }
        }
    }
}
