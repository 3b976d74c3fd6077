//! Messages one after another in a body, each behind its length: gRPC, gRPC-Web and streams of Connect.
//!
//! A message's head is a byte of flags and its length in four bytes. A compressed message is compressed by itself. The
//! content of a message is read as any body's: of `application/grpc` and `+proto` as Protocol Buffers, of `+json` as JSON.

use std::ops::Range;

use super::content::opaque::Opaque;
use super::content::protobuf;
use super::content::{self, Content, Media, Until};
use super::emit::{Emit, Gathered};
use super::http1::head;
use super::name::is_identifier;
use super::path::Path;
use super::window::{self, Bytes, Inflating};
use super::{Codec, Sink};

/// Bytes of a message's head.
pub const HEAD: usize = 5;
const CUT: &str = "grpc message cut";
const NO_MESSAGE: &str = "grpc message of unknown flags";
const OTHER_CODING: &str = "grpc message in another coding";

/// Whose framing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Grpc,
    /// A last message of flag 0x80 holds trailers.
    Web,
    /// A last message of flag 2 is JSON.
    Connect,
}

/// The family of a body of this media type, and the type of its messages.
fn messages_of(media: &Media) -> Option<(Family, Media)> {
    const FAMILIES: [(&str, Family); 3] = [
        ("application/grpc-web", Family::Web),
        ("application/grpc", Family::Grpc),
        ("application/connect", Family::Connect),
    ];
    let (rest, family) =
        FAMILIES.iter().find_map(|(name, family)| Some((media.essence.strip_prefix(name)?, *family)))?;
    let of = |subtype: &str| Media { essence: format!("application/{subtype}"), ..Media::default() };
    match rest.strip_prefix('+') {
        Some(subtype) => Some((family, of(subtype))),
        None if rest.is_empty() && family != Family::Connect => Some((family, of("proto"))),
        // `-web-text` is in base64, and others are none of ours.
        None => None,
    }
}

/// Whether a message of this type is a call's.
pub fn is_call(media: &Media) -> bool {
    messages_of(media).is_some_and(|(family, _)| family != Family::Connect)
}

/// Whether a target is a service and a method, as their definition writes them: `/parcels.v1.Parcels/Get`. Such a path
/// is made of names that programmers gave.
pub fn names_a_method(target: &[u8]) -> bool {
    let Some(rest) = target.strip_prefix(b"/") else { return false };
    let mut parts = rest.split(|b| *b == b'/');
    let (Some(service), Some(method), None) = (parts.next(), parts.next(), parts.next()) else { return false };
    let is_word = |word: &[u8]| is_identifier(word) && word.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let is_title = |word: &[u8]| is_word(word) && word.first().is_some_and(u8::is_ascii_uppercase);
    let mut names = service.rsplit(|b| *b == b'.');
    names.next().is_some_and(is_title) && names.all(is_word) && is_title(method)
}

/// Where the messages of a whole body are: each one's head (empty where there is none), and what it covers. Only such as
/// are Protocol Buffers, not compressed, and whole.
pub fn messages(media: &Media, body: &[u8]) -> Vec<(Range<usize>, Range<usize>)> {
    let Some((_, inner)) = messages_of(media) else {
        let whole = (0..0, 0..body.len());
        return if (protobuf::KIND.claims)(media) { vec![whole] } else { Vec::new() };
    };
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(&[flags, a, b, c, d]) = body.get(at..).and_then(<[u8]>::first_chunk::<HEAD>) {
        let start = at + HEAD;
        let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok();
        let Some(end) = len.and_then(|len| start.checked_add(len)).filter(|end| *end <= body.len()) else { break };
        if flags == 0 && (protobuf::KIND.claims)(&inner) {
            found.push((at..start, start..end));
        }
        at = end;
    }
    found
}

/// Reader of a body of messages.
pub struct Messages {
    family: Family,
    /// Of each message.
    media: Media,
    /// How compressed ones are.
    codec: Option<Codec>,
    /// The message's path, `http.request`, and its body's.
    root: String,
    /// Bytes that are undecided.
    held: Bytes,
    /// How many of them were read in vain.
    tried: usize,
    state: State,
}

enum State {
    /// A message's head comes.
    Head,
    /// So many bytes of a message are to come.
    Plain(usize, Box<dyn Content>),
    Packed(usize, Box<Inflating>),
    /// Nothing more is understood.
    Over(&'static str),
}

impl Messages {
    /// Of a body in a message whose paths begin with `root`, if it is one of messages. `codec`: how they are compressed.
    pub fn open(media: &Media, root: &str, codec: Option<Codec>) -> Option<Messages> {
        let (family, media) = messages_of(media)?;
        let (held, root) = (Bytes::default(), root.to_owned());
        Some(Messages { family, media, codec, root, held, tried: 0, state: State::Head })
    }

    /// Bytes that are taken but not reported.
    pub fn pending(&self) -> usize {
        let inflating = if let State::Packed(_, inflating) = &self.state { inflating.pending() } else { 0 };
        self.held.data.len() + inflating
    }

