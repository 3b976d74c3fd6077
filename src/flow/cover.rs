//! Which packet bytes hold which bytes of a stream, until they are decided.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use crate::capture::PacketId;

/// Bytes of a packet that hold bytes of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The packet.
    pub packet: PacketId,
    /// The bytes, in the frame.
    pub at: Range<u32>,
    /// How far into the asked ranges, put one behind another, these bytes begin.
    pub offset: u32,
    /// A retransmission of bytes that another span holds; what stands there may differ.
    pub copy: bool,
}

/// The undecided part of one direction of a flow, and the packets that hold it.
#[derive(Default)]
pub struct Cover {
    /// By stream offset; a copy stands behind its original.
    held: VecDeque<Held>,
    /// Everything before is decided.
    decided_to: u64,
    /// Decided ranges behind `decided_to`, not touching: where each begins, and its end. There may be tens of thousands: the
    /// framing of tiny pieces is decided before what they hold.
    islands: BTreeMap<u64, u64>,
    longest: u64,
    /// Copies among those held.
    copies: usize,
}

#[derive(Clone, Debug)]
struct Held {
    at: u64,
    len: u32,
    packet: PacketId,
    frame_at: u32,
    copy: bool,
}

impl Held {
    fn end(&self) -> u64 {
        self.at + u64::from(self.len)
    }
}

impl Cover {
    /// Stream bytes before this offset are decided.
    pub fn decided_to(&self) -> u64 {
        self.decided_to
    }

    /// New bytes of the stream, held by a packet at `frame_at`.
    pub fn add(&mut self, at: u64, len: u32, packet: PacketId, frame_at: u32, copy: bool) {
        if len == 0 {
            return;
        }
        self.longest = self.longest.max(u64::from(len));
        self.copies += usize::from(copy);
        let held = Held { at, len, packet, frame_at, copy };
        match self.held.back() {
            Some(last) if last.at > at => {
                let index = self.held.partition_point(|other| other.at <= at);
                self.held.insert(index, held);
            }
            _ => self.held.push_back(held),
        }
    }

    /// `n` bytes behind `at` are not in the capture: nothing waits for them.
    pub fn skip(&mut self, at: u64, n: u64) {
        self.mark(at..at + n);
    }

    /// Appends the spans of the stream ranges `at`: those that cover them, in order, then copies.
    pub fn spans(&self, at: &[Range<u64>], spans: &mut Vec<Span>) {
        for copy in [false, true] {
            if copy && self.copies == 0 {
                return;
            }
            let mut offset = 0;
            for range in at {
                for held in self.overlapping(range).filter(|held| held.copy == copy) {
                    let (from, to) = (held.at.max(range.start), held.end().min(range.end));
                    let start = held.frame_at + (from - held.at) as u32;
                    spans.push(Span {
                        packet: held.packet,
                        at: start..start + (to - from) as u32,
                        offset: (offset + (from - range.start)) as u32,
                        copy,
                    });
                }
                offset += range.end - range.start;
            }
        }
    }

    /// The packet whose bytes were the first to hold this offset, if it is undecided.
    pub fn packet_at(&self, at: u64) -> Option<PacketId> {
        self.overlapping(&(at..at + 1)).find(|held| !held.copy).map(|held| held.packet)
    }

    /// Marks a range as decided and tells for each packet how many of its bytes that settles.
    pub fn decide(&mut self, at: Range<u64>, mut settle: impl FnMut(PacketId, u32)) {
        if self.islands.is_empty() {
            let part = at.start.max(self.decided_to)..at.end;
            if !part.is_empty() {
                self.decide_part(part, &mut settle);
            }
            return;
        }
        for part in self.undecided(at) {
            self.decide_part(part, &mut settle);
        }
    }

    fn decide_part(&mut self, part: Range<u64>, settle: &mut impl FnMut(PacketId, u32)) {
        for held in self.overlapping(&part) {
            let (from, to) = (held.at.max(part.start), held.end().min(part.end));
            settle(held.packet, (to - from) as u32);
        }
        self.mark(part);
    }

    /// The parts of a range that are not decided, in order.
    pub fn undecided(&self, at: Range<u64>) -> Vec<Range<u64>> {
        let mut from = at.start.max(self.decided_to);
        let mut parts = Vec::new();
        let reaches = self.islands.range(..from).next_back().filter(|(_, end)| **end > from);
        from = reaches.map_or(from, |(_, end)| *end);
        if from < at.end {
            for (start, end) in self.islands.range(from..at.end) {
                if *start > from {
                    parts.push(from..*start);
                }
                from = *end;
            }
        }
        if from < at.end {
            parts.push(from..at.end);
        }
        parts
    }

