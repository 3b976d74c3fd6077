//! Requests that wait for their connections: a queue for each, and the connections that are still to be opened.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::rc::Rc;

use tokio::sync::Notify;

use crate::replay::errand::{Deal, Errand, Lane};
use crate::replay::schedule::Intent;
use crate::workload::Turn;

/// A connection becomes a task this long before its first instant.
const AHEAD_NS: u64 = 500_000_000;

/// What is to be sent on one connection, in its order.
#[derive(Default)]
pub(super) struct Queue {
    deals: RefCell<VecDeque<Box<Deal>>>,
    /// Nothing more comes.
    closed: Cell<bool>,
    /// When its connection is closed at the earliest.
    closes: Cell<Option<u64>>,
    /// Nobody sends any more.
    left: Cell<bool>,
    changed: Notify,
}

impl Queue {
    pub(super) fn push(&self, deal: Box<Deal>) {
        // A deal that nobody takes is dropped, which tells those who wait for it.
        if !self.left.get() {
            self.deals.borrow_mut().push_back(deal);
            self.changed.notify_one();
        }
    }

    pub(super) fn close(&self) {
        self.closed.set(true);
        self.changed.notify_one();
    }

    /// The next one, if it is there.
    pub(super) fn take(&self) -> Option<Box<Deal>> {
        self.deals.borrow_mut().pop_front()
    }

    /// The next one, when it is there.
    pub(super) async fn next(&self) -> Option<Box<Deal>> {
        loop {
            let deal = self.take();
            if deal.is_some() || self.closed.get() {
                return deal;
            }
            self.changed.notified().await;
        }
    }

    /// When its connection is closed at the earliest, once nothing more comes.
    pub(super) fn closes(&self) -> Option<u64> {
        self.closes.get()
    }

    /// Nothing more comes.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// There may be something to send elsewhere.
    pub(super) fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Returns when one came, or none will, or when there may be something elsewhere.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The next one, if it is there and was sent before the answer to the one before it was complete.
    pub(super) fn ahead_of(&self, before: &Turn) -> Option<Box<Deal>> {
        if self.is_next_ahead(before) { self.take() } else { None }
    }

    /// Whether that one is there.
    pub(super) fn is_next_ahead(&self, before: &Turn) -> bool {
        self.deals.borrow().front().is_some_and(|next| next.turn.is_ahead_of_answer(before))
    }

    /// It comes next after all.
    pub(super) fn put_back(&self, deal: Box<Deal>) {
        self.deals.borrow_mut().push_front(deal);
    }

    pub(super) fn leave(&self) {
        self.left.set(true);
        self.deals.borrow_mut().clear();
    }
}

/// The connections of a thread that are open or will be.
#[derive(Default)]
pub(super) struct Lanes {
    pub(super) queues: HashMap<Lane, Rc<Queue>>,
    /// Those that nobody has begun to send on, by the instant when they are opened.
    pub(super) unopened: BinaryHeap<Reverse<(u64, Lane)>>,
}

impl Lanes {
    pub(super) fn take(&mut self, errand: Errand, start: u64) {
        match errand {
            Errand::Send(deal) => {
                let lane = deal.lane;
                let queue = self.queues.entry(lane).or_insert_with(|| {
                    let first = match deal.intent {
                        Intent::At(at) => deal.opened.unwrap_or(at).min(at),
                        Intent::After(_) => deal.opened.unwrap_or(0),
                    };
                    self.unopened.push(Reverse((start.saturating_add(first), lane)));
                    Rc::default()
                });
                queue.push(deal);
            }
            // For closed loops only.
            Errand::Rounds(_) => {}
            Errand::Close(lane, at) => {
                if let Some(queue) = self.queues.remove(&lane) {
                    queue.closes.set(at.map(|at| start.saturating_add(at)));
                    queue.close();
                    // It is looked for when its time comes.
                    if !queue.left.get() && Rc::strong_count(&queue) == 1 {
                        self.queues.insert(lane, queue);
                    }
                }
            }
        }
    }

    /// When a task for the next connection is to be there.
    pub(super) fn next(&self) -> Option<u64> {
        self.unopened.peek().map(|Reverse((first, _))| first.saturating_sub(AHEAD_NS))
    }

    /// The next connection, whose time has come.
    pub(super) fn open(&mut self) -> Option<Rc<Queue>> {
        let Reverse((_, lane)) = self.unopened.pop()?;
        let queue = self.queues.get(&lane)?.clone();
        if queue.closed.get() {
            self.queues.remove(&lane);
        }
        Some(queue)
    }
}
