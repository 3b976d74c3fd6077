//! The original's sensitive values: what the policy does not keep, in texts, addresses and bytes not understood.

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::ops::Range;

use super::gather::Gather;
use super::headers;
use super::headers::doubt::{Doubts, Reading};
use super::headers::hpack::Header;
use super::judge::{Judge, is_special_ipv6, is_special_mac, tells_something};
use super::value::{ANYWHERE_BITS, Partition, Shape, Values, address_bits, domain_bits};
use crate::capture::Meta;
use crate::decode::{Layers, What};
use crate::dissect::{Packet, Stream, Visitor};
use crate::flow::{Datagram, Span};
use crate::limits::AUDIT_VALUE_BYTES_MAX;
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::http2::{self, Whose};
use crate::protocol::{Codec, Encoding, Field, PartKind, Role, Window};

/// A visitor of the original that collects one partition of its values.
pub struct Collector<'a> {
    judge: &'a Judge,
    sink: Sink<'a>,
    /// Fields kept, by rule.
    pub kept: BTreeMap<String, u64>,
    streams: Gather,
    decoded: Decoded,
    /// The audit's own reading of compressed headers, and where it differs from masking's.
    pub headers: Doubts,
    packet: u64,
}

impl<'a> Collector<'a> {
    /// Ready for the first packet.
    pub fn new(judge: &'a Judge, partition: Partition, hasher: RandomState, reading: fn() -> Reading) -> Self {
        let values = Values::new(partition, hasher);
        let sink = Sink { judge, values, later: Vec::new() };
        Self {
            judge,
            sink,
            kept: BTreeMap::new(),
            streams: Gather::default(),
            decoded: Decoded::default(),
            headers: Doubts::new(reading),
            packet: 0,
        }
    }

    /// The values, and the partitions that are left to later passes.
    pub fn into_values(self) -> (Values<'a>, Vec<Partition>) {
        (self.sink.values, self.sink.later)
    }

    fn take(&mut self, field: &Field<'_>) {
        let text = decode(field.raw, field.encoding, &mut self.decoded);
        match self.judge.keeps(field, text) {
            Some(rule) => *self.kept.entry(rule.to_owned()).or_default() += 1,
            None => {
                if let Some(rule) = self.sink.text(field, text) {
                    *self.kept.entry(rule.to_owned()).or_default() += 1;
                }
            }
        }
    }

    /// Comments, names and addresses that stand in the file beside packets.
    pub fn region(&mut self, what: Meta, bytes: &[u8]) {
        match what {
            _ if self.judge.keeps_region(what, bytes) => {}
            Meta::Text(_) | Meta::Host | Meta::Opaque(_) => self.sink.tokens(bytes),
            Meta::Ipv6 => self.sink.address(What::Ipv6, bytes),
            Meta::Mac => self.sink.address(What::Mac, bytes),
            Meta::Ipv4 => {}
        }
    }
}

impl Collector<'_> {
    fn frame(&mut self, frame: &[u8], layers: &Layers) {
        for piece in &layers.pieces {
            let at = piece.start as usize..(piece.start + piece.len) as usize;
            if let Some(bytes) = frame.get(at) {
                self.sink.address(piece.what, bytes);
            }
        }
        let unknown = layers.not_understood.iter().map(|(_, at)| at);
        let datagram = layers.transport.iter().filter(|t| t.tcp.is_none()).map(|t| &t.payload);
        let bytes = unknown.chain(datagram).filter_map(|at| frame.get(at.clone()));
        bytes.for_each(|bytes| self.sink.tokens(bytes));
    }
}

impl Visitor for Collector<'_> {
    fn packet(&mut self, packet: &Packet<'_>, layers: &Layers) {
        self.packet = packet.id.0 + 1;
        self.frame(packet.frame, layers);
    }

    fn datagram(&mut self, datagram: &Datagram, layers: &Layers) {
        self.frame(&datagram.frame, layers);
    }

    fn bytes(&mut self, stream: Stream, at: u64, bytes: &[u8]) {
        self.streams.push((stream, None), at, 0, (bytes, &[]), &mut |_| {});
        let Collector { judge, sink, headers, decoded, packet, .. } = self;
        headers.push(stream, at, *packet, bytes, &mut |headers, is_request| {
            let whose = headers::whose(headers, is_request);
            headers
                .iter()
                .filter(|header| header.spelled)
                .for_each(|header| sink.header(header, whose, judge, decoded));
        });
    }

    fn field(&mut self, _stream: Stream, field: &Field<'_>, _at: &[Range<u64>], _spans: &[Span]) {
        self.take(field);
    }

    fn opaque(&mut self, stream: Stream, _what: &'static str, at: Range<u64>, _spans: &[Span]) {
        if let Some((bytes, _)) = self.streams.slice(&(stream, None), &at) {
            self.sink.tokens(bytes);
        }
    }

    fn window(&mut self, _stream: Stream, window: &Window<'_>, _at: &[Range<u64>], _spans: &[Span]) {
        for part in window.parts {
            let Some(raw) = window.plain.get(part.at.clone()) else { continue };
            match &part.what {
                PartKind::Keep => {}
                PartKind::Opaque(_) => self.sink.tokens(raw),
                PartKind::Field { path, name, encoding, role } => {
                    self.take(&Field { path, name, raw, encoding: *encoding, role: *role });
                }
            }
        }
    }

    fn close(&mut self, flow: u64) {
        self.streams.close(flow, &mut |_| {});
        self.headers.close(flow);
    }
}

/// Takes texts apart.
struct Sink<'a> {
    judge: &'a Judge,
    values: Values<'a>,
    later: Vec<Partition>,
}

