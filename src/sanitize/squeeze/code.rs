//! Prefix codes (RFC 1951 §3.2.2): lengths from counts, codes from lengths, the header that says them.

/// Symbols for literals, the end of a block and lengths.
pub(super) const LITERALS: usize = 286;
/// Symbols for distances.
pub(super) const DISTANCES: usize = 30;
/// Longest code of those.
const LENGTH_MAX: u8 = 15;
/// Longest code of the code for lengths.
const HEADER_LENGTH_MAX: u8 = 7;
/// The order in which the header names the lengths of its own code (RFC 1951 §3.2.7).
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// A code: by symbol, how many bits and which, the first one lowest. No bits: the symbol does not occur.
#[derive(Clone)]
pub(super) struct Code(Vec<(u8, u16)>);

impl Code {
    /// For literals and lengths, as often as counted.
    pub(super) fn of(counts: &[u32]) -> Code {
        Code::from_lengths(&lengths(counts, LENGTH_MAX))
    }

    /// The fixed one for literals and lengths (RFC 1951 §3.2.6).
    pub(super) fn fixed_literals() -> Code {
        // 286 and 287 do not occur, but take part in the construction.
        Code::from_lengths(&(0..288).map(fixed_literal_length).collect::<Vec<_>>())
    }

    /// The fixed one for distances.
    pub(super) fn fixed_distances() -> Code {
        Code::from_lengths(&[5; 32])
    }

    fn from_lengths(lengths: &[u8]) -> Code {
        let mut next = [0u16; 17];
        for bits in 1..=16usize {
            let shorter = lengths.iter().filter(|length| usize::from(**length) == bits - 1 && bits > 1).count() as u16;
            next[bits] = (next[bits - 1] + shorter) << 1;
        }
        let code = |&length: &u8| {
            let next = &mut next[usize::from(length)];
            let code = if length == 0 { 0 } else { next.reverse_bits() >> (16 - length) };
            *next += 1;
            (length, code)
        };
        Code(lengths.iter().map(code).collect())
    }

    /// The bits of a symbol, and how many.
    pub(super) fn get(&self, symbol: usize) -> (u32, u32) {
        let (length, code) = self.0[symbol];
        (u32::from(code), u32::from(length))
    }

    /// How many symbols there are up to the last one that occurs, at least `min`.
    fn used(&self, min: usize) -> usize {
        self.0.iter().rposition(|(length, _)| *length > 0).map_or(min, |last| min.max(last + 1))
    }
}

