//! Deflate blocks, and empty ones before them that make the length right.

use super::code::{Code, Header, smooth};
use super::parse::{Token, count};

/// Bits of an empty block in the fixed code.
const EMPTY: u32 = 10;
/// Bytes of a sync flush behind the bits that end on a byte.
const SYNC: usize = 4;
/// Bits of a sync flush before them.
const SYNC_BITS: u32 = 3;
/// Times that all places of a byte come round, with empty blocks of 10 bits.
const ROUND: u32 = 4;

/// With which codes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Fixed,
    /// Made for it.
    Dynamic,
    /// Made for it, but with an eye on what saying the code takes.
    Smooth,
}

/// Symbols as one block.
struct Block {
    tokens: Vec<Token>,
    literals: Code,
    distances: Code,
    header: Option<Header>,
}

/// A text as one block or two.
pub(super) struct Blocks {
    blocks: Vec<Block>,
    bits: u32,
}

impl Blocks {
    /// These tokens as one block.
    pub(super) fn one(tokens: &[Token], shape: Shape) -> Blocks {
        Blocks::of(vec![Block::new(tokens, shape)])
    }

    /// The first ones in the fixed code: what stands there and nowhere else need not be said in the other's header.
    pub(super) fn two(tokens: &[Token], first: usize, shape: Shape) -> Blocks {
        let (first, rest) = tokens.split_at(first);
        Blocks::of(vec![Block::new(first, Shape::Fixed), Block::new(rest, shape)])
    }

    fn of(blocks: Vec<Block>) -> Blocks {
        let bits = blocks.iter().flat_map(|block| block.bits(0)).map(|(_, count)| count).sum();
        Blocks { blocks, bits }
    }

    /// How long they are.
    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    /// Appends them, and empty blocks so that all takes `room` bytes; false, and nothing is appended, if it cannot.
    pub(super) fn write_to(&self, room: usize, last: bool, out: &mut Vec<u8>) -> bool {
        // Bits that may be written, and where they may end: anywhere in the last byte.
        let (room, behind) = if last { (room, 0) } else { (room.saturating_sub(SYNC), SYNC_BITS) };
        let most = u32::try_from(room).unwrap_or(u32::MAX).saturating_mul(8);
        let Some(left) = most.checked_sub(self.bits + behind) else { return false };
        let spare = self.blocks.last().and_then(|block| block.header.as_ref()).map_or(0, |header| header.spare);
        let fits =
            |&(empty, named): &(u32, u32)| left.checked_sub(EMPTY * empty + 3 * named).is_some_and(|rest| rest < 8);
        let fullest = left / EMPTY;
        let mut padding =
            (0..=spare).flat_map(|named| (fullest.saturating_sub(ROUND)..=fullest).map(move |empty| (empty, named)));
        let Some((empty, named)) = padding.find(fits) else { return false };
        let mut bits = Bits { out, held: 0, count: 0 };
        (0..empty).for_each(|_| bits.put(0b10, EMPTY));
        for (n, block) in (1..).zip(&self.blocks) {
            let is_last = n == self.blocks.len();
            bits.put(u32::from(last && is_last), 1);
            block.bits(if is_last { named } else { 0 }).skip(1).for_each(|(value, count)| bits.put(value, count));
        }
        if !last {
            bits.put(0, SYNC_BITS);
        }
        bits.end();
        if !last {
            out.extend_from_slice(&[0, 0, 0xff, 0xff]);
        }
        true
    }
}

impl Block {
    fn new(tokens: &[Token], shape: Shape) -> Block {
        let (literals, distances, header) = match shape {
            Shape::Fixed => (Code::fixed_literals(), Code::fixed_distances(), None),
            Shape::Dynamic | Shape::Smooth => {
                let (mut literals, mut distances) = count(tokens);
                if shape == Shape::Smooth {
                    smooth(&mut literals);
                    smooth(&mut distances);
                }
                let (literals, distances) = (Code::of(&literals), Code::of(&distances));
                let header = Header::new(&literals, &distances);
                (literals, distances, Some(header))
            }
        };
        Block { tokens: tokens.to_vec(), literals, distances, header }
    }

    /// All its bits, how many and which: whether it is the last one (not), its type, its header with `named` lengths more
    /// than it needs, its symbols.
    fn bits(&self, named: u32) -> impl Iterator<Item = (u32, u32)> {
        let kind = if self.header.is_some() { 0b10 } else { 0b01 };
        let header = self.header.iter().flat_map(move |header| header.with_spare(named));
        [(0, 1), (kind, 2)].into_iter().chain(header).chain(self.symbols())
    }

    /// The bits of its symbols, the end included.
    fn symbols(&self) -> impl Iterator<Item = (u32, u32)> {
        let symbols = self.tokens.iter().flat_map(|token| match *token {
            Token::Literal(byte) => [self.literals.get(usize::from(byte)), (0, 0), (0, 0), (0, 0)],
            Token::Match { length, distance } => {
                let (length, length_extra, length_value) = length_symbol(length);
                let (distance, distance_extra, distance_value) = distance_symbol(distance);
                [
                    self.literals.get(length),
                    (length_value, length_extra),
                    self.distances.get(distance),
                    (distance_value, distance_extra),
                ]
            }
        });
        symbols.chain(std::iter::once(self.literals.get(256)))
    }
}

/// The symbol of a match's length, its extra bits: how many, and which (RFC 1951 §3.2.5).
pub(super) fn length_symbol(length: usize) -> (usize, u32, u32) {
    let above = length - 3;
    if length == 258 {
        return (285, 0, 0);
    }
    let (symbol, extra, value) = grouped(above, 2);
    (257 + symbol, extra, value)
}

/// The same of its distance.
pub(super) fn distance_symbol(distance: usize) -> (usize, u32, u32) {
    grouped(distance - 1, 1)
}

/// Numbers in groups that double after every 2^`fine` of them.
fn grouped(number: usize, fine: u32) -> (usize, u32, u32) {
    let whole = 2 << fine;
    if number < whole {
        return (number, 0, 0);
    }
    let extra = number.ilog2() - fine;
    let symbol = (extra << fine) as usize + (number >> extra);
    (symbol, extra, (number & ((1 << extra) - 1)) as u32)
}

/// Bits, the first one lowest (RFC 1951 §3.1.1).
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits<'_> {
    fn put(&mut self, value: u32, count: u32) {
        self.held |= u64::from(value) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// Zeros up to the end of the byte.
    fn end(self) {
        if self.count > 0 {
            self.out.push(self.held as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_the_standards_tables() {
        for (length, symbol, extra, value) in [
            (3, 257, 0, 0),
            (10, 264, 0, 0),
            (11, 265, 1, 0),
            (12, 265, 1, 1),
            (18, 268, 1, 1),
            (19, 269, 2, 0),
            (257, 284, 5, 30),
            (258, 285, 0, 0),
        ] {
            assert_eq!(length_symbol(length), (symbol, extra, value), "{length}");
        }
        for (distance, symbol, extra, value) in [
            (1, 0, 0, 0),
            (4, 3, 0, 0),
            (5, 4, 1, 0),
            (6, 4, 1, 1),
            (7, 5, 1, 0),
            (9, 6, 2, 0),
            (24577, 29, 13, 0),
            (32768, 29, 13, 8191),
        ] {
            assert_eq!(distance_symbol(distance), (symbol, extra, value), "{distance}");
        }
    }
}
