//! What is remembered of a captured answer so that live ones can be checked against it: its JSON shape, digests of some
//! headers and of its body. Never a value.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use crate::limits::RESPONSE_BYTES_KEPT;

use super::following::Following;
use super::lines::headers;
use super::shape::{Shape, Shapes};
use super::{Step, Workload};

/// A digest: equal texts have equal ones.
pub type Hash = [u8; 32];

/// Which facts are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The shape of JSON.
    pub shape: bool,
    /// The body.
    pub body: bool,
    /// These headers, lower case.
    pub headers: Vec<Box<str>>,
    /// And which values are to follow which: what is told is what later requests take.
    pub following: Following,
}

/// What is known of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Not all of it was kept, or unpacked: nothing is known of its body, nor of its headers when there is no head.
    pub cut: Option<Cut>,
    /// The shape of its body, when that is JSON.
    pub shape: Option<Arc<Shape>>,
    /// Digest of the body's content: without chunks, unpacked when it is gzip or deflate.
    pub body: Option<Hash>,
    /// Digests of the wanted headers' values, in their order; none where it lacks the header.
    pub headers: Box<[Option<Hash>]>,
}

/// How much of an answer is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Some of its body.
    Body,
    /// All of it.
    All,
}

impl Wanted {
    /// Whether there is anything to remember.
    pub fn is_empty(&self) -> bool {
        !self.shape && !self.body && self.headers.is_empty()
    }
}

/// The digest of a text.
pub fn hash(text: &[u8]) -> Hash {
    *blake3::hash(text).as_bytes()
}

/// Remembers the facts of all captured answers. Before [`super::correlate`], which drops their bytes.
pub fn note(workload: &mut Workload, wanted: &Wanted) {
    if wanted.is_empty() {
        return;
    }
    let mut shapes = Shapes::default();
    let steps = workload.sessions.iter_mut().flat_map(|session| &mut session.steps);
    steps.for_each(|step| note_step(step, wanted, &mut shapes));
}

fn note_step(step: &mut Step, wanted: &Wanted, shapes: &mut Shapes) {
    if let Some(response) = &mut step.expect {
        response.facts = Some(Arc::new(Facts::of(&response.bytes, wanted, shapes)));
    }
}

impl Facts {
    /// The facts of a response: its head, and its body with all framing.
    pub fn of(response: &[u8], wanted: &Wanted, shapes: &mut Shapes) -> Facts {
        let lines = headers(response);
        let value = |name: &str| {
            let line = lines.iter().find(|line| response[line.name.clone()].eq_ignore_ascii_case(name.as_bytes()))?;
            response.get(line.value.clone())
        };
        let mut facts =
            Facts { headers: wanted.headers.iter().map(|name| value(name).map(hash)).collect(), ..Facts::default() };
        if response.is_empty() {
            facts.cut = Some(Cut::All);
        }
        if !wanted.shape && !wanted.body {
            return facts;
        }
        let Some(body) = whole_content(response) else {
            facts.cut = facts.cut.or(Some(Cut::Body));
            return facts;
        };
        facts.body = wanted.body.then(|| hash(&body));
        // Whatever it says that it is: some services send JSON as text.
        facts.shape = Shape::of(&body).filter(|_| wanted.shape).map(|shape| shapes.shared(shape));
        facts
    }
}

/// The content of a response's body: without chunks, unpacked when it is gzip or deflate; as much as there is of it.
pub fn content(response: &[u8]) -> Vec<u8> {
    read_content(response).0
}

/// The same, when all of it is there.
fn whole_content(response: &[u8]) -> Option<Vec<u8>> {
    let (content, whole) = read_content(response);
    whole.then_some(content)
}

fn read_content(response: &[u8]) -> (Vec<u8>, bool) {
    let lines = headers(response);
    let head = lines.last().map_or_else(|| memchr::memchr(b'\n', response).map_or(0, |at| at + 1), |l| l.line.end);
    let empty_line = memchr::memchr(b'\n', response.get(head..).unwrap_or_default()).map_or(0, |at| at + 1);
    let body = response.get(head + empty_line..).unwrap_or_default();
    let has = |name: &str, word: &[u8]| {
        let named = |at: &Range<usize>| response[at.clone()].eq_ignore_ascii_case(name.as_bytes());
        let mut mine = lines.iter().filter(|line| named(&line.name)).map(|line| &response[line.value.clone()]);
        mine.any(|value| memchr::memmem::find(&value.to_ascii_lowercase(), word).is_some())
    };
    // An answer that was kept in part fills the room for it, or breaks off before its length says so.
    let length = lines.iter().find(|line| response[line.name.clone()].eq_ignore_ascii_case(b"content-length"));
    let length =
        length.and_then(|line| str::from_utf8(&response[line.value.clone()]).ok()?.trim().parse::<usize>().ok());
    let is_chunked = has("transfer-encoding", b"chunked");
    let (body, ends) = if is_chunked { dechunked(body) } else { (body.to_vec(), false) };
    let is_there = match length.filter(|_| !is_chunked) {
        Some(length) => body.is_empty() || body.len() >= length,
        None if is_chunked => ends,
        None => response.len() < RESPONSE_BYTES_KEPT,
    };
    let unpacked = if has("content-encoding", b"gzip") {
        inflated(flate2::read::MultiGzDecoder::new(body.as_slice()))
    } else if has("content-encoding", b"deflate") {
        inflated(flate2::read::ZlibDecoder::new(body.as_slice()))
    } else {
        None
    };
    match unpacked {
        Some(content) => {
            let is_all = content.len() < RESPONSE_BYTES_KEPT;
            (content, is_there && is_all)
        }
        None => (body, is_there),
    }
}

