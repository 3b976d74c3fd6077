//! What values became, remembered within a bound of bytes: results never depend on what is remembered.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A map from bytes to bytes that forgets what was not asked for lately: two generations, the older of which is
/// dropped when the younger has filled its half of the bound. Both keep their room, so that in the long run
/// remembering allocates nothing.
pub struct Memory<T> {
    young: Generation<T>,
    old: Generation<T>,
    hasher: DefaultHashBuilder,
}

impl<T: Copy> Memory<T> {
    /// Of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Memory { young: Generation::new(max / 2), old: Generation::new(max / 2), hasher: DefaultHashBuilder::default() }
    }

    /// What is remembered under this key, and the tag that it was given.
    pub fn get(&mut self, key: &[u8]) -> Option<(&[u8], T)> {
        let hash = self.hasher.hash_one(key);
        if let Some((_, value, tag)) = self.young.find(hash, key) {
            return Some((&self.young.bytes[value], tag));
        }
        let (whole, value, tag) = self.old.find(hash, key)?;
        if self.young.has_room(whole.len()) {
            self.young.put(hash, &[&self.old.bytes[whole]], key.len(), tag);
        }
        Some((&self.old.bytes[value], tag))
    }

    /// Remembers `value` under a key that is not known yet.
    pub fn insert(&mut self, key: &[u8], value: &[u8], tag: T) {
        if !self.young.has_room(key.len() + value.len()) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.entries.clear();
            self.young.bytes.clear();
        }
        if self.young.has_room(key.len() + value.len()) {
            self.young.put(self.hasher.hash_one(key), &[key, value], key.len(), tag);
        }
    }
}

/// Entries, and the bytes that they stand for: each key with its value behind it.
struct Generation<T> {
    entries: HashTable<Entry<T>>,
    bytes: Vec<u8>,
    entries_max: usize,
    bytes_max: usize,
}

struct Entry<T> {
    hash: u64,
    start: u32,
    key_len: u32,
    value_len: u32,
    tag: T,
}

impl<T> Entry<T> {
    fn key(&self) -> Range<usize> {
        self.start as usize..(self.start + self.key_len) as usize
    }

    fn value(&self) -> Range<usize> {
        let start = self.key().end;
        start..start + self.value_len as usize
    }
}

impl<T: Copy> Generation<T> {
    /// Half of `max` bytes for the table, which has places for a power of two of entries and fills seven of eight; half for
    /// what they stand for.
    fn new(max: usize) -> Self {
        let places = max / 2 / (size_of::<Entry<T>>() + 1);
        let places = if places == 0 { 0 } else { 1 << places.ilog2() };
        Generation { entries: HashTable::new(), bytes: Vec::new(), entries_max: places / 8 * 7, bytes_max: max / 2 }
    }

    fn has_room(&self, len: usize) -> bool {
        self.entries.len() < self.entries_max && self.bytes.len() + len <= self.bytes_max
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<(Range<usize>, Range<usize>, T)> {
        let is_it = |entry: &Entry<T>| entry.hash == hash && self.bytes[entry.key()] == *key;
        self.entries.find(hash, is_it).map(|entry| (entry.start as usize..entry.value().end, entry.value(), entry.tag))
    }

    /// Puts an entry whose key and value are `parts` one behind another.
    fn put(&mut self, hash: u64, parts: &[&[u8]], key_len: usize, tag: T) {
        let start = self.bytes.len();
        let end = start + parts.iter().map(|part| part.len()).sum::<usize>();
        if end > self.bytes.capacity() {
            // Never more than may be used.
            self.bytes.reserve_exact((2 * self.bytes.capacity()).min(self.bytes_max).max(end) - start);
        }
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        let len = |len: usize| u32::try_from(len).expect("a generation is smaller than 4 GiB");
        let entry =
            Entry { hash, start: len(start), key_len: len(key_len), value_len: len(end - start - key_len), tag };
        self.entries.insert_unique(hash, entry, |entry| entry.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut memory = Memory::new(16 << 10);
        memory.insert(b"hot", b"image", 7);
        for n in 0..2000u32 {
            memory.insert(&n.to_le_bytes(), &(n + 1).to_le_bytes(), n);
            assert_eq!(memory.get(b"hot"), Some((&b"image"[..], 7)));
            let bytes = |generation: &Generation<u32>| {
                generation.bytes.capacity() + generation.entries.capacity() * 8 / 7 * (size_of::<Entry<u32>>() + 1)
            };
            assert!(bytes(&memory.young) + bytes(&memory.old) <= 16 << 10);
        }
        assert_eq!(memory.get(&1u32.to_le_bytes()), None);
        assert_eq!(memory.get(&1999u32.to_le_bytes()), Some((&2000u32.to_le_bytes()[..], 1999)));
    }
}
