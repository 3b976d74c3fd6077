//! Copies of a capture: what was dealt once comes again for others, some time later. No clock in here.
//!
//! Every copy as a whole is later than the capture by an offset of its own, so that inside a copy everything is as far apart
//! as it was captured. The offsets are spread over a time that is short beside the capture's length: together the copies
//! are that many times the captured load, and its shape over the day stays. What waits is kept once, whatever the number of
//! copies, and no more of it than a bound: where that is reached, the copies come closer.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::limits::COPIES_BYTES_MAX;

use super::profile::{Mode, Profile};

/// The copies are spread over this share of the capture's length …
const SPREAD_SHARE: u64 = 10;
/// … but not over more than this: enough to keep apart what one person does in one go.
const SPREAD_MAX_NS: u64 = 30_000_000_000;
/// What comes through a pipe may come as it happens: its length cannot be waited for.
const SPREAD_PIPE_NS: u64 = 1_000_000_000;
/// A capture is as long as the spread asks for when so many bytes of it were read, if not before: far below the bound, so
/// that there is room for times when more is asked.
const LONG_BYTES: usize = COPIES_BYTES_MAX / 2;
/// What something that waits takes beside its bytes.
const WAITING_BYTES: usize = 96;
/// Makes the offsets independent of what else is drawn from the profile's seed.
const STREAM: u64 = 0x636f_7069_6573;

/// What waits for the copies of a run.
pub struct Copies<T> {
    seed: u64,
    /// How late each copy is, the captured one (0) included; none while that is not known.
    offsets: Option<Vec<u64>>,
    count: usize,
    waiting: VecDeque<Waiting<T>>,
    /// Things that have left `waiting`.
    gone: u64,
    /// By copy: the next thing for it, counted from the first one ever.
    next: Vec<u64>,
    /// By copy: when that is due, if it is there.
    due: Vec<Option<u64>>,
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    bytes: usize,
    /// The first instant, and the last one so far.
    span: Option<(u64, u64)>,
    /// The bound was reached.
    pub crowded: bool,
}

struct Waiting<T> {
    at: u64,
    bytes: usize,
    /// Copies that have not had it.
    left: usize,
    what: T,
}

/// Something for a copy.
#[derive(Debug, PartialEq, Eq)]
pub struct Due<T> {
    /// From 0, the captured one.
    pub copy: u32,
    /// How much later than captured it is.
    pub offset: u64,
    /// It.
    pub what: T,
}

impl<T: Clone> Copies<T> {
    /// Those that a profile asks for; `piped`: of what comes through a pipe.
    pub fn new(profile: &Profile, piped: bool) -> Copies<T> {
        let count = profile.population as usize;
        let mut copies = Copies {
            seed: profile.seed,
            offsets: None,
            count,
            waiting: VecDeque::new(),
            gone: 0,
            next: vec![0; count],
            due: vec![None; count],
            queue: BinaryHeap::new(),
            bytes: 0,
            span: None,
            crowded: false,
        };
        let spread = match (profile.mode, profile.population_spread) {
            // On a clock of its own a run takes from the copies in turn.
            (Mode::Closed | Mode::Rate | Mode::Saturate, _) => Some(0),
            (_, Some(spread)) => Some(u64::try_from(spread.0.as_nanos()).unwrap_or(u64::MAX)),
            (_, None) => piped.then_some(SPREAD_PIPE_NS),
        };
        if let Some(spread) = spread {
            copies.spread(spread);
        }
        copies
    }

    /// None but the captured one.
    pub fn is_alone(&self) -> bool {
        self.count == 1
    }

    /// Something came in the capture at an instant: every copy is to have it, the captured one (0) included. Instants do not
    /// go back. Nobody gets anything while it is not known how late the copies are: all come in the order of their instants.
    pub fn add(&mut self, at: u64, bytes: usize, what: &T) {
        let bytes = bytes + WAITING_BYTES;
        self.bytes += bytes;
        let (first, _) = self.span.unwrap_or((at, at));
        self.span = Some((first, at));
        self.waiting.push_back(Waiting { at, bytes, left: self.count, what: what.clone() });
        match self.offsets {
            Some(_) => (0..self.count).for_each(|copy| {
                if self.due[copy].is_none() {
                    self.look(copy);
                }
            }),
            None if self.bytes >= LONG_BYTES || at - first >= SPREAD_MAX_NS * SPREAD_SHARE => self.is_long_enough(),
            None => {}
        }
    }

