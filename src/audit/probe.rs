//! The search of the masked capture for one partition of values; and, should something be found, of what the rules
//! kept in the original, since a text that is kept in one field may stand there in the other capture, too.

use std::collections::HashMap;
use std::ops::Range;

use super::collect::view_of;
use super::gather::{Gather, Piece};
use super::hits::{Hits, Place, way};
use super::judge::{Judge, public_path};
use super::search::Needles;
use super::views;
use crate::dissect::{Packet, Stream, Visitor};
use crate::flow::Span;
use crate::decode::Layers;
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::{Field, PartKind, Window};

/// Needles, and what was found of them.
pub struct Searcher<'n> {
    needles: &'n Needles<'n>,
    lower: Vec<u8>,
    /// What was found.
    pub hits: Hits,
}

impl<'n> Searcher<'n> {
    /// Nothing is found yet.
    pub fn new(needles: &'n Needles<'n>) -> Self {
        Self { needles, lower: Vec::new(), hits: Hits::default() }
    }

    /// Searches bytes as they are; `views` led to them.
    fn plain(&mut self, bytes: &[u8], views: &[&'static str], place: &Place, packet: u64) {
        let hits = &mut self.hits;
        self.needles.find(bytes, &mut self.lower, &mut |found| {
            hits.add(found.value, way(views, &found), place, packet);
        });
    }

    /// Searches bytes and every view of them.
    pub fn deep(&mut self, bytes: &[u8], place: &Place, packet: u64) {
        views::each(bytes, &mut |names, view| self.plain(view, names, place, packet));
    }

    /// Searches what was gathered of a stream.
    fn piece(&mut self, piece: &Piece, place: &Place) {
        let (hits, lower) = (&mut self.hits, &mut self.lower);
        views::each(piece.bytes(), &mut |names, view| {
            self.needles.find(view, lower, &mut |found| {
                let seen_before = names.is_empty() && found.at + found.len <= piece.searched();
                let packet = piece.packet(if names.is_empty() { found.at } else { piece.searched() });
                if !seen_before {
                    hits.add(found.value, way(names, &found), place, packet);
                }
            });
        });
    }
}

/// A visitor of the masked capture that searches everything that dissection shows.
pub struct Probe<'a, 'n> {
    /// The search.
    pub searcher: Searcher<'n>,
    judge: &'a Judge,
    streams: Gather,
    bodies: Gather,
    /// Plain bytes seen of each compressed body.
    plain: HashMap<(Stream, u64), u64>,
    packet: u64,
    decoded: Decoded,
}

impl<'a, 'n> Probe<'a, 'n> {
    /// Ready for the first packet.
    pub fn new(needles: &'n Needles<'n>, judge: &'a Judge) -> Self {
        Self {
            searcher: Searcher::new(needles),
            judge,
            streams: Gather::default(),
            bodies: Gather::default(),
            plain: HashMap::new(),
            packet: 0,
            decoded: Decoded::default(),
        }
    }

    /// What was found, once the capture has ended.
    pub fn finish(mut self) -> Hits {
        let searcher = &mut self.searcher;
        self.streams.finish(&mut |piece| searcher.piece(piece, &Place::Stream));
        self.bodies.finish(&mut |piece| searcher.piece(piece, &Place::Body));
        self.searcher.hits
    }

    fn take(&mut self, field: &Field<'_>, above: &[&'static str], packet: u64) {
        let place = Place::Field(public_path(self.judge, field.path).into());
        let text = decode(field.raw, field.encoding, &mut self.decoded);
        let escaped = text != field.raw;
        let inside = if escaped { view_of(field.encoding) } else { &[] };
        self.searcher.plain(text, &[above, inside].concat(), &place, packet);
    }
}

impl Visitor for Probe<'_, '_> {
    fn packet(&mut self, packet: &Packet<'_>, _layers: &Layers) {
        self.packet = packet.id.0 + 1;
    }

    fn bytes(&mut self, stream: Stream, at: u64, bytes: &[u8]) {
        let searcher = &mut self.searcher;
        self.streams.push((stream, None), at, self.packet, bytes, &mut |piece| searcher.piece(piece, &Place::Stream));
    }

