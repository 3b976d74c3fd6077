//! Windows of compressed bodies: masked, and deflated again to their exact old length.
//!
//! Pseudonyms carry more entropy than the words they replace, so a window may not fit. Then values *degrade*, words
//! and prose first, values without a detector's kind next, then those of a kind, and last tokens and ids, to which later
//! messages refer: full pseudonym, 12-bit tag, filler. Before a token or id degrades, a small window is [squeezed](squeeze_to).
//! The step depends on the masked text and the room only.

use std::ops::Range;

use hashbrown::HashMap;

use super::deflate::{Deflaters, Fit, WINDOW_BITS, adler32, deflate_to};
use super::ledger::Label;
use super::literals;
use super::squeeze::squeeze_to;
use super::values::{Class, Level, Outcome, Values};
use crate::dissect::Stream;
use crate::protocol::websocket::deflate::TAIL;
use crate::protocol::{Codec, Field, Part, PartKind, Window};

const DICTIONARY_BYTES: usize = 32 << 10;

/// Letters that take the places of fillers, one after another, where a text is a few bytes too short to be padded.
const OTHER_FILLERS: &[u8] = b"qjzkvwg";
/// How many of them are tried.
const VARIANTS_MAX: usize = 24;
/// Texts that are squeezed before their fillers are varied: it takes less time.
const SQUEEZED_AT_ONCE: usize = 1 << 10;

/// How far each class of values has degraded; tried in order until the window fits.
const STEPS: [[Level; 7]; 13] = {
    const F: Level = Level::Full;
    const T: Level = Level::Tag;
    const O: Level = Level::Filler;
    const B: Level = Level::Blank;
    [
        // words, values without a kind, those of a kind; tokens and ids: the last quarter of them in the window first
        [F, F, F, F, F, F, F],
        [T, F, F, F, F, F, F],
        [O, F, F, F, F, F, F],
        [O, T, F, F, F, F, F],
        [O, O, F, F, F, F, F],
        [O, O, T, F, F, F, F],
        [O, O, O, F, F, F, F],
        [O, O, O, T, F, F, F],
        [O, O, O, T, T, F, F],
        [O, O, O, T, T, T, F],
        [O, O, O, T, T, T, T],
        [O, O, O, O, O, O, O],
        [B, B, B, B, B, B, B],
    ]
};
/// The last step at which tokens and ids stay as they are.
const ALL_IDENTIFIERS: usize = 6;

/// The number, among the bodies of a stream, of the one that its messages make: there is one at a time.
const MESSAGES: u64 = u64::MAX;

/// The compressed bodies that have begun and not ended: at most one in each stream, for one follows another; several where
/// a stream tells several messages at once.
#[derive(Default)]
pub(super) struct Bodies {
    open: HashMap<(Stream, u64), Body>,
    plain: Vec<u8>,
    deflaters: Deflaters,
}

struct Body {
    /// As [`Window::body`].
    number: u64,
    /// The last masked plain bytes.
    dictionary: Vec<u8>,
    crc: flate2::Crc,
    adler: u32,
    /// The step that the last window needed: the next begins there, for bodies are alike from end to end. But no token
    /// degrades because one before it did.
    step: usize,
    /// A window could not be deflated: the rest of the body is blank.
    broken: bool,
}

impl Default for Body {
    fn default() -> Self {
        Body { number: 0, dictionary: Vec::new(), crc: flate2::Crc::new(), adler: 1, step: 0, broken: false }
    }
}

impl Bodies {
    /// The flow is over.
    pub(super) fn close(&mut self, flow: u64) {
        self.open.retain(|(stream, _), _| stream.flow != flow);
    }

    /// Appends to `out` what stands instead of `window.packed`, of the same length. False if it must be blanked.
    pub(super) fn mask(&mut self, stream: Stream, window: &Window<'_>, values: &mut Values, out: &mut Vec<u8>) -> bool {
        if window.codec == Codec::Huffman {
            return literals::mask(window, values, out);
        }
        let (number, of_messages) = (window.body, matches!(window.codec, Codec::Message { .. }));
        let key = (stream, if of_messages { MESSAGES } else { number });
        let open = self.open.remove(&key).filter(|body| body.number == number);
        let mut body = open.unwrap_or_else(|| Body { number, ..Body::default() });
        let done = !body.broken && body.mask(window, values, &mut self.plain, &mut self.deflaters, out);
        body.broken = !done;
        // Behind a message that cannot be unpacked, the next refers to nothing.
        let is_lost = !done && matches!(window.codec, Codec::Message { ends: true, .. });
        if !window.last && !is_lost {
            self.open.insert(key, body);
        }
        done
    }
}

