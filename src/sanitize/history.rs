//! What was decided about stream bytes not long ago, so that a late copy gets the same decisions.
//!
//! Bounded over all streams: the oldest decisions go first, whoever made them.

use std::collections::VecDeque;
use std::ops::Range;

use hashbrown::HashMap;

use super::ledger::{Because, Label};
use crate::dissect::Stream;
use crate::limits;

/// Decisions by stream.
pub(super) struct History {
    streams: HashMap<Stream, VecDeque<Past>>,
    /// Streams in the order of their decisions.
    order: VecDeque<Stream>,
    /// Runs remembered.
    runs: usize,
    /// Old and new bytes of decisions, overwritten in a circle.
    ring: Vec<u8>,
    head: u64,
    /// The decisions made last, all of one stream and without a hole.
    fresh: Fresh,
}

#[derive(Default)]
struct Fresh {
    stream: Option<Stream>,
    at: u64,
    old: Vec<u8>,
    new: Vec<u8>,
    runs: Vec<Run>,
}

/// Decided bytes of a stream, without a hole.
struct Past {
    at: u64,
    len: u64,
    /// Where in the circle the old bytes stand, the new ones behind them; none for bytes that were blanked unseen.
    position: Option<u64>,
    /// The circle's head when this was remembered.
    since: u64,
    runs: Box<[Run]>,
}

/// Bytes with one decision.
#[derive(Clone, Copy)]
struct Run {
    len: u32,
    label: Label,
    because: Because,
}

/// A part of a late copy, and what is to stand there; none where it may not be known.
pub(super) struct Recalled {
    pub(super) at: Range<u64>,
    pub(super) label: Label,
    pub(super) because: Because,
    pub(super) bytes: Vec<u8>,
}

/// Bytes gathered before they go into the circle together.
const FRESH_BYTES: usize = 4096;

impl History {
    pub(super) fn new() -> Self {
        History {
            streams: HashMap::new(),
            order: VecDeque::new(),
            runs: 0,
            ring: vec![0; limits::HISTORY_BYTES_MAX],
            head: 0,
            fresh: Fresh::default(),
        }
    }

    /// Remembers a decision: `new` stands where `old` stood.
    pub(super) fn push(&mut self, stream: Stream, at: u64, old: &[u8], new: &[u8], label: Label, because: Because) {
        let fresh = &self.fresh;
        let follows = fresh.stream == Some(stream) && fresh.at + fresh.old.len() as u64 == at;
        if !follows || fresh.old.len() >= FRESH_BYTES {
            self.settle();
            self.fresh.stream = Some(stream);
            self.fresh.at = at;
        }
        if 2 * old.len() > self.ring.len() {
            return;
        }
        self.fresh.old.extend_from_slice(old);
        self.fresh.new.extend_from_slice(new);
        self.fresh.runs.push(Run { len: old.len() as u32, label, because });
    }

    /// Remembers that bytes were blanked.
    pub(super) fn push_blank(&mut self, stream: Stream, at: Range<u64>) {
        self.settle();
        let len = at.end - at.start;
        let run = Run { len: len.min(u64::from(u32::MAX)) as u32, label: Label::Blanked, because: Because(0) };
        self.remember(stream, Past { at: at.start, len, position: None, since: self.head, runs: Box::new([run]) });
    }

    /// The flow is over.
    pub(super) fn close(&mut self, stream: Stream) {
        if self.fresh.stream == Some(stream) {
            self.fresh = Fresh::default();
        }
        let pasts = self.streams.remove(&stream).unwrap_or_default();
        self.runs -= pasts.iter().map(|past| past.runs.len()).sum::<usize>();
    }

    /// What was decided about these bytes of a stream. Bytes in no answer are not known, or were others.
    pub(super) fn recall(&mut self, stream: Stream, at: Range<u64>, bytes: &[u8]) -> Vec<Recalled> {
        self.settle();
        let mut recalled = Vec::new();
        for past in self.streams.get(&stream).into_iter().flatten() {
            if past.at < at.end && past.at + past.len > at.start {
                self.recall_past(past, &at, bytes, &mut recalled);
            }
        }
        recalled
    }

    fn recall_past(&self, past: &Past, at: &Range<u64>, bytes: &[u8], recalled: &mut Vec<Recalled>) {
        let mut run_at = past.at;
        for run in &past.runs {
            let (from, to) = (run_at.max(at.start), (run_at + u64::from(run.len)).min(at.end));
            run_at += u64::from(run.len);
            if from >= to {
                continue;
            }
            let now = &bytes[(from - at.start) as usize..(to - at.start) as usize];
            let bytes = match past.position {
                None => vec![0; now.len()],
                // A blank does not depend on what it covers.
                Some(position)
                    if run.label == Label::Blanked || self.load(position + (from - past.at), now.len()) == now =>
                {
                    self.load(position + past.len + (from - past.at), now.len())
                }
                Some(_) => continue,
            };
            recalled.push(Recalled { at: from..to, label: run.label, because: run.because, bytes });
        }
    }

