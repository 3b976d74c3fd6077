//! Deflate by hand (RFC 1951) for small windows: the shortest that can be found, and from there on any length.
//!
//! A pseudonym is as long and as random as what it replaces, but not to the bit: where the fast compressors miss the room
//! by a byte, or leave a rest that no empty block fills, a way to say the same that hits the room is looked for here.
//!
//! The cheapest row of literals and matches is found for a guess of what each costs, then costs are learnt from that row,
//! a few times over. All costs are whole numbers: the outcome is the same on every machine.

mod block;
mod code;
mod parse;

use block::{Blocks, Shape};
use parse::{Costs, Matches, Token};

/// Longest text that is worth the time: some milliseconds.
pub(super) const PLAIN_MAX: usize = 8 << 10;
/// Times that costs are learnt anew.
const ROUNDS: usize = 8;
/// So many symbols may stand in a block of their own, in front.
const FIRSTS: [usize; 8] = [2, 4, 8, 12, 16, 24, 32, 48];

/// Compresses `plain` into exactly `room` bytes behind what `out` holds, readable after `dictionary`; `last` ends the
/// deflate stream, else a sync flush ends the window on a byte. `out` is as it was if no way is found.
pub(super) fn squeeze_to(plain: &[u8], dictionary: &[u8], room: usize, last: bool, out: &mut Vec<u8>) -> bool {
    !plain.is_empty()
        && plain.len() <= PLAIN_MAX
        && ways(plain, dictionary, &mut |blocks| blocks.write_to(room, last, out))
}

/// Offers the text in blocks, in different ways, until one is taken; whether one was.
fn ways(plain: &[u8], dictionary: &[u8], take: &mut dyn FnMut(&Blocks) -> bool) -> bool {
    let matches = Matches::find(plain, dictionary);
    let fixed = parse::cheapest(plain, &matches, &Costs::fixed());
    if take(&Blocks::one(&fixed, Shape::Fixed)) || take(&Blocks::one(&worse(plain, &fixed), Shape::Fixed)) {
        return true;
    }
    let mut tokens = fixed;
    let mut best: Option<(u32, Vec<Token>)> = None;
    for _ in 0..ROUNDS {
        for shape in [Shape::Dynamic, Shape::Smooth] {
            let blocks = Blocks::one(&tokens, shape);
            if take(&blocks) {
                return true;
            }
            if best.as_ref().is_none_or(|(bits, _)| blocks.bits() < *bits) {
                best = Some((blocks.bits(), tokens.clone()));
            }
        }
        let next = parse::cheapest(plain, &matches, &Costs::learnt(&tokens));
        if next == tokens {
            break;
        }
        tokens = next;
    }
    let tokens = best.map_or(tokens, |(_, tokens)| tokens);
    let mut firsts = FIRSTS.iter().filter(|first| **first < tokens.len());
    firsts.any(|first| take(&Blocks::two(&tokens, *first, Shape::Smooth)))
}

/// By byte of `plain`: how far back it is copied from, in the cheapest way to say the text behind `dictionary`; 0 where it is
/// said itself. None of a text that is too long.
pub(super) fn distances(plain: &[u8], dictionary: &[u8]) -> Option<Vec<usize>> {
    if plain.len() > PLAIN_MAX {
        return None;
    }
    let matches = Matches::find(plain, dictionary);
    let mut tokens = parse::cheapest(plain, &matches, &Costs::fixed());
    let mut least = Blocks::one(&tokens, Shape::Fixed).bits();
    for _ in 0..ROUNDS {
        let next = parse::cheapest(plain, &matches, &Costs::learnt(&tokens));
        let bits = Blocks::one(&next, Shape::Smooth).bits();
        if bits >= least {
            break;
        }
        (tokens, least) = (next, bits);
    }
    let copied = |token: &Token| match *token {
        Token::Literal(_) => (1, 0),
        Token::Match { length, distance } => (length, distance),
    };
    let each = tokens.iter().map(copied).flat_map(|(length, distance)| std::iter::repeat_n(distance, length));
    Some(each.collect())
}

