//! JSON (RFC 8259), several values in a row included (NDJSON, RFC 7464 without its separators).
//!
//! What turns out to be no JSON is read as lines of text from there on.

use super::text::Text;
use super::{Content, Kind, Media, Until, cut};
use crate::limits::NESTING_MAX;
use crate::protocol::emit::Emit;
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::name::is_identifier;
use crate::protocol::path::{Level, Path};
use crate::protocol::{Encoding, Role};

/// The entry in [`super::ALL`].
pub const KIND: Kind = Kind {
    id: "json",
    about: "JSON, NDJSON, +json types",
    claims: |media| {
        let subtype = media.essence.split('/').nth(1).unwrap_or_default();
        subtype == "json"
            || subtype.ends_with("+json")
            || matches!(
                subtype,
                "x-json" | "x-ndjson" | "ndjson" | "jsonl" | "json-seq" | "csp-report" | "x-javascript-object-notation"
            )
    },
    sniffs: |first| matches!(first, b'{' | b'['),
    open: |_: &Media, root: &str| Box::new(Json::new(Path::new(&format!("{root}.json")))),
};

/// Reader of JSON.
pub struct Json {
    path: Path,
    root: Level,
    open: Vec<Container>,
    expect: Expect,
    /// Reads what is no JSON.
    text: Option<Text>,
}

/// An object or array that is open.
struct Container {
    array: bool,
    /// The path around it.
    outer: Level,
    /// The path of what is in it.
    inner: Level,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// Behind `[`.
    ValueOrEnd,
    Name,
    /// Behind `{`.
    NameOrEnd,
    Colon,
    /// Behind a value: a comma, the container's end; on top another value.
    Next,
    /// The rest of a string, longer than can be waited for.
    RestOfValue,
    RestOfName,
}

/// Why reading stops.
enum Stop {
    /// The bytes do, perhaps in a token.
    Wait,
    /// This is no JSON.
    Malformed,
}

impl Json {
    /// Paths begin with `path`.
    pub fn new(path: Path) -> Self {
        Json { root: path.level(), path, open: Vec::new(), expect: Expect::Value, text: None }
    }
}

impl Content for Json {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        if self.text.is_none() {
            let mut at = emit.done();
            match self.tokens(emit, &mut at, until) {
                Stop::Wait if until == Until::More => emit.keep_to(at),
                // A token that is cut at the end is kept by nobody.
                Stop::Wait if at >= emit.bytes().len() => emit.keep_to(at),
                Stop::Wait | Stop::Malformed => {
                    emit.keep_to(at);
                    self.path.back(self.root);
                    self.text = Some(Text::new(self.path.clone()));
                }
            }
        }
        if let Some(text) = &mut self.text {
            text.read(emit, until);
        }
    }
}

impl Json {
    /// Reads tokens from `at` on and moves it behind the last whole one.
    fn tokens(&mut self, emit: &mut Emit<'_>, at: &mut usize, until: Until) -> Stop {
        let bytes = emit.bytes();
        loop {
            if let Expect::RestOfValue | Expect::RestOfName = self.expect {
                if let Err(stop) = self.rest_of_string(emit, at, until) {
                    return stop;
                }
                continue;
            }
            while bytes.get(*at).is_some_and(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t')) {
                *at += 1;
            }
            let Some(&first) = bytes.get(*at) else { return Stop::Wait };
            let token = match (self.expect, first) {
                (Expect::Value | Expect::ValueOrEnd, b'"') => self.string(emit, at, until),
                (Expect::Name | Expect::NameOrEnd, b'"') => self.member_name(emit, at, until),
                (Expect::Colon, b':') => self.step(at, Expect::Value),
                (Expect::Next, b',') => self.comma(at),
                (Expect::Value | Expect::ValueOrEnd, b'{') => self.begin(at, false),
                (Expect::Value | Expect::ValueOrEnd, b'[') => self.begin(at, true),
                (Expect::Next | Expect::NameOrEnd, b'}') => self.finish(at, false),
                (Expect::Next | Expect::ValueOrEnd, b']') => self.finish(at, true),
                (Expect::Value | Expect::ValueOrEnd, b'-' | b'0'..=b'9') => self.number(emit, at, until),
                (Expect::Value | Expect::ValueOrEnd, b't' | b'f' | b'n') => self.literal(bytes, at),
                (Expect::Next, _) if self.open.is_empty() => self.step_to(Expect::Value),
                (Expect::Value, 0xEF) if self.open.is_empty() && bytes[*at..].starts_with(b"\xEF\xBB\xBF") => {
                    *at += 2;
                    self.step(at, Expect::Value)
                }
                _ => Err(Stop::Malformed),
            };
            if let Err(stop) = token {
                return stop;
            }
        }
    }

    fn step(&mut self, at: &mut usize, expect: Expect) -> Result<(), Stop> {
        *at += 1;
        self.step_to(expect)
    }

    fn step_to(&mut self, expect: Expect) -> Result<(), Stop> {
        self.expect = expect;
        Ok(())
    }

