//! Targets and URLs: the same parts wherever they stand, so that a Location maps as the next request's path does.

use std::ops::Range;

use crate::protocol::content::form;
use crate::protocol::emit::Emit;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// Schemes that are kept.
const SCHEMES: &[&str] = &["http", "https", "ws", "wss", "ftp", "ftps", "urn", "file", "blob", "data", "javascript"];

/// A URL, absolute or relative, at `at`; its parts are named below `path`, which comes back as it was.
pub fn url(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = &emit.bytes()[at.clone()];
    if let Some(colon) = scheme_len(bytes) {
        word(emit, at.start..at.start + colon, path, ".scheme", SCHEMES);
        emit.keep_to(at.start + colon + 1);
        if !bytes[colon + 1..].starts_with(b"//") {
            return below(path, ".path", |path| emit.field_to(at.end, path, Encoding::Percent, Role::Value));
        }
    }
    let mut start = emit.done().max(at.start);
    if emit.bytes()[start..at.end].starts_with(b"//") {
        emit.keep_to(start + 2);
        start += 2;
        let rest = &emit.bytes()[start..at.end];
        let end = start + rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        authority(emit, start..end, path);
        start = end;
    }
    path_query_fragment(emit, start..at.end, path);
}

/// The length of the scheme before a colon.
fn scheme_len(bytes: &[u8]) -> Option<usize> {
    let len = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')).count();
    let is_scheme = len > 1 && bytes[0].is_ascii_alphabetic() && bytes.get(len) == Some(&b':');
    let known = || SCHEMES.iter().any(|known| bytes[..len].eq_ignore_ascii_case(known.as_bytes()));
    // `shop:8080` is a host.
    (is_scheme && (known() || !begins_with_port(&bytes[len + 1..]))).then_some(len)
}

/// A port, and nothing or what may follow one.
fn begins_with_port(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    (1..=5).contains(&digits) && matches!(bytes.get(digits), None | Some(b'/' | b'?' | b'#'))
}

/// `user:password@host:port` at `at`.
pub fn authority(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = &emit.bytes()[at.clone()];
    let mut start = at.start;
    if let Some(at_sign) = memchr::memrchr(b'@', bytes) {
        let end = start + at_sign;
        let colon = memchr::memchr(b':', &bytes[..at_sign]).map_or(end, |colon| start + colon);
        below(path, ".user", |path| emit.field_at(start..colon, path, Encoding::Percent, Role::Value));
        emit.keep_to(colon + 1);
        below(path, ".password", |path| emit.field_to(end, path, Encoding::Percent, Role::Value));
        emit.keep_to(end + 1);
        start = end + 1;
    }
    below(path, ".host", |path| host(emit, start..at.end, path));
}

/// A host name or address with its port, if there is one; the port is kept.
pub fn host(emit: &mut Emit<'_>, at: Range<usize>, path: &Path) {
    emit.keep_to(at.start);
    let bytes = &emit.bytes()[at.clone()];
    let (inner, behind) = match bytes.strip_prefix(b"[") {
        Some(rest) => {
            let len = memchr::memchr(b']', rest).unwrap_or(rest.len());
            (at.start + 1..at.start + 1 + len, at.start + 1 + len)
        }
        None => {
            let name = port_at(bytes).map_or(at.end, |colon| at.start + colon);
            (at.start..name, name)
        }
    };
    emit.field_at(inner, path, Encoding::Plain, Role::Host);
    let rest = &emit.bytes()[behind.min(at.end)..at.end];
    let is_port = rest.len() <= 7 && rest.iter().all(|b| b.is_ascii_digit() || matches!(b, b':' | b']'));
    if is_port {
        emit.keep_to(at.end);
    }
    emit.field_to(at.end, path, Encoding::Plain, Role::Value);
}

/// Where `:port` begins; an IPv6 address without brackets has none.
fn port_at(bytes: &[u8]) -> Option<usize> {
    let colon = memchr::memchr(b':', bytes)?;
    let port = &bytes[colon + 1..];
    (port.len() <= 5 && port.iter().all(u8::is_ascii_digit)).then_some(colon)
}

fn path_query_fragment(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = &emit.bytes()[at.clone()];
    let fragment = memchr::memchr(b'#', bytes).unwrap_or(bytes.len());
    let query = memchr::memchr(b'?', &bytes[..fragment]).unwrap_or(fragment);
    let (query, fragment) = (at.start + query, at.start + fragment);
    segments(emit, at.start..query, path);
    if query < fragment {
        emit.keep_to(query + 1);
        below(path, ".query", |path| form::pairs(emit, query + 1..fragment, path, Encoding::Form));
    }
    emit.keep_to((fragment + 1).min(at.end));
    below(path, ".fragment", |path| emit.field_to(at.end, path, Encoding::Percent, Role::Value));
}

/// Segments of a path, with matrix parameters.
pub fn segments(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let mut start = at.start;
    while start < at.end {
        let end = memchr::memchr(b'/', &emit.bytes()[start..at.end]).map_or(at.end, |len| start + len);
        segment(emit, start..end, path);
        start = end + 1;
        emit.keep_to(start.min(at.end));
    }
}

fn segment(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = &emit.bytes()[at.clone()];
    let name = memchr::memchr(b';', bytes).map_or(at.end, |len| at.start + len);
    if matches!(&bytes[..name - at.start], b"." | b"..") {
        emit.keep_to(name);
    }
    below(path, ".path", |path| emit.field_to(name, path, Encoding::Percent, Role::Segment));
    if name < at.end {
        emit.keep_to(name + 1);
        below(path, ".matrix", |path| form::pairs(emit, name + 1..at.end, path, Encoding::Percent));
    }
}

/// A word at `at`: kept when it is one of `known` in any case, else a value.
pub fn word(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path, below_path: &str, known: &[&str]) {
    let bytes = &emit.bytes()[at.clone()];
    if known.iter().any(|known| bytes.eq_ignore_ascii_case(known.as_bytes())) {
        return emit.keep_to(at.end);
    }
    below(path, below_path, |path| emit.field_at(at, path, Encoding::Plain, Role::Value));
}

/// Goes down the path for a while.
fn below(path: &mut Path, text: &str, act: impl FnOnce(&mut Path)) {
    let level = path.level();
    path.push_unnamed(text);
    act(path);
    path.back(level);
}
