//! Header literals of HTTP/2 in their Huffman code: masked to the same number of characters in the same number of bytes.
//! So the table that later headers refer to keeps its sizes (RFC 7541 §4.1), and every index its meaning.
//!
//! A pseudonym of as many bits as its value stands wherever that does. One for which there is none degrades to a filler.

use std::ops::Range;

use super::ledger::Label;
use super::packed::field;
use super::values::{Outcome, Values};
use crate::protocol::http2::huffman;
use crate::protocol::{PartKind, Window};

/// Appends to `out` what stands instead of the literal, of the same length. False if nothing can.
pub(super) fn mask(window: &Window<'_>, values: &mut Values, out: &mut Vec<u8>) -> bool {
    let room = window.packed.len();
    let (mut plain, mut pieces) = (Vec::with_capacity(window.plain.len()), Vec::new());
    for part in window.parts {
        let (start, raw) = (plain.len(), window.plain.get(part.at.clone()).unwrap_or_default());
        let outcome = field(part, raw).map(|field| values.replace(&field, &mut plain));
        let stays = matches!(part.what, PartKind::Keep);
        if outcome.is_none() {
            plain.extend_from_slice(raw);
        }
        pieces.push(Piece { at: start..plain.len(), outcome, stays, even: bits(&plain[start..]) == bits(raw) });
    }
    let fits = huffman::len(&plain) == room && !pieces.iter().any(Piece::is_blank);
    // What cannot stand as it is; if the others leave no room for it, everything.
    let choices: [fn(&&Piece) -> bool; 2] = [|piece| piece.is_blank() || !piece.even, |piece| !piece.stays];
    let filled =
        choices.into_iter().find(|choice| fits || fill(&mut plain, pieces.iter().filter(choice), window, room));
    let Some(choice) = filled else { return false };
    for piece in pieces.iter().filter(choice).filter(|_| !fits) {
        let pseudonym = piece.outcome.filter(|outcome| outcome.label == Label::Pseudonym);
        pseudonym.iter().for_each(|outcome| values.count_degraded(outcome));
    }
    huffman::encode(&plain, out);
    true
}

/// A part of a literal.
struct Piece {
    at: Range<usize>,
    /// Of a field.
    outcome: Option<Outcome>,
    /// It is grammar.
    stays: bool,
    /// What stands for it takes as many bits.
    even: bool,
}

impl Piece {
    fn is_blank(&self) -> bool {
        match &self.outcome {
            Some(outcome) => outcome.label == Label::Blanked,
            None => !self.stays,
        }
    }
}

fn bits(text: &[u8]) -> usize {
    text.iter().map(|byte| huffman::bits(*byte)).sum()
}

/// Overwrites the pieces with fillers, the same for all values, so that the whole takes `room` bytes. False when it
/// cannot; what stands there then is no matter.
fn fill<'a>(
    plain: &mut [u8],
    pieces: impl Iterator<Item = &'a Piece> + Clone,
    window: &Window<'_>,
    room: usize,
) -> bool {
    let characters: usize = pieces.clone().map(|piece| piece.at.len()).sum();
    let fixed = bits(plain) - pieces.clone().map(|piece| bits(&plain[piece.at.clone()])).sum::<usize>();
    // Up to seven bits are padding.
    let (least, most) = ((8 * room).saturating_sub(7 + fixed), (8 * room).saturating_sub(fixed));
    let fillers = (least..=most).find_map(|bits| fillers(characters, bits));
    let mut fillers = fillers.unwrap_or_default().into_iter();
    for piece in pieces {
        let text = &mut plain[piece.at.clone()];
        text.iter_mut().zip(&mut fillers).for_each(|(byte, filler)| *byte = filler);
        // A value that is a filler becomes another one. What is blank depends on nothing.
        if !piece.is_blank() && window.plain.get(piece.at.clone()) == Some(&*text) {
            text.iter_mut().for_each(|byte| *byte = other(*byte));
        }
    }
    huffman::len(plain) == room
}

/// Another character of as many bits.
fn other(filler: u8) -> u8 {
    match filler {
        b'a' => b'e',
        b'b' => b'd',
        b'x' => b'w',
        b'X' => b'Z',
        other => other,
    }
}

/// Characters by how many bits they take; those in front are harmless in any header.
#[rustfmt::skip]
const FILLERS: [(usize, u8); 20] = [
    (5, b'a'), (6, b'b'), (7, b'x'), (8, b'X'), (10, b'!'), (11, b'|'), (12, b'#'), (13, b'~'), (14, b'^'), (15, b'<'), (19, 0xc3), (20, 0x80), (21, 0x99), (22, 0x81), (23, 0x87), (24, 0x8e), (25, 0xc7), (26, 0xc0), (27, 0xcb), (28, 0xdc),
];

/// So many characters of so many bits together.
fn fillers(characters: usize, bits: usize) -> Option<Vec<u8>> {
    let (mut left, mut fillers) = (bits, Vec::with_capacity(characters));
    for behind in (0..characters).rev() {
        // As even as it goes: those behind must be able to make up the rest, at 5 bits or more each.
        let share = left.div_ceil(behind + 1);
        let most = left.checked_sub(FILLERS[0].0 * behind)?;
        let fits = |filler: &&(usize, u8)| filler.0 <= most && (filler.0 >= share || filler.0 == most);
        let &(takes, filler) = FILLERS.iter().find(fits)?;
        fillers.push(filler);
        left -= takes;
    }
    (left == 0).then_some(fillers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillers_take_the_bits_that_they_say() {
        for (takes, filler) in FILLERS {
            assert_eq!(huffman::bits(filler), takes, "{filler:#x}");
            assert_eq!(huffman::bits(other(filler)), takes, "{filler:#x}");
        }
    }

    #[test]
    fn any_number_of_characters_fills_any_number_of_bits() {
        for characters in 1..60usize {
            for bits in 5 * characters..=8 * characters {
                let fillers = fillers(characters, bits).unwrap();
                assert_eq!((fillers.len(), super::bits(&fillers)), (characters, bits));
            }
            // What stands in longer codes: some number of bits within a byte's padding will do.
            for room in characters..=28 * characters / 8 {
                let found = (8 * room - 7..=8 * room).find_map(|bits| fillers(characters, bits));
                assert!(found.is_some(), "{characters} in {room} bytes");
            }
        }
    }
}