/// The same with the first match said less well: about a byte longer, for lengths that lie between two others.
fn worse(plain: &[u8], tokens: &[Token]) -> Vec<Token> {
    // Before it, every symbol is a byte.
    let found = tokens.iter().enumerate().find_map(|(at, token)| match *token {
        Token::Match { length, distance } => Some((at, length, distance)),
        Token::Literal(_) => None,
    });
    let Some((at, length, distance)) = found else { return tokens.to_vec() };
    let mut out = tokens[..at].to_vec();
    out.push(Token::Literal(plain[at]));
    match length {
        3 => out.extend([Token::Literal(plain[at + 1]), Token::Literal(plain[at + 2])]),
        _ => out.push(Token::Match { length: length - 1, distance }),
    }
    out.extend_from_slice(&tokens[at + 1..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
    use proptest::prelude::*;

    /// What a window of packed bytes says behind a dictionary.
    fn inflate(packed: &[u8], dictionary: &[u8]) -> (Vec<u8>, Status) {
        let mut inflate = Decompress::new(false);
        if !dictionary.is_empty() {
            inflate.set_dictionary(dictionary).expect("of raw deflate, at any time");
        }
        let mut out = Vec::with_capacity(1 << 16);
        let status = inflate.decompress_vec(packed, &mut out, FlushDecompress::Sync).expect("valid deflate");
        (out, status)
    }

    fn best_level(plain: &[u8]) -> usize {
        let mut out = Vec::with_capacity(1 << 16);
        Compress::new(Compression::best(), false)
            .compress_vec(plain, &mut out, FlushCompress::Finish)
            .expect("compresses");
        out.len()
    }

    /// The least room that it fits into.
    fn shortest(plain: &[u8], dictionary: &[u8], last: bool) -> usize {
        let mut bits = u32::MAX;
        ways(plain, dictionary, &mut |blocks| {
            bits = bits.min(blocks.bits());
            false
        });
        let bits = bits as usize;
        if last { bits.div_ceil(8) } else { (bits + 3).div_ceil(8) + 4 }
    }

    const PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>xxxx xx</title></head>\n<body>\n\
        <h1>xxxx xx</h1>\n<form method=\"post\" action=\"/login\">\n<input type=\"hidden\" name=\"csrf\" \
        value=\"6c014a334ce8e118740b467886149db4\">\n<label>x-xxxx <input type=\"email\" name=\"email\"></label>\n<label>xxxxxxxx \
        <input type=\"password\" name=\"password\"></label>\n<button type=\"submit\">xxxx xx</button>\n</form>\n</body>\n</html>\n";

    #[test]
    fn every_length_from_the_shortest_on_is_reached() {
        for last in [false, true] {
            let least = shortest(PAGE.as_bytes(), &[], last);
            assert!(!squeeze_to(PAGE.as_bytes(), &[], least - 1, last, &mut Vec::new()));
            assert!(least <= best_level(PAGE.as_bytes()) + if last { 0 } else { 5 }, "{least}");
            for room in least..least + 300 {
                let mut out = b"before".to_vec();
                assert!(squeeze_to(PAGE.as_bytes(), &[], room, last, &mut out), "{room} of {least}, last: {last}");
                assert_eq!(out.len(), 6 + room);
                let (plain, status) = inflate(&out[6..], &[]);
                assert_eq!(plain, PAGE.as_bytes());
                assert_eq!(status == Status::StreamEnd, last);
            }
        }
    }

    #[test]
    fn what_stood_before_is_made_use_of() {
        let alone = shortest(PAGE.as_bytes(), &[], true);
        let behind = shortest(PAGE.as_bytes(), PAGE.as_bytes(), true);
        assert!(behind < alone / 10, "{behind} of {alone}");
    }

    #[test]
    fn what_does_not_fit_leaves_no_trace() {
        let mut out = b"before".to_vec();
        assert!(!squeeze_to(PAGE.as_bytes(), &[], 100, true, &mut out));
        assert!(!squeeze_to(&[b'x'; PLAIN_MAX + 1], &[], 100, true, &mut out));
        assert_eq!(out, b"before");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_is_read_back(
            words in proptest::collection::vec("[a-h ]{1,9}|[0-9a-f]{32}|\\PC{1,4}", 1..80),
            before in proptest::collection::vec("[a-h ]{1,9}", 0..80),
            spare in 0usize..40,
            last: bool,
        ) {
            let (plain, dictionary) = (words.concat().into_bytes(), before.concat().into_bytes());
            let least = shortest(&plain, &dictionary, last);
            if last && dictionary.is_empty() {
                prop_assert!(least <= best_level(&plain) + 1, "{} where the best level makes {}", least, best_level(&plain));
            }
            let mut out = Vec::new();
            if squeeze_to(&plain, &dictionary, least + spare, last, &mut out) {
                prop_assert_eq!(out.len(), least + spare);
                let (inflated, status) = inflate(&out, &dictionary);
                prop_assert_eq!(inflated, plain);
                prop_assert_eq!(status == Status::StreamEnd, last);
            } else {
                prop_assert!(spare < 9, "{} bytes more than {}", spare, least);
            }
        }

        #[test]
        fn any_bytes_are_read_back(plain in proptest::collection::vec(any::<u8>(), 1..400), last: bool) {
            let least = shortest(&plain, &[], last);
            let mut out = Vec::new();
            prop_assert!(squeeze_to(&plain, &[], least, last, &mut out));
            prop_assert_eq!(inflate(&out, &[]).0, plain);
        }
    }
}
