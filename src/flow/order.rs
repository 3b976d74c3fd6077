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
    early: Vec<Early>,
    early_bytes: usize,
    /// The receiver's latest acknowledgement, and how many there were.
    acked: (u32, u32),
}

struct Early {
    segment: Segment,
    /// When it arrived: what came next, and how many acknowledgements there had been.
    since: (u64, u32),
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

    /// Takes note of what the receiver says that it expects next.
    pub fn acknowledged(&mut self, ack: u32) {
        self.acked = (ack, self.acked.1.wrapping_add(1));
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
        let index = self.early.partition_point(|other| other.segment.at <= segment.at);
        self.early.insert(index, Early { segment, since: (self.next, self.acked.1) });
    }

    /// A kept segment whose turn has come (it begins at or before `next`).
    pub fn due(&mut self) -> Option<Segment> {
        (self.gap()? == 0).then(|| self.take_first())
    }

    /// The first kept segment, if it is none of the stream: it is farther ahead than any window, and since it came the stream
    /// went on without it, or the receiver acknowledged less.
    pub fn stranger(&mut self) -> Option<Segment> {
        let Early { segment, since } = self.early.first()?;
        let far = segment.at - self.next.min(segment.at) > limits::WINDOW_AHEAD_MAX;
        let acknowledged = self.offset(self.acked.0).is_some_and(|acked| acked > segment.at);
        let passed = self.next > since.0 || self.acked.1 != since.1;
        (far && passed && !acknowledged).then(|| self.take_first())
    }

    fn take_first(&mut self) -> Segment {
        let Early { segment, .. } = self.early.remove(0);
        self.early_bytes -= segment.bytes.len();
        segment
    }

    /// Bytes missing before the first kept segment, if any is kept.
    pub fn gap(&self) -> Option<u64> {
        Some(self.early.first()?.segment.at.saturating_sub(self.next))
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
    fn a_segment_far_ahead_of_a_stream_that_goes_on_is_none_of_it() {
        let far = limits::WINDOW_AHEAD_MAX + 100;
        let segment = |at| Segment { at, bytes: vec![0; 10], missing: 0, packet: PacketId(at), frame_at: 54 };
        let kept = |at| {
            let mut order = begun(0);
            order.acknowledged(0);
            order.keep(segment(at));
            order
        };
        assert_eq!(kept(far).stranger(), None, "it may be what follows a long loss");
        let mut order = kept(far);
        order.advance(10);
        assert_eq!(order.stranger(), Some(segment(far)));
        assert_eq!(order.gap(), None);
        let mut order = kept(far);
        order.acknowledged(10);
        assert_eq!(order.stranger(), Some(segment(far)), "the receiver waits for something else");
        let mut order = kept(far);
        order.acknowledged(far as u32 + 10);
        assert_eq!(order.stranger(), None, "the receiver has it");
        let mut order = kept(limits::WINDOW_AHEAD_MAX);
        order.advance(10);
        assert_eq!(order.stranger(), None, "within a window");
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
