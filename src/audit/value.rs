//! What is looked for: the original's sensitive values, in fixed memory, and how much each of them tells.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::limits::AUDIT_VALUES_MAX;

/// What a value's bytes are, which decides the disguises that it is looked for in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Text, or bytes that are none of the others.
    Text,
    /// A MAC address, 6 bytes.
    Mac,
    /// An IPv6 address, 16 bytes.
    Ipv6,
}

/// How far a value identifies whom it came from: the rough size of its domain, in bits.
///
/// In a keyed permutation other people's values appear by chance, so a value found *somewhere* is evidence only
/// when its domain is large. Separators tell nothing; a date tells its day and second within a decade.
pub fn domain_bits(text: &[u8]) -> f64 {
    if is_date(text) || is_ipv4(text) {
        return 28.0;
    }
    let (mut digits, mut hex, mut letters, mut other) = (0u32, 0u32, 0u32, 0u32);
    for byte in text {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'f' | b'A'..=b'F' => hex += 1,
            b'a'..=b'z' | b'A'..=b'Z' => letters += 1,
            0x80.. => other += 1,
            _ => {}
        }
    }
    let all = f64::from(digits + hex + letters);
    let per_character = match (digits, hex, letters) {
        (_, 0, 0) => 3.32,
        (1.., _, 0) => 4.0,
        (0, _, _) => 4.7,
        _ => 5.17,
    };
    all * per_character + f64::from(other) * 2.35
}

/// Like [`domain_bits`] for the bytes of an address written in groups of `group` bytes: leading zero nibbles of a
/// group stay what they are in a pseudonym that keeps its text length.
pub fn address_bits(bytes: &[u8], group: usize) -> f64 {
    let nibbles: u32 = bytes
        .chunks(group)
        .map(|chunk| {
            let zeros: u32 = chunk.iter().take_while(|b| **b == 0).count() as u32 * 2;
            let partial = chunk.iter().find(|b| **b != 0).map_or(0, |b| u32::from(*b < 16));
            chunk.len() as u32 * 2 - zeros - partial
        })
        .sum();
    f64::from(nibbles) * 4.0
}

/// Values with larger domains are residue wherever they turn up; the others only where they were.
pub const ANYWHERE_BITS: f64 = 40.0;

/// `2026-11-23`, with or without a time behind it, in any separators; or seconds or milliseconds of our decades.
fn is_date(text: &[u8]) -> bool {
    let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
    let all_digits = digits.len() == text.len();
    let century = digits.starts_with(b"19") || digits.starts_with(b"20");
    let month = digits.get(4..6).is_some_and(|m| (b"01".as_slice()..=b"12").contains(&m));
    let day = digits.get(6..8).is_some_and(|d| (b"01".as_slice()..=b"31").contains(&d));
    let calendar = century && month && day && (8..=17).contains(&digits.len());
    let letters = text.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let epoch = all_digits && matches!(digits.len(), 10 | 13) && matches!(digits.first(), Some(b'1' | b'2'));
    epoch || calendar && (letters <= 2 || letters == 3 && text.ends_with(b"GMT"))
}

/// Four numbers with dots between them, perhaps with a port: an IPv4 address has 32 bits, most of them alike.
fn is_ipv4(text: &[u8]) -> bool {
    let (host, port) = match text.iter().position(|b| *b == b':') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    let number = |part: &[u8]| (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    host.split(|b| *b == b'.').count() == 4
        && host.split(|b| *b == b'.').all(number)
        && port.iter().all(u8::is_ascii_digit)
}

/// A part of all values, by their hash: what one pass looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    bits: u32,
    prefix: u64,
}

impl Partition {
    /// Every value.
    pub const ALL: Self = Self { bits: 0, prefix: 0 };

    fn holds(self, hash: u64) -> bool {
        hash & ((1 << self.bits) - 1) == self.prefix
    }