    /// Puts the fresh decisions to the others.
    fn settle(&mut self) {
        let Some(stream) = self.fresh.stream.take() else { return };
        let mut fresh = std::mem::take(&mut self.fresh);
        if !fresh.runs.is_empty() {
            self.forget(self.head + 2 * fresh.old.len() as u64);
            let position = self.head;
            self.store(&fresh.old);
            self.store(&fresh.new);
            let runs = fresh.runs.as_slice().into();
            let len = fresh.old.len() as u64;
            self.remember(stream, Past { at: fresh.at, len, position: Some(position), since: position, runs });
        }
        fresh.old.clear();
        fresh.new.clear();
        fresh.runs.clear();
        self.fresh = fresh;
    }

    fn remember(&mut self, stream: Stream, past: Past) {
        self.runs += past.runs.len();
        self.streams.entry(stream).or_default().push_back(past);
        self.order.push_back(stream);
        self.forget(self.head);
    }

    fn store(&mut self, bytes: &[u8]) {
        let size = self.ring.len();
        let start = (self.head % size as u64) as usize;
        let first = bytes.len().min(size - start);
        self.ring[start..start + first].copy_from_slice(&bytes[..first]);
        self.ring[..bytes.len() - first].copy_from_slice(&bytes[first..]);
        self.head += bytes.len() as u64;
    }

    fn load(&self, position: u64, len: usize) -> Vec<u8> {
        let size = self.ring.len();
        let start = (position % size as u64) as usize;
        let first = len.min(size - start);
        let mut bytes = self.ring[start..start + first].to_vec();
        bytes.extend_from_slice(&self.ring[..len - first]);
        bytes
    }

    /// Lets go of decisions whose bytes are overwritten when the head comes to `head`, and of too many.
    fn forget(&mut self, head: u64) {
        let oldest = head.saturating_sub(self.ring.len() as u64);
        while let Some(stream) = self.order.front() {
            let pasts = self.streams.get_mut(stream);
            match pasts.as_ref().and_then(|pasts| pasts.front()) {
                Some(past) if past.since >= oldest && self.runs < limits::HISTORY_RUNS_MAX => return,
                Some(past) => {
                    self.runs -= past.runs.len();
                    if let Some(pasts) = pasts {
                        pasts.pop_front();
                    }
                    self.order.pop_front();
                }
                None => {
                    self.order.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Side;

    const STREAM: Stream = Stream { flow: 1, side: Side::Client };

    #[test]
    fn the_same_bytes_get_the_same_decision() {
        let mut history = History::new();
        history.push(STREAM, 0, b"GET ", b"GET ", Label::Structural, Because(1));
        history.push(STREAM, 4, b"secret", b"qwerty", Label::Pseudonym, Because(2));
        let recalled = history.recall(STREAM, 2..8, b"T secr");
        let seen: Vec<_> = recalled.iter().map(|r| (r.at.clone(), &r.bytes[..])).collect();
        assert_eq!(seen, vec![(2..4, &b"T "[..]), (4..8, &b"qwer"[..])]);
    }

    #[test]
    fn a_blank_is_recalled_for_any_bytes() {
        let mut history = History::new();
        history.push(STREAM, 4, b"secret", b"xxxxxx", Label::Blanked, Because(2));
        history.push_blank(STREAM, 10..14);
        let recalled = history.recall(STREAM, 4..14, b"other!----");
        let seen: Vec<_> = recalled.iter().map(|r| (r.at.clone(), &r.bytes[..])).collect();
        assert_eq!(seen, vec![(4..10, &b"xxxxxx"[..]), (10..14, &b"\0\0\0\0"[..])]);
    }

    #[test]
    fn other_bytes_are_not_recalled() {
        let mut history = History::new();
        history.push(STREAM, 4, b"secret", b"qwerty", Label::Pseudonym, Because(2));
        assert!(history.recall(STREAM, 4..10, b"other!").is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut history = History::new();
        let bytes = vec![7; 64 << 10];
        for i in 0..1000u64 {
            history.push(STREAM, i * bytes.len() as u64, &bytes, &bytes, Label::Pseudonym, Because(2));
        }
        assert!(history.recall(STREAM, 0..10, &bytes[..10]).is_empty());
        let last = 999 * bytes.len() as u64;
        assert_eq!(history.recall(STREAM, last..last + 10, &bytes[..10]).len(), 1);
        assert!(history.order.len() <= limits::HISTORY_BYTES_MAX / bytes.len());
        assert_eq!(history.runs, history.order.len());
    }
}
