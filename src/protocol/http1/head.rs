//! Heads: where one ends, what it says about the body, and its bytes as fields.

use std::ops::Range;

use super::header;
use super::line::{request_line, status_line};
use super::url;
use super::words::is_reason;
use crate::protocol::content::Media;
use crate::protocol::emit::Emit;
use crate::protocol::grpc;
use crate::protocol::path::Path;
use crate::protocol::websocket::deflate::Agreed;
use crate::protocol::{Codec, Encoding, Role};

/// The end of the head that begins `bytes`: behind its empty line. `scanned` says how far was looked before.
pub fn end(bytes: &[u8], scanned: &mut usize) -> Option<usize> {
    let from = (*scanned).min(bytes.len());
    for at in memchr::memchr_iter(b'\n', &bytes[from..]) {
        let next = from + at + 1;
        match &bytes[next..] {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => {}
        }
    }
    // An empty line may be cut: look again at its beginning.
    *scanned = bytes.len().saturating_sub(2);
    None
}

/// The lines of `bytes` from `start` on: each without its line end, and where the next one begins.
pub fn lines(bytes: &[u8], start: usize) -> impl Iterator<Item = (Range<usize>, usize)> {
    let mut start = start;
    std::iter::from_fn(move || {
        let rest = bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let (line, next) = match memchr::memchr(b'\n', rest) {
            Some(len) => (start..start + len, start + len + 1),
            None => (start..bytes.len(), bytes.len()),
        };
        let cr = usize::from(bytes[line.clone()].ends_with(b"\r"));
        start = next;
        Some((line.start..line.end - cr, next))
    })
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    #[default]
    Identity,
    /// In a way that is read.
    Packed(Codec),
    /// In a way that is not, or in several.
    Unknown,
}

/// What a head says about its body and the connection.
#[derive(Debug, Default)]
pub struct Facts {
    /// The last Content-Length that is a number: where several differ (RFC 9110 §8.6 forbids it), peers do too.
    pub length: Option<u64>,
    /// Transfer-Encoding names chunked.
    pub chunked: bool,
    /// Content-Encoding, or a compressing Transfer-Encoding.
    pub coding: Coding,
    /// Grpc-Encoding, where it is one that is read: how single messages of the body are compressed.
    pub message_codec: Option<Codec>,
    /// Content-Type.
    pub media: Media,
    /// Upgrade names WebSocket.
    pub websocket: bool,
    /// Sec-WebSocket-Extensions names permessage-deflate.
    pub deflate: Option<Agreed>,
    /// Upgrade names HTTP/2 without TLS (RFC 7540 §3.2).
    pub http2: bool,
    /// Expect: 100-continue.
    pub expects: bool,
}

impl Facts {
    /// Reads the header lines of a head.
    pub fn of(head: &[u8]) -> Self {
        let mut facts = Facts::default();
        for (line, _) in lines(head, 0).skip(1) {
            if let Some((name, value)) = header::split(&head[line.clone()]) {
                facts.add(name, &head[line.start + value.start..line.start + value.end]);
            }
        }
        facts
    }

    /// Reads a header.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let names = |word: &str| contains_word(value, word.as_bytes());
        match name.len() {
            14 if is("content-length") => self.length = first_number(value).or(self.length),
            17 if is("transfer-encoding") => {
                self.chunked |= names("chunked");
                self.add_codings(value);
            }
            16 if is("content-encoding") => self.add_codings(value),
            12 if is("content-type") && self.media.essence.is_empty() => self.media = Media::parse(value),
            7 if is("upgrade") => {
                self.websocket |= names("websocket");
                self.http2 |= names("h2c");
            }
            13 if is("grpc-encoding") => self.message_codec = codec(value),
            24 if is("connect-content-encoding") => self.message_codec = codec(value),
            24 if is("sec-websocket-extensions") => self.deflate = Agreed::parse(value).or(self.deflate),
            6 if is("expect") => self.expects |= names("100-continue"),
            _ => {}
        }
    }

    fn add_codings(&mut self, value: &[u8]) {
        for word in value.split(|&b| b == b',').map(<[u8]>::trim_ascii) {
            let coding = match word.to_ascii_lowercase().as_slice() {
                b"" | b"identity" | b"chunked" | b"none" => continue,
                word => codec(word).map_or(Coding::Unknown, Coding::Packed),
            };
            self.coding = if self.coding == Coding::Identity { coding } else { Coding::Unknown };
        }
    }
}

