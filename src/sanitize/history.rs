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
    /// Old and new bytes of decisions, overwritten in a circle.
    ring: Vec<u8>,
    head: u64,
}

/// A decided run of a stream.
struct Past {
    at: u64,
    len: u32,
    label: Label,
    because: Because,
    stored: Stored,
    /// Where in the circle the stored bytes stand.
    position: u64,
}

/// What is remembered of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// The old bytes, which are the new ones too.
    Same,
    /// The old bytes, and the new ones behind them.
    Both,
    /// The new bytes: a blank does not depend on what it covers.
    New,
    /// Nothing: zeros.
    Zeros,
}

impl Stored {
    fn of(label: Label) -> Stored {
        match label {
            Label::Structural | Label::Kept => Stored::Same,
            Label::Pseudonym | Label::Recomputed => Stored::Both,
            Label::Blanked => Stored::New,
        }
    }

    fn copies(self) -> u64 {
        match self {
            Stored::Zeros => 0,
            Stored::Same | Stored::New => 1,
            Stored::Both => 2,
        }
    }
}

/// A part of a late copy, and what is to stand there; none where it may not be known.
pub(super) struct Recalled {
    pub(super) at: Range<u64>,
    pub(super) label: Label,
    pub(super) because: Because,
    pub(super) bytes: Vec<u8>,
}

impl History {
    pub(super) fn new() -> Self {
        History {
            streams: HashMap::new(),
            order: VecDeque::new(),
            ring: vec![0; limits::HISTORY_BYTES_MAX],
            head: 0,
        }
    }

    /// Remembers a decision. `new` is not looked at where the label says that nothing changed.
    pub(super) fn push(&mut self, stream: Stream, at: u64, old: &[u8], new: &[u8], label: Label, because: Because) {
        if old.len() * 2 > self.ring.len() {
            return;
        }
        let past = Past { at, len: old.len() as u32, label, because, stored: Stored::of(label), position: self.head };
        self.forget(self.head + u64::from(past.len) * past.stored.copies());
        if past.stored != Stored::New {
            self.store(old);
        }
        if past.stored != Stored::Same {
            self.store(new);
        }
        let pasts = self.streams.entry(stream).or_default();
        if let Some(last) = pasts.back_mut()
            && past.label == Label::Structural
            && (last.label, last.because, last.at + u64::from(last.len)) == (label, because, at)
            && last.position + u64::from(last.len) == past.position
        {
            last.len += past.len;
            return;
        }
        pasts.push_back(past);
        self.order.push_back(stream);
    }

    /// Remembers that bytes were not understood: zeros stand there.
    pub(super) fn push_blank(&mut self, stream: Stream, at: Range<u64>) {
        let len = (at.end - at.start).min(u64::from(u32::MAX)) as u32;
        let (label, because) = (Label::Blanked, Because(0));
        let past = Past { at: at.start, len, label, because, stored: Stored::Zeros, position: self.head };
        self.forget(self.head);
        self.streams.entry(stream).or_default().push_back(past);
        self.order.push_back(stream);
    }

    /// The flow is over.
    pub(super) fn close(&mut self, stream: Stream) {
        self.streams.remove(&stream);
    }

    /// What was decided about these bytes of a stream. Bytes in no answer are not known, or were others.
    pub(super) fn recall(&self, stream: Stream, at: Range<u64>, bytes: &[u8]) -> Vec<Recalled> {
        let Some(pasts) = self.streams.get(&stream) else { return Vec::new() };
        let mut recalled = Vec::new();
        for past in pasts {
            let (from, to) = (past.at.max(at.start), (past.at + u64::from(past.len)).min(at.end));
            if from >= to {
                continue;
            }
            let now = &bytes[(from - at.start) as usize..(to - at.start) as usize];
            let skip = from - past.at;
            let first = past.position + skip;
            let bytes = match past.stored {
                Stored::Zeros => vec![0; now.len()],
                Stored::New => self.load(first, now.len()),
                Stored::Same | Stored::Both if self.load(first, now.len()) != now => continue,
                Stored::Same => now.to_vec(),
                Stored::Both => self.load(first + u64::from(past.len), now.len()),
            };
            recalled.push(Recalled { at: from..to, label: past.label, because: past.because, bytes });
        }
        recalled
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
            let Some(pasts) = self.streams.get_mut(stream) else {
                self.order.pop_front();
                continue;
            };
            match pasts.front() {
                Some(past) if past.position >= oldest && self.order.len() < limits::HISTORY_RUNS_MAX => return,
                _ => {
                    pasts.pop_front();
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
        history.push(STREAM, 0, b"GET ", b"", Label::Structural, Because(1));
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
    }
}
