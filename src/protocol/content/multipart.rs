//! multipart/* (RFC 2046 §5.1, RFC 7578): parts with headers, each read by its own type.

use super::opaque::Opaque;
use super::text::Text;
use super::{Content, Kind, Media, Until};
use crate::limits::HEAD_BYTES_MAX;
use crate::protocol::emit::Emit;
use crate::protocol::http1::{head, header};
use crate::protocol::name::is_identifier;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// The entry in [`super::ALL`].
pub const KIND: Kind = Kind {
    id: "multipart",
    about: "multipart/form-data and other multipart types",
    claims: |media| media.essence.starts_with("multipart/") && (1..=BOUNDARY_MAX).contains(&media.boundary.len()),
    sniffs: |_| false,
    open,
};

/// Longest boundary; the standard's is 70.
const BOUNDARY_MAX: usize = 200;
/// Nested parts; deeper ones are opaque.
const DEPTH_MAX: usize = 4;

fn open(media: &Media, root: &str) -> Box<dyn Content> {
    if root.matches(".multipart").count() >= DEPTH_MAX {
        return Box::new(Opaque::rest("http body other"));
    }
    // The same path, and so the same pseudonym, as in the header that gave the boundary.
    let message = root.strip_suffix(".body").unwrap_or(root);
    let mut boundary = Path::new(&format!("{message}.header"));
    boundary.push("content-type");
    boundary.push("boundary");
    let delimiter = [b"--", &media.boundary[..]].concat();
    let root = format!("{root}.multipart");
    let part = Box::new(Text::new(Path::new(&root)));
    Box::new(Multipart { root, delimiter, boundary, state: State::Data, fresh: true, part })
}

struct Multipart {
    root: String,
    /// `--` and the boundary.
    delimiter: Vec<u8>,
    boundary: Path,
    state: State,
    /// Nothing of the part was read: the next delimiter may come at once.
    fresh: bool,
    /// Reads the current part's data, the preamble, the epilogue.
    part: Box<dyn Content>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Headers,
    Data,
    Epilogue,
}

impl Content for Multipart {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        loop {
            let before = (emit.done(), self.state);
            match self.state {
                State::Headers => self.headers(emit, until),
                State::Data => self.data(emit, until),
                State::Epilogue => self.part.read(emit, until),
            }
            if before == (emit.done(), self.state) || emit.done() == emit.bytes().len() {
                return;
            }
        }
    }
}

impl Multipart {
    /// Data up to the next delimiter.
    fn data(&mut self, emit: &mut Emit<'_>, until: Until) {
        let (bytes, start) = (emit.bytes(), emit.done());
        let Some(at) = self.find_delimiter(&bytes[start..]).map(|at| start + at) else {
            // A delimiter may be cut.
            let held = if until.goes_on() { self.delimiter.len() + 2 } else { 0 };
            let safe = bytes.len().saturating_sub(held).max(start);
            emit.within(safe, |emit| self.part.read(emit, until));
            let flushed = until == Until::Flush && bytes.ends_with(b"\n");
            self.fresh = flushed || (self.fresh && emit.done() == start);
            return;
        };
        let line_end = memchr::memchr(b'\n', &bytes[at..]).map(|len| at + len + 1);
        if line_end.is_none() && until.goes_on() {
            // Its line tells whether it is the last one; a longer line is none.
            if bytes.len() - at > HEAD_BYTES_MAX {
                emit.opaque_to(bytes.len(), "http body damaged");
            }
            return;
        }
        let data_end = at - line_end_before(&bytes[start..at]);
        emit.within(data_end, |emit| self.part.read(emit, Until::End));
        emit.opaque_to(data_end, "http body damaged");
        self.delimiter_line(emit, at, line_end.unwrap_or(bytes.len()));
    }

    fn delimiter_line(&mut self, emit: &mut Emit<'_>, at: usize, end: usize) {
        emit.keep_to(at + 2);
        let behind = at + self.delimiter.len();
        emit.field_to(behind, &self.boundary, Encoding::Plain, Role::Value);
        let is_last = emit.bytes()[behind..end].starts_with(b"--");
        emit.keep_to(if is_last { behind + 2 } else { behind });
        if !emit.bytes()[emit.done()..end].trim_ascii().is_empty() {
            emit.opaque_to(end, "http body damaged");
        }
        emit.keep_to(end);
        self.state = if is_last { State::Epilogue } else { State::Headers };
        self.part = Box::new(Text::new(Path::new(&self.root)));
    }

    /// A delimiter at the beginning of a line.
    fn find_delimiter(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memmem::find_iter(bytes, &self.delimiter)
            .find(|&at| if at == 0 { self.fresh } else { bytes[at - 1] == b'\n' })
    }

    fn headers(&mut self, emit: &mut Emit<'_>, until: Until) {
        let (bytes, start) = (emit.bytes(), emit.done());
        let rest = &bytes[start..];
        let len = match rest {
            [b'\n', ..] => Some(1),
            [b'\r', b'\n', ..] => Some(2),
            _ => head::end(rest, &mut 0),
        };
        let Some(len) = len else {
            if until != Until::More || rest.len() > HEAD_BYTES_MAX {
                self.begin_part(Box::new(Opaque::rest("http body damaged")));
            }
            return;
        };
        let part = self.part_of(&rest[..len]);
        let mut path = Path::new(&self.root);
        emit.within(start + len, |emit| head::header_lines(emit, &mut path));
        self.begin_part(part);
    }

    fn begin_part(&mut self, part: Box<dyn Content>) {
        self.part = part;
        self.state = State::Data;
        self.fresh = true;
    }

    /// A reader for the part with these headers.
    fn part_of(&self, headers: &[u8]) -> Box<dyn Content> {
        let (mut media, mut name, mut is_file) = (None, None, false);
        for (line, _) in head::lines(headers, 0) {
            let Some((header, value)) = header::split(&headers[line.clone()]) else { continue };
            let value = &headers[line.start + value.start..line.start + value.end];
            if header.eq_ignore_ascii_case(b"content-type") {
                media = Some(Media::parse(value));
            } else if header.eq_ignore_ascii_case(b"content-disposition") {
                name = parameter(value, b"name");
                is_file = parameter(value, b"filename").is_some();
            }
        }
        let mut path = Path::new(&self.root);
        match name.filter(|name| is_identifier(name)).and_then(|name| std::str::from_utf8(name).ok()) {
            Some(name) => path.push(name),
            None => path.push_secret(),
        }
        match media {
            Some(media) => super::open(&media, path.text()),
            None if is_file => super::open(&Media::default(), path.text()),
            None => Box::new(Text::values(path)),
        }
    }
}

/// The value of a parameter, quotes left out.
fn parameter<'a>(value: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut parts = value.split(|&b| b == b';').skip(1);
    parts.find_map(|part| {
        let equals = memchr::memchr(b'=', part)?;
        let name = part[..equals].trim_ascii();
        let name = name.strip_suffix(b"*").unwrap_or(name);
        name.eq_ignore_ascii_case(wanted).then(|| super::unquoted(part[equals + 1..].trim_ascii()))
    })
}

/// The length of the line end at the end of `bytes`.
fn line_end_before(bytes: &[u8]) -> usize {
    match bytes {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}
