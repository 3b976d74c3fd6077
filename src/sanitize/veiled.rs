//! Messages under the masks of WebSocket's frames (RFC 6455 §5.3): masked value by value where they stand, and put under the
//! same masks again; and the proof of an upgrade, made anew for the key that stands there now.

use std::ops::Range;

use hashbrown::HashMap;

use super::edits::Editor;
use super::ledger::Label;
use super::packed::field;
use super::values::{GRAMMAR, PACKED, PROOF};
use crate::dissect::Stream;
use crate::flow::Span;
use crate::protocol::http1::value::{NONCE_ENDS, NONCE_FRONT};
use crate::protocol::websocket::proof::proof;
use crate::protocol::{Field, PartKind, Window, veiled};

/// Keys of upgrades that are not answered, by flow: what the capture says of them, and the masked one.
#[derive(Default)]
pub(super) struct Upgrades(HashMap<u64, (Vec<u8>, Vec<u8>)>);

impl Upgrades {
    /// A key was masked; its last letter stays.
    fn asked(&mut self, flow: u64, old: &[u8], new: &[u8]) {
        self.0.insert(flow, (old.to_vec(), new.to_vec()));
    }

    /// The proof of the masked key, when this is the right one of the captured key.
    fn answered(&mut self, flow: u64, captured: &[u8]) -> Option<String> {
        let (old, new) = self.0.remove(&flow)?;
        let whole = |front: &[u8], end: u8| [front, &[end], b"=="].concat();
        let end = NONCE_ENDS.iter().find(|end| proof(&whole(&old, **end)).as_bytes() == captured)?;
        Some(proof(&whole(&new, *end)))
    }

    pub(super) fn close(&mut self, flow: u64) {
        self.0.remove(&flow);
    }
}

const KEY: &str = "http.request.header.sec-websocket-key";
const ACCEPT: &str = "http.response.header.sec-websocket-accept";

impl Editor<'_> {
    /// A field was masked; remembers what an upgrade's answer must prove.
    pub(super) fn remember_key(&mut self, stream: Stream, field: &Field<'_>, new: &[u8]) {
        if field.path == KEY && field.raw.len() == NONCE_FRONT {
            self.upgrades.asked(stream.flow, field.raw, new);
        }
    }

    /// The right proof of an upgrade stays right, unless a rule says otherwise.
    pub(super) fn proof(&mut self, stream: Stream, field: &Field<'_>, at: &[Range<u64>], spans: &[Span]) -> bool {
        if field.path != ACCEPT || self.values.is_ruled(field.path, field.raw) {
            return false;
        }
        let Some(proof) = self.upgrades.answered(stream.flow, field.raw).filter(|proof| proof.len() == field.raw.len())
        else {
            return false;
        };
        self.put(stream, at, field.raw, proof.as_bytes(), spans, (Label::Recomputed, PROOF));
        true
    }

    /// Masks what a window without compression holds, part by part.
    pub(super) fn veiled(&mut self, stream: Stream, window: &Window<'_>, at: &[Range<u64>], spans: &[Span]) {
        let mut new = std::mem::take(&mut self.scratch);
        let mut places = Places::new(at, spans);
        for part in window.parts {
            let (Some(raw), veil) = (window.plain.get(part.at.clone()), window.veil.get(part.at.clone())) else {
                continue;
            };
            let veil = veil.unwrap_or_default();
            let (at, spans) = places.of(&part.at);
            new.clear();
            let why = match (&part.what, field(part, raw)) {
                (PartKind::Opaque(what), _) => {
                    self.tally.not_understood(what, spans.len() as u64, raw.len() as u64);
                    new.resize(raw.len(), 0);
                    (Label::Pseudonym, PACKED)
                }
                (_, Some(field)) => {
                    let outcome = self.values.replace(&field, &mut new);
                    // What is blank does not look so under a mask.
                    let label = if outcome.label == Label::Blanked { Label::Pseudonym } else { outcome.label };
                    (label, outcome.because)
                }
                (_, None) => {
                    new.extend_from_slice(raw);
                    (Label::Structural, GRAMMAR)
                }
            };
            self.put(stream, &at, &veiled(raw, veil), &veiled(&new, veil), &spans, why);
        }
        self.scratch = new;
    }
}