/// The codec of this name.
fn codec(word: &[u8]) -> Option<Codec> {
    match word.to_ascii_lowercase().as_slice() {
        b"gzip" | b"x-gzip" => Some(Codec::Gzip),
        b"deflate" => Some(Codec::Zlib),
        _ => None,
    }
}

fn contains_word(value: &[u8], word: &[u8]) -> bool {
    value.split(|b| matches!(b, b',' | b';' | b' ' | b'\t')).any(|part| part.eq_ignore_ascii_case(word))
}

fn first_number(value: &[u8]) -> Option<u64> {
    let first = value.split(|&b| b == b',').next()?.trim_ascii();
    std::str::from_utf8(first).ok()?.trim_start_matches('+').parse().ok()
}

/// Reports a request's head: all of the bytes. The last line may be cut.
pub fn request(emit: &mut Emit<'_>, path: &mut Path) {
    path.restart("http.request");
    let bytes = emit.bytes();
    let Some((line, next)) = lines(bytes, emit.done()).next() else { return };
    let parts = request_line(&bytes[line.clone()]);
    let shift = |part: Range<usize>| line.start + part.start..line.start + part.end;
    let (method, target, version) = (shift(parts.method), shift(parts.target), shift(parts.version));
    let is_connect = bytes[method.clone()].eq_ignore_ascii_case(b"CONNECT");
    emit.keep_to(target.start);
    if is_connect {
        url::authority(emit, target.clone(), path);
    } else if &bytes[target.clone()] == b"*" || is_call(bytes, &bytes[target.clone()]) {
        emit.keep_to(target.end);
    } else {
        url::url(emit, target.clone(), path);
    }
    emit.opaque_to(target.end, "http target");
    emit.keep_to(version.start);
    constant(emit, version, path, is_version);
    emit.keep_to(next);
    header_lines(emit, path);
}

/// Whether a head is a gRPC call's, and its target the call's name.
fn is_call(head: &[u8], target: &[u8]) -> bool {
    grpc::names_a_method(target) && grpc::is_call(&Facts::of(head).media)
}

/// Reports a response's head: all of the bytes. The last line may be cut.
pub fn response(emit: &mut Emit<'_>, path: &mut Path) {
    path.restart("http.response");
    let bytes = emit.bytes();
    let Some((line, next)) = lines(bytes, emit.done()).next() else { return };
    let parts = status_line(&bytes[line.clone()]);
    let shift = |part: Range<usize>| line.start + part.start..line.start + part.end;
    constant(emit, shift(parts.version), path, is_version);
    constant(emit, shift(parts.code), path, is_code);
    constant(emit, shift(parts.reason), path, is_reason);
    emit.keep_to(next);
    header_lines(emit, path);
}

/// Keeps what is at `at` if it is a constant; else it is text.
fn constant(emit: &mut Emit<'_>, at: Range<usize>, path: &Path, is: impl Fn(&[u8]) -> bool) {
    if is(&emit.bytes()[at.clone()]) {
        emit.keep_to(at.end);
    } else {
        emit.field_at(at, path, Encoding::Plain, Role::Text);
    }
}

fn is_version(version: &[u8]) -> bool {
    version.len() <= 10 && version.iter().all(|b| b"HTTPICYhtp/.0123456789".contains(b))
}

/// A number, or a broken one: `2xx`.
fn is_code(code: &[u8]) -> bool {
    code.len() <= 4 && code.iter().enumerate().all(|(at, b)| b.is_ascii_digit() || (at > 0 && *b == b'x'))
}

/// Reports header (or trailer) lines, from where `emit` is done.
pub fn header_lines(emit: &mut Emit<'_>, path: &mut Path) {
    let bytes = emit.bytes();
    for (line, next) in lines(bytes, emit.done()) {
        let is_folded = matches!(bytes.get(line.start), Some(b' ' | b'\t')) && !line.is_empty();
        if is_folded {
            header::folded(emit, line, path);
        } else if !line.is_empty() {
            header::line(emit, line, path);
        }
        emit.keep_to(next);
    }
}