    fn field(&mut self, _stream: Stream, field: &Field<'_>, _at: &[Range<u64>], spans: &[Span]) {
        let packet = spans.first().map_or(self.packet, |span| span.packet.0 + 1);
        self.take(field, &[], packet);
    }

    fn window(&mut self, stream: Stream, window: &Window<'_>, _at: &[Range<u64>], spans: &[Span]) {
        let packet = spans.first().map_or(self.packet, |span| span.packet.0 + 1);
        for part in window.parts {
            if let (PartKind::Field { path, name, encoding, role }, Some(raw)) =
                (&part.what, window.plain.get(part.at.clone()))
            {
                let field = Field { path, name, raw, encoding: *encoding, role: *role };
                self.take(&field, &["gzip"], packet);
            }
        }
        let key = (stream, window.body);
        let at = self.plain.entry(key).or_default();
        let from = *at;
        *at += window.plain.len() as u64;
        let searcher = &mut self.searcher;
        let search = &mut |piece: &Piece| searcher.piece(piece, &Place::Body);
        self.bodies.push((stream, Some(window.body)), from, packet, window.plain, search);
        if window.last {
            self.plain.remove(&key);
        }
    }

    fn close(&mut self, flow: u64) {
        let searcher = &mut self.searcher;
        self.streams.close(flow, &mut |piece| searcher.piece(piece, &Place::Stream));
        self.bodies.close(flow, &mut |piece| searcher.piece(piece, &Place::Body));
        self.plain.retain(|(stream, _), _| stream.flow != flow);
    }
}

/// A visitor of the original that finds values where the rules keep them.
pub struct Excuses<'a, 'n> {
    /// The search.
    pub searcher: Searcher<'n>,
    judge: &'a Judge,
    streams: Gather,
    decoded: Decoded,
}

impl<'a, 'n> Excuses<'a, 'n> {
    /// Ready for the first packet.
    pub fn new(needles: &'n Needles<'n>, judge: &'a Judge) -> Self {
        let (streams, decoded) = (Gather::default(), Decoded::default());
        Self { searcher: Searcher::new(needles), judge, streams, decoded }
    }

    fn take(&mut self, field: &Field<'_>) {
        let text = decode(field.raw, field.encoding, &mut self.decoded);
        if self.judge.keeps(field, text).is_some() {
            self.searcher.deep(field.raw, &Place::Record, 0);
        }
        if self.judge.is_public_name(field.name) {
            self.searcher.plain(field.name.as_bytes(), &[], &Place::Record, 0);
        }
    }

    /// Grammar excuses words only: no secret becomes harmless by a parser's mistake.
    fn grammar(&mut self, bytes: &[u8]) {
        for word in bytes.split(|b| !b.is_ascii_alphabetic() && !b"-_./".contains(b)) {
            self.searcher.plain(word, &[], &Place::Record, 0);
        }
    }
}

impl Visitor for Excuses<'_, '_> {
    fn bytes(&mut self, stream: Stream, at: u64, bytes: &[u8]) {
        self.streams.push((stream, None), at, 0, bytes, &mut |_| {});
    }

    fn keep(&mut self, stream: Stream, at: Range<u64>, _spans: &[Span]) {
        let kept = self.streams.piece(&(stream, None)).and_then(|piece| piece.slice(&at)).map(<[u8]>::to_vec);
        self.grammar(&kept.unwrap_or_default());
    }

    fn field(&mut self, _stream: Stream, field: &Field<'_>, _at: &[Range<u64>], _spans: &[Span]) {
        self.take(field);
    }

    fn window(&mut self, _stream: Stream, window: &Window<'_>, _at: &[Range<u64>], _spans: &[Span]) {
        for part in window.parts {
            let Some(raw) = window.plain.get(part.at.clone()) else { continue };
            match &part.what {
                PartKind::Keep => self.grammar(raw),
                PartKind::Opaque(_) => {}
                PartKind::Field { path, name, encoding, role } => {
                    self.take(&Field { path, name, raw, encoding: *encoding, role: *role });
                }
            }
        }
    }

    fn close(&mut self, flow: u64) {
        self.streams.close(flow, &mut |_| {});
    }
}
