//! The exchanges of a run that later ones may refer to, while the run goes on.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::LIVE_EXCHANGES_MAX;
use crate::workload::Turn;

use super::errand::Lane;
use super::live::Live;

/// So many copies have as much room as one would; more of them share that.
const COPIES_WITH_ROOM: u32 = 4;

/// The exchanges that later ones may refer to, in two generations: those asked for stay, the others go with the older one.
pub struct Lives {
    young: HashMap<Key, Known>,
    old: HashMap<Key, Known>,
    /// Of a generation.
    most: usize,
    /// No value will turn out to be needed later.
    pub all_known: bool,
}

/// Round, copy, and the number of the request: what one copy was told in a round is nothing to another.
type Key = (u32, u32, u64);

/// An exchange by its number.
#[derive(Clone)]
enum Known {
    Sent(Arc<Live>),
    /// Not sent. Who had seen its response had seen that of this one.
    Passed(Arc<Live>),
}

impl Lives {
    /// None yet, of so many copies.
    pub fn new(copies: u32) -> Lives {
        let most = LIVE_EXCHANGES_MAX / 2 * copies.min(COPIES_WITH_ROOM) as usize;
        Lives { young: HashMap::new(), old: HashMap::new(), most, all_known: false }
    }

    /// A new exchange; none when nobody can refer to it.
    pub fn add(&mut self, lane: Lane, turn: &Turn, waited_for: bool) -> Option<Arc<Live>> {
        if self.all_known && turn.told.is_empty() && !waited_for {
            return None;
        }
        let live = Arc::new(Live::new(turn.told.clone()));
        self.insert(key(lane, turn.number), Known::Sent(live.clone()));
        Some(live)
    }

    /// An exchange that is not replayed.
    pub fn pass(&mut self, lane: Lane, turn: &Turn) {
        if let Some(before) = turn.after.and_then(|number| self.seen(lane, number)) {
            self.insert(key(lane, turn.number), Known::Passed(before));
        }
    }

    /// What is to be over for the response to a request to have been seen.
    pub fn seen(&mut self, lane: Lane, number: u64) -> Option<Arc<Live>> {
        let (Known::Sent(live) | Known::Passed(live)) = self.get(key(lane, number))?;
        Some(live)
    }

    /// Whose response tells what the response to a request told.
    pub fn teller(&mut self, lane: Lane, number: u64) -> Option<Arc<Live>> {
        match self.get(key(lane, number))? {
            Known::Sent(live) => Some(live),
            Known::Passed(_) => None,
        }
    }

    fn get(&mut self, key: Key) -> Option<Known> {
        if let Some(known) = self.old.remove(&key) {
            self.insert(key, known);
        }
        self.young.get(&key).cloned()
    }

    fn insert(&mut self, key: Key, known: Known) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, known);
    }
}

fn key(lane: Lane, number: u64) -> Key {
    (lane.round, lane.copy, number)
}
