//! Pairs of names and values: application/x-www-form-urlencoded, and the query of a URL.

use std::ops::Range;

use super::{Content, Kind, Media, Until, cut};
use crate::protocol::emit::Emit;
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::name::is_identifier;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// The entry in [`super::ALL`].
pub const KIND: Kind = Kind {
    id: "form",
    about: "application/x-www-form-urlencoded",
    claims: |media| media.essence == "application/x-www-form-urlencoded",
    sniffs: |_| false,
    open,
};

fn open(_: &Media, root: &str) -> Box<dyn Content> {
    Box::new(Form { path: Path::new(&format!("{root}.form")), state: State::Pair })
}

struct Form {
    path: Path,
    state: State,
}

enum State {
    /// A pair begins.
    Pair,
    /// In a long value, whose path is the current one; the pairs' one is kept here.
    Value(crate::protocol::path::Level),
}

impl Content for Form {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        let bytes = emit.bytes();
        loop {
            let start = emit.done();
            let Some(len) = memchr::memchr(b'&', &bytes[start..]) else { break };
            self.rest_of_pair(emit, start + len);
            emit.keep_to(start + len + 1);
        }
        let start = emit.done();
        if start == bytes.len() || until == Until::More {
            return;
        }
        match until {
            Until::End => self.rest_of_pair(emit, bytes.len()),
            Until::More | Until::Full | Until::Flush => self.part_of_pair(emit, cut(bytes, start, until)),
        }
    }
}

impl Form {
    fn rest_of_pair(&mut self, emit: &mut Emit<'_>, end: usize) {
        match std::mem::replace(&mut self.state, State::Pair) {
            State::Pair => pair(emit, emit.done()..end, &mut self.path, Encoding::Form),
            State::Value(level) => {
                emit.field_to(end, &self.path, Encoding::Form, Role::Value);
                self.path.back(level);
            }
        }
    }

    fn part_of_pair(&mut self, emit: &mut Emit<'_>, end: usize) {
        if let State::Pair = self.state {
            let start = emit.done();
            self.state = State::Value(self.path.level());
            if let Some(equals) = memchr::memchr(b'=', &emit.bytes()[start..end]) {
                name(emit, start..start + equals, &mut self.path, Encoding::Form);
                emit.keep_to(start + equals + 1);
            }
        }
        emit.field_to(end, &self.path, Encoding::Form, Role::Value);
    }
}

/// `a=b&c=d` at `at`. The path comes back as it was.
pub fn pairs(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path, encoding: Encoding) {
    let mut start = at.start;
    while start < at.end {
        let len = memchr::memchr2(b'&', b';', &emit.bytes()[start..at.end]).unwrap_or(at.end - start);
        pair(emit, start..start + len, path, encoding);
        start += len + 1;
        emit.keep_to(start.min(at.end));
    }
}

/// `name=value` at `at`; what has no equals sign is a value. The path comes back as it was.
pub fn pair(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path, encoding: Encoding) {
    let level = path.level();
    if let Some(equals) = memchr::memchr(b'=', &emit.bytes()[at.clone()]) {
        name(emit, at.start..at.start + equals, path, encoding);
        emit.keep_to(at.start + equals + 1);
    }
    emit.field_to(at.end, path, encoding, Role::Value);
    path.back(level);
}

/// A name at `at`: kept when it is an identifier, and then the path's last name.
pub fn name(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path, encoding: Encoding) {
    let raw = &emit.bytes()[at.clone()];
    if is_identifier(raw) {
        // An identifier is ASCII.
        path.push(std::str::from_utf8(raw).unwrap_or_default());
        return emit.keep_to(at.end);
    }
    let mut decoded = Decoded::default();
    let text = decode(raw, encoding, &mut decoded);
    match std::str::from_utf8(text) {
        Ok(text) if is_identifier(text.as_bytes()) => {
            path.push(text);
            emit.keep_to(at.end);
        }
        _ => {
            path.push_secret();
            emit.field_at(at, path, encoding, Role::Name);
        }
    }
}