    /// The capture is longer than what it takes to spread the copies, or has come to its end.
    pub fn is_long_enough(&mut self) {
        if self.offsets.is_none() {
            let (first, last) = self.span.unwrap_or_default();
            self.spread(((last - first) / SPREAD_SHARE).min(SPREAD_MAX_NS));
        }
    }

    /// The next thing that is due when the capture has come to an instant.
    pub fn due(&mut self, at: u64) -> Option<Due<T>> {
        if self.bytes > COPIES_BYTES_MAX && self.offsets.is_some() {
            return self.closer(at);
        }
        self.until(at)
    }

    /// The next thing of all that wait, when nothing more comes.
    pub fn rest(&mut self) -> Option<Due<T>> {
        self.until(u64::MAX)
    }

    fn until(&mut self, at: u64) -> Option<Due<T>> {
        while let Some(&Reverse((due, copy))) = self.queue.peek() {
            if due > at {
                return None;
            }
            self.queue.pop();
            // Another one, when the copy has come closer meanwhile.
            if self.due[copy] == Some(due) {
                return self.take(copy);
            }
        }
        None
    }

    /// The copy that is furthest behind gets now what it waits for, and is no further behind from here on.
    fn closer(&mut self, at: u64) -> Option<Due<T>> {
        self.crowded = true;
        let copy = (1..self.count).min_by_key(|copy| self.next[*copy])?;
        let waits_for = self.waiting.front()?.at;
        if let Some(offsets) = &mut self.offsets {
            offsets[copy] = offsets[copy].min(at.saturating_sub(waits_for));
        }
        self.take(copy)
    }

    fn take(&mut self, copy: usize) -> Option<Due<T>> {
        let offset = *self.offsets.as_ref()?.get(copy)?;
        let place = usize::try_from(self.next[copy] - self.gone).ok()?;
        let waiting = self.waiting.get_mut(place)?;
        waiting.left -= 1;
        let what = waiting.what.clone();
        self.next[copy] += 1;
        while let Some(front) = self.waiting.front().filter(|front| front.left == 0) {
            self.bytes -= front.bytes;
            self.waiting.pop_front();
            self.gone += 1;
        }
        self.look(copy);
        Some(Due { copy: copy as u32, offset, what })
    }

    /// Finds out when the next thing for a copy is due.
    fn look(&mut self, copy: usize) {
        let offset = self.offsets.as_ref().map_or(0, |offsets| offsets[copy]);
        let place = (self.next[copy] - self.gone) as usize;
        self.due[copy] = self.waiting.get(place).map(|waiting| waiting.at.saturating_add(offset));
        if let Some(due) = self.due[copy] {
            self.queue.push(Reverse((due, copy)));
        }
    }