/// The content of a chunked body, as far as it is there, and whether its last chunk is.
fn dechunked(mut body: &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::with_capacity(body.len());
    while let Some(end) = memchr::memchr(b'\n', body) {
        let digits = body[..end].iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&body[..digits]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else { return (content, size == Some(0)) };
        let chunk = &body[end + 1..];
        let size = size.min(chunk.len());
        content.extend_from_slice(&chunk[..size]);
        let rest = &chunk[size..];
        body = memchr::memchr(b'\n', rest).map_or(&[], |end| &rest[end + 1..]);
    }
    (content, false)
}

/// No more than is kept of any response, so that nothing small becomes large.
fn inflated(packed: impl Read) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    packed.take(RESPONSE_BYTES_KEPT as u64).read_to_end(&mut content).ok().map(|_| content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn facts(response: &[u8]) -> Facts {
        let wanted = Wanted { shape: true, body: true, headers: vec!["etag".into(), "x".into()], ..Wanted::default() };
        Facts::of(response, &wanted, &mut Shapes::default())
    }

    #[test]
    fn the_same_content_in_every_framing() {
        let json = br#"{"items":[{"id":1}]}"#;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(json).unwrap();
        let gzip = gzip.finish().unwrap();
        let (a, b) = gzip.split_at(7);
        let chunked = |parts: &[&[u8]]| {
            let chunk = |part: &&[u8]| [format!("{:X};e=1\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
            [parts.iter().map(chunk).collect::<Vec<_>>().concat().as_slice(), b"0\r\nT: 1\r\n\r\n"].concat()
        };
        let with = |head: &str, body: &[u8]| {
            [format!("HTTP/1.1 200 OK\r\nETag: \"a\"\r\n{head}\r\n").as_bytes(), body].concat()
        };
        let plain = facts(&with("", json));
        assert!(plain.shape.is_some() && plain.body == Some(hash(json)));
        assert_eq!(*plain.headers, [Some(hash(b"\"a\"")), None]);
        for other in [
            with("Transfer-Encoding: chunked\r\n", &chunked(&[&json[..5], &json[5..]])),
            with("content-encoding: GZIP\r\n", &gzip),
            with("Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", &chunked(&[a, b])),
        ] {
            assert_eq!(facts(&other), plain);
        }
        assert_eq!(facts(b"HTTP/1.1 204 No Content\r\n\r\n").shape, None);
        assert_eq!(facts(b"HTTP/1.1 200 OK\r\n\r\n<html>").shape, None);
        assert_eq!(facts(b"HTTP/1.1 200 OK\n\n1").shape, Some(Arc::new(Shape::Number)));
    }

    #[test]
    fn a_bomb_stays_small_and_a_broken_body_harmless() {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![b' '; 3 * RESPONSE_BYTES_KEPT]).unwrap();
        let bomb = bomb.finish().unwrap();
        let inflated = inflated(flate2::read::MultiGzDecoder::new(bomb.as_slice())).unwrap();
        assert_eq!(inflated.len(), RESPONSE_BYTES_KEPT);
        let broken =
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc";
        assert_eq!((facts(broken).body, facts(broken).cut), (None, Some(Cut::Body)));
        assert_eq!(facts(b"").cut, Some(Cut::All));
        facts(b"\n\r\n");
    }

    #[test]
    fn of_what_was_kept_in_part_nothing_is_known() {
        let long = |head: &str, body: &str| {
            let mut response = format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}").into_bytes();
            response.truncate(RESPONSE_BYTES_KEPT);
            facts(&response)
        };
        let body = "[1]".repeat(RESPONSE_BYTES_KEPT / 3 + 100);
        for head in [format!("Content-Length: {}\r\n", body.len()), String::new()] {
            let facts = long(&head, &body);
            assert_eq!((facts.cut, facts.body, facts.shape), (Some(Cut::Body), None, None), "{head:?}");
        }
        let chunked = long("Transfer-Encoding: chunked\r\n", &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()));
        assert_eq!(chunked.cut, Some(Cut::Body));
        // Where less was kept than there is room for one, for there were many.
        assert_eq!(long("Content-Length: 100\r\n", "[1").cut, Some(Cut::Body));
        // An answer to HEAD is whole without a body.
        assert_eq!(long("Content-Length: 100\r\n", "").cut, None);
        assert_eq!(long("Content-Length: 3\r\n", "[1]").cut, None);
    }
}
