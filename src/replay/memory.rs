//! What the live responses of one pass through a session have told so far.

use std::cell::RefCell;

use tokio::sync::Notify;

use crate::workload::{Replacement, Session, Source, Step, answer, replacement};

/// The values of a session's sources.
pub struct Memory {
    values: RefCell<Vec<Value>>,
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
        Memory { values: RefCell::new(vec![Value::Awaited; session.sources.len()]), changed: Notify::new() }
    }

    /// Whether a step's response is worth keeping.
    pub fn wants(session: &Session, step: usize) -> bool {
        session.sources.iter().any(|source| source.step as usize == step)
    }

    /// Takes from a live response what later requests need. An empty response tells nothing.
    pub fn learn(&self, session: &Session, step: usize, request: &[u8], response: &[u8]) {
        let mine: Vec<(usize, &Source)> = session.sources.iter().enumerate().filter(|(_, source)| source.step as usize == step).collect();
        if mine.is_empty() {
            return;
        }
        let sources: Vec<&Source> = mine.iter().map(|(_, source)| *source).collect();
        let texts = if response.is_empty() { vec![None; mine.len()] } else { answer(request, response, &sources).0 };
        let mut values = self.values.borrow_mut();
        for ((n, _), text) in mine.into_iter().zip(texts) {
            values[n] = text.map_or(Value::Missing, Value::Live);
        }
        self.changed.notify_waiters();
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

    fn awaits(&self, step: &Step) -> bool {
        let values = self.values.borrow();
        step.edges.iter().any(|edge| matches!(values.get(edge.source as usize), Some(Value::Awaited)))
    }

    /// The live values for a request.
    pub fn replacements(&self, step: &Step) -> Replacements {
        let values = self.values.borrow();
        let live = |source: u32| if let Some(Value::Live(text)) = values.get(source as usize) { Some(text) } else { None };
        let made: Vec<Replacement> =
            step.edges.iter().filter_map(|edge| Some(replacement(edge.at.clone(), live(edge.source)?, edge.encoding))).collect();
        let missed = (step.edges.len() - made.len()) as u64;
        Replacements { made, missed }
    }
}
