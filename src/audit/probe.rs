//! The search of a capture for one partition of values: its records, streams, bodies and fields.
//!
//! The masked capture is searched whole. Of the original only that is searched which the rules keep, everything else
//! being zeros: what shows there may show in the masked capture, too, in the same place and as often, not more.

use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;

use super::collect::{view_of, view_of_codec};
use super::frames::{Frame, Frames};
use super::gather::{Gather, Piece};
use super::headers;
use super::headers::doubt::{self, Doubts};
use super::hits::{Hits, Place, way};
use super::judge::{Judge, public_path};
use super::search::Needles;
use super::views::{self, Sight};
use crate::capture::{Batch, CaptureError, PacketId, Reader, Record, Region};
use crate::decode::{Layers, What};
use crate::dissect::{Dissector, Packet, Stream, Visitor};
use crate::flow::Span;
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::{Field, PartKind, Window};
use crate::rules::Payload;

/// How much of a capture is searched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// Framing, grammar, and the fields that the rules keep.
    Kept,
}

/// Needles, and what was found of them.
struct Searcher<'n> {
    needles: &'n Needles<'n>,
    lower: Vec<u8>,
    hits: Hits,
}

impl Searcher<'_> {
    /// Searches bytes as they are; `views` led to them.
    fn plain(&mut self, bytes: &[u8], views: &[&'static str], place: &Place, unit: u64, packet: u64) {
        let hits = &mut self.hits;
        self.needles.find(bytes, &mut self.lower, &mut |found| {
            hits.add(found.value, way(views, &found), place, unit, packet);
        });
    }

    /// Searches bytes and every view of them; `seen` says what was found with other bytes before.
    fn deep(&mut self, bytes: &[u8], place: &Place, unit: u64, packet: impl Fn(usize) -> u64, seen: usize) {
        self.deep_in(&[], bytes, place, unit, packet, seen);
    }

    /// The same; `above` led to the bytes.
    fn deep_in(
        &mut self,
        above: &[&'static str],
        bytes: &[u8],
        place: &Place,
        unit: u64,
        packet: impl Fn(usize) -> u64,
        seen: usize,
    ) {
        let (hits, lower) = (&mut self.hits, &mut self.lower);
        views::each(bytes, &mut |sight: &Sight<'_>| {
            let names = sight.names();
            self.needles.find(sight.bytes, lower, &mut |found| {
                let at = found.at..found.at + found.len;
                let seen_before = names.is_empty() && at.end <= seen;
                if !seen_before && sight.is_news(&at) {
                    let at = if names.is_empty() { at.start } else { seen };
                    hits.add(found.value, way(&[above, &names].concat(), &found), place, unit, packet(at));
                }
            });
        });
    }

    fn frame(&mut self, frame: &Frame) {
        self.deep(&frame.shown, &Place::Record, frame.number, |_| frame.number, 0);
    }

    fn piece(&mut self, piece: &Piece, place: &Place) {
        self.deep(piece.shown(), place, piece.flow(), |at| piece.packet(at), piece.searched());
    }
}

/// A visitor that searches everything that dissection shows.
pub struct Probe<'a, 'n> {
    searcher: Searcher<'n>,
    judge: &'a Judge,
    scope: Scope,
    frames: Frames,
    streams: Gather,
    bodies: Gather,
    /// Plain bytes seen of each compressed body.
    plain: HashMap<(Stream, u64), u64>,
    packet: u64,
    decoded: Decoded,
    text: Vec<u8>,
    /// The audit's own reading of compressed headers.
    headers: Doubts,
}

impl<'a, 'n> Probe<'a, 'n> {
    /// Searches a capture.
    pub fn run(
        input: Box<dyn Read + Send>,
        scope: Scope,
        needles: &'n Needles<'n>,
        judge: &'a Judge,
    ) -> Result<Hits, CaptureError> {
        let mut probe = Probe {
            searcher: Searcher { needles, lower: Vec::new(), hits: Hits::default() },
            judge,
            scope,
            frames: Frames::default(),
            streams: Gather::default(),
            bodies: Gather::default(),
            plain: HashMap::new(),
            packet: 0,
            decoded: Decoded::default(),
            text: Vec::new(),
            headers: Doubts::new(doubt::masking),
        };
        let (mut reader, mut batch) = (Reader::open(input)?, Batch::default());
        let (mut dissector, mut packets) = (Dissector::default(), 0);
        while reader.next_batch(&mut batch)? {
            for record in &batch.records {
                let bytes = &batch.bytes[record.start..record.start + record.len];
                probe.record(PacketId(packets), record, bytes, &batch.regions[record.regions.clone()]);
                let Some(meta) = &record.packet else { continue };
                let frame = &bytes[meta.data.clone()];
                let id = PacketId(packets);
                let packet = Packet { id, time_ns: meta.time_ns, link: meta.link, frame, wire_len: meta.wire_len };
                dissector.packet(&packet, &mut probe);
                packets += 1;
            }
        }
        dissector.finish(&mut probe);
        Ok(probe.finish())
    }

