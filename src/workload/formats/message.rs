//! HTTP/1 messages taken apart and put together.

use std::io::Read;

use crate::limits::DECODED_BODY_BYTES_MAX;
use crate::protocol::http1::{Http1, head, header};
use crate::protocol::{Field, Mark, Protocol, Side, Sink, Window};
use crate::workload::Request;

/// A message in its parts. All are captured bytes.
pub(super) struct Message<'a> {
    /// Request line or status line.
    pub(super) first: &'a [u8],
    /// Names and values as they stand, spaces around them left out.
    pub(super) headers: Vec<(&'a [u8], &'a [u8])>,
    /// The body with its framing.
    pub(super) body: &'a [u8],
    /// Length of the head.
    pub(super) head_len: usize,
}

impl<'a> Message<'a> {
    /// Takes a message apart; one whose head is not complete has no body.
    pub(super) fn of(bytes: &'a [u8]) -> Message<'a> {
        let head_len = head::end(bytes, &mut 0).unwrap_or(bytes.len());
        let (head, body) = bytes.split_at(head_len);
        let mut lines = head::lines(head, 0).map(|(at, _)| &head[at]);
        let first = lines.next().unwrap_or_default();
        let headers = lines.filter_map(|line| {
            let (name, value) = header::split(line)?;
            Some((line.get(..name.len())?, line.get(value)?))
        });
        Message { first, headers: headers.collect(), body, head_len }
    }

    /// The value of the first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&'a [u8]> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| *value)
    }

    fn says(&self, name: &str, what: &str) -> bool {
        self.header(name).is_some_and(|value| value.to_ascii_lowercase().ends_with(what.as_bytes()))
    }

    /// The word at a place of the first line.
    pub(super) fn word(&self, n: usize) -> &'a [u8] {
        self.first.split(|&b| b == b' ').nth(n).unwrap_or_default()
    }

    /// What the first line says behind its second word: a request's version, a response's reason.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.first.splitn(3, |&b| b == b' ').nth(2).unwrap_or_default()
    }

    /// The body without chunks and compression; none when it is compressed in a way that is not known here. Of a body
    /// that breaks off, what is there.
    pub(super) fn content(&self) -> Option<Vec<u8>> {
        let body = if self.says("transfer-encoding", "chunked") { unchunked(self.body) } else { self.body.to_vec() };
        let coding = self.header("content-encoding").map(|coding| coding.to_ascii_lowercase());
        match coding.as_deref() {
            None | Some(b"" | b"identity") => Some(body),
            Some(b"gzip" | b"x-gzip") => Some(limited(flate2::read::MultiGzDecoder::new(&*body))),
            Some(b"deflate") if body.first().is_some_and(|b| b & 0x0f == 8) => {
                Some(limited(flate2::read::ZlibDecoder::new(&*body)))
            }
            Some(b"deflate") => Some(limited(flate2::read::DeflateDecoder::new(&*body))),
            Some(_) => None,
        }
    }
}

/// A request's body as it was meant: without chunks.
pub(super) fn sent(message: &Message<'_>) -> Vec<u8> {
    if message.says("transfer-encoding", "chunked") { unchunked(message.body) } else { message.body.to_vec() }
}

/// What can be read, up to the bound.
fn limited(input: impl Read) -> Vec<u8> {
    let mut plain = Vec::new();
    let _ = input.take(DECODED_BODY_BYTES_MAX as u64).read_to_end(&mut plain);
    plain
}

/// The bytes of all chunks.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while let Some(line) = memchr::memchr(b'\n', bytes) {
        let digits = bytes.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&bytes[..digits]).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let rest = &bytes[line + 1..];
        let Some(size) = size.filter(|&size| size > 0) else { break };
        plain.extend_from_slice(&rest[..size.min(rest.len())]);
        let Some(next) = size.checked_add(2).and_then(|next| rest.get(next..)) else { break };
        bytes = next;
    }
    plain
}

/// A request to be written.
#[derive(Default)]
pub(super) struct Draft<'a> {
    /// The method.
    pub(super) method: &'a str,
    /// The target.
    pub(super) target: &'a str,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub(super) version: &'a str,
    /// Names and values.
    pub(super) headers: Vec<(&'a str, &'a str)>,
    /// The body, without framing.
    pub(super) body: &'a [u8],
}

impl Draft<'_> {
    /// The request's bytes: its length is stated anew, chunks are gone. None when it would not be one request: a name
    /// that is no token, a line break in a value.
    pub(super) fn request(&self) -> Option<Request> {
        let sound = is_token(self.method)
            && !self.target.is_empty()
            && self.target.bytes().all(|b| b > b' ' && b != 0x7f)
            && self.headers.iter().all(|(name, value)| is_token(name) && is_value(value));
        if !sound {
            return None;
        }
        let length = self.body.len().to_string();
        let mut bytes = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        let mut line = |name: &str, value: &str| {
            [name, ": ", value, "\r\n"].iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
        };
        let mut told = false;
        for (name, value) in &self.headers {
            match () {
                () if name.eq_ignore_ascii_case("transfer-encoding") => {}
                () if name.eq_ignore_ascii_case("content-length") => {
                    if !std::mem::replace(&mut told, true) {
                        line(name, &length);
                    }
                }
                () => line(name, value),
            }
        }
        if !told && !self.body.is_empty() {
            line("Content-Length", &length);
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body);
        one_request(bytes)
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_value(text: &str) -> bool {
    !text.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0))
}

/// The bytes as a request, when they are exactly one, complete.
pub(super) fn one_request(bytes: Vec<u8>) -> Option<Request> {
    let mut marks = Marks::default();
    let mut conversation = Http1.open(0);
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        match conversation.read(Side::Client, at as u64, rest, true, &mut marks) {
            0 => break,
            done => at += done,
        }
    }
    let whole = marks.begun == 1 && marks.begins == 0 && marks.end == Some(bytes.len() as u64);
    if whole { Request::new(bytes) } else { None }
}

/// Where requests begin and end.
#[derive(Default)]
struct Marks {
    begun: u64,
    begins: u64,
    end: Option<u64>,
}

impl Sink for Marks {
    fn wants_values(&self) -> bool {
        false
    }

    fn keep(&mut self, _at: std::ops::Range<u64>) {}
    fn field(&mut self, _at: &[std::ops::Range<u64>], _field: &Field<'_>) {}
    fn opaque(&mut self, _at: std::ops::Range<u64>, _what: &'static str) {}
    fn window(&mut self, _at: &[std::ops::Range<u64>], _window: &Window<'_>) {}

    fn mark(&mut self, _side: Side, mark: Mark<'_>) {
        match mark {
            Mark::Request { at, .. } => {
                self.begun += 1;
                self.begins = at;
            }
            Mark::End { end } => self.end = self.end.or(Some(end)),
            Mark::Response { .. } => self.begun += 2,
            Mark::Lane(_) | Mark::Text(_) | Mark::Cut => {}
        }
    }
}

/// A response's bytes from what a file says of it: the body is plain, and its length is stated anew.
pub(super) fn response<'a>(
    status: u16,
    reason: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: &[u8],
) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} {}\r\n", if is_value(reason) { reason } else { "" }).into_bytes();
    let framing = ["transfer-encoding", "content-encoding", "content-length"];
    for (name, value) in headers.filter(|(name, _)| is_token(name)) {
        if framing.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            continue;
        }
        // Browsers join several Set-Cookie headers with line feeds.
        for value in value.split('\n').filter(|value| is_value(value)) {
            [name, ": ", value, "\r\n"].iter().for_each(|part| bytes.extend_from_slice(part.as_bytes()));
        }
    }
    bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}
