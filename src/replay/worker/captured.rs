//! Connections as captured: each is opened when its time comes, and sends its requests in their order.

use std::rc::Rc;

use tokio::task::JoinSet;

use super::asking::Sent;
use super::lanes::{Lanes, Queue};
use super::{Inbox, Worker};
use crate::replay::errand::Deal;
use crate::replay::link::{Link, Speaks};
use crate::replay::outcome::Failure;
use crate::replay::pacer::now;
use crate::replay::schedule::Intent;

impl Worker {
    /// Opens each connection when its time comes.
    pub(super) async fn open(self: Rc<Self>, mut inbox: Inbox) {
        let mut tasks = JoinSet::new();
        let mut lanes = Lanes::default();
        let mut more = true;
        while more || !lanes.unopened.is_empty() {
            let next = lanes.next();
            tokio::select! {
                biased;
                going_on = self.pacer.until(next.unwrap_or(u64::MAX)), if next.is_some() => match lanes.open() {
                    Some(queue) if going_on => {
                        tasks.spawn_local(self.clone().connection(queue));
                    }
                    _ => {}
                },
                errands = inbox.recv(), if more => match errands {
                    Some(errands) => errands.into_iter().for_each(|errand| lanes.take(errand, self.run.start)),
                    None => more = false,
                },
            }
            while tasks.try_join_next().is_some() {}
        }
        lanes.queues.values().for_each(|queue| queue.close());
        while tasks.join_next().await.is_some() {}
    }

    /// One captured connection: its requests in their order.
    async fn connection(self: Rc<Self>, queue: Rc<Queue>) {
        // Its first request tells what it spoke.
        if let Some(first) = queue.next().await {
            let speaks = self.run.speaks(first.turn.http2);
            queue.put_back(first);
            match speaks {
                Speaks::Http1 => self.send_all(&queue).await,
                Speaks::Http2 => self.clone().streams(&queue).await,
            }
        }
        queue.leave();
    }

    async fn send_all(&self, queue: &Queue) {
        let mut link = self.link(Speaks::Http1);
        let mut free = None;
        while let Some(deal) = queue.next().await {
            if deal.turn.request.message.is_some() {
                // Of a connection whose upgrade is not replayed.
                queue.put_back(deal);
                return Box::pin(self.chat(queue, None, self.run.start)).await;
            }
            let before = match (free, deal.opened) {
                (Some(free), _) => free,
                (None, Some(opened)) => self.opened(&mut link, self.run.start.saturating_add(opened)).await,
                (None, None) => 0,
            };
            let intended = self.intended(&deal, before).await;
            // What can be done before the instant is done before it.
            let early = self.is_told(&deal).then(|| self.render(&deal));
            let Some(sent) = self.due(&deal, intended, before).await else { return };
            if sent.at > self.run.last() {
                free = Some(self.fail(&deal, &sent, None, Failure::Unsent));
                continue;
            }
            if deal.turn.is_upgraded() {
                // Boxed: other connections need no room for it.
                let (known_at, socket) = Box::pin(self.upgrade(&deal, &mut link, sent)).await;
                drop(early);
                drop(deal);
                return Box::pin(self.chat(queue, socket, known_at)).await;
            }
            free = Some(match queue.is_next_ahead(&deal.turn) {
                true => {
                    drop(early);
                    self.ahead(queue, &mut link, deal, sent).await
                }
                false => self.request(&deal, early, &mut link, sent).await,
            });
        }
        self.linger(queue, link);
    }

    /// Keeps a connection open on which nothing more is sent until the instant when the captured one was closed: a target has
    /// as many to hold as it had then. Nobody waits for that: at the run's end all are closed.
    pub(super) fn linger<T: 'static>(&self, queue: &Queue, connection: T) {
        if let Some(closes) = queue.closes().filter(|closes| *closes > now()) {
            let pacer = self.pacer.clone();
            tokio::task::spawn_local(async move {
                pacer.until(closes).await;
                drop(connection);
            });
        }
    }

    /// When a request is meant to be sent; `before`: when its connection was free.
    pub(super) async fn intended(&self, deal: &Deal, before: u64) -> u64 {
        match deal.intent {
            Intent::At(at) => self.run.start.saturating_add(at),
            Intent::After(think) => self.seen(deal, before).await.saturating_add(think),
        }
    }

    /// Waits until a request is to be sent, and for the values that it needs. None when the run ends before.
    pub(super) async fn due(&self, deal: &Deal, intended: u64, before: u64) -> Option<Sent> {
        if intended > self.run.end() || !self.pacer.until(intended).await {
            return None;
        }
        let told = self.told(deal).await.unwrap_or(0);
        Some(Sent { intended, free: before.max(told), at: now() })
    }

    /// Opens a connection at its instant; says when it was there, but for what this thread was late. A refusal is reported
    /// by the first request.
    pub(super) async fn opened(&self, link: &mut Link, instant: u64) -> u64 {
        self.pacer.until(instant).await;
        let begun = now();
        let (_, noticed_late) = self.pacer.noticed(link.ready()).await;
        self.count(link);
        instant.saturating_add((now() - begun).saturating_sub(noticed_late))
    }

    /// When the response was there that a request's sender had seen.
    pub(super) async fn seen(&self, deal: &Deal, free: u64) -> u64 {
        match &deal.after {
            Some(live) => live.over().await,
            None => free.max(self.run.start),
        }
    }
}
