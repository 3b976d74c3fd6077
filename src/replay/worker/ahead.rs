//! Requests that were sent before the answers to those before them on their connection: pipelined, as captured.

use std::collections::VecDeque;
use std::pin::pin;

use super::Worker;
use super::asking::{Sent, answered, leave};
use super::lanes::Queue;
use crate::replay::errand::Deal;
use crate::replay::governor::Flight;
use crate::replay::link::{Link, Pipe, Readiness, Timing};
use crate::replay::outcome::{End, Failure, Outcome};
use crate::replay::pacer::now;
use crate::replay::response::Reader;
use crate::replay::schedule::Intent;

/// A request on its way.
struct Asking<'a> {
    deal: Box<Deal>,
    due: Sent,
    bytes: usize,
    written: u64,
    _flight: Flight<'a>,
}

/// A request that the run's bounds hold back no longer.
struct Cleared<'a> {
    due: Sent,
    /// None: too many are in flight, it is not sent.
    flight: Option<Flight<'a>>,
}

impl Worker {
    /// Sends a request whose time has come, and those behind it that did not wait for the answers before them when their
    /// time comes; reads the answers in their order. When the last one was known.
    pub(super) async fn ahead(&self, queue: &Queue, link: &mut Link, first: Box<Deal>, due: Sent) -> u64 {
        let Some(mut cleared) = self.cleared(due).await else { return now() };
        if cleared.flight.is_none() {
            return self.fail(&first, &due, None, Failure::Cap);
        }
        let asked = now();
        cleared.due.at = asked;
        let (readiness, noticed_late) = self.pacer.noticed(link.ready()).await;
        self.count(link);
        if let Ok(Readiness::Opened | Readiness::Reopened) = readiness {
            let took = now().saturating_sub(asked).saturating_sub(noticed_late);
            cleared.due.free = due.free.max(due.intended) + took;
        }
        let mut pipe = match readiness.and_then(|_| Pipe::on(link).ok_or(Failure::Connect)) {
            Ok(pipe) => pipe,
            Err(failure) => return self.fail(&first, &cleared.due, None, failure),
        };
        let mut sent = VecDeque::new();
        // Thinking without an answer to think about is counted from here.
        let since = match (first.intent, &first.after) {
            (Intent::After(think), None) => due.intended.saturating_sub(think),
            _ => due.intended,
        };
        let mut before = first.turn.clone();
        let mut known_at = self.launch(&mut pipe, &mut sent, first, cleared);
        while pipe.is_open()
            && let Some(next) = queue.ahead_of(&before)
        {
            let cleared = {
                // Once for all answers meanwhile: each time it began anew it would take another place in the rate.
                let mut clearing = pin!(self.cleared_since(&next, since));
                loop {
                    tokio::select! {
                        biased;
                        answer = pipe.next(), if !sent.is_empty() => known_at = self.heard(&mut sent, answer),
                        cleared = &mut clearing, if !pipe.is_held() => break cleared,
                    }
                    if !pipe.is_open() {
                        break None;
                    }
                }
            };
            match cleared {
                Some(cleared) => {
                    before = next.turn.clone();
                    known_at = known_at.max(self.launch(&mut pipe, &mut sent, next, cleared));
                }
                // The target has hung up, or the run ends: who comes next sees to it.
                None => {
                    queue.put_back(next);
                    break;
                }
            }
        }
        while !sent.is_empty() {
            known_at = self.heard(&mut sent, pipe.next().await);
        }
        pipe.finish();
        known_at
    }

    /// Waits until a request is to be sent; thinking is counted from an answer, or else from `since`.
    async fn cleared_since(&self, deal: &Deal, since: u64) -> Option<Cleared<'_>> {
        let intended = self.intended(deal, since).await;
        let due = self.due(deal, intended, 0).await?;
        self.cleared(due).await
    }

    /// Waits for what the run's bounds say of a request that is due. None when the run ends before.
    async fn cleared(&self, due: Sent) -> Option<Cleared<'_>> {
        let flight = self.run.governor.take_off();
        if flight.is_some() {
            self.slot(due.at).await?;
        }
        Some(Cleared { due, flight })
    }

    /// Sends a request, if one more may be in flight.
    fn launch<'a>(
        &'a self,
        pipe: &mut Pipe<'_>,
        sent: &mut VecDeque<Asking<'a>>,
        deal: Box<Deal>,
        Cleared { due, flight }: Cleared<'a>,
    ) -> u64 {
        if due.at > self.run.last() {
            return self.fail(&deal, &due, None, Failure::Unsent);
        }
        let Some(flight) = flight else { return self.fail(&deal, &due, None, Failure::Cap) };
        let request = self.render(&deal);
        let written = now();
        pipe.send(&request.bytes, leave(&deal), self.reader(&deal));
        let bytes = request.bytes.len();
        let mut tally = self.tally.borrow_mut();
        tally.substituted += request.made;
        tally.missed += request.missed;
        drop(request);
        drop(tally);
        sent.push_back(Asking { deal, due, bytes, written, _flight: flight });
        now()
    }

    /// The oldest request's answer, or what became of all of them.
    fn heard(&self, sent: &mut VecDeque<Asking<'_>>, answer: Result<Option<(Reader, Timing)>, Failure>) -> u64 {
        let (reader, timing) = match answer {
            Ok(Some(answer)) => answer,
            // A body went out that had waited for leave.
            Ok(None) => return now(),
            Err(failure) => {
                let failed = sent.drain(..).map(|one| self.fail(&one.deal, &one.due, Some(one.written), failure));
                return failed.last().unwrap_or(0);
            }
        };
        let Some(one) = sent.pop_front() else { return now() };
        let end = answered(&reader, &timing, one.bytes);
        let Sent { intended, free, .. } = one.due;
        let outcome = Outcome { intended, free, tried: timing.written, written: Some(timing.written), end };
        self.over(&one.deal, &outcome, reader.into_bytes())
    }

    /// A request without an answer.
    pub(super) fn fail(&self, deal: &Deal, due: &Sent, written: Option<u64>, failure: Failure) -> u64 {
        let outcome =
            Outcome { intended: due.intended, free: due.free, tried: due.at, written, end: End::Failed(failure) };
        self.over(deal, &outcome, Vec::new())
    }
}
