//! One exchange over HTTP/2: what is known of a stream, and what its frames mean. No I/O.

use std::task::{Context, Waker};

use super::super::{Failure, Reader, Timing};
use super::frame::Code;
use super::request::{is_name, is_value};
use crate::limits::{HEAD_BYTES_MAX, RESPONSE_HEADERS_MAX, RESPONSES_INFORMATIONAL_MAX};
use crate::protocol::http2::hpack::{ENTRY_BYTES, Header, Text};

/// How an exchange ended without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// For this reason.
    Failed(Failure),
    /// The target said that it did nothing with the request: it may be sent again (RFC 9113 §8.7).
    Unprocessed,
    /// The target reset the stream, with this error code.
    Reset(u32),
}

/// A stream, from its request to what came of it.
pub struct Call {
    /// Reads the response.
    pub reader: Reader,
    /// When what happened.
    pub timing: Timing,
    /// What is left to send, until all is.
    pub upload: Option<Upload>,
    /// Bytes of content that the peer takes; less than none when it changed its mind.
    pub window: i64,
    /// Bytes of content that the peer may send.
    pub room: i64,
    /// Informational responses before the final one.
    pub informational: u32,
    /// What became of it, when that is known.
    pub end: Option<Result<(), Stop>>,
    /// The final response's head came.
    begun: bool,
    /// Bytes of content to come, if that was said.
    length: Option<u64>,
    waker: Option<Waker>,
}

/// A request's content, and what comes behind it.
pub struct Upload {
    pub content: Vec<u8>,
    /// How much of that is sent.
    pub sent: usize,
    pub trailers: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// It waits for the target's leave.
    pub held: bool,
}

/// Headers that HTTP/2 has not (RFC 9113 §8.2.2).
const FORBIDDEN: &[&[u8]] = &[b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

impl Call {
    /// Of a request about to be sent; the peer takes `window` bytes of content and may send `room`.
    pub fn new(reader: Reader, upload: Option<Upload>, window: i64, room: i64) -> Call {
        let timing = Timing { written: 0, first_byte: 0, last_byte: 0, received: 0 };
        let (begun, length, waker, end) = (false, None, None, None);
        Call { reader, timing, upload, window, room, informational: 0, end, begun, length, waker }
    }

    /// Who waits for it is woken at its next change.
    pub fn watch(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }

    fn changed(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// It ends so, unless it has ended.
    pub fn stop(&mut self, stop: Stop) {
        if self.end.is_none() {
            self.end = Some(Err(stop));
            self.changed();
        }
    }

    /// The target wants to hear the content, or has answered.
    pub fn is_encouraged(&self) -> bool {
        self.informational > 0 || self.begun || self.end.is_some()
    }

    /// A header block: a response's head, or trailers; it began to arrive at some instant, and was whole at another.
    pub fn block(&mut self, headers: &[Header], ends: bool, (began, at): (u64, u64)) -> Result<(), Code> {
        let (status, fields) = checked(headers)?;
        match status {
            None if self.begun && ends => self.timing.received += size(fields),
            Some(status) if !self.begun && (100..=199).contains(&status) => {
                self.informational += 1;
                self.changed();
                let is_one = status != 101 && !ends && self.informational <= RESPONSES_INFORMATIONAL_MAX;
                return if is_one { Ok(()) } else { Err(Code::Protocol) };
            }
            Some(status) if !self.begun => {
                self.begun = true;
                self.timing.first_byte = began;
                self.timing.received += STATUS_LINE + size(fields);
                self.reader.begins(status, || text(status, fields));
                if !self.reader.is_bodiless() {
                    self.length = value(fields, b"content-length").map(number).transpose()?;
                }
                if self.upload.as_ref().is_some_and(|upload| upload.held) {
                    self.changed();
                }
            }
            _ => return Err(Code::Protocol),
        }
        if let Some(status) = value(fields, b"grpc-status") {
            self.reader.grpc(status);
        }
        if ends { self.over(at) } else { Ok(()) }
    }

    /// Content, without padding.
    pub fn content(&mut self, bytes: &[u8], ends: bool, at: u64) -> Result<(), Code> {
        if !self.begun {
            return Err(Code::Protocol);
        }
        self.timing.received += bytes.len() as u64;
        if let Some(left) = &mut self.length {
            *left = left.checked_sub(bytes.len() as u64).ok_or(Code::Protocol)?;
        }
        self.reader.content(bytes);
        if ends { self.over(at) } else { Ok(()) }
    }

    /// The response is complete.
    fn over(&mut self, at: u64) -> Result<(), Code> {
        if self.length.is_some_and(|left| left > 0) {
            return Err(Code::Protocol);
        }
        self.timing.last_byte = at;
        self.reader.ends();
        self.end = Some(Ok(()));
        self.changed();
        Ok(())
    }
}

/// The status, where there is one, and the headers behind it; an error when it is no head of a response, nor trailers
/// (RFC 9113 §8.2, §8.3).
fn checked(headers: &[Header]) -> Result<(Option<u16>, &[Header]), Code> {
    let listed = headers.iter().map(|header| header.name.len() + header.value.len() + ENTRY_BYTES).sum::<usize>();
    if listed > HEAD_BYTES_MAX || headers.len() > RESPONSE_HEADERS_MAX {
        return Err(Code::EnhanceYourCalm);
    }
    let (status, fields) = match headers {
        [first, fields @ ..] if &*first.name == b":status" => match *first.value {
            [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                (Some([a, b, c].iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))), fields)
            }
            _ => return Err(Code::Protocol),
        },
        fields => (None, fields),
    };
    let sound = |header: &Header| {
        let named = match &header.name {
            Text::Known(name) => !name.starts_with(':') && *name != "transfer-encoding",
            Text::Said(name) => {
                is_name(name) && !name.iter().any(u8::is_ascii_uppercase) && !FORBIDDEN.contains(&&**name)
            }
        };
        named && is_value(&header.value)
    };
    if fields.iter().all(sound) { Ok((status, fields)) } else { Err(Code::Protocol) }
}

/// Of the first header of this name.
fn value<'a>(headers: &'a [Header], name: &[u8]) -> Option<&'a [u8]> {
    headers.iter().find(|header| &*header.name == name).map(|header| &*header.value)
}

/// A content's length.
fn number(text: &[u8]) -> Result<u64, Code> {
    let digits = Some(text).filter(|text| text.iter().all(u8::is_ascii_digit));
    digits.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).ok_or(Code::Protocol)
}

/// Bytes of `HTTP/1.1 200` and both line ends of a head.
const STATUS_LINE: u64 = 17;

/// What headers take as text.
fn size(headers: &[Header]) -> u64 {
    headers.iter().map(|header| (header.name.len() + header.value.len() + 4) as u64).sum()
}

/// A response's head as HTTP/1 would have it, for those who read its values.
fn text(status: u16, headers: &[Header]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} \r\n").into_bytes();
    for Header { name, value, .. } in headers {
        text.extend_from_slice(name);
        text.extend_from_slice(b": ");
        text.extend_from_slice(value);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}
