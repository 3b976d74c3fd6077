//! Who waits for a connection, or for room on it, sends in the order in which they came: nobody overtakes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Those who wait, by their numbers, the first of them in front.
#[derive(Default)]
pub struct Line {
    places: RefCell<VecDeque<(u64, Option<Waker>)>>,
    numbers: Cell<u64>,
}

/// A place in a line; it is left when this is dropped.
pub struct Place<'a> {
    line: &'a Line,
    number: u64,
}

impl Line {
    /// A place at the end.
    pub fn enter(&self) -> Place<'_> {
        let number = self.numbers.get();
        self.numbers.set(number + 1);
        self.places.borrow_mut().push_back((number, None));
        Place { line: self, number }
    }
}

impl Place<'_> {
    /// Nobody is before it.
    pub fn is_first(&self) -> bool {
        self.line.places.borrow().front().is_some_and(|(number, _)| *number == self.number)
    }

    /// Returns when nobody is before it.
    pub async fn first(&self) {
        poll_fn(|cx| {
            if self.is_first() {
                return Poll::Ready(());
            }
            let mut places = self.line.places.borrow_mut();
            if let Some((_, waker)) = places.iter_mut().rev().find(|(number, _)| *number == self.number) {
                *waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let was_first = self.is_first();
        let mut places = self.line.places.borrow_mut();
        places.retain(|(number, _)| *number != self.number);
        if was_first && let Some(waker) = places.front_mut().and_then(|(_, waker)| waker.take()) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_comes_first_goes_first_and_only_the_next_one_is_woken() {
        let line = Line::default();
        let (one, two, three, four) = (line.enter(), line.enter(), line.enter(), line.enter());
        let woken: [Arc<Woken>; 2] = Default::default();
        let wakers = woken.clone().map(Waker::from);
        let counts = || [0, 1].map(|n: usize| woken[n].0.load(Ordering::Relaxed));
        {
            let (mut second, mut fourth) = (pin!(two.first()), pin!(four.first()));
            assert!(one.is_first() && second.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_pending());
            assert!(fourth.as_mut().poll(&mut Context::from_waker(&wakers[1])).is_pending());
            // Who leaves the middle of it wakes nobody.
            drop(three);
            assert_eq!(counts(), [0, 0]);
            drop(one);
            assert_eq!(counts(), [1, 0]);
            assert!(second.as_mut().poll(&mut Context::from_waker(&wakers[0])).is_ready());
        }
        drop(two);
        assert_eq!(counts(), [1, 1]);
        assert!(four.is_first() && !line.enter().is_first());
    }
}