    fn finish(mut self) -> Hits {
        let searcher = &mut self.searcher;
        self.frames.settle(PacketId(u64::MAX), &mut |frame| searcher.frame(frame));
        self.searcher.hits
    }

    /// A record, before its packet is dissected. One without a packet is searched at once.
    fn record(&mut self, id: PacketId, record: &Record, bytes: &[u8], regions: &[Region]) {
        let (scope, judge) = (self.scope, self.judge);
        let hidden = move |region: &&Region| {
            let kept = || bytes.get(region.at.clone()).is_some_and(|bytes| judge.keeps_region(region.what, bytes));
            scope == Scope::Kept && !kept()
        };
        let regions = regions.iter().filter(hidden).map(|region| region.at.clone());
        match &record.packet {
            None => {
                let mut shown = bytes.to_vec();
                regions.filter_map(|at| shown.get_mut(at).map(|bytes| bytes.fill(0))).for_each(drop);
                self.searcher.deep(&shown, &Place::Record, 0, |_| 0, 0);
            }
            Some(packet) => {
                let regions: Vec<_> = regions.collect();
                self.frames.push(id, bytes, packet.data.start, true);
                regions.into_iter().for_each(|at| self.frames.newest(at, false));
                if self.scope == Scope::Kept {
                    self.frames.newest(packet.data.clone(), false);
                }
            }
        }
    }

    /// Stream bytes that the rules keep, or not.
    fn decide(&mut self, stream: Stream, at: &[Range<u64>], raw: &[u8], spans: &[Span], kept: bool) {
        let show = match self.scope {
            Scope::All => true,
            Scope::Kept => kept && self.judge.payload() == Payload::Dissect,
        };
        at.iter().for_each(|at| self.streams.decide(&(stream, None), at, show));
        if show && self.scope == Scope::Kept {
            self.frames.spans(spans, raw, true);
        }
    }

    /// Searches what is shown of a field's text; whether its bytes are shown.
    fn take(&mut self, field: &Field<'_>, above: &[&'static str], flow: u64, packet: u64) -> bool {
        let text = decode(field.raw, field.encoding, &mut self.decoded);
        let whole = self.scope == Scope::All || self.judge.keeps(field, text).is_some();
        if whole {
            let place = Place::Field(public_path(self.judge, field.path).into());
            let inside = if text == field.raw { &[] } else { view_of(field.encoding) };
            self.searcher.plain(text, &[above, inside].concat(), &place, flow, packet);
        }
        whole
    }
}

impl Probe<'_, '_> {
    /// Searches what the audit's own reader finds in compressed headers.
    fn headers(&mut self, stream: Stream, at: u64, bytes: &[u8]) {
        let Probe { headers, searcher, judge, scope, decoded, packet, .. } = self;
        if *scope == Scope::Kept && judge.payload() != Payload::Dissect {
            return;
        }
        headers.push(stream, at, *packet, bytes, &mut |headers, is_request| {
            let whose = headers::whose(headers, is_request);
            let mut shown = Vec::new();
            for header in headers.iter().filter(|header| header.spelled) {
                let name = if *scope == Scope::All || headers::is_public_name(&header.name, judge) {
                    &header.name[..]
                } else {
                    &[]
                };
                shown.extend_from_slice(name);
                shown.push(0);
                match scope {
                    Scope::All => shown.extend_from_slice(&header.value),
                    Scope::Kept => shown.extend(headers::kept(header, whose, judge, decoded)),
                }
                shown.push(0);
            }
            let place = Place::Field(if is_request { "http.request.header" } else { "http.response.header" }.into());
            searcher.deep_in(&[headers::VIEW], &shown, &place, stream.flow, |_| *packet, 0);
        });
    }
}

/// The packet, from 1, that a field begins in.
fn packet_of(spans: &[Span], otherwise: u64) -> u64 {
    spans.first().map_or(otherwise, |span| span.packet.0 + 1)
}

