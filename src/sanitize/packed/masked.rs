//! A window's plain bytes, masked part by part, and degraded class by class.

use std::ops::Range;

use super::steps::Degree;
use super::{VARIANTS_MAX, field};
use crate::protocol::{Encoding, Field, Part, PartKind, Window};
use crate::sanitize::echo::{Repeats, Value};
use crate::sanitize::ledger::Label;
use crate::sanitize::values::{Class, Level, Outcome, Values};

/// A window's plain bytes, masked part by part; a part is masked again only when its level changes.
pub(super) struct Masked {
    pub(super) plain: Vec<u8>,
    /// The same with every value in full.
    full: Vec<u8>,
    /// By part of the window.
    pieces: Vec<Piece>,
    /// It is a filler all through.
    filled: bool,
}

/// What stands for a part.
struct Piece {
    /// In the masked plain bytes.
    at: Range<usize>,
    degree: Degree,
    /// Of a field.
    outcome: Option<Outcome>,
    /// Its place in a step.
    class: usize,
}

impl Masked {
    /// Everything in full, in `plain`.
    pub(super) fn new(window: &Window<'_>, values: &mut Values, mut plain: Vec<u8>) -> Self {
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
            Piece { at: start..plain.len(), degree: Degree::FULL, outcome, class: class as usize }
        };
        let mut pieces: Vec<Piece> = window.parts.iter().map(piece).collect();
        let of_identifiers = pieces.iter_mut().filter(|piece| piece.class == Class::Identifier as usize);
        for (n, piece) in of_identifiers.enumerate() {
            piece.class += 3 - 4 * n / identifiers;
        }
        Masked { full: plain.clone(), plain, pieces, filled: false }
    }

    /// Brings every pseudonym to its class's degree; whether any text changed. Echoes are those of `repeats`.
    pub(super) fn degrade(
        &mut self,
        window: &Window<'_>,
        degrees: &[Degree; 7],
        repeats: Option<&Repeats<'_>>,
        values: &mut Values,
    ) -> bool {
        let mut changed = false;
        let mut scratch = Vec::new();
        // Up to the piece at hand, zeros where it stands for no value.
        let mut so_far = Vec::new();
        for (piece, part) in self.pieces.iter_mut().zip(window.parts) {
            let degree = degrees[piece.class];
            // A variant of the step before may have changed a filler.
            let stays = degree == Degree::FULL || (degree == piece.degree && degree == Degree::TAG);
            let field = field(part, &window.plain[part.at.clone()]);
            if let Some(field) = field.filter(|_| piece.is_pseudonym() && !stays) {
                scratch.clear();
                match (degree, repeats) {
                    (Degree::Echo(level), Some(repeats)) if may_echo(&field) => {
                        let full = &self.full[piece.at.clone()];
                        echo(&field, full, level, repeats, values, &mut so_far);
                        scratch.extend(so_far.drain(piece.at.start..));
                    }
                    (Degree::Of(level) | Degree::Echo(level), _) => values.degrade(&field, level, &mut scratch),
                }
                if scratch.len() == piece.at.len() {
                    changed |= self.plain[piece.at.clone()] != scratch;
                    self.plain[piece.at.clone()].copy_from_slice(&scratch);
                    piece.degree = degree;
                }
            }
            if repeats.is_some() {
                let text = &self.plain[piece.at.clone()];
                so_far.extend(text.iter().map(|byte| if piece.is_of_value() { *byte } else { 0 }));
            }
        }
        changed
    }

    /// Where the fillers' letters stand.
    pub(super) fn fillers(&self) -> Vec<usize> {
        let filled = self.pieces.iter().filter(|piece| piece.degree == Degree::FILLER);
        filled.flat_map(|piece| piece.at.clone()).filter(|&at| self.plain[at] == b'x').take(VARIANTS_MAX).collect()
    }

    /// Nothing of it is left.
    pub(super) fn clear(&mut self) {
        self.plain.clear();
        self.filled = true;
    }

    /// What stands for values, zeros elsewhere: `len` bytes.
    pub(super) fn of_values(&self, len: usize) -> Vec<u8> {
        let mut all = vec![0; len];
        for piece in self.pieces.iter().filter(|piece| piece.is_of_value() && !self.filled) {
            all[piece.at.clone()].copy_from_slice(&self.plain[piece.at.clone()]);
        }
        all
    }

    pub(super) fn count(&self, values: &mut Values) {
        // An echo of what is repeated whole is the pseudonym.
        let is_full = |piece: &Piece| self.plain.get(piece.at.clone()) == self.full.get(piece.at.clone());
        let degraded = self.pieces.iter().filter(|piece| piece.is_pseudonym() && (self.filled || !is_full(piece)));
        degraded.flat_map(|piece| &piece.outcome).for_each(|outcome| values.count_degraded(outcome));
    }
}

impl Piece {
    fn is_pseudonym(&self) -> bool {
        self.outcome.is_some_and(|outcome| outcome.label == Label::Pseudonym)
    }

    /// It stands for a value, and is none.
    fn is_of_value(&self) -> bool {
        self.outcome.is_some_and(|outcome| outcome.label != Label::Kept)
    }
}

/// Whether a value's characters stand for themselves, so that each may be another.
fn may_echo(field: &Field<'_>) -> bool {
    let escapes: &[u8] = match field.encoding {
        Encoding::Plain => b"",
        Encoding::Json => b"\\",
        Encoding::Percent | Encoding::Form => b"%",
        Encoding::Markup => b"&",
        Encoding::Base64 | Encoding::Varint | Encoding::Varints | Encoding::Fixed => return false,
    };
    field.raw.is_ascii() && !field.raw.iter().any(|byte| escapes.contains(byte))
}

/// Appends a value's echo to what is masked before it, where that stands for values.
fn echo(
    field: &Field<'_>,
    full: &[u8],
    level: Level,
    repeats: &Repeats<'_>,
    values: &mut Values,
    so_far: &mut Vec<u8>,
) {
    let start = so_far.len();
    let mut filler = Vec::new();
    values.degrade(field, Level::Filler, &mut filler);
    if filler.len() == field.raw.len() && full.len() == field.raw.len() {
        let fresh = if level == Level::Full { full } else { &filler };
        repeats.echo(&Value { raw: field.raw, pseudonym: full, filler: &filler, fresh }, so_far);
    }
    if so_far[start..] == *field.raw {
        // By chance it came out as what was captured.
        so_far.truncate(start);
        so_far.extend_from_slice(if level == Level::Full { full } else { &filler });
    }
}
