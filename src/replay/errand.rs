//! What a dealer hands to those who send: a request with all that is known of it, and how far ahead of the others it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::workload::{Request, Turn};

use super::identities::Renamed;
use super::live::Live;
use super::response::Asked;
use super::rounds::Rounds;
use super::schedule::Intent;

/// Which connection of a run: a captured one, in one of the rounds, of one of the copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// From 0.
    pub round: u32,
    /// Of whom: 0 are those of the capture.
    pub copy: u32,
    /// As [`Turn::connection`].
    pub connection: u32,
}

/// A request to be sent.
pub struct Deal {
    /// What, and what is known of it.
    pub turn: Arc<Turn>,
    /// On which connection.
    pub lane: Lane,
    /// When.
    pub intent: Intent,
    /// When it was captured, on a clock that goes on through rounds; of a copy, that much later.
    pub captured: u64,
    /// What a copy sends instead of what was captured.
    pub renamed: Option<Box<Renamed>>,
    /// When its connection is opened, from the run's start; none: when it is needed.
    pub opened: Option<u64>,
    /// Which connection of a closed loop sends it.
    pub user: u32,
    /// Number of its endpoint.
    pub endpoint: u32,
    /// How its answer ends. Known when it is dealt: who sends it then needs not look at the captured bytes.
    pub asked: Asked,
    /// Who waits for it, if anybody may.
    pub live: Option<Arc<Live>>,
    /// What its sender had seen.
    pub after: Option<Arc<Live>>,
    /// Where its values come from, one for each of [`Turn::edges`]; none for what is not replayed.
    pub sources: Box<[Option<Arc<Live>>]>,
    /// When it was handed to who sends it; 0 when nobody had to.
    pub handed: u64,
    /// Its part of the look-ahead, if it was dealt ahead.
    pub(super) _ticket: Option<Ticket>,
}

impl Deal {
    /// What is sent, but for what else the run changes in it.
    pub fn request(&self) -> &Request {
        self.renamed.as_ref().map_or(&self.turn.request, |renamed| &renamed.request)
    }
}

/// What is dealt.
pub enum Errand {
    /// A request.
    Send(Box<Deal>),
    /// No further one on this connection; when it is closed at the earliest, from the run's start.
    Close(Lane, Option<u64>),
    /// Whole rounds, for whoever has time.
    Rounds(Arc<Rounds>),
}

/// How far ahead of the requests that are due others are dealt.
#[derive(Default)]
pub struct Ahead {
    bytes: AtomicUsize,
}

/// Bytes ahead, given back when it is dropped.
pub struct Ticket(Arc<Ahead>, usize);

impl Ahead {
    /// Bytes dealt and not yet done with.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn ticket(self: &Arc<Ahead>, bytes: usize) -> Ticket {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ticket(self.clone(), bytes)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.bytes.fetch_sub(self.1, Ordering::Relaxed);
    }
}

impl Deal {
    /// A request that is sent as soon as its turn comes, without having been dealt ahead.
    pub fn undealt(
        turn: Arc<Turn>,
        (endpoint, asked): (u32, Asked),
        lane: Lane,
        live: Option<Arc<Live>>,
        sources: Box<[Option<Arc<Live>>]>,
    ) -> Deal {
        let intent = Intent::After(0);
        let captured = turn.at;
        Deal {
            turn,
            lane,
            intent,
            captured,
            renamed: None,
            opened: None,
            user: 0,
            endpoint,
            asked,
            live,
            after: None,
            sources,
            handed: 0,
            _ticket: None,
        }
    }
}

impl Drop for Deal {
    fn drop(&mut self) {
        // Nobody is to wait for what will not come.
        if let Some(live) = &self.live {
            live.give_up(super::pacer::now());
        }
    }
}
