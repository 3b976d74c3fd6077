//! Lengths inside a request's messages: those of gRPC's frames, and of each field that encloses what is replaced.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::protocol::content::Media;
use crate::protocol::content::protobuf::lengths_around;
use crate::protocol::encoding::encode_varint;
use crate::protocol::grpc;

use super::Request;
use super::render::{Replacement, chunks};

/// The lengths that `replacements` change, written anew. What counts a length that grows itself is counted with it.
pub(super) fn prefixes(request: &Request, replacements: &[Replacement]) -> Vec<Replacement> {
    let Some((body, media)) = Body::of_messages(request) else { return Vec::new() };
    let mut made: Vec<(Range<usize>, usize)> =
        replacements.iter().filter_map(|made| Some((body.place(&made.at)?, made.with.len()))).collect();
    let lengths = lengths(&media, &body.data, made.iter().map(|(at, _)| at));
    let mut found = Vec::new();
    for length in lengths {
        let with = length.of(&made);
        if with != body.data[length.at.clone()] {
            made.push((length.at.clone(), with.len()));
            found.extend(body.put(&length.at, with));
        }
    }
    found
}

/// Where the lengths stand that these places of a request count in, one after another as they are written.
pub fn prefix_places(request: &Request, places: &[Range<usize>]) -> Vec<Range<usize>> {
    let Some((body, media)) = Body::of_messages(request) else { return Vec::new() };
    let inside: Vec<Range<usize>> = places.iter().filter_map(|at| body.place(at)).collect();
    let lengths = lengths(&media, &body.data, inside.iter());
    lengths.iter().flat_map(|length| body.put(&length.at, Vec::new())).map(|made| made.at).collect()
}

/// The lengths that enclose these places of a body, the inner ones first: they are shorter.
fn lengths<'a>(media: &Media, body: &[u8], places: impl Iterator<Item = &'a Range<usize>> + Clone) -> Vec<Length> {
    let mut lengths: BTreeMap<(usize, usize), Length> = BTreeMap::new();
    for (head, message) in grpc::messages(media, body) {
        for at in places.clone().filter(|at| message.contains(&at.start)) {
            if !head.is_empty() {
                // The first byte of the head are flags.
                let length = Length { at: head.start + 1..head.end, covers: message.clone(), varint: false };
                lengths.insert((message.len(), head.start), length);
            }
            for inner in lengths_around(&body[message.clone()], at.start - message.start) {
                let shift = |range: Range<usize>| message.start + range.start..message.start + range.end;
                let length = Length { at: shift(inner.at), covers: shift(inner.covers), varint: true };
                lengths.insert((length.covers.len(), length.at.start), length);
            }
        }
    }
    lengths.into_values().collect()
}

/// A length in a body.
struct Length {
    at: Range<usize>,
    covers: Range<usize>,
    /// Else four bytes.
    varint: bool,
}

impl Length {
    /// What it says, after what was made: places and how long they are now.
    fn of(&self, made: &[(Range<usize>, usize)]) -> Vec<u8> {
        let inside = made.iter().filter(|(at, _)| self.covers.start <= at.start && at.end <= self.covers.end);
        let (gone, come) = inside.fold((0, 0), |(gone, come), (at, len)| (gone + at.len(), come + len));
        let len = (self.covers.len() + come).saturating_sub(gone);
        if !self.varint {
            return u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        }
        let mut out = Vec::new();
        encode_varint(len.to_string().as_bytes(), &mut out);
        out
    }
}

/// A request's body without its chunks.
struct Body {
    data: Vec<u8>,
    /// Where its pieces stand in the request, in order.
    pieces: Vec<Range<usize>>,
}

impl Body {
    /// With its type, when it may hold messages.
    fn of_messages(request: &Request) -> Option<(Body, Media)> {
        let media = request.header("content-type").and_then(|at| request.bytes.get(at)).map(Media::parse)?;
        let may = ["grpc", "proto", "connect"].iter().any(|word| media.essence.contains(word));
        may.then(|| (Body::of(request), media))
    }

    fn of(request: &Request) -> Body {
        let start = Request::head_len(&request.bytes);
        let pieces: Vec<Range<usize>> = match request.header("transfer-encoding") {
            Some(_) => chunks(&request.bytes, start).into_iter().map(|chunk| chunk.covers).collect(),
            None => std::iter::once(start..request.bytes.len()).collect(),
        };
        let data = pieces.iter().flat_map(|piece| &request.bytes[piece.clone()]).copied().collect();
        Body { data, pieces }
    }

    /// Where a range of the request is in the body.
    fn place(&self, at: &Range<usize>) -> Option<Range<usize>> {
        let mut before = 0;
        for piece in &self.pieces {
            if piece.contains(&at.start) && at.end <= piece.end {
                let start = before + at.start - piece.start;
                return Some(start..start + at.len());
            }
            before += piece.len();
        }
        None
    }

    /// Replacements in the request for one of the body, which may stand in several pieces.
    fn put(&self, at: &Range<usize>, with: Vec<u8>) -> Vec<Replacement> {
        let (mut before, mut with, mut found) = (0, with, Vec::new());
        for piece in &self.pieces {
            let (start, end) = (at.start.max(before), at.end.min(before + piece.len()));
            if start < end {
                let place = |at: usize| piece.start + at - before;
                found.push(Replacement { at: place(start)..place(end), with: std::mem::take(&mut with) });
            }
            before += piece.len();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Replacement, Request, render};
    use super::encode_varint;

    fn replaced(body: &[u8], old: &[u8], new: &[u8], chunk: usize) -> Vec<u8> {
        let mut bytes =
            b"POST /a.B/C HTTP/1.1\r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
        for piece in body.chunks(chunk) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let request = Request::new(bytes).unwrap();
        let at = memchr::memmem::find(&request.bytes, old).unwrap();
        let rendered = render(&request, &[Replacement { at: at..at + old.len(), with: new.into() }]);
        let start = Request::head_len(&rendered);
        let chunks = super::chunks(&rendered, start);
        let end = chunks.last().unwrap().covers.end;
        assert_eq!(&rendered[end..], b"\r\n0\r\n\r\n");
        chunks.iter().flat_map(|chunk| &rendered[chunk.covers.clone()]).copied().collect()
    }

    #[test]
    fn every_enclosing_length_follows() {
        let message = |id: &[u8]| {
            let inner = [&[0x0a, id.len() as u8][..], id, b"\x10\x05"].concat();
            let mut len = Vec::new();
            encode_varint(inner.len().to_string().as_bytes(), &mut len);
            let whole = [&b"\x08\x07\x22"[..], &len, &inner].concat();
            let frame = [&[0u8][..], &(whole.len() as u32).to_be_bytes(), &whole].concat();
            // Another message before, which stays.
            [b"\0\0\0\0\x02\x08\x01".to_vec(), frame].concat()
        };
        let (short, long) = (b"PX-1234567", "x".repeat(120));
        // In small chunks what is replaced stands in one, and the heads of messages in two.
        for (chunk, from) in [(100, 0), (18, 0), (10, 2), (6, 6)] {
            let new = [&short[..from], long.as_bytes()].concat();
            assert_eq!(replaced(&message(short), &short[from..], long.as_bytes(), chunk), message(&new), "{chunk}");
        }
        assert_eq!(replaced(&message(short), short, b"y", 100), message(b"y"));
    }
}
