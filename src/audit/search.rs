//! Many values, in many disguises, in one pass over the bytes: fingerprints first, then an exact look.
//!
//! Of each disguise only a window of a few bytes is kept, in a filter and a table. A window that is known leads to
//! the value, the disguise is put on again and compared. This takes a tenth of an automaton's memory.

use hashbrown::HashMap;

use super::disguise;
use super::value::{Shape, Value};

/// A value found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the value.
    pub value: usize,
    /// The disguise's name.
    pub disguise: &'static str,
    /// First byte in the haystack.
    pub at: usize,
    /// Bytes in the haystack.
    pub len: usize,
}

/// Everything that one pass looks for.
pub struct Needles<'v> {
    values: &'v [Value<'v>],
    /// Windows of 8 bytes.
    wide: Index<8>,
    /// Windows of 6 bytes, for packed MAC addresses.
    narrow: Index<6>,
}

impl<'v> Needles<'v> {
    /// Makes the tables.
    pub fn new(values: &'v [Value<'v>]) -> Self {
        let entries = values.len() * 24;
        let macs = values.iter().filter(|v| v.shape == Shape::Mac).count();
        let mut needles = Self { values, wide: Index::new(entries), narrow: Index::new(macs * 2) };
        for (n, value) in values.iter().enumerate() {
            needles.insert(n, value);
        }
        needles
    }

    fn insert(&mut self, n: usize, value: &Value<'_>) {
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for (d, disguise) in disguise::of(value.shape).iter().enumerate() {
            let Some(mut needle) = (disguise.put_on)(&value.bytes) else { continue };
            needle.make_ascii_lowercase();
            if seen.contains(&needle) {
                continue;
            }
            match needle.len() {
                8.. => self.wide.insert(&needle, n, d),
                6..8 => self.narrow.insert(&needle, n, d),
                _ => continue,
            }
            seen.push(needle);
        }
    }

    /// Every occurrence of every value. `lower` is working memory.
    pub fn find(&self, haystack: &[u8], lower: &mut Vec<u8>, found: &mut dyn FnMut(Found)) {
        lower.clear();
        lower.extend_from_slice(haystack);
        lower.make_ascii_lowercase();
        self.wide.scan(lower, |at, entry| self.look(haystack, at, entry, found));
        self.narrow.scan(lower, |at, entry| self.look(haystack, at, entry, found));
    }

    /// The exact look at a window's surroundings.
    fn look(&self, haystack: &[u8], window: usize, entry: &Entry, found: &mut dyn FnMut(Found)) {
        let value = &self.values[entry.value as usize];
        let disguise = &disguise::of(value.shape)[usize::from(entry.disguise)];
        let Some(needle) = (disguise.put_on)(&value.bytes) else { return };
        let Some(at) = window.checked_sub(usize::from(entry.shift)) else { return };
        let Some(there) = haystack.get(at..at + needle.len()) else { return };
        if there == needle || disguise.fold && there.eq_ignore_ascii_case(&needle) {
            found(Found { value: entry.value as usize, disguise: disguise.id, at, len: needle.len() });
        }
    }
}

/// A window of a needle.
struct Entry {
    value: u32,
    /// The next entry with the same window, plus one.
    next: u32,
    /// Where in the needle the window begins.
    shift: u16,
    disguise: u8,
}

/// Windows of `W` bytes, lower case.
struct Index<const W: usize> {
    filter: Vec<u64>,
    /// Bits of a filter position.
    shift: u32,
    heads: HashMap<u64, u32>,
    entries: Vec<Entry>,
}

impl<const W: usize> Index<W> {
    /// For about `expected` entries, at 16 bits of filter each.
    fn new(expected: usize) -> Self {
        let bits = (expected.max(64) * 16).next_power_of_two();
        Self {
            filter: vec![0; bits / 64],
            shift: 64 - bits.trailing_zeros(),
            heads: HashMap::new(),
            entries: Vec::new(),
        }
    }