impl Visitor for Probe<'_, '_> {
    fn packet(&mut self, packet: &Packet<'_>, layers: &Layers) {
        self.packet = packet.id.0 + 1;
        if self.scope == Scope::All {
            return;
        }
        for piece in &layers.pieces {
            let at = piece.start as usize..(piece.start + piece.len) as usize;
            let kept = match piece.what {
                What::Structural => true,
                What::TunnelId | What::Checksum | What::Clock { .. } | What::FlowLabel => false,
                what => packet.frame.get(at.clone()).is_some_and(|bytes| self.judge.keeps_address(what, bytes)),
            };
            if kept {
                self.frames.decide(packet.id, at, true);
            }
        }
    }

    fn bytes(&mut self, stream: Stream, at: u64, bytes: &[u8]) {
        let searcher = &mut self.searcher;
        let shown = if self.scope == Scope::All { bytes } else { &[] };
        self.streams.push((stream, None), at, self.packet, (bytes, shown), &mut |piece| {
            searcher.piece(piece, &Place::Stream);
        });
        self.headers(stream, at, bytes);
    }

    fn keep(&mut self, stream: Stream, at: Range<u64>, spans: &[Span]) {
        let raw = match self.scope {
            Scope::All => Vec::new(),
            Scope::Kept => {
                self.streams.slice(&(stream, None), &at).map(|(bytes, _)| bytes.to_vec()).unwrap_or_default()
            }
        };
        self.decide(stream, &[at], &raw, spans, true);
    }

    fn field(&mut self, stream: Stream, field: &Field<'_>, at: &[Range<u64>], spans: &[Span]) {
        let kept = self.take(field, &[], stream.flow, packet_of(spans, self.packet));
        self.decide(stream, at, field.raw, spans, kept);
    }

    fn opaque(&mut self, stream: Stream, _what: &'static str, at: Range<u64>, spans: &[Span]) {
        self.decide(stream, &[at], &[], spans, false);
    }

    /// An inflated window is searched as the body that it is part of; inflating it again, as part of whatever holds it,
    /// would tell nothing new.
    fn window(&mut self, stream: Stream, window: &Window<'_>, at: &[Range<u64>], spans: &[Span]) {
        let packet = packet_of(spans, self.packet);
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        for part in window.parts {
            let Some(raw) = window.plain.get(part.at.clone()) else { continue };
            let kept = match &part.what {
                PartKind::Keep => true,
                PartKind::Opaque(_) => self.scope == Scope::All,
                PartKind::Field { path, name, encoding, role } => {
                    let field = Field { path, name, raw, encoding: *encoding, role: *role };
                    self.take(&field, view_of_codec(window.codec), stream.flow, packet)
                }
            };
            text.extend_from_slice(if kept { raw } else { &[] });
            text.resize(part.at.end, 0);
        }
        at.iter().for_each(|at| self.streams.decide(&(stream, None), at, false));
        self.frames.spans(spans, &window.wire(), false);
        let header = window.packed.get(..window.header).unwrap_or_default();
        if self.scope == Scope::All {
            self.searcher.deep(header, &Place::Stream, stream.flow, |_| packet, 0);
        }
        let key = (stream, window.body);
        let base = self.plain.entry(key).or_default();
        let plain = *base..*base + window.plain.len() as u64;
        *base = plain.end;
        let source = (stream, Some(window.body));
        let searcher = &mut self.searcher;
        self.bodies.push(source, plain.start, packet, (window.plain, &text), &mut |piece| {
            searcher.piece(piece, &Place::Body);
        });
        self.bodies.settle(&source);
        if window.last {
            self.plain.remove(&key);
        }
        self.text = text;
    }

    /// A copy shows what its original shows.
    fn late(&mut self, stream: Stream, at: Range<u64>, bytes: &[u8], span: &Span) {
        if let Some((raw, shown)) = self.streams.slice(&(stream, None), &at) {
            self.frames.copy(span, bytes, raw, shown);
        }
    }

    fn close(&mut self, flow: u64) {
        let searcher = &mut self.searcher;
        self.streams.close(flow, &mut |piece| searcher.piece(piece, &Place::Stream));
        self.bodies.close(flow, &mut |piece| searcher.piece(piece, &Place::Body));
        self.plain.retain(|(stream, _), _| stream.flow != flow);
        self.headers.close(flow);
    }

    fn settled(&mut self, last: PacketId) {
        let searcher = &mut self.searcher;
        self.frames.settle(last, &mut |frame| searcher.frame(frame));
    }
}
