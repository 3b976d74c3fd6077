//! A request's bytes: the captured ones but for what the profile changes and the values that the target told.

use std::borrow::Cow;

use super::Worker;
use crate::replay::edits::{Edit, covers, merged};
use crate::replay::errand::Deal;
use crate::workload::{Replacement, render, replacement};

/// A request's bytes as they are sent.
pub(super) struct Rendered<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// Values that the target told.
    pub(super) made: u64,
    /// Values that stay as captured.
    pub(super) missed: u64,
}

impl Worker {
    /// Every value that a request needs is told, or never will be.
    pub(super) fn is_told(&self, deal: &Deal) -> bool {
        deal.sources.iter().flatten().all(|live| live.is_over().is_some())
    }

    /// Waits for that; says when the last one was told, if it had to wait.
    pub(super) async fn told(&self, deal: &Deal) -> Option<u64> {
        let mut last = None;
        for live in deal.sources.iter().flatten() {
            if live.is_over().is_none() {
                last = last.max(Some(live.over().await));
            }
        }
        last
    }

    /// The bytes to send: the captured ones but for what the profile changes and the values that the target told.
    pub(super) fn render<'a>(&self, deal: &'a Deal) -> Rendered<'a> {
        let request = deal.request();
        if deal.turn.edges.is_empty() {
            let edited = || render(request, &merged(self.run.edits.of(request), Vec::new()));
            return Rendered { bytes: Cow::Borrowed(request.as_sent(edited)), made: 0, missed: 0 };
        }
        let edits = self.run.edits.of(request);
        let Values { made, missed } = values(deal, &edits);
        let count = made.len() as u64;
        Rendered { bytes: Cow::Owned(render(request, &merged(edits, made))), made: count, missed }
    }
}

/// Live values for a request.
pub(super) struct Values {
    /// In order of position.
    pub(super) made: Vec<Replacement>,
    /// Values that stay as captured.
    pub(super) missed: u64,
}

/// The live values that take the place of captured ones, but for those that an edit decides about.
pub(super) fn values(deal: &Deal, edits: &[Edit<'_>]) -> Values {
    let mut values = Values { made: Vec::new(), missed: 0 };
    for (edge, live) in deal.turn.edges.iter().zip(&deal.sources).filter(|(edge, _)| !covers(edits, &edge.at)) {
        match live.as_ref().and_then(|live| live.value(edge.value)) {
            Some(text) => values.made.push(replacement(edge.at.clone(), &text, edge.encoding)),
            None => values.missed += 1,
        }
    }
    values
}
