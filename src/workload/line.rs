//! Which connections belong together, as far as the capture was read.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Responses remembered to tell which one a request's sender had seen last: a long request may begin before some that end
/// while it is being sent.
const ENDS_KEPT: usize = 16;

/// A connection, joined to those that values went to or came from (union-find; the first connection stands for all).
/// It lives for as long as it is open or one of its values is remembered.
#[derive(Debug)]
pub(super) struct Line {
    connection: u32,
    joined: RefCell<Option<Rc<Line>>>,
    /// (last byte, number) of the last responses of all connections that are joined here.
    ends: RefCell<Vec<(u64, u64)>>,
}

impl Line {
    pub(super) fn new(connection: u32) -> Rc<Line> {
        Rc::new(Line { connection, joined: RefCell::default(), ends: RefCell::default() })
    }

    /// Counts connections.
    pub(super) fn connection(&self) -> u32 {
        self.connection
    }

    /// The first of the connections that belong together.
    pub(super) fn first(self: &Rc<Line>) -> Rc<Line> {
        let mut at = self.clone();
        loop {
            let Some(next) = at.joined.borrow().clone() else { return at };
            let further = next.joined.borrow().clone();
            if let Some(further) = further {
                at.joined.replace(Some(further));
            }
            at = next;
        }
    }

    /// These two belong together.
    pub(super) fn join(self: &Rc<Line>, other: &Rc<Line>) {
        let (a, b) = (self.first(), other.first());
        if Rc::ptr_eq(&a, &b) {
            return;
        }
        let (into, from) = if a.connection < b.connection { (a, b) } else { (b, a) };
        let mut ends = from.ends.take();
        ends.extend(into.ends.take());
        ends.sort_unstable();
        ends.drain(..ends.len().saturating_sub(ENDS_KEPT));
        into.ends.replace(ends);
        from.joined.replace(Some(into));
    }

    /// A response is complete.
    pub(super) fn ended(self: &Rc<Line>, last_byte: u64, number: u64) {
        let first = self.first();
        let mut ends = first.ends.borrow_mut();
        let place = ends.partition_point(|end| *end <= (last_byte, number));
        ends.insert(place, (last_byte, number));
        if ends.len() > ENDS_KEPT {
            ends.remove(0);
        }
    }

    /// The response that was the last to be complete at an instant, of requests before `number`: when, and its number.
    pub(super) fn seen(self: &Rc<Line>, at: u64, number: u64) -> Option<(u64, u64)> {
        let first = self.first();
        let ends = first.ends.borrow();
        ends.iter().rev().find(|(end, by)| *end <= at && *by < number).copied()
    }
}

impl Drop for Line {
    /// One after another: a long chain must not be dropped by recursion.
    fn drop(&mut self) {
        let mut next = self.joined.take();
        while let Some(line) = next.and_then(Rc::into_inner) {
            next = line.joined.take();
        }
    }
}

/// A response while its values are remembered.
#[derive(Debug)]
pub(super) struct Telling {
    /// Of its request.
    pub(super) number: u64,
    pub(super) line: Rc<Line>,
    /// What was asked for: path, lower case.
    pub(super) target: Box<str>,
    /// When it was complete.
    pub(super) at: Cell<u64>,
    /// What of it later requests take.
    pub(super) told: Arc<Told>,
}

impl Telling {
    pub(super) fn new(number: u64, line: Rc<Line>, target: &str) -> Telling {
        Telling { number, line, target: target.into(), at: Cell::new(u64::MAX), told: Arc::default() }
    }
}

/// What of a response later requests take; it grows while the capture is read.
#[derive(Debug, Default)]
pub struct Told {
    places: Mutex<Vec<Place>>,
    count: AtomicUsize,
}

/// A value in a response: the `ordinal`th field at `path`, or the `token`th word in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// As [`crate::protocol::Field::path`].
    pub path: Box<str>,
    /// Which of the fields at this path, from 0.
    pub ordinal: u32,
    /// Which word of the field's text; none means all of it.
    pub token: Option<u32>,
}

impl Told {
    /// Number of values that are known to be taken so far. Cheap.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// None so far.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `see` with the values that are taken.
    pub fn with<T>(&self, see: impl FnOnce(&[Place]) -> T) -> T {
        see(&self.places.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of a value that is taken.
    pub(super) fn number(&self, place: &Place) -> u32 {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.iter().position(|known| known == place);
        let number = known.unwrap_or_else(|| {
            places.push(place.clone());
            places.len() - 1
        });
        self.count.store(places.len(), Ordering::Release);
        number as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_stands_for_all_and_knows_what_they_have_seen() {
        let lines: Vec<_> = (0..4).map(Line::new).collect();
        lines[3].ended(10, 1);
        lines[2].ended(20, 2);
        lines[3].join(&lines[2]);
        lines[1].join(&lines[3]);
        assert!(lines.iter().skip(1).all(|line| line.first().connection() == 1));
        assert_eq!(lines[0].first().connection(), 0);
        assert_eq!(lines[1].seen(30, 9), Some((20, 2)));
        assert_eq!(lines[3].seen(19, 9), Some((10, 1)));
        assert_eq!((lines[3].seen(30, 2), lines[3].seen(9, 9), lines[0].seen(30, 9)), (Some((10, 1)), None, None));
    }

    #[test]
    fn a_long_chain_is_dropped() {
        let lines: Vec<_> = (0..300_000).map(Line::new).collect();
        for pair in lines.windows(2).rev() {
            pair[1].join(&pair[0]);
        }
        drop(lines);
    }
}
