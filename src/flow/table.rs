//! The open flows, bounded by the memory they take: when it is too much, the one idle longest is given up.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::FlowKey;

/// Index of a flow's state; stays the same while the flow is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(usize);

/// Flow states by key.
pub struct Table<T> {
    slots: Vec<Option<Entry<T>>>,
    free: Vec<usize>,
    by_key: HashMap<FlowKey, usize>,
    /// Flows in order of a time they were touched, perhaps not the last: looked at again before one is evicted.
    idle: VecDeque<(usize, u64)>,
    clock: u64,
    /// What all flows take.
    bytes: usize,
    max: usize,
}

struct Entry<T> {
    key: FlowKey,
    opened: u64,
    touched: u64,
    /// What it takes.
    bytes: usize,
    state: T,
}

/// Closed flows that may stay in the order of idleness, beside as many as are open.
const GONE_MAX: usize = 1024;

impl<T> Table<T> {
    /// An empty table of flows that take at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            idle: VecDeque::new(),
            clock: 0,
            bytes: 0,
            max,
        }
    }

    /// The open flow with this key, marked as touched now.
    pub fn find(&mut self, key: &FlowKey) -> Option<Slot> {
        let slot = *self.by_key.get(key)?;
        self.clock += 1;
        if let Some(entry) = &mut self.slots[slot] {
            entry.touched = self.clock;
        }
        Some(Slot(slot))
    }

    /// Notes how many bytes a flow takes now.
    pub fn weigh(&mut self, slot: Slot, bytes: usize) {
        if let Some(entry) = self.slots.get_mut(slot.0).and_then(Option::as_mut) {
            self.bytes = self.bytes - entry.bytes + bytes;
            entry.bytes = bytes;
        }
    }

    /// The flow to give up, if they take too much.
    pub fn idlest(&mut self) -> Option<Slot> {
        if self.bytes <= self.max {
            return None;
        }
        while let Some((slot, seen)) = self.idle.pop_front() {
            match &self.slots[slot] {
                Some(entry) if entry.touched == seen => {
                    self.idle.push_front((slot, seen));
                    return Some(Slot(slot));
                }
                Some(entry) if entry.opened <= seen && entry.touched > seen => {
                    self.idle.push_back((slot, entry.touched))
                }
                _ => {}
            }
        }
        None
    }

    /// Opens a flow.
    pub fn insert(&mut self, key: FlowKey, state: T) -> Slot {
        self.clock += 1;
        let entry = Entry { key, opened: self.clock, touched: self.clock, bytes: 0, state };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                self.slots.len() - 1
            }
        };
        self.by_key.insert(key, slot);
        if self.idle.len() > 2 * self.by_key.len() + GONE_MAX {
            let slots = &self.slots;
            let opened = |slot: usize, seen| slots[slot].as_ref().is_some_and(|entry| entry.opened <= seen);
            self.idle.retain(|&(slot, seen)| opened(slot, seen));
        }
        self.idle.push_back((slot, self.clock));
        Slot(slot)
    }

    /// Closes a flow and gives back its state.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let entry = self.slots[slot.0].take()?;
        self.by_key.remove(&entry.key);
        self.bytes -= entry.bytes;
        self.free.push(slot.0);
        Some(entry.state)
    }

    /// The state of an open flow.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.slots.get_mut(slot.0)?.as_mut().map(|entry| &mut entry.state)
    }

    /// All open flows, in no order that matters to the capture's order; sort by what the state says.
    pub fn slots(&self) -> Vec<Slot> {
        (0..self.slots.len()).filter(|&i| self.slots[i].is_some()).map(Slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn key(port: u16) -> FlowKey {
        let host = |n| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n));
        FlowKey::new((host(1), port), (host(2), 80)).0
    }

    #[test]
    fn the_idlest_goes_first() {
        let mut table = Table::new(30);
        for port in 1..=3 {
            let slot = table.insert(key(port), port);
            table.weigh(slot, 10);
            assert!(table.idlest().is_none());
        }
        let one = table.find(&key(1)).expect("open");
        table.weigh(one, 11);
        let victim = table.idlest().expect("full");
        assert_eq!(table.remove(victim), Some(2));
        assert!(table.idlest().is_none());
        table.weigh(one, 30);
        let victim = table.idlest().expect("full again");
        assert_eq!(table.remove(victim), Some(3));
        assert!(table.idlest().is_none());
    }

    /// Flows that come and go for ever leave nothing behind.
    #[test]
    fn closed_flows_take_no_memory() {
        let mut table = Table::new(1 << 20);
        table.insert(key(0), 0);
        for n in 0..100_000u32 {
            let slot = table.insert(key(1 + n as u16 % 500), 0);
            if n % 3 > 0 {
                table.find(&key(0));
            }
            table.remove(slot);
        }
        assert!(table.idle.len() <= 2 + GONE_MAX, "{}", table.idle.len());
        assert_eq!((table.slots.len(), table.by_key.len()), (2, 1));
    }

    #[test]
    fn both_directions_have_one_key() {
        let a = (IpAddr::from([10, 0, 0, 1]), 5000);
        let b = (IpAddr::from([10, 0, 0, 2]), 80);
        assert_eq!(FlowKey::new(a, b).0, FlowKey::new(b, a).0);
        assert_ne!(FlowKey::new(a, b).1, FlowKey::new(b, a).1);
    }

    use std::net::IpAddr;
}
