//! A closed loop: a number of connections, each of which sends its next request when the one before is answered. Over HTTP/2
//! several may share a connection, each with a stream at a time.

use std::collections::HashMap;
use std::rc::Rc;

use tokio::task::JoinSet;

use super::asking::Sent;
use super::lanes::Queue;
use super::{Inbox, Worker};
use crate::replay::errand::{Deal, Errand};
use crate::replay::link::Http2;
use crate::replay::pacer::now;
use crate::replay::rounds::Walk;

/// Requests at a time on one thread, from which on they take turns at reading and at writing.
const TURNS_MIN: usize = 8;

impl Worker {
    /// Lets a number of connections send whatever comes to them.
    pub(super) async fn closed(self: Rc<Self>, n: usize, mut inbox: Inbox) {
        let mut tasks = JoinSet::new();
        let users = &self.run.users;
        let queues: HashMap<u32, Rc<Queue>> = users.of(n, self.run.threads).map(|user| (user, Rc::default())).collect();
        let mut shared = HashMap::new();
        for (user, queue) in &queues {
            let http2 = (self.run.profile.streams > 1).then(|| {
                let http2 = shared.entry(users.connection(*user)).or_insert_with(|| Rc::new(self.http2()));
                http2.clone()
            });
            tasks.spawn_local(self.clone().user(*user, queue.clone(), http2));
        }
        loop {
            tokio::select! {
                errands = inbox.recv() => {
                    let Some(errands) = errands else { break };
                    errands.into_iter().for_each(|errand| self.give(errand, &queues));
                }
                over = tasks.join_next() => if over.is_none() { break },
            }
        }
        queues.values().for_each(|queue| queue.close());
        while tasks.join_next().await.is_some() {}
    }

    fn give(&self, errand: Errand, queues: &HashMap<u32, Rc<Queue>>) {
        match errand {
            Errand::Send(deal) => {
                if let Some(queue) = queues.get(&deal.user) {
                    queue.push(deal);
                }
            }
            Errand::Rounds(rounds) => {
                let _ = self.rounds.set(rounds);
                queues.values().for_each(|queue| queue.look_again());
            }
            Errand::Close(..) => {}
        }
    }

    /// One connection of a closed loop, or a stream at a time of one that is `shared`.
    async fn user(self: Rc<Self>, user: u32, queue: Rc<Queue>, shared: Option<Rc<Http2>>) {
        let mut speaks = self.run.speaks(false);
        let link_for = |speaks| shared.as_ref().map_or_else(|| self.link(speaks), |http2| self.stream_on(http2));
        let mut link = link_for(speaks);
        let in_turns = self.run.profile.users() as usize / self.run.threads >= TURNS_MIN;
        self.pacer.until(self.run.start).await;
        let mut free = now();
        let mut walk = None;
        loop {
            let deal = match self.at_hand(user, &queue, &mut walk) {
                Some(deal) => deal,
                None => {
                    let is_short = self.run.users.is_short();
                    let Some(deal) = self.awaited(user, &queue, &mut walk).await else { break };
                    let taken = now();
                    self.tally.borrow_mut().starve(taken.saturating_sub(free), is_short);
                    free = taken;
                    deal
                }
            };
            let wanted = self.run.speaks(deal.turn.http2);
            if wanted != speaks {
                // What was captured over the other one goes over a connection of its kind.
                (speaks, link) = (wanted, link_for(wanted));
            }
            let begins = self.told(&deal).await.map_or(free, |_| now());
            if begins >= self.run.end() || self.run.governor.is_stopped() {
                break;
            }
            let sent = Sent { intended: begins, free: begins, at: begins };
            free = self.request(&deal, None, &mut link, sent).await;
            if in_turns {
                // All answers that are there are read before the next requests go: they are stamped when they come, and
                // a target that sleeps is woken once for many.
                tokio::task::yield_now().await;
            }
        }
        queue.leave();
    }

    /// What a connection sends next: what was dealt to it, or else what nobody has to deal.
    fn at_hand(&self, user: u32, queue: &Queue, walk: &mut Option<Walk>) -> Option<Deal> {
        match queue.take() {
            Some(deal) => {
                self.run.users.took(user);
                Some(*deal)
            }
            None => self.rounds.get()?.next(walk),
        }
    }

    /// The same, when there is something.
    async fn awaited(&self, user: u32, queue: &Queue, walk: &mut Option<Walk>) -> Option<Deal> {
        loop {
            let deal = self.at_hand(user, queue, walk);
            if deal.is_some() || queue.is_closed() {
                return deal;
            }
            queue.changed().await;
        }
    }
}