    fn comma(&mut self, at: &mut usize) -> Result<(), Stop> {
        match self.open.last() {
            Some(container) if container.array => self.step(at, Expect::Value),
            Some(_) => self.step(at, Expect::Name),
            None => Err(Stop::Malformed),
        }
    }

    fn begin(&mut self, at: &mut usize, array: bool) -> Result<(), Stop> {
        if self.open.len() >= NESTING_MAX {
            return Err(Stop::Malformed);
        }
        let outer = self.path.level();
        if array {
            self.path.push_unnamed("[]");
        }
        self.open.push(Container { array, outer, inner: self.path.level() });
        self.step(at, if array { Expect::ValueOrEnd } else { Expect::NameOrEnd })
    }

    fn finish(&mut self, at: &mut usize, array: bool) -> Result<(), Stop> {
        match self.open.pop() {
            Some(container) if container.array == array => {
                self.path.back(container.outer);
                *at += 1;
                self.value_done()
            }
            _ => Err(Stop::Malformed),
        }
    }

    fn value_done(&mut self) -> Result<(), Stop> {
        self.path.back(self.open.last().map_or(self.root, |container| container.inner));
        self.step_to(Expect::Next)
    }

    fn string(&mut self, emit: &mut Emit<'_>, at: &mut usize, until: Until) -> Result<(), Stop> {
        let start = *at + 1;
        match string_end(emit.bytes(), start) {
            Some(end) => {
                emit.field_at(start..end, &self.path, Encoding::Json, Role::Value);
                *at = end + 1;
                self.value_done()
            }
            None => self.long_string(emit, at, until, Expect::RestOfValue),
        }
    }

    fn member_name(&mut self, emit: &mut Emit<'_>, at: &mut usize, until: Until) -> Result<(), Stop> {
        let start = *at + 1;
        let Some(end) = string_end(emit.bytes(), start) else {
            return self.long_string(emit, at, until, Expect::RestOfName);
        };
        let raw = &emit.bytes()[start..end];
        if !self.push_identifier(raw) {
            self.path.push_secret();
            emit.field_at(start..end, &self.path, Encoding::Json, Role::Name);
        }
        *at = end + 1;
        self.step_to(Expect::Colon)
    }

    fn push_identifier(&mut self, raw: &[u8]) -> bool {
        let mut decoded = Decoded::default();
        let text = decode(raw, Encoding::Json, &mut decoded);
        let text = std::str::from_utf8(text).unwrap_or_default();
        let is = is_identifier(text.as_bytes());
        if is {
            self.path.push(text);
        }
        is
    }

    /// A string that does not end in these bytes: waits, or begins it in parts.
    fn long_string(&mut self, emit: &mut Emit<'_>, at: &mut usize, until: Until, rest: Expect) -> Result<(), Stop> {
        if until == Until::More {
            return Err(Stop::Wait);
        }
        if rest == Expect::RestOfName {
            self.path.push_secret();
        }
        *at += 1;
        emit.keep_to(*at);
        self.step_to(rest)
    }

    fn rest_of_string(&mut self, emit: &mut Emit<'_>, at: &mut usize, until: Until) -> Result<(), Stop> {
        let bytes = emit.bytes();
        let is_name = self.expect == Expect::RestOfName;
        let role = if is_name { Role::Name } else { Role::Value };
        let Some(end) = string_end(bytes, *at) else {
            if until == Until::More {
                return Err(Stop::Wait);
            }
            *at = cut(bytes, *at, until).max(*at);
            emit.field_to(*at, &self.path, Encoding::Json, role);
            return Err(Stop::Wait);
        };
        emit.field_to(end, &self.path, Encoding::Json, role);
        *at = end + 1;
        if is_name { self.step_to(Expect::Colon) } else { self.value_done() }
    }

    fn number(&mut self, emit: &mut Emit<'_>, at: &mut usize, until: Until) -> Result<(), Stop> {
        let rest = &emit.bytes()[*at..];
        let inside = |b: &u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let len = rest.iter().take_while(|b| inside(b)).count();
        if len == rest.len() && until == Until::More {
            return Err(Stop::Wait);
        }
        emit.field_at(*at..*at + len, &self.path, Encoding::Plain, Role::Number);
        *at += len;
        self.value_done()
    }

    fn literal(&mut self, bytes: &[u8], at: &mut usize) -> Result<(), Stop> {
        let rest = &bytes[*at..];
        for literal in [&b"true"[..], b"false", b"null"] {
            if rest.starts_with(literal) {
                *at += literal.len();
                return self.value_done();
            }
            if literal.starts_with(rest) {
                return Err(Stop::Wait);
            }
        }
        Err(Stop::Malformed)
    }
}

/// The position of the quote that ends the string whose inside begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    /// Most strings are short: a look at each byte is faster than setting up a search.
    const SHORT: usize = 16;
    let mut at = start;
    let near = bytes.len().min(start + SHORT);
    while at < near && bytes[at] != b'"' && bytes[at] != b'\\' {
        at += 1;
    }
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}
