//! One direction's segments in order of their sequence numbers (RFC 9293 §3.4).

use std::ops::Range;

use crate::capture::PacketId;
use crate::limits;

/// Payload of one packet, placed in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Stream offset of the first byte.
    pub at: u64,
    /// The payload.
    pub bytes: Vec<u8>,
    /// Bytes behind `bytes` that the packet had and the capture has not (snaplen).
    pub missing: u32,
    /// The packet that holds it.
    pub packet: PacketId,
    /// Where in its frame the payload begins.
    pub frame_at: u32,
}

/// What a payload is to the stream; ranges are indices into the payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// Stream offset of the payload's first byte; none if it lies before the stream's known beginning.
    pub at: Option<u64>,
    /// Bytes that have been seen before (a retransmission, a keep-alive probe).
    pub old: Range<usize>,
    /// Bytes that come next.
    pub new: Range<usize>,
    /// Bytes that must wait for others before them.
    pub early: Range<usize>,
}

/// The order of one direction.
#[derive(Default)]
pub struct Order {
    /// Sequence number of stream offset 0.
    base: Option<u32>,
    /// Stream offset that comes next.
    next: u64,
    /// Stream offset behind the last byte, by a FIN.
    end: Option<u64>,
    /// Segments that came early, by offset.
    early: Vec<Segment>,
    early_bytes: usize,
}

impl Order {
    /// Stream offset that comes next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Has everything up to the FIN been passed on?
    pub fn ended(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }

    /// Takes note of a SYN. False if the stream had begun elsewhere: then the ports are used anew.
    pub fn syn(&mut self, seq: u32) -> bool {
        let base = seq.wrapping_add(1);
        match self.base {
            None => {
                self.base = Some(base);
                true
            }
            Some(old) => old == base,
        }
    }

    /// Does the stream's first byte follow a SYN with this sequence number?
    pub fn begins_behind(&self, syn: u32) -> bool {
        self.base == Some(syn.wrapping_add(1))
    }

    /// Has any sequence number been seen?
    pub fn begun(&self) -> bool {
        self.base.is_some()
    }

    /// Takes note of the first sequence number seen, when there was no SYN.
    pub fn begin(&mut self, seq: u32) {
        self.base.get_or_insert(seq);
    }

    /// Takes note of a FIN at this sequence number (that of the byte behind the payload).
    pub fn fin(&mut self, seq: u32) {
        if let Some(at) = self.offset(seq) {
            self.end.get_or_insert(at);
        }
    }

    /// Says what a payload is; nothing is stored.
    pub fn place(&self, seq: u32, len: usize) -> Arrival {
        let Some(at) = self.offset(seq) else { return Arrival::default() };
        let until = at + len as u64;
        if at > self.next {
            return Arrival { at: Some(at), old: 0..0, new: 0..0, early: 0..len };
        }
        let old = (self.next.min(until) - at) as usize;
        Arrival { at: Some(at), old: 0..old, new: old..len, early: len..len }
    }

    /// The stream went on by `n` bytes.
    pub fn advance(&mut self, n: u64) {
        self.next += n;
    }

    /// Keeps a segment that came early. Bytes already kept from another packet stay twice: each packet needs a decision.
    pub fn keep(&mut self, segment: Segment) {
        self.early_bytes += segment.bytes.len();
        let index = self.early.partition_point(|other| other.at <= segment.at);
        self.early.insert(index, segment);
    }

    /// A kept segment whose turn has come (it begins at or before `next`).
    pub fn due(&mut self) -> Option<Segment> {
        if self.early.first()?.at > self.next {
            return None;
        }
        let segment = self.early.remove(0);
        self.early_bytes -= segment.bytes.len();
        Some(segment)
    }

    /// Bytes missing before the first kept segment, if any is kept.
    pub fn gap(&self) -> Option<u64> {
        Some(self.early.first()?.at.saturating_sub(self.next))
    }

    /// Bytes of the kept segments.
    pub fn early_bytes(&self) -> usize {
        self.early_bytes
    }

    /// Is more kept than may be?
    pub fn overfull(&self) -> bool {
        self.early_bytes > limits::OUT_OF_ORDER_BYTES_MAX || self.early.len() > limits::OUT_OF_ORDER_SEGMENTS_MAX
    }

    /// The stream offset of a sequence number, near to `next`; none before the beginning.
    fn offset(&self, seq: u32) -> Option<u64> {
        let expected = self.base?.wrapping_add(self.next as u32);
        let distance = seq.wrapping_sub(expected) as i32;
        self.next.checked_add_signed(i64::from(distance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(seq: u32) -> Order {
        let mut order = Order::default();
        assert!(order.syn(seq.wrapping_sub(1)));
        order
    }

    #[test]
    fn in_order_old_and_early() {
        let mut order = begun(1000);
        assert_eq!(order.place(1000, 10).new, 0..10);
        order.advance(10);
        let again = order.place(1005, 10);
        assert_eq!((again.at, again.old, again.new), (Some(5), 0..5, 5..10));
        assert_eq!(order.place(1020, 4).early, 0..4);
        assert_eq!(order.place(1009, 1).old, 0..1, "a keep-alive probe");
        assert_eq!(order.place(999, 1).at, None, "before the beginning");
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut order = begun(u32::MAX - 3);
        order.advance(8);
        let arrival = order.place(4, 6);
        assert_eq!((arrival.at, arrival.new), (Some(8), 0..6));
    }

    #[test]
    fn kept_segments_come_when_due() {
        let mut order = begun(0);
        for at in [20u64, 10] {
            order.keep(Segment { at, bytes: vec![0; 10], missing: 0, packet: PacketId(at), frame_at: 54 });
        }
        assert!(order.due().is_none());
        assert_eq!(order.gap(), Some(10));
        order.advance(10);
        assert_eq!(order.due().map(|s| s.at), Some(10));
        assert!(order.due().is_none(), "the stream has not gone on yet");
        order.advance(10);
        assert_eq!(order.due().map(|s| s.at), Some(20));
    }

    #[test]
    fn fin_ends_behind_its_payload() {
        let mut order = begun(100);
        order.fin(105);
        assert!(!order.ended());
        order.advance(5);
        assert!(order.ended());
    }
}