/// Where the parts of a text stand, one behind another: each place is gone over once, and not once for each part.
struct Places<'a> {
    /// The ranges that hold the text in order, and those that hold what was asked for last and what is behind.
    at: &'a [Range<u64>],
    /// Bytes of the text before those.
    before: u64,
    /// Spans, then copies.
    spans: [&'a [Span]; 2],
}

impl<'a> Places<'a> {
    fn new(at: &'a [Range<u64>], spans: &'a [Span]) -> Places<'a> {
        let (spans, copies) = spans.split_at(spans.iter().position(|span| span.copy).unwrap_or(spans.len()));
        Places { at, before: 0, spans: [spans, copies] }
    }

    /// Of a part that does not begin before the last one.
    fn of(&mut self, part: &Range<usize>) -> (Vec<Range<u64>>, Vec<Span>) {
        (self.ranges(part.start as u64..part.end as u64), self.spans(part.start as u32..part.end as u32))
    }

    fn ranges(&mut self, part: Range<u64>) -> Vec<Range<u64>> {
        let mut found = Vec::new();
        while let Some(range) = self.at.first() {
            let behind = self.before + range.end - range.start;
            let (from, to) = (self.before.max(part.start), behind.min(part.end));
            if from < to {
                found.push(range.start + from - self.before..range.start + to - self.before);
            }
            if behind > part.end {
                break;
            }
            (self.before, self.at) = (behind, &self.at[1..]);
        }
        found
    }

    /// The spans that hold a part, copies among them.
    fn spans(&mut self, part: Range<u32>) -> Vec<Span> {
        let behind = |span: &Span| span.offset + (span.at.end - span.at.start);
        let mut found = Vec::new();
        for spans in &mut self.spans {
            while let [first, rest @ ..] = spans
                && behind(first) <= part.start
            {
                *spans = rest;
            }
            let cut = |span: &Span| {
                let (from, to) = (span.offset.max(part.start), behind(span).min(part.end));
                let at = |offset: u32| span.at.start + offset - span.offset;
                (from < to).then(|| Span { at: at(from)..at(to), offset: from - part.start, ..span.clone() })
            };
            found.extend(spans.iter().take_while(|span| span.offset < part.end).filter_map(cut));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::PacketId;
    use proptest::prelude::*;

    proptest! {
        /// The parts of a text stand where the text stands.
        #[test]
        fn parts_are_found_in_ranges_and_spans(lens in prop::collection::vec(1u64..9, 1..6), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
            let (mut at, mut spans, mut whole, mut next) = (Vec::new(), Vec::new(), Vec::new(), 100);
            for (packet, len) in (0..).zip(&lens) {
                at.push(next..next + len);
                let span = Span { packet: PacketId(packet), at: 7..7 + *len as u32, offset: whole.len() as u32, copy: false };
                whole.extend((next..next + len).zip(7u32..).map(|(byte, place)| (byte, packet, place)));
                spans.push(span);
                next += len + 3;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len() + 1)).chain([0, whole.len()]).collect();
            cuts.sort_unstable();
            let mut found = Places::new(&at, &spans);
            for part in cuts.windows(2).map(|pair| pair[0]..pair[1]) {
                let (ranges, held) = found.of(&part);
                let bytes: Vec<u64> = ranges.into_iter().flatten().collect();
                prop_assert_eq!(bytes, whole[part.clone()].iter().map(|(byte, ..)| *byte).collect::<Vec<_>>());
                let mut places = Vec::new();
                for span in held {
                    prop_assert_eq!(span.offset as usize, places.len());
                    places.extend(span.at.map(|place| (span.packet.0, place)));
                }
                prop_assert_eq!(places, whole[part].iter().map(|(_, packet, place)| (*packet, *place)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn only_a_right_proof_is_proven_again() {
        let (old, new) = (b"dGhlIHNhbXBsZSBub25jZ", b"aHbmKJMnaYCrAZCum12kZ");
        let mut upgrades = Upgrades::default();
        upgrades.asked(1, old, new);
        assert_eq!(upgrades.answered(2, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), None);
        let expected = proof(b"aHbmKJMnaYCrAZCum12kZQ==");
        assert_eq!(upgrades.answered(1, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), Some(expected));
        upgrades.asked(1, old, new);
        assert_eq!(upgrades.answered(1, b"S3pPLMBiTxaQ9kYGzzhZRbK+xOo="), None);
    }
}
