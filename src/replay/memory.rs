//! What the live responses of one pass through a session have told so far.

use std::cell::RefCell;

use tokio::sync::Notify;

use crate::workload::{Edge, Replacement, Session, Source, Step, answer, replacement};

/// The values of a session's sources, and which of its steps are over.
pub struct Memory {
    values: RefCell<Vec<Value>>,
    /// When each step's outcome was known.
    over: RefCell<Vec<Option<u64>>>,
    changed: Notify,
}

#[derive(Clone)]
enum Value {
    /// Its response is not complete yet.
    Awaited,
    /// Its response did not tell it.
    Missing,
    Live(Vec<u8>),
}

/// Replacements for a request, and how many values could not be replaced.
pub struct Replacements {
    /// In order of position.
    pub made: Vec<Replacement>,
    /// Values that stay as captured.
    pub missed: u64,
}

impl Memory {
    /// Nothing is known.
    pub fn new(session: &Session) -> Memory {
        let (sources, steps) = (session.sources.len(), session.steps.len());
        Memory {
            values: RefCell::new(vec![Value::Awaited; sources]),
            over: RefCell::new(vec![None; steps]),
            changed: Notify::new(),
        }
    }

    /// Whether a step's response is worth keeping.
    pub fn wants(session: &Session, step: usize) -> bool {
        session.sources.iter().any(|source| source.step as usize == step)
    }

    /// A step is over, `at` some instant: takes from its live response what later requests need. An empty response tells nothing.
    pub fn learn(&self, session: &Session, step: usize, at: u64, request: &[u8], response: &[u8]) {
        self.over.borrow_mut()[step] = Some(at);
        self.take(session, step, request, response);
        self.changed.notify_waiters();
    }

    fn take(&self, session: &Session, step: usize, request: &[u8], response: &[u8]) {
        let mine: Vec<(usize, &Source)> =
            session.sources.iter().enumerate().filter(|(_, source)| source.step as usize == step).collect();
        if mine.is_empty() {
            return;
        }
        let sources: Vec<&Source> = mine.iter().map(|(_, source)| *source).collect();
        let texts = if response.is_empty() { vec![None; mine.len()] } else { answer(request, response, &sources).0 };
        let mut values = self.values.borrow_mut();
        for ((n, _), text) in mine.into_iter().zip(texts) {
            values[n] = text.map_or(Value::Missing, Value::Live);
        }
    }

    /// Waits until a step is over; says when that was.
    pub async fn over(&self, step: u32) -> u64 {
        loop {
            let changed = self.changed.notified();
            match self.over.borrow().get(step as usize) {
                Some(Some(at)) => return *at,
                Some(None) => {}
                None => return 0,
            }
            changed.await;
        }
    }

    /// Waits until every value that a request needs is known, or known to be missing.
    pub async fn ready_for(&self, step: &Step) {
        loop {
            let changed = self.changed.notified();
            if !self.awaits(step) {
                return;
            }
            changed.await;
        }
    }

    /// A value that the request needs is not known yet.
    pub fn awaits(&self, step: &Step) -> bool {
        let values = self.values.borrow();
        step.edges.iter().any(|edge| matches!(values.get(edge.source as usize), Some(Value::Awaited)))
    }

    /// The live values for a request, but for those edges that something else decides about.
    pub fn replacements(&self, step: &Step, decided: impl Fn(&Edge) -> bool) -> Replacements {
        let values = self.values.borrow();
        let live =
            |source: u32| if let Some(Value::Live(text)) = values.get(source as usize) { Some(text) } else { None };
        let edges = || step.edges.iter().filter(|edge| !decided(edge));
        let made: Vec<Replacement> =
            edges().filter_map(|edge| Some(replacement(edge.at.clone(), live(edge.source)?, edge.encoding))).collect();
        let missed = (edges().count() - made.len()) as u64;
        Replacements { made, missed }
    }
}