impl Body {
    fn mask(
        &mut self,
        window: &Window<'_>,
        values: &mut Values,
        plain: &mut Vec<u8>,
        deflaters: &mut Deflaters,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        let Some(room) = window.packed.len().checked_sub(window.header + window.trailer) else { return false };
        write_header(window, out);
        // What a message's sender leaves out at its end is written, and taken away again.
        let (bits, left_out) = match window.codec {
            Codec::Message { bits, ends } => (bits, if ends { TAIL.len() } else { 0 }),
            _ => (WINDOW_BITS, 0),
        };
        let (room, last) = (room + left_out, window.last && !matches!(window.codec, Codec::Message { .. }));
        deflaters.within(bits);
        let mut masked = Masked::new(window, values, std::mem::take(plain));
        let before = std::mem::replace(&mut self.step, STEPS.len()).min(ALL_IDENTIFIERS);
        // Messages are less alike than what stands in one body.
        let first = if matches!(window.codec, Codec::Message { .. }) { 0 } else { before };
        for (step, levels) in STEPS.iter().enumerate().skip(first) {
            let changed = masked.degrade(window, levels, values);
            let squeeze = step >= ALL_IDENTIFIERS;
            if !changed && step != first && step != ALL_IDENTIFIERS {
                continue;
            }
            if self.deflate(&mut masked, room, last, squeeze, deflaters, out) {
                self.step = step;
                break;
            }
        }
        if self.step >= STEPS.len() && self.is_all(window) && masked.plain == window.plain {
            // Nothing had to be changed, and in so little room there is no other way to say it.
            out.extend_from_slice(&window.packed[window.header..window.header + room]);
            self.step = 0;
        }
        let fits = self.step < STEPS.len();
        if fits {
            masked.count(values);
            out.truncate(out.len() - if out.ends_with(&TAIL) { left_out } else { 0 });
            self.advance(&masked.plain);
            self.write_trailer(window, out);
        } else {
            out.truncate(start);
        }
        *plain = masked.plain;
        fits && out.len() - start == window.packed.len()
    }

    /// The window is the whole body.
    fn is_all(&self, window: &Window<'_>) -> bool {
        window.last && self.crc.amount() == 0 && self.dictionary.is_empty()
    }

    /// Compresses what is masked into exactly `room` bytes. What is too short for that by a few bytes is varied in its
    /// fillers; with `squeeze`, nothing that could be made to fit is given up.
    fn deflate(
        &self,
        masked: &mut Masked,
        room: usize,
        last: bool,
        squeeze: bool,
        deflaters: &mut Deflaters,
        out: &mut Vec<u8>,
    ) -> bool {
        let near = deflaters.reach(&self.dictionary, &masked.plain);
        let mut fit = deflate_to(&masked.plain, &self.dictionary, room, last, deflaters, out);
        // Where fillers are few their letters change little, and what is small is squeezed sooner than varied.
        let squeeze = squeeze || (fit == Fit::NotQuite && masked.plain.len() <= SQUEEZED_AT_ONCE);
        if let Some(near) = near.filter(|_| fit != Fit::Exactly && squeeze)
            && squeeze_to(&masked.plain, near, room, last, out)
        {
            return true;
        }
        let mut fillers = masked.fillers().into_iter().zip(OTHER_FILLERS.iter().cycle()).take(VARIANTS_MAX);
        while fit == Fit::NotQuite
            && let Some((at, other)) = fillers.next()
        {
            masked.plain[at] = *other;
            fit = deflate_to(&masked.plain, &self.dictionary, room, last, deflaters, out);
        }
        fit == Fit::Exactly
    }

    fn advance(&mut self, plain: &[u8]) {
        self.crc.update(plain);
        self.adler = adler32(self.adler, plain);
        self.dictionary.extend_from_slice(plain);
        let excess = self.dictionary.len().saturating_sub(DICTIONARY_BYTES);
        self.dictionary.drain(..excess);
    }

