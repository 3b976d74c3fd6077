//! What values became, remembered within a bound of bytes: results never depend on what is remembered.

use hashbrown::HashMap;

/// A map that forgets what was not asked for lately: two generations, the older of which is dropped when the younger
/// has filled its half of the bound.
pub(super) struct Memory<V> {
    young: HashMap<Box<[u8]>, V>,
    old: HashMap<Box<[u8]>, V>,
    /// Bytes that the younger generation takes, about.
    bytes: usize,
    max: usize,
}

/// What an entry takes beside its bytes.
const ENTRY_BYTES: usize = 96;

impl<V> Memory<V> {
    /// Of at most about `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Memory { young: HashMap::new(), old: HashMap::new(), bytes: 0, max }
    }

    /// What `look` makes of what is remembered under this key.
    pub(super) fn look_up<R>(&mut self, key: &[u8], look: impl FnOnce(&V) -> R) -> Option<R> {
        if let Some(value) = self.young.get(key) {
            return Some(look(value));
        }
        let (key, value) = self.old.remove_entry(key)?;
        let found = look(&value);
        self.insert(key, value);
        Some(found)
    }

    /// Remembers.
    pub(super) fn insert(&mut self, key: Box<[u8]>, value: V) {
        self.bytes += 2 * key.len() + ENTRY_BYTES;
        if self.bytes > self.max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let mut memory = Memory::new(100 * ENTRY_BYTES);
        memory.insert(b"hot".as_slice().into(), 0);
        for n in 0..1000u32 {
            memory.insert(n.to_le_bytes().as_slice().into(), n);
            assert_eq!(memory.look_up(b"hot", |n| *n), Some(0));
        }
        assert!(memory.young.len() + memory.old.len() <= 101);
        assert_eq!(memory.look_up(&1u32.to_le_bytes(), |n| *n), None);
        assert_eq!(memory.look_up(&999u32.to_le_bytes(), |n| *n), Some(999));
    }
}