    /// Of a few windows the one that the fewest other needles share: many values begin alike, or end alike.
    fn insert(&mut self, needle: &[u8], value: usize, disguise: usize) {
        let last = needle.len() - W;
        let candidates = [0, last / 3, last * 2 / 3, last];
        let rarest = candidates.into_iter().min_by_key(|at| self.chain(key::<W>(needle, *at)).take(8).count());
        let at = rarest.unwrap_or(0);
        let window = key::<W>(needle, at);
        for bit in self.bits(window) {
            self.filter[bit / 64] |= 1 << (bit % 64);
        }
        let head = self.heads.entry(window).or_insert(0);
        self.entries.push(Entry { value: value as u32, next: *head, shift: at as u16, disguise: disguise as u8 });
        *head = self.entries.len() as u32;
    }

    fn scan(&self, lower: &[u8], mut hit: impl FnMut(usize, &Entry)) {
        if self.entries.is_empty() || lower.len() < W {
            return;
        }
        for at in 0..=lower.len() - W {
            let window = key::<W>(lower, at);
            if self.bits(window).iter().all(|bit| self.filter[bit / 64] >> (bit % 64) & 1 == 1) {
                self.chain(window).for_each(|entry| hit(at, entry));
            }
        }
    }

    fn chain(&self, window: u64) -> impl Iterator<Item = &Entry> {
        let first = self.heads.get(&window).copied().unwrap_or(0);
        let entry = |n: u32| self.entries.get((n as usize).wrapping_sub(1));
        std::iter::successors(entry(first), move |e| entry(e.next))
    }

    /// Two positions of the filter.
    fn bits(&self, window: u64) -> [usize; 2] {
        let one = window.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let two = (window ^ window >> 29).wrapping_mul(0xd6e8_feb8_6659_fd93);
        [(one >> self.shift) as usize, (two >> self.shift) as usize]
    }
}

fn key<const W: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word[..W].copy_from_slice(&bytes[at..at + W]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&str]) -> Vec<Value<'static>> {
        let value = |t: &&str| Value { shape: Shape::Text, kind: "text", bytes: t.as_bytes().into() };
        texts.iter().map(value).collect()
    }

    #[test]
    fn every_disguise_is_found_where_it_stands() {
        let mut list =
            values(&["Anna.Baker@shop.example", "4929 1234 5678 9012", "0d5c2f31-9d1c-4a52-8a3b-1f0e9ad7c111"]);
        list.push(Value { shape: Shape::Mac, kind: "mac", bytes: [0x9c, 0x1c, 0x42, 0x8a, 0x9b, 0x7c].into() });
        list.push(Value { shape: Shape::Ipv6, kind: "ipv6", bytes: (7..23).collect() });
        let needles = Needles::new(&list);
        for (n, value) in list.iter().enumerate() {
            for disguise in disguise::of(value.shape) {
                let Some(worn) = (disguise.put_on)(&value.bytes) else { continue };
                let mut haystack = b"some text before ".to_vec();
                haystack.extend_from_slice(&worn);
                haystack.extend_from_slice(b" and behind");
                let mut hits = Vec::new();
                needles.find(&haystack, &mut Vec::new(), &mut |f| hits.push(f));
                assert!(hits.iter().any(|f| f.value == n && f.at == 17 && f.len == worn.len()), "{}", disguise.id);
            }
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        let list = values(&["Anna.Baker@shop.example", "4929 1234 5678 9012"]);
        let haystack = "Anna.Baker@shop.exampl 4929 1234 5678 9013 anna_baker@shop.example".repeat(50);
        Needles::new(&list).find(haystack.as_bytes(), &mut Vec::new(), &mut |f| panic!("{f:?}"));
    }

    #[test]
    fn values_that_share_their_beginning_do_not_share_a_window() {
        let texts: Vec<String> = (0..2000).map(|n| format!("https://shop.example/customer/{n:06}")).collect();
        let list = values(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let needles = Needles::new(&list);
        let raw =
            needles.wide.entries.iter().filter(|e| e.disguise == 0 && needles.wide.chain(e_key(&list, e)).count() > 64);
        assert_eq!(raw.count(), 0);
        fn e_key(list: &[Value<'_>], e: &Entry) -> u64 {
            key::<8>(&list[e.value as usize].bytes.to_ascii_lowercase(), usize::from(e.shift))
        }
    }
}
