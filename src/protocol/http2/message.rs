//! What a header block says: its fields where they stand, and as the head of an HTTP/1 message.

use std::io::Write;

use super::hpack::{Header, Literal};
use crate::limits::WINDOW_PARTS_BYTES_MAX;
use crate::protocol::content::Media;
use crate::protocol::emit::{Again, Emit, Gathered, Out, What, Written};
use crate::protocol::grpc;
use crate::protocol::http1::head::Facts;
use crate::protocol::http1::{header, line, url};
use crate::protocol::path::Path;
use crate::protocol::{Codec, Encoding, Part, PartKind, Role, Window, window};

/// Reports a block: all of `block`. `path` begins as its message's, `http.request`.
pub fn report(block: &[u8], headers: &[Header], path: &mut Path, bodies: &mut u64, out: &mut Gathered<'_>) {
    let mut report = Report { block, done: 0, path, bodies, out };
    let is_request = report.path.text() == "http.request";
    let whose = Whose::of(is_request, headers.iter().map(|header| (&*header.name, &*header.value)));
    for header in headers {
        if let Some(at) = &header.name_at {
            report.literal(at, &header.name, name);
        }
        if let Some(at) = &header.value_at {
            report.literal(at, &header.value, |emit, path| value(emit, &header.name, whose, path));
        }
        if header.again {
            let mut again = Again(&mut *report.out.sink);
            value(&mut Emit::new(&header.value, &mut again), &header.name, whose, report.path);
        }
    }
    report.keep_to(block.len());
}

struct Report<'a, 'g> {
    block: &'a [u8],
    /// How much of it is reported.
    done: usize,
    path: &'a mut Path,
    bodies: &'a mut u64,
    out: &'a mut Gathered<'g>,
}

impl Report<'_, '_> {
    fn keep_to(&mut self, end: usize) {
        if let Some(bytes) = self.block.get(self.done..end).filter(|bytes| !bytes.is_empty()) {
            self.out.put(self.done..end, bytes, What::Keep);
            self.done = end;
        }
    }

    /// Reports what is before a literal, and the literal as `read` reads its text.
    fn literal(&mut self, literal: &Literal, text: &[u8], read: impl Fn(&mut Emit<'_>, &mut Path)) {
        self.keep_to(literal.at.start);
        let raw = self.block.get(literal.at.clone()).unwrap_or_default();
        if !literal.huffman {
            read(&mut Emit::new(raw, self.out), self.path);
        } else if !raw.is_empty() {
            let mut parts = Vec::new();
            read(&mut Emit::new(text, &mut Written { parts: &mut parts, room: WINDOW_PARTS_BYTES_MAX }), self.path);
            if parts.iter().all(|part| matches!(part.what, PartKind::Keep)) {
                return self.keep_to(literal.at.end);
            }
            self.out.window(&Window {
                body: window::next(self.bodies),
                codec: Codec::Huffman,
                packed: raw,
                veil: &[],
                header: 0,
                trailer: 0,
                plain: text,
                parts: &parts,
                last: true,
            });
        }
        self.done = literal.at.end;
    }
}

/// Whose headers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A request's.
    Request,
    /// A request's that calls a method of a gRPC service, which its path names.
    Call,
    /// A response's.
    Response,
}

impl Whose {
    /// Those of a block, by names and values.
    pub fn of<'a>(is_request: bool, mut headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Whose {
        let mut is_call = || {
            let media = headers.find(|(name, _)| *name == b"content-type");
            media.is_some_and(|(_, value)| grpc::is_call(&Media::parse(value)))
        };
        match is_request {
            false => Whose::Response,
            true if is_call() => Whose::Call,
            true => Whose::Request,
        }
    }
}

/// What stands where in a header's value, whoever read the block that it comes from.
pub fn parts(name: &[u8], text: &[u8], whose: Whose) -> Vec<Part> {
    let (mut parts, mut path) = (Vec::new(), Path::default());
    path.restart(if whose == Whose::Response { "http.response" } else { "http.request" });
    let mut out = Written { parts: &mut parts, room: WINDOW_PARTS_BYTES_MAX };
    value(&mut Emit::new(text, &mut out), name, whose, &mut path);
    parts
}

/// Names that begin with a colon (RFC 9113 §8.3, RFC 8441).
const PSEUDO: &[&[u8]] = &[b":method", b":scheme", b":authority", b":path", b":status", b":protocol"];

fn name(emit: &mut Emit<'_>, path: &mut Path) {
    let bytes = emit.bytes();
    if PSEUDO.contains(&bytes) {
        return emit.keep_to(bytes.len());
    }
    header::name(emit, path);
}

/// A header's value: all of the bytes.
fn value(emit: &mut Emit<'_>, name: &[u8], whose: Whose, path: &mut Path) {
    let (bytes, level) = (emit.bytes(), path.level());
    let end = bytes.len();
    let is_constant = match name {
        b":method" => line::is_method(bytes),
        b":scheme" => matches!(bytes, b"http" | b"https"),
        b":status" => bytes.len() == 3 && bytes.iter().all(u8::is_ascii_digit),
        b":path" => bytes == b"*" || whose == Whose::Call && grpc::names_a_method(bytes),
        b":protocol" => bytes == b"websocket",
        _ => false,
    };
    match name {
        _ if is_constant => emit.keep_to(end),
        b":path" => url::url(emit, 0..end, path),
        b":authority" => {
            path.push_unnamed(".header");
            path.push("host");
            url::host(emit, 0..end, path);
        }
        b":method" | b":scheme" | b":status" | b":protocol" => emit.field_to(end, path, Encoding::Plain, Role::Text),
        _ => header::value(emit, name, path),
    }
    path.back(level);
    emit.opaque_to(end, "http header value");
}

