//! A text as literals and matches: the row that costs least.

use super::block::{distance_symbol, length_symbol};
use super::code::{DISTANCES, LITERALS, fixed_literal_length};

/// Bytes back that a match may reach (RFC 1951 §2).
const DISTANCE_MAX: usize = 32 << 10;
const LENGTH_MIN: usize = 3;
const LENGTH_MAX: usize = 258;
/// Earlier places that are looked at for one place.
const PLACES_MAX: usize = 256;
const HASH_BITS: u32 = 13;
/// Parts of a bit that costs are counted in.
const PARTS: u32 = 16;

/// One symbol of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Literal(u8),
    /// `length` bytes as they stood `distance` bytes before.
    Match {
        length: usize,
        distance: usize,
    },
}

/// What stood before, for every place of a text: lengths with the least distance for each, the shorter ones first.
pub(super) struct Matches(Vec<Vec<(usize, usize)>>);

impl Matches {
    /// Of `plain`, behind `dictionary`.
    pub(super) fn find(plain: &[u8], dictionary: &[u8]) -> Matches {
        let dictionary = &dictionary[dictionary.len().saturating_sub(DISTANCE_MAX)..];
        let text = [dictionary, plain].concat();
        let mut newest = vec![usize::MAX; 1 << HASH_BITS];
        let mut earlier = vec![usize::MAX; text.len()];
        let mut found = Vec::with_capacity(plain.len());
        for at in 0..text.len() {
            let hash = text.get(at..at + LENGTH_MIN).map(hash);
            if at >= dictionary.len() {
                found.push(hash.map_or_else(Vec::new, |hash| longer_and_longer(&text, at, newest[hash], &earlier)));
            }
            if let Some(hash) = hash {
                earlier[at] = std::mem::replace(&mut newest[hash], at);
            }
        }
        Matches(found)
    }
}

fn hash(bytes: &[u8]) -> usize {
    let key = bytes.iter().fold(0u32, |key, byte| key << 8 | u32::from(*byte));
    (key.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}

/// Matches of the text at `at` with the places from `place` back, each longer than those nearer.
fn longer_and_longer(text: &[u8], at: usize, mut place: usize, earlier: &[usize]) -> Vec<(usize, usize)> {
    let ahead = &text[at..text.len().min(at + LENGTH_MAX)];
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut longest = LENGTH_MIN - 1;
    for _ in 0..PLACES_MAX {
        if place == usize::MAX || at - place > DISTANCE_MAX || longest == ahead.len() {
            break;
        }
        let length = text[place..].iter().zip(ahead).take_while(|(a, b)| a == b).count();
        if length > longest {
            found.push((length, at - place));
            longest = length;
        }
        place = earlier[place];
    }
    found
}

/// What symbols cost, extra bits included, in [`PARTS`] of a bit.
pub(super) struct Costs {
    literals: [u32; 256],
    lengths: [u32; LENGTH_MAX + 1],
    /// By symbol.
    distances: [u32; DISTANCES],
}

impl Costs {
    /// Of the fixed code (RFC 1951 §3.2.6).
    pub(super) fn fixed() -> Costs {
        Costs::of(|symbol| PARTS * u32::from(fixed_literal_length(symbol)), |_| PARTS * 5)
    }

    /// As in a code made for these tokens.
    pub(super) fn learnt(tokens: &[Token]) -> Costs {
        let (literals, distances) = count(tokens);
        let (of_literals, of_distances) = (cost(&literals), cost(&distances));
        Costs::of(|symbol| of_literals(literals[symbol]), |symbol| of_distances(distances[symbol]))
    }

    fn of(literal: impl Fn(usize) -> u32, distance: impl Fn(usize) -> u32) -> Costs {
        let length = |length: usize| {
            let (symbol, extra, _) = length_symbol(length.max(LENGTH_MIN));
            literal(symbol) + PARTS * extra
        };
        Costs {
            literals: std::array::from_fn(&literal),
            lengths: std::array::from_fn(length),
            distances: std::array::from_fn(|symbol| distance(symbol) + PARTS * (symbol as u32 / 2).saturating_sub(1)),
        }
    }
}

/// How often every symbol occurs, the end of the block included.
pub(super) fn count(tokens: &[Token]) -> ([u32; LITERALS], [u32; DISTANCES]) {
    let (mut literals, mut distances) = ([0; LITERALS], [0; DISTANCES]);
    literals[256] = 1;
    for token in tokens {
        match *token {
            Token::Literal(byte) => literals[usize::from(byte)] += 1,
            Token::Match { length, distance } => {
                literals[length_symbol(length).0] += 1;
                distances[distance_symbol(distance).0] += 1;
            }
        }
    }
    (literals, distances)
}

/// The cost of a symbol by how often it occurs among all of `counts`; one that does not would need a place of its own.
fn cost(counts: &[u32]) -> impl Fn(u32) -> u32 + use<> {
    let total: u32 = counts.iter().sum();
    move |count| match count {
        0 => log2(total + 1) + 2 * PARTS,
        count => log2(total).saturating_sub(log2(count)).max(PARTS),
    }
}

/// In [`PARTS`], between powers of two on a straight line.
fn log2(n: u32) -> u32 {
    let whole = n.max(1).ilog2();
    PARTS * whole + ((PARTS * (n.max(1) - (1 << whole))) >> whole)
}

/// The tokens that cost least: found from the front, read from the end.
pub(super) fn cheapest(plain: &[u8], matches: &Matches, costs: &Costs) -> Vec<Token> {
    let mut best = vec![(u32::MAX, Token::Literal(0)); plain.len() + 1];
    best[0].0 = 0;
    for (at, (&byte, found)) in plain.iter().zip(&matches.0).enumerate() {
        let so_far = best[at].0;
        let mut offer = |end: usize, cost: u32, token: Token| {
            if so_far + cost < best[end].0 {
                best[end] = (so_far + cost, token);
            }
        };
        offer(at + 1, costs.literals[usize::from(byte)], Token::Literal(byte));
        let mut from = LENGTH_MIN;
        for &(longest, distance) in found {
            let far = costs.distances[distance_symbol(distance).0];
            for length in from..=longest {
                offer(at + length, costs.lengths[length] + far, Token::Match { length, distance });
            }
            from = longest + 1;
        }
    }
    let mut tokens = Vec::new();
    let mut end = plain.len();
    while end > 0 {
        let token = best[end].1;
        tokens.push(token);
        end -= match token {
            Token::Literal(_) => 1,
            Token::Match { length, .. } => length,
        };
    }
    tokens.reverse();
    tokens
}
