//! Who waits for what instant: the queue of a pacer, and its list of deadlines. No clock in here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;

/// A place in a [`Waiting`] or a [`Deadlines`].
#[derive(Clone, Copy)]
pub struct Ticket(usize);

/// Waiters ordered by instant, and by arrival where that is the same. Places are used again: waiting takes no memory
/// from the system once as many have waited at a time.
#[derive(Default)]
pub struct Waiting {
    /// Instant, number, place. One whose number is not that of its place was left.
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    places: Vec<Sleeper>,
    free: Vec<usize>,
    numbers: u64,
}

struct Sleeper {
    number: u64,
    /// None when it was woken, or left.
    waker: Option<Waker>,
}

impl Waiting {
    /// Waits for `due`.
    pub fn enter(&mut self, due: u64, waker: &Waker) -> Ticket {
        self.numbers += 1;
        let sleeper = Sleeper { number: self.numbers, waker: Some(waker.clone()) };
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place] = sleeper;
                place
            }
            None => {
                self.places.push(sleeper);
                self.places.len() - 1
            }
        };
        self.queue.push(Reverse((due, self.numbers, place)));
        Ticket(place)
    }

    /// The waiter was woken; otherwise it goes on to wait, with this waker.
    pub fn is_over(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        match &mut self.places[ticket.0].waker {
            Some(known) => {
                known.clone_from(waker);
                false
            }
            None => true,
        }
    }

    /// Must follow each [`Waiting::enter`].
    pub fn leave(&mut self, ticket: Ticket) {
        self.places[ticket.0] = Sleeper { number: 0, waker: None };
        self.free.push(ticket.0);
    }

    /// Wakes all that are due by `limit`: whether there was one, and the next instant that somebody waits for.
    pub fn wake(&mut self, limit: u64) -> (bool, u64) {
        let mut woken = false;
        while let Some(&Reverse((due, number, place))) = self.queue.peek() {
            let sleeper = &mut self.places[place];
            let left = sleeper.number != number || sleeper.waker.is_none();
            if !left && due > limit {
                return (woken, due);
            }
            if !left && let Some(waker) = sleeper.waker.take() {
                waker.wake();
                woken = true;
            }
            self.queue.pop();
        }
        (woken, u64::MAX)
    }

    #[cfg(test)]
    pub fn places(&self) -> usize {
        self.places.len()
    }
}

/// Waiters that are seldom woken: most leave long before. They cost next to nothing to enter and to leave, and are all
/// looked at now and then.
#[derive(Default)]
pub struct Deadlines {
    places: Vec<Option<Watched>>,
    free: Vec<usize>,
}

struct Watched {
    deadline: u64,
    /// None when it was woken.
    waker: Option<Waker>,
}

impl Deadlines {
    /// Is to be woken some time after `deadline`.
    pub fn enter(&mut self, deadline: u64, waker: &Waker) -> Ticket {
        let watched = Some(Watched { deadline, waker: Some(waker.clone()) });
        match self.free.pop() {
            Some(place) => {
                self.places[place] = watched;
                Ticket(place)
            }
            None => {
                self.places.push(watched);
                Ticket(self.places.len() - 1)
            }
        }
    }

    /// The deadline was over at a look; otherwise it is watched on, with this waker.
    pub fn is_over(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        match &mut self.places[ticket.0] {
            Some(Watched { waker: Some(known), .. }) => {
                known.clone_from(waker);
                false
            }
            _ => true,
        }
    }

    /// Must follow each [`Deadlines::enter`].
    pub fn leave(&mut self, ticket: Ticket) {
        self.places[ticket.0] = None;
        self.free.push(ticket.0);
    }

    /// Wakes all whose deadline is over. True when others are watched.
    pub fn wake(&mut self, at: u64) -> bool {
        let mut left = false;
        for watched in self.places.iter_mut().flatten() {
            match watched.deadline <= at {
                true => watched.waker.take().into_iter().for_each(Waker::wake),
                false => left = true,
            }
        }
        left
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.places.iter().all(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    proptest! {
        /// Beside a plain list: each waiter that has not left is woken once, as soon as its instant is reached, not before.
        #[test]
        fn wakes_as_a_plain_list_would(acts in prop::collection::vec((0u8..3, 0u64..50), 1..200)) {
            let (mut waiting, mut list, mut at) = (Waiting::default(), Vec::new(), 0);
            for (act, value) in acts {
                match act {
                    0 => {
                        let count = Arc::new(Count::default());
                        let ticket = waiting.enter(at + value, &count.clone().into());
                        list.push((at + value, ticket, count));
                    }
                    1 if !list.is_empty() => {
                        let (due, ticket, count) = list.swap_remove(value as usize % list.len());
                        let over = waiting.is_over(ticket, Waker::noop());
                        prop_assert_eq!(over, count.0.load(Ordering::Relaxed) == 1);
                        prop_assert!(!over || due <= at);
                        waiting.leave(ticket);
                    }
                    _ => {
                        at += value;
                        let before: usize = list.iter().map(|(.., count)| count.0.load(Ordering::Relaxed)).sum();
                        let (woken, next) = waiting.wake(at);
                        prop_assert_eq!(next, list.iter().map(|(due, ..)| *due).filter(|due| *due > at).min().unwrap_or(u64::MAX));
                        for (due, _, count) in &list {
                            prop_assert_eq!(count.0.load(Ordering::Relaxed), usize::from(*due <= at));
                        }
                        let after: usize = list.iter().map(|(.., count)| count.0.load(Ordering::Relaxed)).sum();
                        prop_assert_eq!(woken, after > before);
                    }
                }
            }
            prop_assert!(waiting.places.len() <= 200);
        }
    }

    #[test]
    fn deadlines_are_told_once_and_places_used_again() {
        let mut deadlines = Deadlines::default();
        let count = Arc::new(Count::default());
        let waker: Waker = count.clone().into();
        let (early, late) = (deadlines.enter(10, &waker), deadlines.enter(20, &waker));
        assert!(deadlines.wake(9) && !deadlines.is_over(early, &waker));
        assert!(deadlines.wake(10) && deadlines.wake(11));
        assert!(deadlines.is_over(early, &waker) && !deadlines.is_over(late, &waker));
        deadlines.leave(early);
        deadlines.enter(30, &waker);
        assert_eq!((deadlines.places.len(), count.0.load(Ordering::Relaxed)), (2, 1));
        assert!(deadlines.wake(20) && deadlines.is_over(late, &waker));
    }
}