impl<'a> Sink<'a> {
    /// A field's text: what the detectors find in it, the text itself, its words when it has several. Gives back the
    /// rule that keeps a part of it, if one does; what stands before and behind that part is taken by itself then.
    fn text(&mut self, field: &Field<'_>, text: &[u8]) -> Option<&'a str> {
        let (judge, mut kept, mut from) = (self.judge, None, 0);
        let (mut rests, mut names) = (Vec::new(), Vec::new());
        judge.scan(text, |kind, at| {
            let value = text.get(at.clone()).unwrap_or_default();
            match judge.keeps_part(field, value, kind) {
                Some(rule) => {
                    kept = Some(rule);
                    rests.push(from..at.start.max(from));
                    from = from.max(at.end);
                }
                None => self.add(kind, value),
            }
            if kind == "url" {
                judge.url_names(value, |name| names.push(at.start + name.start..at.start + name.end));
            }
        });
        let public =
            |word: &[u8]| judge.is_public_word(word) || names.iter().any(|at| text.get(at.clone()) == Some(word));
        rests.push(from..text.len());
        for rest in rests.into_iter().filter_map(|at| text.get(at)) {
            pieces(rest).for_each(|piece| self.add("text", piece));
            if field.role == Role::Text || kept.is_some() || rest.iter().any(u8::is_ascii_whitespace) {
                words(rest).filter(|word| !public(word)).for_each(|word| self.add("word", word));
            }
        }
        kept
    }

    /// A header as the audit reads it. What the rules keep of it was counted where masking's reader told it.
    fn header(&mut self, header: &Header, whose: Whose, judge: &Judge, decoded: &mut Decoded) {
        if !headers::is_public_name(&header.name, judge) {
            self.tokens(&header.name);
        }
        for part in http2::parts(&header.name, &header.value, whose) {
            let Some(raw) = header.value.get(part.at) else { continue };
            match &part.what {
                PartKind::Keep => {}
                PartKind::Opaque(_) => self.tokens(raw),
                PartKind::Field { path, name, encoding, role } => {
                    let field = Field { path, name, raw, encoding: *encoding, role: *role };
                    let text = decode(raw, *encoding, decoded);
                    if judge.keeps(&field, text).is_none() {
                        self.text(&field, text);
                    }
                }
            }
        }
    }

    /// Bytes nobody understood: what is printable in them.
    fn tokens(&mut self, bytes: &[u8]) {
        for run in bytes.split(|b| !b.is_ascii_graphic()).filter(|run| run.len() >= 8) {
            pieces(run).for_each(|piece| self.add("token", piece));
            words(run).for_each(|word| self.add("token", word));
        }
    }

    fn address(&mut self, what: What, bytes: &[u8]) {
        if let (What::Mac, Ok(mac)) = (what, <[u8; 6]>::try_from(bytes))
            && !is_special_mac(mac)
            && mac[0] & 1 == 0
            && address_bits(&mac, 1) > ANYWHERE_BITS
        {
            self.values.add(Shape::Mac, "mac", &mac, &mut self.later);
        }
        if let (What::Ipv6, Ok(ip)) = (what, <[u8; 16]>::try_from(bytes))
            && !is_special_ipv6(ip)
            && ip[0] != 0xff
            && address_bits(&ip, 2) > ANYWHERE_BITS + 16.0
        {
            self.values.add(Shape::Ipv6, "ipv6", &ip, &mut self.later);
        }
    }

    fn add(&mut self, kind: &'a str, text: &[u8]) {
        if domain_bits(text) > ANYWHERE_BITS && tells_something(text) {
            self.values.add(Shape::Text, kind, text, &mut self.later);
        }
    }
}

/// A long text in parts that end at white space where they can: a leak may be partial.
fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let most = rest.len().min(AUDIT_VALUE_BYTES_MAX);
        let space = rest[..most].iter().rposition(u8::is_ascii_whitespace).filter(|at| *at >= most / 2);
        let cut = if most == rest.len() { most } else { space.map_or(most, |at| at + 1) };
        let (piece, behind) = rest.split_at(cut);
        rest = behind;
        Some(piece.trim_ascii())
    })
}

/// Runs of letters and digits.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let word = |b: &u8| b.is_ascii_alphanumeric() || *b >= 0x80;
    text.split(move |b| !word(b)).filter(|word| (8..=AUDIT_VALUE_BYTES_MAX).contains(&word.len()))
}

/// The view that shows what an encoding hides.
pub fn view_of(encoding: Encoding) -> &'static [&'static str] {
    match encoding {
        Encoding::Plain => &[],
        Encoding::Percent | Encoding::Form => &["percent"],
        Encoding::Json => &["json"],
        Encoding::Markup => &["markup"],
        Encoding::Base64 => &["base64"],
        Encoding::Varint | Encoding::Varints | Encoding::Fixed => &["protobuf"],
    }
}

/// Likewise, of what compresses.
pub fn view_of_codec(codec: Codec) -> &'static [&'static str] {
    match codec {
        Codec::Gzip | Codec::Zlib | Codec::Deflate | Codec::Message { .. } => &["gzip"],
        Codec::Huffman => &["huffman"],
        Codec::Plain => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_fall_into_pieces_and_lose_nothing_but_spaces() {
        let text = "the quick brown fox jumps over the lazy dog and ".repeat(20);
        let joined: Vec<u8> = pieces(text.as_bytes()).collect::<Vec<_>>().join(&b' ');
        assert_eq!(joined, text.trim().as_bytes());
        assert!(pieces(text.as_bytes()).all(|piece| piece.len() <= AUDIT_VALUE_BYTES_MAX));
    }
}