    fn write_trailer(&self, window: &Window<'_>, out: &mut Vec<u8>) {
        let trailer = match window.codec {
            Codec::Gzip => [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat(),
            Codec::Zlib => self.adler.to_be_bytes().to_vec(),
            Codec::Deflate | Codec::Message { .. } | Codec::Huffman | Codec::Plain => Vec::new(),
        };
        // A trailer that the capture cut off is cut off here too.
        out.extend_from_slice(&trailer[..window.trailer.min(trailer.len())]);
    }
}

/// The codec's header, without what it may say about the file (RFC 1952 §2.3: extra field, name, comment, time).
fn write_header(window: &Window<'_>, out: &mut Vec<u8>) {
    let header = &window.packed[..window.header.min(window.packed.len())];
    let start = out.len();
    out.extend_from_slice(header);
    if window.codec != Codec::Gzip || header.len() < 10 {
        return;
    }
    let header = &mut out[start..];
    let flags = header[3];
    header[4..8].fill(0);
    let mut at = 10;
    if flags & 4 != 0 && header.len() >= 12 {
        let extra = usize::from(u16::from_le_bytes([header[10], header[11]]));
        let end = (12 + extra).min(header.len());
        header[12..end].fill(0);
        at = end;
    }
    // Name and comment end with a zero byte each; what is between is blanked with a letter.
    for byte in header.iter_mut().skip(at).filter(|byte| **byte != 0) {
        *byte = b'x';
    }
    if flags & 2 != 0 && header.len() >= at + 2 {
        let end = header.len() - 2;
        let mut crc = flate2::Crc::new();
        crc.update(&header[..end]);
        let sum = (crc.sum() as u16).to_le_bytes();
        header[end..].copy_from_slice(&sum);
    }
}

/// A window's plain bytes, masked part by part; a part is masked again only when its level changes.
struct Masked {
    plain: Vec<u8>,
    /// By part of the window.
    pieces: Vec<Piece>,
}

/// What stands for a part.
struct Piece {
    /// In the masked plain bytes.
    at: Range<usize>,
    level: Level,
    /// Of a field.
    outcome: Option<Outcome>,
    /// Its place in a step.
    class: usize,
}

impl Masked {
    /// Everything in full, in `plain`.
    fn new(window: &Window<'_>, values: &mut Values, mut plain: Vec<u8>) -> Self {
        plain.clear();
        let mut identifiers = 0;
        let piece = |part: &Part| {
            let (start, raw) = (plain.len(), &window.plain[part.at.clone()]);
            let outcome = field(part, raw).map(|field| values.replace(&field, &mut plain));
            match &part.what {
                PartKind::Keep => plain.extend_from_slice(raw),
                PartKind::Opaque(_) => plain.resize(plain.len() + raw.len(), 0),
                PartKind::Field { .. } => {}
            }
            let class = outcome.map_or(Class::Prose, |outcome| outcome.class());
            identifiers += usize::from(class == Class::Identifier);
            Piece { at: start..plain.len(), level: Level::Full, outcome, class: class as usize }
        };
        let mut pieces: Vec<Piece> = window.parts.iter().map(piece).collect();
        let of_identifiers = pieces.iter_mut().filter(|piece| piece.class == Class::Identifier as usize);
        for (n, piece) in of_identifiers.enumerate() {
            piece.class += 3 - 4 * n / identifiers;
        }
        Masked { plain, pieces }
    }

    /// Brings every pseudonym to its class's level; whether there were any at another one.
    fn degrade(&mut self, window: &Window<'_>, levels: &[Level; 7], values: &mut Values) -> bool {
        let mut changed = false;
        let mut scratch = Vec::new();
        for (piece, part) in self.pieces.iter_mut().zip(window.parts) {
            if piece.outcome.is_none_or(|outcome| outcome.label != Label::Pseudonym) {
                continue;
            }
            let level = levels[piece.class];
            // A variant of the step before may have changed a filler.
            if level == Level::Full || (level == piece.level && level != Level::Filler) {
                continue;
            }
            if let Some(field) = field(part, &window.plain[part.at.clone()]) {
                scratch.clear();
                values.degrade(&field, level, &mut scratch);
                if scratch.len() == piece.at.len() {
                    self.plain[piece.at.clone()].copy_from_slice(&scratch);
                    changed |= piece.level != level;
                    piece.level = level;
                }
            }
        }
        changed
    }

    /// Where the fillers' letters stand.
    fn fillers(&self) -> Vec<usize> {
        let filled = self.pieces.iter().filter(|piece| piece.level == Level::Filler);
        filled.flat_map(|piece| piece.at.clone()).filter(|&at| self.plain[at] == b'x').take(VARIANTS_MAX).collect()
    }

    fn count(&self, values: &mut Values) {
        let degraded = self.pieces.iter().filter(|piece| piece.level != Level::Full);
        degraded.flat_map(|piece| &piece.outcome).for_each(|outcome| values.count_degraded(outcome));
    }
}

/// A part as the field that it is.
pub(super) fn field<'a>(part: &'a Part, raw: &'a [u8]) -> Option<Field<'a>> {
    match &part.what {
        PartKind::Field { path, name, encoding, role } => {
            Some(Field { path, name, raw, encoding: *encoding, role: *role })
        }
        PartKind::Keep | PartKind::Opaque(_) => None,
    }
}