    fn overlapping(&self, range: &Range<u64>) -> impl Iterator<Item = &Held> {
        let (start, end) = (range.start, range.end);
        let first = match self.held.front() {
            Some(front) if front.at + self.longest > start => 0,
            _ => self.held.partition_point(|held| held.at + self.longest <= start),
        };
        self.held.range(first..).take_while(move |held| held.at < end).filter(move |held| held.end() > start)
    }

    /// Notes a range as decided that lies outside all islands.
    fn mark(&mut self, part: Range<u64>) {
        if part.start > self.decided_to {
            self.mark_island(part);
            return;
        }
        self.decided_to = self.decided_to.max(part.end);
        while let Some(island) = self.islands.first_entry().filter(|island| *island.key() <= self.decided_to) {
            self.decided_to = self.decided_to.max(island.remove());
        }
        while let Some(held) = self.held.front().filter(|held| held.end() <= self.decided_to) {
            self.copies -= usize::from(held.copy);
            self.held.pop_front();
        }
    }

    /// Adds an island, joined to those that it touches.
    fn mark_island(&mut self, mut part: Range<u64>) {
        if let Some(end) = self.islands.remove(&part.end) {
            part.end = end;
        }
        match self.islands.range_mut(..part.start).next_back().filter(|(_, end)| **end == part.start) {
            Some((_, end)) => *end = part.end,
            None => {
                self.islands.insert(part.start, part.end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(cover: &mut Cover, at: Range<u64>) -> Vec<(u64, u32)> {
        let mut told = Vec::new();
        cover.decide(at, |packet, n| told.push((packet.0, n)));
        told
    }

    #[test]
    fn spans_cross_packets_and_name_copies() {
        let mut cover = Cover::default();
        cover.add(0, 10, PacketId(1), 54, false);
        cover.add(10, 10, PacketId(2), 66, false);
        cover.add(5, 10, PacketId(3), 54, true);
        let mut spans = Vec::new();
        cover.spans(std::slice::from_ref(&(8..12)), &mut spans);
        let seen: Vec<_> = spans.iter().map(|s| (s.packet.0, s.at.clone(), s.offset, s.copy)).collect();
        assert_eq!(seen, vec![(1, 62..64, 0, false), (2, 66..68, 2, false), (3, 57..61, 0, true)]);
    }

    #[test]
    fn decisions_out_of_order_settle_each_byte_once() {
        let mut cover = Cover::default();
        cover.add(0, 10, PacketId(1), 54, false);
        cover.add(10, 10, PacketId(2), 54, false);
        assert_eq!(decided(&mut cover, 12..15), vec![(2, 3)]);
        assert_eq!(decided(&mut cover, 5..18), vec![(1, 5), (2, 2), (2, 3)]);
        assert_eq!(cover.decided_to(), 0);
        assert_eq!(decided(&mut cover, 0..5), vec![(1, 5)]);
        assert_eq!(cover.decided_to(), 18);
        assert_eq!(decided(&mut cover, 0..20), vec![(2, 2)]);
        assert!(cover.held.is_empty());
    }

    /// Framing first, then what stands between, as tiny pieces come: islands that touch are one, and none is left.
    #[test]
    fn islands_are_joined_as_they_grow() {
        let mut cover = Cover::default();
        cover.add(0, 1000, PacketId(1), 54, false);
        for at in (10..1000).step_by(10) {
            assert_eq!(decided(&mut cover, at..at + 4), vec![(1, 4)]);
        }
        assert_eq!(cover.islands.len(), 99);
        assert_eq!(cover.undecided(12..30), vec![14..20, 24..30]);
        for at in (500..990).step_by(10) {
            assert_eq!(decided(&mut cover, at + 4..at + 10), vec![(1, 6)]);
        }
        assert_eq!(cover.islands.len(), 50);
        assert_eq!(cover.islands.last_key_value(), Some((&500, &994)));
        assert_eq!(decided(&mut cover, 0..1000).iter().map(|(_, n)| n).sum::<u32>(), 1000 - 99 * 4 - 49 * 6);
        assert!(cover.islands.is_empty() && cover.held.is_empty());
    }

    #[test]
    fn several_ranges_count_their_offset_on() {
        let mut cover = Cover::default();
        cover.add(0, 30, PacketId(7), 100, false);
        let mut spans = Vec::new();
        cover.spans(&[2..4, 20..23], &mut spans);
        let seen: Vec<_> = spans.iter().map(|s| (s.at.clone(), s.offset)).collect();
        assert_eq!(seen, vec![(102..104, 0), (120..123, 2)]);
    }
}
