//! Contents of bodies: bytes of a media type as fields. Knows nothing of messages and their framing.
//!
//! One content is one file and two lines in [`ALL`].

pub mod csv;
pub mod events;
pub mod form;
pub mod image;
pub mod json;
pub mod markup;
pub mod multipart;
pub mod opaque;
pub mod protobuf;
pub mod text;

use super::emit::Emit;
use crate::limits::VALUE_BYTES_MAX;

/// Every content that is understood, the more special ones first.
pub const ALL: &[Kind] =
    &[json::KIND, form::KIND, multipart::KIND, markup::KIND, events::KIND, csv::KIND, protobuf::KIND, text::KIND];

/// A content: when it is meant, and how it is read.
pub struct Kind {
    /// Its short name, as in paths.
    pub id: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Whether a body of this media type is one.
    pub claims: fn(&Media) -> bool,
    /// Whether a body with this first byte that is no white space is one, when the media type says nothing.
    pub sniffs: fn(u8) -> bool,
    /// A reader for one body; its fields' paths begin with the given root.
    pub open: fn(&Media, &str) -> Box<dyn Content>,
}

/// What comes behind the bytes that a reader is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// More, in time: a value that is cut is left for then.
    More,
    /// More, but no more can be shown at once: a value that is cut is taken in parts.
    Full,
    /// More, but these bytes can't wait.
    Flush,
    /// Nothing.
    End,
}

impl Until {
    /// More will be shown.
    fn goes_on(self) -> bool {
        matches!(self, Until::More | Until::Full)
    }
}

/// A reader of one body.
pub trait Content: Send {
    /// Reports the bytes of `emit` from where it is done; may leave some only if more come, to be shown them again.
    fn read(&mut self, emit: &mut Emit<'_>, until: Until);
}

/// Lets `content` read, a view of [`VALUE_BYTES_MAX`] at a time: a longer value is taken in the same parts however its
/// bytes arrive.
pub fn read(content: &mut dyn Content, emit: &mut Emit<'_>, until: Until) {
    loop {
        let start = emit.done();
        let end = start + VALUE_BYTES_MAX;
        if end >= emit.bytes().len() {
            break;
        }
        emit.within(end, |emit| content.read(emit, Until::More));
        if emit.done() == start {
            emit.within(end, |emit| content.read(emit, Until::Full));
        }
        if emit.done() == start {
            emit.opaque_to(end, "http body that cannot wait");
        }
    }
    content.read(emit, until);
    if until != Until::More {
        emit.opaque_to(emit.bytes().len(), "http body that cannot wait");
    }
}

/// A media type (RFC 9110 §8.3.1).
#[derive(Clone, Debug, Default)]
pub struct Media {
    /// `type/subtype` in lower case; "" when unknown.
    pub essence: String,
    /// The boundary of a multipart type.
    pub boundary: Vec<u8>,
    /// The charset, in lower case.
    pub charset: String,
}

impl Media {
    /// Reads the value of a Content-Type header.
    pub fn parse(value: &[u8]) -> Self {
        let mut parts = value.split(|&b| b == b';');
        let essence = lower(parts.next().unwrap_or_default());
        let mut media = Media { essence, ..Media::default() };
        for part in parts {
            let Some(equals) = memchr::memchr(b'=', part) else { continue };
            let value = unquoted(part[equals + 1..].trim_ascii());
            match lower(&part[..equals]).as_str() {
                "boundary" => media.boundary = value.to_vec(),
                "charset" => media.charset = lower(value),
                _ => {}
            }
        }
        media
    }

    /// Whether it says nothing about the content.
    fn is_generic(&self) -> bool {
        matches!(self.essence.as_str(), "" | "text/plain" | "application/octet-stream" | "binary/octet-stream" | "*/*")
    }

    /// Whether bytes are text of an alphabet that contains ASCII.
    fn is_ascii_based(&self) -> bool {
        !self.charset.starts_with("utf-16") && !self.charset.starts_with("utf-32") && !self.charset.starts_with("ucs")
    }
}

fn lower(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii()).to_ascii_lowercase()
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").map_or(value, |inner| inner.strip_suffix(b"\"").unwrap_or(inner))
}

/// A reader for a body of type `media`; paths begin with `root` (`http.request.body`).
pub fn open(media: &Media, root: &str) -> Box<dyn Content> {
    if !media.is_ascii_based() {
        return Box::new(opaque::Opaque::new(media));
    }
    if media.is_generic() {
        return Box::new(Sniff { media: media.clone(), root: root.into(), found: None });
    }
    open_claimed(media, root)
}

fn open_claimed(media: &Media, root: &str) -> Box<dyn Content> {
    match ALL.iter().find(|kind| (kind.claims)(media)) {
        Some(kind) => (kind.open)(media, root),
        None => Box::new(opaque::Opaque::new(media)),
    }
}

/// Whether bytes of type `media` are read by someone, so that it pays to inflate them.
pub fn is_understood(media: &Media) -> bool {
    media.is_ascii_based() && (media.is_generic() || ALL.iter().any(|kind| (kind.claims)(media)))
}

/// Waits for the first byte that tells.
struct Sniff {
    media: Media,
    root: String,
    found: Option<Box<dyn Content>>,
}

impl Content for Sniff {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        if self.found.is_none() {
            let rest = &emit.bytes()[emit.done()..];
            let blank = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
            emit.keep_to(emit.done() + blank);
            let Some(&first) = rest.get(blank) else { return };
            self.found = Some(match ALL.iter().find(|kind| (kind.sniffs)(first)) {
                Some(kind) => (kind.open)(&self.media, &self.root),
                None => open_claimed(&self.media, &self.root),
            });
        }
        if let Some(found) = &mut self.found {
            found.read(emit, until);
        }
    }
}

/// The last position up to which a value that goes on can be cut: in no character and no escape. All of it when it
/// can't wait.
fn cut(bytes: &[u8], start: usize, until: Until) -> usize {
    let len = bytes.len();
    if !until.goes_on() {
        return len;
    }
    // The longest escapes: a pair of surrogates, a numeric character reference.
    let tail = len.saturating_sub(16).max(start);
    let escape = bytes[tail..].iter().position(|b| matches!(b, b'\\' | b'%' | b'&' | b'<' | b'\r'));
    let mut end = escape.map_or(len, |at| tail + at);
    while end > tail && bytes.get(end).is_some_and(|b| b & 0xC0 == 0x80) {
        end -= 1;
    }
    if end == len {
        end -= incomplete_char(&bytes[tail..]);
    }
    end
}

/// How many bytes at the end begin a character without finishing it.
fn incomplete_char(bytes: &[u8]) -> usize {
    (1..=bytes.len().min(3))
        .find(|&back| {
            let lead = bytes[bytes.len() - back];
            let len = match lead {
                0xC0..=0xDF => 2,
                0xE0..=0xEF => 3,
                0xF0..=0xF7 => 4,
                _ => 1,
            };
            len > back
        })
        .unwrap_or(0)
}
