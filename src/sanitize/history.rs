//! What was decided about stream bytes not long ago, so that a late copy gets the same decisions.
//!
//! Bounded over all streams: the oldest decisions go first, whoever made them.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::ledger::{Because, Label};
use crate::dissect::Stream;
use crate::limits;
use crate::protocol::Side;

/// Decisions by age, and where in which stream they were made.
pub(super) struct History {
    /// By age.
    pasts: VecDeque<Past>,
    /// The number of the first of them; each has the next one.
    oldest: u64,
    /// Numbers by place.
    places: BTreeMap<Place, u64>,
    /// Runs of all of them, by age.
    runs: VecDeque<Run>,
    /// Runs that were forgotten.
    runs_gone: u64,
    /// Old and new bytes of decisions, overwritten in a circle.
    ring: Vec<u8>,
    head: u64,
    /// The decisions made last, all of one stream and without a hole.
    fresh: Fresh,
}

/// Where in a stream decided bytes begin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    flow: u64,
    from_server: bool,
    at: u64,
}

impl Place {
    fn new(stream: Stream, at: u64) -> Place {
        Place { flow: stream.flow, from_server: stream.side == Side::Server, at }
    }
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
    place: Place,
    len: u64,
    /// Where in the circle the old bytes stand, the new ones behind them; none for bytes that were blanked unseen.
    position: Option<u64>,
    /// The circle's head when this was remembered.
    since: u64,
    /// Its runs, counted from the first that ever was.
    first_run: u64,
    runs: u32,
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
            pasts: VecDeque::with_capacity(limits::HISTORY_PIECES_MAX),
            oldest: 0,
            places: BTreeMap::new(),
            runs: VecDeque::with_capacity(limits::HISTORY_RUNS_MAX),
            runs_gone: 0,
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
        self.remember(Place::new(stream, at.start), len, None, self.head, &[run]);
    }

    /// The flow is over.
    pub(super) fn close(&mut self, stream: Stream) {
        if self.fresh.stream == Some(stream) {
            self.fresh = Fresh::default();
        }
        let whole = Place::new(stream, 0)..=Place::new(stream, u64::MAX);
        while let Some(place) = self.places.range(whole.clone()).next().map(|(place, _)| *place) {
            self.places.remove(&place);
        }
    }

    /// What was decided about these bytes of a stream. Bytes in no answer are not known, or were others.
    pub(super) fn recall(&mut self, stream: Stream, at: Range<u64>, bytes: &[u8]) -> Vec<Recalled> {
        self.settle();
        let mut recalled = Vec::new();
        // Each byte is decided once, so that of those that begin before only the last can reach so far.
        let before = Place::new(stream, 0)..Place::new(stream, at.start);
        let within = Place::new(stream, at.start)..Place::new(stream, at.end);
        for (_, number) in self.places.range(before).next_back().into_iter().chain(self.places.range(within)) {
            let index = number.checked_sub(self.oldest).and_then(|index| usize::try_from(index).ok());
            if let Some(past) = index.and_then(|index| self.pasts.get(index)) {
                self.recall_past(past, &at, bytes, &mut recalled);
            }
        }
        recalled
    }

    fn recall_past(&self, past: &Past, at: &Range<u64>, bytes: &[u8], recalled: &mut Vec<Recalled>) {
        let mut run_at = past.place.at;
        let first = (past.first_run - self.runs_gone) as usize;
        for run in self.runs.range(first..first + past.runs as usize) {
            let (from, to) = (run_at.max(at.start), (run_at + u64::from(run.len)).min(at.end));
            run_at += u64::from(run.len);
            if from >= to {
                continue;
            }
            let now = &bytes[(from - at.start) as usize..(to - at.start) as usize];
            let since = from - past.place.at;
            let bytes = match past.position {
                None => vec![0; now.len()],
                // A blank does not depend on what it covers.
                Some(position) if run.label == Label::Blanked || self.load(position + since, now.len()) == now => {
                    self.load(position + past.len + since, now.len())
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
            self.forget(self.head + 2 * fresh.old.len() as u64, fresh.runs.len());
            let position = self.head;
            self.store(&fresh.old);
            self.store(&fresh.new);
            let place = Place::new(stream, fresh.at);
            self.remember(place, fresh.old.len() as u64, Some(position), position, &fresh.runs);
        }
        fresh.old.clear();
        fresh.new.clear();
        fresh.runs.clear();
        self.fresh = fresh;
    }

    fn remember(&mut self, place: Place, len: u64, position: Option<u64>, since: u64, runs: &[Run]) {
        self.forget(self.head, runs.len());
        let first_run = self.runs_gone + self.runs.len() as u64;
        self.places.insert(place, self.oldest + self.pasts.len() as u64);
        self.pasts.push_back(Past { place, len, position, since, first_run, runs: runs.len() as u32 });
        self.runs.extend(runs);
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

    /// Lets go of decisions whose bytes are overwritten when the head comes to `head`, and of too many for
    /// another piece of so many runs.
    fn forget(&mut self, head: u64, runs: usize) {
        let overwritten = head.saturating_sub(self.ring.len() as u64);
        while let Some(past) = self.pasts.front() {
            let too_many =
                self.runs.len() + runs > limits::HISTORY_RUNS_MAX || self.pasts.len() >= limits::HISTORY_PIECES_MAX;
            if past.since >= overwritten && !too_many {
                return;
            }
            if self.places.get(&past.place) == Some(&self.oldest) {
                self.places.remove(&past.place);
            }
            self.runs.drain(..past.runs as usize);
            self.runs_gone += u64::from(past.runs);
            self.pasts.pop_front();
            self.oldest += 1;
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
        assert!(history.pasts.len() <= limits::HISTORY_BYTES_MAX / bytes.len());
        assert_eq!((history.runs.len(), history.places.len()), (history.pasts.len(), history.pasts.len()));
    }

    /// As many pieces as there may be, each of another stream: none of them is looked through for another's sake.
    #[test]
    fn many_streams_are_remembered_apart() {
        let mut history = History::new();
        let stream = |flow| Stream { flow, side: Side::Server };
        for flow in 0..2 * limits::HISTORY_PIECES_MAX as u64 {
            history.push(stream(flow), 5, b"old", b"new", Label::Pseudonym, Because(2));
        }
        assert!(history.recall(stream(1), 5..8, b"old").is_empty());
        let last = 2 * limits::HISTORY_PIECES_MAX as u64 - 1;
        assert_eq!(history.recall(stream(last), 4..8, b"?old").len(), 1);
        assert!(history.recall(stream(last), 8..10, b"??").is_empty());
        history.close(stream(last));
        assert!(history.recall(stream(last), 5..8, b"old").is_empty());
        assert_eq!(history.pasts.len(), limits::HISTORY_PIECES_MAX);
    }

    /// One stream cut into the smallest pieces: a copy finds its own without walking over the others.
    #[test]
    fn a_copy_is_found_among_many_pieces() {
        let mut history = History::new();
        for at in 0..20_000u64 {
            history.push_blank(STREAM, 2 * at..2 * at + 1);
        }
        let begun = std::time::Instant::now();
        for at in 0..20_000u64 {
            assert_eq!(history.recall(STREAM, 2 * at..2 * at + 2, b"??").len(), 1);
        }
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }
}