/// The length of a literal's or length's code in the fixed one.
pub(super) fn fixed_literal_length(symbol: usize) -> u8 {
    match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

/// Symbols in a row whose counts are about the same get the same count: a code that takes a bit more here and there, and
/// is said in far fewer bits. What does not occur stays so where it is a row of its own.
pub(super) fn smooth(counts: &mut [u32]) {
    let used = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
    let counts = &mut counts[..used];
    let alike: Vec<bool> = counts
        .chunk_by(|a, b| a == b)
        .flat_map(|run| std::iter::repeat_n(run.len() >= if run[0] == 0 { 5 } else { 7 }, run.len()))
        .collect();
    let mut start = 0;
    while start < used {
        // What the next ones have on average.
        let ahead = &counts[start..used.min(start + 4)];
        let middle = if ahead.len() < 4 { ahead[0] } else { (ahead.iter().sum::<u32>() + 2) / 4 };
        let belongs = |at: usize| !alike[at] && counts[at].abs_diff(middle) < 4;
        let end = (start + 1..used).find(|at| !belongs(*at)).unwrap_or(used);
        let row = &mut counts[start..end];
        let (sum, len) = (row.iter().sum::<u32>(), row.len() as u32);
        if len >= 4 && sum > 0 {
            row.fill(((sum + len / 2) / len).max(1));
        }
        start = end;
    }
}

/// The lengths of the best code for these counts, none longer than `max`. At least two symbols get one, since some
/// decoders want a code to be complete.
fn lengths(counts: &[u32], max: u8) -> Vec<u8> {
    let mut counts = counts.to_vec();
    for symbol in 0..counts.len() {
        if counts.iter().filter(|count| **count > 0).count() >= 2 {
            break;
        }
        counts[symbol] = counts[symbol].max(1);
    }
    loop {
        let lengths = unbounded(&counts);
        if lengths.iter().all(|length| *length <= max) {
            return lengths;
        }
        // Counts that differ less make a tree that is less deep.
        counts.iter_mut().for_each(|count| *count = count.div_ceil(2));
    }
}

/// Huffman's code.
fn unbounded(counts: &[u32]) -> Vec<u8> {
    // Roots of the trees so far: weight, and the symbols or trees below. The rarest are joined first, those of less depth
    // before others of the same weight.
    let mut heap: std::collections::BinaryHeap<std::cmp::Reverse<(u32, u8, usize)>> = Default::default();
    let mut parents: Vec<usize> = vec![usize::MAX; counts.len()];
    for (symbol, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        heap.push(std::cmp::Reverse((count, 0, symbol)));
    }
    while heap.len() > 1 {
        if let (Some(one), Some(two)) = (heap.pop(), heap.pop()) {
            let ((a, a_depth, a_node), (b, b_depth, b_node)) = (one.0, two.0);
            let node = parents.len();
            parents.push(usize::MAX);
            (parents[a_node], parents[b_node]) = (node, node);
            heap.push(std::cmp::Reverse((a + b, a_depth.max(b_depth) + 1, node)));
        }
    }
    let depth = |symbol: usize| {
        let above = std::iter::successors(Some(symbol), |node| Some(parents[*node]).filter(|up| *up != usize::MAX));
        (above.count() - 1) as u8
    };
    (0..counts.len()).map(depth).collect()
}

/// What stands before the symbols of a block with codes of its own.
pub(super) struct Header {
    /// Bits, and how many.
    pub(super) bits: Vec<(u32, u32)>,
    /// Lengths of the header's own code that may be named though none of them is used: 3 bits each.
    pub(super) spare: u32,
}

impl Header {
    /// That of the block's two codes.
    pub(super) fn new(literals: &Code, distances: &Code) -> Header {
        let shortest = (0..8u8).map(|way| Header::in_one_way(literals, distances, way)).min_by_key(Header::len);
        shortest.expect("there are ways")
    }

    /// Bits that it takes.
    pub(super) fn len(&self) -> u32 {
        self.bits.iter().map(|(_, count)| count).sum()
    }

    /// The same, with `named` lengths more named.
    pub(super) fn with_spare(&self, named: u32) -> impl Iterator<Item = (u32, u32)> {
        let [counts, own @ ..] = &self.bits[..] else { unreachable!("made by in_one_way") };
        let own_len = self.own_len();
        let counts = (counts.0 + (named << 10), counts.1);
        let more = (0..named).map(|_| (0, 3));
        std::iter::once(counts).chain(own[..own_len].iter().copied()).chain(more).chain(own[own_len..].iter().copied())
    }

    /// How many lengths of its own code it names.
    fn own_len(&self) -> usize {
        (self.bits[0].0 >> 10) as usize + 4
    }

    /// `way`: whether the symbols 16, 17 and 18 for repeated lengths are used, a bit each.
    fn in_one_way(literals: &Code, distances: &Code, way: u8) -> Header {
        let (literal_count, distance_count) = (literals.used(257), distances.used(1));
        let said: Vec<u8> = literals.0[..literal_count]
            .iter()
            .chain(&distances.0[..distance_count])
            .map(|(length, _)| *length)
            .collect();
        let symbols = repeated(&said, way);
        let mut counts = [0u32; 19];
        symbols.iter().for_each(|(symbol, _, _)| counts[*symbol] += 1);
        let code = Code::from_lengths(&lengths(&counts, HEADER_LENGTH_MAX));
        let own_len = ORDER.iter().rposition(|symbol| code.0[*symbol].0 > 0).map_or(4, |last| 4.max(last + 1));
        let sizes = (literal_count - 257) | (distance_count - 1) << 5 | (own_len - 4) << 10;
        let mut bits = vec![(sizes as u32, 14)];
        bits.extend(ORDER[..own_len].iter().map(|symbol| (u32::from(code.0[*symbol].0), 3)));
        for (symbol, extra, value) in symbols {
            bits.extend([code.get(symbol), (value, extra)]);
        }
        Header { bits, spare: (ORDER.len() - own_len) as u32 }
    }
}

/// Lengths as symbols of the header's code, each with its extra bits: how many, and which.
fn repeated(lengths: &[u8], way: u8) -> Vec<(usize, u32, u32)> {
    let mut out = Vec::new();
    for run in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (usize::from(run[0]), run.len());
        while left > 0 {
            let (take, symbol) = match (length, left) {
                (0, 11..) if way & 4 != 0 => (left.min(138), 18),
                (0, 3..) if way & 2 != 0 => (left.min(10), 17),
                // A length is said once before it is repeated; zeros may be, too.
                (_, 3..) if way & 1 != 0 && left < run.len() => (left.min(6), 16),
                _ => (1, length),
            };
            out.push(match symbol {
                16 => (16, 2, take as u32 - 3),
                17 => (17, 3, take as u32 - 3),
                18 => (18, 7, take as u32 - 11),
                plain => (plain, 0, 0),
            });
            left -= take;
        }
    }
    out
}