/// What a block says of its message.
#[derive(Debug)]
pub struct Said<'a> {
    pub method: &'a [u8],
    pub target: &'a [u8],
    authority: Option<&'a [u8]>,
    /// 0 when there is none.
    pub status: u16,
    /// Name and value of the others.
    lines: Vec<(&'a [u8], &'a [u8])>,
    /// It can be said in HTTP/1, and in no way that means something else there.
    sound: bool,
    pub facts: Facts,
}

/// How a message's body goes on in the form that HTTP/1 gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are to come.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Headers that speak of the connection (RFC 9113 §8.2.2), or say otherwise what is said anyway.
const LEFT_OUT: &[&[u8]] =
    &[b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"http2-settings"];

impl<'a> Said<'a> {
    /// Reads a block's headers.
    pub fn of(headers: &'a [Header]) -> Said<'a> {
        let mut said = Said {
            method: b"",
            target: b"",
            authority: None,
            status: 0,
            lines: Vec::new(),
            sound: true,
            facts: Facts::default(),
        };
        for header in headers {
            said.header(&header.name, &header.value);
        }
        said
    }

    fn header(&mut self, name: &'a [u8], value: &'a [u8]) {
        let is_line_safe = !value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
        self.sound &= is_line_safe;
        match name {
            b":method" => self.method = value,
            b":path" => self.target = value,
            b":authority" => self.authority = Some(value),
            b":status" => {
                let digits = std::str::from_utf8(value).ok().filter(|digits| digits.len() == 3);
                self.status = digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
            }
            b":scheme" => {}
            _ => {
                self.sound &= !name.is_empty() && name.iter().all(|&b| is_token_byte(b));
                self.facts.add(name, value);
                if !LEFT_OUT.iter().any(|left_out| name.eq_ignore_ascii_case(left_out)) {
                    self.lines.push((name, value));
                }
            }
        }
    }

    /// The head of a request in HTTP/1, and how its body is framed there. `ends`: it has none. Nothing for what HTTP/1
    /// cannot say, and for tunnels.
    pub fn request(&self, ends: bool) -> Option<(Vec<u8>, Framing)> {
        let is_word = |word: &[u8]| !word.is_empty() && word.iter().all(|b| b.is_ascii_graphic() || *b >= 0x80);
        let is_method = !self.method.is_empty() && self.method.iter().all(|&b| is_token_byte(b));
        let length_fits = !ends || self.facts.length.unwrap_or(0) == 0;
        if !self.sound || !is_method || !is_word(self.target) || self.method == b"CONNECT" || !length_fits {
            return None;
        }
        let mut head = [self.method, b" ", self.target, b" HTTP/1.1\r\n"].concat();
        let names_host = self.lines.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"host"));
        if let Some(authority) = self.authority.filter(|_| !names_host) {
            put(&mut head, b"host", authority);
        }
        let framing = self.write_lines(&mut head, ends);
        Some((head, framing))
    }

    /// The head of a final response in HTTP/1, likewise.
    pub fn response(&self, ends: bool) -> Option<(Vec<u8>, Framing)> {
        if !self.sound || !(200..1000).contains(&self.status) {
            return None;
        }
        let mut head = Vec::new();
        // Writing to memory does not fail.
        let _ = write!(head, "HTTP/1.1 {}\r\n", self.status);
        let framing = self.write_lines(&mut head, ends);
        Some((head, framing))
    }

    /// Writes the headers and an empty line.
    fn write_lines(&self, head: &mut Vec<u8>, ends: bool) -> Framing {
        let is_cookie = |name: &[u8]| name.eq_ignore_ascii_case(b"cookie");
        let mut has_cookies = false;
        for &(name, value) in &self.lines {
            if !is_cookie(name) {
                put(head, name, value);
            } else if !std::mem::replace(&mut has_cookies, true) {
                // One header for each crumb is one header again (RFC 9113 §8.2.3).
                let crumbs: Vec<&[u8]> =
                    self.lines.iter().filter(|(name, _)| is_cookie(name)).map(|(_, value)| *value).collect();
                put(head, name, &crumbs.join(&b"; "[..]));
            }
        }
        let framing = match self.facts.length {
            _ if ends => Framing::Length(0),
            Some(length) => Framing::Length(length),
            None => {
                put(head, b"transfer-encoding", b"chunked");
                Framing::Chunked
            }
        };
        head.extend_from_slice(b"\r\n");
        framing
    }

    /// Trailers as they stand behind the last chunk, and the empty line.
    pub fn trailers(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if self.sound {
            self.lines.iter().for_each(|(name, value)| put(&mut text, name, value));
        }
        text.extend_from_slice(b"\r\n");
        text
    }
}

/// RFC 9110 §5.6.2.
fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

fn put(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