    /// Each copy somewhere in its own part of the spread, the captured one at the beginning.
    fn spread(&mut self, spread: u64) {
        let mut random = StdRng::seed_from_u64(self.seed ^ STREAM);
        let part = spread as f64 / self.count as f64;
        let offset = |copy: usize| ((copy as f64 + random.random::<f64>() - 0.5) * part) as u64;
        self.offsets = Some(std::iter::once(0).chain((1..self.count).map(offset)).collect());
        (0..self.count).for_each(|copy| self.look(copy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::profile::Span;
    use proptest::prelude::*;
    use std::time::Duration;

    fn profile(population: u32, spread_ms: Option<u64>) -> Profile {
        let population_spread = spread_ms.map(|ms| Span(Duration::from_millis(ms)));
        Profile { mode: Mode::Captured, population, population_spread, ..Profile::default() }
    }

    /// All that copies get, with the capture's instant at which each got it.
    fn dealt(copies: &mut Copies<usize>, instants: &[u64], bytes: usize) -> Vec<(u64, Due<usize>)> {
        let mut all = Vec::new();
        for (n, at) in instants.iter().enumerate() {
            copies.add(*at, bytes, &n);
            while let Some(due) = copies.due(*at) {
                all.push((*at, due));
            }
            assert!(copies.bytes <= COPIES_BYTES_MAX + bytes + WAITING_BYTES);
        }
        copies.is_long_enough();
        all.extend(std::iter::from_fn(|| copies.rest()).map(|due| (u64::MAX, due)));
        all
    }

    proptest! {
        /// Each copy gets everything, in its order, later by its own offset, not before that instant; all of them in order
        /// of instants.
        #[test]
        fn every_copy_gets_everything_at_its_instant(
            population in 1u32..6, gaps in prop::collection::vec(0u64..2_000_000_000, 1..80), spread in prop::option::of(0u64..5000),
        ) {
            let instants: Vec<u64> = gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
            let mut copies = Copies::new(&profile(population, spread), false);
            let all = dealt(&mut copies, &instants, 100);
            prop_assert_eq!(all.len(), population as usize * instants.len());
            let due: Vec<u64> = all.iter().map(|(_, due)| instants[due.what] + due.offset).collect();
            prop_assert!(all.iter().zip(&due).all(|((at, _), due)| due <= at));
            prop_assert!(due.windows(2).all(|pair| pair[0] <= pair[1]));
            let mut before = 0;
            for copy in 0..population {
                let mine: Vec<&Due<usize>> = all.iter().map(|(_, due)| due).filter(|due| due.copy == copy).collect();
                prop_assert!(mine.iter().enumerate().all(|(n, due)| due.what == n && due.offset == mine[0].offset));
                prop_assert!(mine[0].offset >= before && (copy > 0 || mine[0].offset == 0));
                before = mine[0].offset;
            }
            prop_assert!(!copies.crowded && copies.waiting.is_empty() && copies.bytes == 0);
            let length = instants[instants.len() - 1] - instants[0];
            prop_assert!(before <= spread.map_or(length / SPREAD_SHARE, |ms| ms * 1_000_000));
        }
    }

    /// A long spread over a busy capture: no more waits than may, nothing is lost, nobody's order changes.
    #[test]
    fn where_memory_ends_copies_come_closer() {
        let instants: Vec<u64> = (0..400).map(|n| n * 1_000_000).collect();
        let mut copies = Copies::new(&profile(3, Some(3_600_000)), false);
        let all = dealt(&mut copies, &instants, COPIES_BYTES_MAX / 100);
        assert!(copies.crowded);
        for copy in [0, 1, 2] {
            let mine: Vec<(u64, usize)> = all
                .iter()
                .filter(|(_, due)| due.copy == copy)
                .map(|(_, due)| (instants[due.what] + due.offset, due.what))
                .collect();
            assert!(mine.iter().enumerate().all(|(n, (_, what))| *what == n) && mine.len() == 400);
            assert!(mine.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        }
    }

    #[test]
    fn a_long_capture_is_not_read_to_its_end_before_copies_begin() {
        let instants: Vec<u64> = (0..100).map(|n| n * 10_000_000_000).collect();
        let mut copies = Copies::new(&profile(4, None), false);
        let all = dealt(&mut copies, &instants, 100);
        assert!(all.iter().filter(|(at, _)| *at < u64::MAX).count() > 4 * 90);
        assert!(all.iter().all(|(_, due)| due.offset <= SPREAD_MAX_NS));
        let rate = Profile { mode: Mode::Rate, ..profile(4, None) };
        let turns = dealt(&mut Copies::new(&rate, false), &instants, 100);
        assert!(turns.iter().zip(0..).all(|((_, due), n)| (due.what, due.copy) == (n as usize / 4, n % 4)));
        // What comes through a pipe may have no end.
        let mut piped = Copies::new(&profile(4, None), true);
        piped.add(0, 100, &0);
        assert_eq!(piped.due(0), Some(Due { copy: 0, offset: 0, what: 0 }));
    }
}
