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
    /// Bytes that a generation may take, about.
    room: usize,
}

impl<T: Copy> Memory<T> {
    /// Of at most about `max` bytes.
    pub fn new(max: usize) -> Self {
        let generation = || Generation { entries: HashTable::new(), bytes: Vec::new() };
        Memory { young: generation(), old: generation(), hasher: DefaultHashBuilder::default(), room: max / 2 }
    }

    /// What is remembered under this key, and the tag that it was given.
    pub fn get(&mut self, key: &[u8]) -> Option<(&[u8], T)> {
        let hash = self.hasher.hash_one(key);
        let (value, tag) = match self.young.find(hash, key) {
            Some((_, value, tag)) => (value, tag),
            None => {
                // An entry can come over once only: together they stay within the bound.
                let (whole, _, tag) = self.old.find(hash, key)?;
                (self.young.put(hash, &[&self.old.bytes[whole]], key.len(), tag), tag)
            }
        };
        Some((&self.young.bytes[value], tag))
    }

    /// Remembers `value` under a key that is not known yet.
    pub fn insert(&mut self, key: &[u8], value: &[u8], tag: T) {
        if self.young.size() > self.room {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.entries.clear();
            self.young.bytes.clear();
        }
        self.young.put(self.hasher.hash_one(key), &[key, value], key.len(), tag);
    }
}

/// Entries, and the bytes that they stand for: each key with its value behind it.
struct Generation<T> {
    entries: HashTable<Entry<T>>,
    bytes: Vec<u8>,
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
    fn find(&self, hash: u64, key: &[u8]) -> Option<(Range<usize>, Range<usize>, T)> {
        let is_it = |entry: &Entry<T>| entry.hash == hash && self.bytes[entry.key()] == *key;
        self.entries.find(hash, is_it).map(|entry| (entry.start as usize..entry.value().end, entry.value(), entry.tag))
    }

    /// Puts an entry whose key and value are `parts` one behind another; says where its value stands.
    fn put(&mut self, hash: u64, parts: &[&[u8]], key_len: usize, tag: T) -> Range<usize> {
        let start = self.bytes.len();
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        let len = |len: usize| u32::try_from(len).expect("a generation is smaller than 4 GiB");
        let value_len = len(self.bytes.len() - start - key_len);
        let entry = Entry { hash, start: len(start), key_len: len(key_len), value_len, tag };
        let value = entry.value();
        self.entries.insert_unique(hash, entry, |entry| entry.hash);
        value
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.entries.len() * (size_of::<Entry<T>>() + 1)
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
            assert!(memory.young.size() + memory.old.size() <= 17 << 10);
        }
        assert_eq!(memory.get(&1u32.to_le_bytes()), None);
        assert_eq!(memory.get(&1999u32.to_le_bytes()), Some((&2000u32.to_le_bytes()[..], 1999)));
    }
}
