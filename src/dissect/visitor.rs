//! What the loop tells, and to whom.

use std::ops::Range;

use crate::capture::PacketId;
use crate::decode::Layers;
use crate::flow::{Datagram, Part, Span};
use crate::protocol::{Field, Mark, Side, Window};

/// A packet as the loop sees it.
pub struct Packet<'a> {
    /// Its position in the capture.
    pub id: PacketId,
    /// Nanoseconds since 1970.
    pub time_ns: i128,
    /// Link type.
    pub link: u32,
    /// The captured bytes, as they were.
    pub frame: &'a [u8],
    /// Length on the wire.
    pub wire_len: u32,
}

/// One direction of one flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    /// Counts flows in order of their first packet; never used again.
    pub flow: u64,
    /// Which direction.
    pub side: Side,
}

/// How a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides said that they were done, and all before was told: no more bytes can come.
    Finished,
    /// By a reset. The peer may not have heard of it yet.
    Reset,
}

/// What is done with what the loop finds. Every method may be left out.
///
/// For each packet: `packet`, perhaps a `datagram`, then what its payload decided (perhaps about earlier packets), then
/// `settled`.
pub trait Visitor {
    /// As [`crate::protocol::Sink::wants_values`].
    fn wants_values(&self) -> bool {
        true
    }
    /// A packet, before any of its payload's events.
    fn packet(&mut self, _packet: &Packet<'_>, _layers: &Layers) {}
    /// The fragments up to the current packet make a datagram, or what there is of one; its layers are those behind its
    /// header. Before any of its payload's events.
    fn datagram(&mut self, _datagram: &Datagram, _layers: &Layers) {}
    /// Bytes of a fragment that belong to no datagram.
    fn stray(&mut self, _what: &'static str, _part: &Part) {}
    /// A flow was seen for the first time, by the current packet.
    fn open(&mut self, _flow: u64, _layers: &Layers) {}
    /// The next bytes of a stream, in order, before the events that they cause.
    fn bytes(&mut self, _stream: Stream, _at: u64, _bytes: &[u8]) {}
    /// Grammar and constants.
    fn keep(&mut self, _stream: Stream, _at: Range<u64>, _spans: &[Span]) {}
    /// A value, standing at the stream ranges `at`. `spans` cover `field.raw` in order; copies follow behind.
    fn field(&mut self, _stream: Stream, _field: &Field<'_>, _at: &[Range<u64>], _spans: &[Span]) {}
    /// Bytes not understood.
    fn opaque(&mut self, _stream: Stream, _what: &'static str, _at: Range<u64>, _spans: &[Span]) {}
    /// A window of a compressed body.
    fn window(&mut self, _stream: Stream, _window: &Window<'_>, _at: &[Range<u64>], _spans: &[Span]) {}
    /// A message begins or ends; `packet` holds the byte that the mark speaks of.
    fn mark(&mut self, _stream: Stream, _mark: Mark<'_>, _time_ns: i128) {}
    /// A copy of stream bytes that were decided and released before.
    fn late(&mut self, _stream: Stream, _at: Range<u64>, _bytes: &[u8], _span: &Span) {}
    /// A bound of `limits.rs` was hit; the name says which.
    fn limit(&mut self, _name: &'static str) {}
    /// Both sides of a flow have come to their end. It stays known, for packets that come late.
    fn ended(&mut self, _flow: u64, _how: Ending) {}
    /// The capture is over: all flows that are still open are closed next, though nobody did.
    fn over(&mut self) {}
    /// The flow is forgotten (port reuse, limit, capture's end): nothing more is told of it.
    fn close(&mut self, _flow: u64) {}
    /// No later event can touch packets up to and including `last`: they may be written.
    fn settled(&mut self, _last: PacketId) {}
}