    /// Bytes of memory that it keeps, about.
    pub fn memory(&self) -> usize {
        let inflating = if let State::Packed(_, inflating) = &self.state { inflating.memory() } else { 0 };
        self.held.data.capacity() + inflating
    }

    /// Takes all of `data`, which stands at `at`. `bodies` counts compressed messages.
    pub fn read(&mut self, at: u64, data: &[u8], until: Until, bodies: &mut u64, sink: &mut dyn Sink) {
        self.held.push(at, data);
        // Read again only when it may pay, or tiny frames would cost the square of a value's length.
        let whole = matches!(&self.state, State::Plain(left, _) if self.held.data.len() >= *left);
        if until == Until::More && !whole && self.held.data.len() - self.tried < self.tried / 4 {
            return;
        }
        while self.step(at + data.len() as u64, until, bodies, sink) {}
        self.tried = self.held.data.len();
        if until != Until::More && !self.held.data.is_empty() {
            self.give_up(CUT, sink);
        }
    }

    fn give_up(&mut self, what: &'static str, sink: &mut dyn Sink) {
        self.state = State::Over(what);
        self.opaque(what, sink);
    }

    fn opaque(&mut self, what: &'static str, sink: &mut dyn Sink) {
        std::mem::take(&mut self.held).ranges.into_iter().for_each(|range| sink.opaque(range, what));
    }

    /// Reads what comes next; whether there may be more. `end`: behind what was given.
    fn step(&mut self, end: u64, until: Until, bodies: &mut u64, sink: &mut dyn Sink) -> bool {
        let here = self.held.data.len();
        match &mut self.state {
            State::Head => return self.head(bodies, sink),
            State::Over(what) => {
                let what = *what;
                self.opaque(what, sink);
                return false;
            }
            State::Plain(left, content) => {
                let (shown, whole) = (here.min(*left), here >= *left);
                let mut out = Gathered::new(&self.held.ranges, sink);
                let mut emit = Emit::new(&self.held.data[..shown], &mut out);
                content::read(&mut **content, &mut emit, if whole { Until::End } else { until });
                let done = emit.done();
                *left -= done;
                self.held.drop_front(done);
            }
            State::Packed(left, inflating) => {
                let mut taken = 0;
                for range in &self.held.ranges {
                    let len = ((range.end - range.start) as usize).min(*left - taken);
                    let piece = &self.held.data[taken..taken + len];
                    inflating.read(range.start, piece, Until::More, bodies, sink);
                    taken += len;
                }
                *left -= taken;
                let until = if *left == 0 { Until::End } else { until };
                if until != Until::More {
                    inflating.read(end, &[], until, bodies, sink);
                }
                self.held.drop_front(taken);
            }
        }
        let (State::Plain(left, _) | State::Packed(left, _)) = &self.state else { return false };
        if *left > 0 {
            return false;
        }
        self.state = State::Head;
        true
    }

    /// Reads a message's head.
    fn head(&mut self, bodies: &mut u64, sink: &mut dyn Sink) -> bool {
        let Some(&[flags, a, b, c, d]) = self.held.data.first_chunk::<HEAD>() else { return false };
        let Some(left) = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok() else { return false };
        let body = format!("{}.body", self.root);
        let plain = |media: &Media| State::Plain(left, content::open(media, &body));
        self.state = match (self.family, flags, self.codec) {
            (_, 0, _) => plain(&self.media),
            (_, 1, Some(codec)) => State::Packed(
                left,
                Box::new(Inflating::new(codec, window::next(bodies), content::open(&self.media, &body))),
            ),
            (_, 1, None) => State::Plain(left, Box::new(Opaque::rest(OTHER_CODING))),
            (Family::Web, 0x80, _) => State::Plain(left, Box::new(Trailers(Path::new(&self.root)))),
            (Family::Connect, 2, _) => plain(&Media { essence: "application/json".into(), ..Media::default() }),
            _ => {
                self.give_up(NO_MESSAGE, sink);
                return false;
            }
        };
        let mut out = Gathered::new(&self.held.ranges, sink);
        Emit::new(&self.held.data[..HEAD], &mut out).keep_to(HEAD);
        self.held.drop_front(HEAD);
        true
    }
}

/// Trailers in the body, as lines of a head.
struct Trailers(Path);

impl Content for Trailers {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        if until != Until::More {
            head::header_lines(emit, &mut self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::names_a_method;

    #[test]
    fn methods_are_told_from_other_paths() {
        for target in ["/parcels.v1.Parcels/Get", "/Greeter/SayHello", "/grpc.health.v1.Health/Check", "/a.b_c.D2/E_f"]
        {
            assert!(names_a_method(target.as_bytes()), "{target}");
        }
        for target in
            ["/", "/a", "/anna/baker", "/a.B/C/D", "/a.B/C?x=1", "/a.B/C1234", "/a.B/", "/.B/C", "/a@b.C/D", "x/Y"]
        {
            assert!(!names_a_method(target.as_bytes()), "{target}");
        }
    }
}