    /// Two halves.
    fn split(self) -> (Self, Self) {
        let bits = self.bits + 1;
        (Self { bits, ..self }, Self { bits, prefix: self.prefix | 1 << self.bits })
    }
}

/// One value that is looked for.
#[derive(Clone, Debug)]
pub struct Value<'k> {
    /// What its bytes are.
    pub shape: Shape,
    /// The kind's name in the report.
    pub kind: &'k str,
    /// The bytes.
    pub bytes: Box<[u8]>,
}

/// The distinct values of one partition. When there are too many of them the partition is halved, and the other half
/// is left to a later pass: memory is fixed, whatever the capture's size.
pub struct Values<'k> {
    hasher: RandomState,
    partition: Partition,
    known: HashSet<u64>,
    items: Vec<Value<'k>>,
    room: usize,
}

impl<'k> Values<'k> {
    /// Nothing yet. All passes of an audit share one `hasher`.
    pub fn new(partition: Partition, hasher: RandomState) -> Self {
        Self { hasher, partition, known: HashSet::new(), items: Vec::new(), room: AUDIT_VALUES_MAX }
    }

    /// Takes a value, unless it is known or another pass's. Halves that must wait are appended to `later`.
    pub fn add(&mut self, shape: Shape, kind: &'k str, bytes: &[u8], later: &mut Vec<Partition>) {
        let hash = self.hasher.hash_one((shape, bytes));
        if !self.partition.holds(hash) || !self.known.insert(hash) {
            return;
        }
        self.items.push(Value { shape, kind, bytes: bytes.into() });
        while self.items.len() > self.room && self.partition.bits < 48 {
            let (mine, other) = self.partition.split();
            self.partition = mine;
            later.push(other);
            let hasher = &self.hasher;
            self.items.retain(|value| mine.holds(hasher.hash_one((value.shape, &*value.bytes))));
            self.known.retain(|hash| mine.holds(*hash));
        }
    }

    /// The values, to be named by their index.
    pub fn items(&self) -> &[Value<'k>] {
        &self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_cut_at_forty_bits() {
        for (text, anywhere) in [
            ("123456789012", false),
            ("1234567890128", false), // a time in milliseconds
            ("4929123456789012", true),
            ("deadbeef12", false),
            ("deadbeef123", true),
            ("mountain", false),
            ("mountains", true),
            ("a1b2c3z", false),
            ("a1b2c3z4", true),
            ("2026-11-23", false),
            ("2026-11-23T14:29:39.123Z", false),
            ("----------------", false),
            ("192.168.117.203:54321", false),
            ("anna.baker@shop.com", true),
        ] {
            assert_eq!(domain_bits(text.as_bytes()) > ANYWHERE_BITS, anywhere, "{text}");
        }
        assert!(address_bits(&[0x02, 0x42, 0xac, 0x11, 0, 2], 1) < ANYWHERE_BITS);
        assert!(address_bits(&[0x00, 0x1c, 0x42, 0x8a, 0x9b, 0x7c], 1) <= ANYWHERE_BITS);
        assert!(address_bits(&[0x9c, 0x1c, 0x42, 0x8a, 0x9b, 0x7c], 1) > ANYWHERE_BITS);
    }

    #[test]
    fn partitions_cover_everything_once() {
        let hasher = RandomState::new();
        let (mut later, mut found) = (vec![Partition::ALL], Vec::new());
        while let Some(partition) = later.pop() {
            let mut values = Values::new(partition, hasher.clone());
            values.room = 10;
            for n in 0..1000u32 {
                values.add(Shape::Text, "number", &n.to_be_bytes(), &mut later);
                values.add(Shape::Text, "number", &n.to_be_bytes(), &mut later);
            }
            assert!(values.items().len() <= 10);
            found.extend(values.items().iter().map(|v| v.bytes.to_vec()));
        }
        found.sort();
        assert_eq!(found, (0..1000u32).map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>());
    }
}
