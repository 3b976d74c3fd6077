//! One request: sent, and its answer read.

use std::time::Duration;

use super::Worker;
use super::rendering::Rendered;
use crate::replay::errand::Deal;
use crate::replay::link::{Link, Readiness, Timing};
use crate::replay::outcome::{End, Failure, Outcome};
use crate::replay::pacer::now;
use crate::replay::profile::Mode;
use crate::replay::response::Reader;

/// A client that expects `100 Continue` sends its body without it after this time (as curl does), or after as long as it
/// did when it was captured.
const LEAVE: Duration = Duration::from_secs(1);

/// How often a request is sent again with which the target did nothing: one that closes its connection after each answer
/// does that to whatever else was under way on it, and may do so several times in a row.
const REFUSALS_BORNE: u32 = 4;

/// A request about to be sent.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) intended: u64,
    /// As [`Outcome::free`].
    pub(super) free: u64,
    /// Now.
    pub(super) at: u64,
}

impl Worker {
    /// Counts the connections that were opened on a way to the target.
    pub(super) fn count(&self, link: &mut Link) {
        let opens = link.opens();
        let mut tally = self.tally.borrow_mut();
        tally.connections_opened += opens.opened;
        tally.reconnects += opens.reopened;
    }

    /// Sends a request, reads and records its outcome; returns when that was known.
    pub(super) async fn request(&self, deal: &Deal, early: Option<Rendered<'_>>, link: &mut Link, sent: Sent) -> u64 {
        let Sent { intended, free, .. } = sent;
        let mut outcome = Outcome { intended, free, tried: sent.at, written: None, end: End::Failed(Failure::Cap) };
        let mut response = Vec::new();
        if let Some(_flight) = self.run.governor.take_off() {
            let Some(slot) = self.slot(sent.at).await else { return now() };
            if self.run.profile.mode == Mode::Closed {
                // What has no schedule of its own is meant for when it may go.
                (outcome.intended, outcome.free) = (outcome.intended.max(slot), outcome.free.max(slot));
            }
            let request = early.unwrap_or_else(|| self.render(deal));
            let mut reader = self.reader(deal);
            let result = self.exchange(link, (&request.bytes, leave(deal)), &mut reader, slot, &mut outcome).await;
            outcome.end = result.unwrap_or_else(End::Failed);
            response = reader.into_bytes();
            let mut tally = self.tally.borrow_mut();
            tally.substituted += request.made;
            tally.missed += request.missed;
        }
        self.over(deal, &outcome, response)
    }

    /// Waits for the first instant at which the run's greatest rate leaves room for a request that is ready at `at`. None
    /// when the run ends before.
    pub(super) async fn slot(&self, at: u64) -> Option<u64> {
        let slot = self.run.governor.slot(at);
        self.tally.borrow_mut().restrained += u64::from(slot > at);
        (slot <= at || self.pacer.until(slot).await).then_some(slot)
    }

    /// A reader of the answer to a request.
    pub(super) fn reader(&self, deal: &Deal) -> Reader {
        let wanted = deal.live.as_ref().is_some_and(|live| live.is_wanted(&self.run.answers));
        Reader::new(deal.asked, wanted || self.run.checks.want_bytes(deal.endpoint))
    }

    /// What became of a request is known; since when.
    pub(super) fn over(&self, deal: &Deal, outcome: &Outcome, response: Vec<u8>) -> u64 {
        let known_at = match outcome.end {
            End::Answered { last_byte, .. } => last_byte,
            End::Failed(_) => now(),
        };
        self.record(outcome, deal, &response, known_at);
        if let Some(live) = &deal.live {
            live.learn(known_at, deal.turn.request.method(), response, &self.run.answers);
        }
        known_at
    }

    /// `asked`: when the connection is first needed.
    pub(super) async fn exchange(
        &self,
        link: &mut Link,
        (request, leave): (&[u8], Option<Duration>),
        reader: &mut Reader,
        asked: u64,
        outcome: &mut Outcome,
    ) -> Result<End, Failure> {
        let mut asked = asked;
        outcome.tried = now();
        let (mut refusals, mut deadline) = (0, u64::MAX);
        link.due_by(deadline);
        loop {
            let (readiness, noticed_late) = self.pacer.noticed(link.ready()).await;
            self.count(link);
            if readiness? != Readiness::Open {
                // The target took that long to be connected to; that it was begun or noticed late is not its fault.
                let took = now().saturating_sub(asked).saturating_sub(noticed_late);
                outcome.free = outcome.free.max(outcome.intended) + took;
            }
            let begun = now();
            outcome.written = Some(begun);
            if refusals == 0 {
                // Sent again, it has no more time than when it was sent once.
                deadline = begun.saturating_add(self.timeout_ns());
                link.due_by(deadline);
            }
            match link.exchange(request, leave, reader).await {
                Ok(timing) => return Ok(answered(reader, &timing, request.len())),
                Err(failure) if link.was_unprocessed() => {
                    asked = now();
                    refusals += 1;
                    if refusals > REFUSALS_BORNE || asked >= deadline {
                        link.gives_up();
                        return Err(failure);
                    }
                    outcome.refused(asked);
                }
                Err(failure) => {
                    if refusals == 0 && link.was_unwritten() {
                        outcome.written = None;
                    }
                    return Err(failure);
                }
            }
        }
    }
}

/// How long a request's body waits for leave, if it does.
pub(super) fn leave(deal: &Deal) -> Option<Duration> {
    let request = &deal.turn.request;
    request.waits_for_leave().then(|| LEAVE.max(Duration::from_nanos(request.pause)))
}

pub(super) fn answered(reader: &Reader, timing: &Timing, sent: usize) -> End {
    End::Answered {
        status: reader.status(),
        grpc: reader.grpc_status(),
        written: timing.written,
        first_byte: timing.first_byte,
        last_byte: timing.last_byte,
        sent: sent as u64,
        received: timing.received,
    }
}
