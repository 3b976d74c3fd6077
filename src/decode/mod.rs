//! A frame's bytes as labelled pieces of its layers, and the state of its checksums.
//!
//! What is not understood is said, never skipped: bytes in no piece are blanked by whoever masks.

use std::net::IpAddr;
use std::ops::Range;

/// What [`decode`] found in one frame. Reused from packet to packet: no allocation on the hot path.
#[derive(Default)]
pub struct Layers {
    /// In order of offset, without overlap. What they leave out is not understood (or payload, see `transport`).
    pub pieces: Vec<Piece>,
    /// Innermost first, so that outer ones are computed over finished inner ones.
    pub checksums: Vec<Checksum>,
    /// The innermost TCP or UDP header, when its payload can be attributed to a flow.
    pub transport: Option<Transport>,
    /// Short names of the layers, outermost first: "eth", "vlan", "ip", "tcp" …
    pub names: Vec<&'static str>,
    /// Why decoding stopped before the frame's end, and the bytes that this concerns.
    pub not_understood: Vec<(&'static str, Range<usize>)>,
}

/// A labelled range of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First byte in the frame.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
    /// What stands there.
    pub what: What,
}

/// What a piece holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Lengths, types, flags, ports, sequence numbers: kept.
    Structural,
    /// A MAC address (6 bytes; group addresses derived from IP groups included).
    Mac,
    /// An IPv4 address (4 bytes).
    Ipv4,
    /// An IPv6 address (16 bytes).
    Ipv6,
    /// A checksum field, described in [`Layers::checksums`].
    Checksum,
}

/// An internet checksum (RFC 1071) field of the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Offset of the two bytes.
    pub at: usize,
    /// The bytes that it covers (checksum field included; taken as zero).
    pub covers: Range<usize>,
    /// The pseudo-header that counts too.
    pub pseudo: Option<Pseudo>,
    /// The state it was captured in, and stays in.
    pub state: ChecksumState,
    /// Zero means "none" (UDP over IPv4), so that a computed zero is sent as 0xffff.
    pub zero_is_none: bool,
}

/// Where the pseudo-header's parts stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pseudo {
    /// Source address bytes (4 or 16).
    pub src: Range<usize>,
    /// Destination address bytes (4 or 16).
    pub dst: Range<usize>,
    /// Protocol number.
    pub protocol: u8,
    /// Upper-layer length as the headers state it.
    pub length: u32,
}

/// How a checksum stood in the capture; masking keeps it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumState {
    /// Right: recomputed.
    Good,
    /// Wrong: recomputed, then made wrong again by a fixed amount.
    Bad,
    /// Zero, for "none" or "the card will do it": stays zero.
    Zero,
    /// Holds the pseudo-header's sum only (offload): holds the new pseudo-header's sum.
    PseudoOnly,
    /// Covered bytes are missing (snaplen, fragment): computed over what is there; cannot be checked.
    Cut,
}

/// The innermost TCP or UDP header.
#[derive(Clone, Debug)]
pub struct Transport {
    /// Source address and port.
    pub src: (IpAddr, u16),
    /// Destination address and port.
    pub dst: (IpAddr, u16),
    /// Its payload as captured.
    pub payload: Range<usize>,
    /// Payload length on the wire by the headers; more than captured when cut by the snaplen.
    pub wire_payload: u32,
    /// TCP's numbers; none for UDP.
    pub tcp: Option<Tcp>,
}

/// TCP's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Tcp {
    /// Sequence number of the first payload byte (of the SYN, when set).
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flag bits: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
    pub flags: u8,
}
