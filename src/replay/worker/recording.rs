//! What became of a request goes to all who count.

use super::Worker;
use crate::replay::errand::Deal;
use crate::replay::governor::Landing;
use crate::replay::outcome::{End, Failure, Outcome};
use crate::replay::outcomes::Known;
use crate::replay::tally::{About, Expected, is_error};
use crate::workload::Response;

impl Worker {
    pub(super) fn record(&self, outcome: &Outcome, deal: &Deal, response: &[u8], known_at: u64) {
        let captured = |response: &Response| Expected { status: response.status, grpc: response.grpc };
        let is_message = deal.turn.request.message.is_some();
        let expected = deal.turn.expect.as_ref().map(captured).filter(|_| !is_message);
        let about = About {
            endpoint: deal.endpoint,
            expected,
            captured_at: deal.captured,
            handed_at: deal.handed,
            counts: outcome.intended >= self.run.warm(),
            known_at,
        };
        if let Some(outcomes) = &mut *self.outcomes.borrow_mut() {
            let (start, measured) = (self.run.start, about.counts);
            outcomes.add(outcome, &Known { deal, endpoint: &self.run.endpoints.name(deal.endpoint), start, measured });
        }
        let mut tally = self.tally.borrow_mut();
        tally.record(outcome, about);
        if let End::Answered { status, grpc, .. } = outcome.end
            && about.counts
            && !is_message
        {
            self.run.checks.look(
                about.endpoint,
                deal.turn.expect.as_ref(),
                (status, grpc),
                response,
                &mut tally.checks,
            );
        }
        let landing = match outcome.end {
            End::Failed(Failure::Connect) => Landing::Refused,
            End::Failed(Failure::Cap | Failure::Unsent | Failure::Unsendable) => Landing::Unsent,
            end if is_error(end, expected) => Landing::Bad,
            _ => Landing::Good,
        };
        self.run.governor.landed(landing, known_at);
    }
}
