//! Packets as ordered byte streams, with the way back from stream offset to packet bytes.
//!
//! [`Table`] finds the flow of a packet, [`Order`] puts the segments of one direction in order, [`Cover`] remembers
//! which packet bytes hold which stream bytes until all of them are decided. Before that, [`Fragments`] become the
//! datagrams that they were.

use std::net::IpAddr;

mod cover;
mod datagram;
mod order;
mod table;

pub use cover::{Cover, Span};
pub use datagram::{Datagram, Fragments, Gathered, Part};
pub use order::{Arrival, Order, Segment};
pub use table::{Slot, Table};

/// Both ends of a flow, the lesser first, so that both directions have one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    low: (IpAddr, u16),
    high: (IpAddr, u16),
    lane: u32,
}

impl FlowKey {
    /// The key of one of several flows between the same ends.
    pub fn lane(self, lane: u32) -> FlowKey {
        FlowKey { lane, ..self }
    }

    /// The key, and whether `src` is the lesser end.
    pub fn new(src: (IpAddr, u16), dst: (IpAddr, u16)) -> (FlowKey, bool) {
        let forward = src <= dst;
        let (low, high) = if forward { (src, dst) } else { (dst, src) };
        (FlowKey { low, high, lane: 0 }, forward)
    }
}
