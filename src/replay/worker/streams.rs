//! Captured connections over HTTP/2: a request does not wait for the answers to those before it, each has a stream of its own.

use std::rc::Rc;

use tokio::task::JoinSet;

use super::lanes::Queue;
use super::{Run, Worker};
use crate::replay::errand::Deal;
use crate::replay::link::{Http2, Link, Speaks};
use crate::replay::outcome::Failure;
use crate::replay::profile::Protocol;

impl Run {
    /// What is spoken in place of a connection that spoke HTTP/2 when it was captured, or did not.
    pub(super) fn speaks(&self, http2: bool) -> Speaks {
        match self.profile.protocol {
            Protocol::Http1 => Speaks::Http1,
            Protocol::H2c | Protocol::H2 => Speaks::Http2,
            Protocol::Auto if http2 => Speaks::Http2,
            Protocol::Auto => Speaks::Http1,
        }
    }
}

impl Worker {
    /// Sends the requests of a connection, each when its time comes.
    pub(super) async fn streams(self: Rc<Self>, queue: &Queue) {
        let http2 = Rc::new(self.http2());
        let mut streams = JoinSet::new();
        // Since when somebody thinks who has no answer to think about.
        let mut since = None;
        // When the connection was there, or when the request before was to go that waited for an answer: those behind it
        // keep their order.
        let mut held = 0;
        while let Some(deal) = queue.next().await {
            let thinks = match (since, deal.opened) {
                (Some(since), _) => since,
                (None, Some(opened)) => {
                    self.opened(&mut self.stream_on(&http2), self.run.start.saturating_add(opened)).await
                }
                (None, None) => 0,
            };
            if since.is_none() {
                held = thinks;
            }
            since = Some(thinks);
            let intended = self.intended(&deal, thinks).await;
            if intended > self.run.end() {
                break;
            }
            let waited = deal.after.is_some();
            streams.spawn_local(self.clone().stream(http2.clone(), deal, intended, held));
            // No further ahead than this one: their number is bounded by those that are due.
            if !self.pacer.until(intended).await {
                break;
            }
            held = if waited { held.max(intended) } else { held };
            while streams.try_join_next().is_some() {}
        }
        while streams.join_next().await.is_some() {}
        self.linger(queue, http2);
    }

    /// One request, on a stream.
    async fn stream(self: Rc<Self>, http2: Rc<Http2>, deal: Box<Deal>, intended: u64, held: u64) {
        // What can be done before the instant is done before it.
        let early = self.is_told(&deal).then(|| self.render(&deal));
        let Some(sent) = self.due(&deal, intended, held).await else { return };
        if sent.at > self.run.last() {
            self.fail(&deal, &sent, None, Failure::Unsent);
            return;
        }
        self.request(&deal, early, &mut self.stream_on(&http2), sent).await;
    }

    pub(super) fn http2(&self) -> Http2 {
        Http2::new(self.run.route.clone(), self.run.profile.timeout.0, self.pacer.clone())
    }

    pub(super) fn stream_on(&self, http2: &Rc<Http2>) -> Link {
        Link::over(http2.clone(), self.run.route.clone(), self.run.profile.timeout.0, self.pacer.clone())
    }

    /// A connection of its own, for one request after another.
    pub(super) fn link(&self, speaks: Speaks) -> Link {
        match speaks {
            Speaks::Http1 => Link::new(self.run.route.clone(), self.run.profile.timeout.0, self.pacer.clone()),
            Speaks::Http2 => self.stream_on(&Rc::new(self.http2())),
        }
    }
}
