//! A frame's bytes as labelled pieces of its layers, and the state of its checksums.
//!
//! What is not understood is said, never skipped: pieces, the payload (of the transport, of a quoted one, of SCTP's chunks,
//! of a fragment) and `not_understood` together cover the frame, each byte once. Bytes in no piece are blanked by whoever masks.
//!
//! One file per layer. A layer's `walk` labels its header and says what comes `walker::Next`; the loop in
//! [`decode`] goes there. A new tunnel is one file and one match arm.

mod arcnet;
mod arp;
mod checksum;
mod cooked;
mod crc;
mod dccp;
mod dhcp;
mod dns;
mod esp;
mod ethernet;
mod fragment;
mod geneve;
mod gre;
mod gtp;
mod icmp;
mod icmpv6;
mod igmp;
mod ipv4;
mod ipv6;
mod l2tp;
mod macsec;
mod mpls;
mod ndp;
mod nflog;
mod nsh;
mod null;
mod pbb;
mod pktap;
mod ppp;
mod ring;
mod sctp;
mod sflow;
mod switch;
mod tcp;
mod teredo;
mod udp;
mod vxlan;
mod walker;
mod wlan;

use std::net::IpAddr;
use std::ops::Range;

use crate::limits;
pub use fragment::{DatagramId, Fragment, decode_datagram, unfragment};
pub use sctp::{Data, Sctp};
use walker::{Next, Walker};

/// Decodes one captured frame of link type `link` (tcpdump.org registry) into `layers`, which is cleared first.
///
/// `wire_len` is the frame's length on the wire; less than captured is taken as captured. Never panics.
pub fn decode(link: u32, frame: &[u8], wire_len: u32, layers: &mut Layers) {
    layers.clear();
    let mut walker = Walker::new(frame, wire_len, layers);
    let rest = walk(&mut walker, Next::Link(link));
    if let Some(at) = walker.behind_quote.take() {
        walker.enter(at);
        icmp::extension(&mut walker);
    }
    walker.finish(rest.is_some());
    if link == 1 && frame.len() == wire_len as usize {
        ethernet::check_sequence(frame, layers);
    }
}

/// Walks layer after layer from the cursor; what is left of them when there are too many.
fn walk(w: &mut Walker<'_>, first: Next) -> Option<Next> {
    (0..limits::LAYERS_MAX).try_fold(first, |here, _| step(w, here))
}

/// Walks the layer that stands at the cursor.
fn step(w: &mut Walker<'_>, here: Next) -> Option<Next> {
    match here {
        Next::Link(link) => link_layer(w, link),
        Next::EtherType(ethertype) => ethernet::payload(w, ethertype),
        Next::Llc => ethernet::llc(w),
        Next::Ip => match w.rest().first()? >> 4 {
            4 => ipv4::walk(w),
            6 => ipv6::walk(w),
            _ => w.stop("malformed"),
        },
        Next::Protocol(protocol) => ip_payload(w, protocol),
    }
}

/// Link types that we know, by the numbers of <https://www.tcpdump.org/linktypes.html>.
fn link_layer(w: &mut Walker<'_>, link: u32) -> Option<Next> {
    match link {
        1 => ethernet::walk(w),
        0 | 108 => null::walk(w),
        6 => ring::token_ring(w),
        7 => arcnet::bsd(w),
        9 | 50 => ppp::walk(w),
        10 => ring::fddi(w),
        104 => ppp::chdlc(w),
        12 | 14 | 101 | 228 | 229 => Some(Next::Ip),
        105 => wlan::walk(w),
        113 => cooked::v1(w),
        127 => wlan::radiotap(w),
        129 => arcnet::linux(w),
        192 => wlan::ppi(w),
        219 => Some(Next::EtherType(0x8847)),
        239 => nflog::walk(w),
        258 => pktap::walk(w),
        276 => cooked::v2(w),
        281 | 284 => switch::short(w),
        282 => switch::prepended(w),
        285 => switch::long(w),
        _ => w.stop("link type"),
    }
}

/// IP protocol numbers (IANA), IPv6 extension headers among them.
fn ip_payload(w: &mut Walker<'_>, protocol: u8) -> Option<Next> {
    match protocol {
        0 | 60 if w.is_ipv6() => ipv6::options(w),
        43 if w.is_ipv6() => ipv6::routing(w),
        44 if w.is_ipv6() => ipv6::fragment(w),
        58 if w.is_ipv6() => icmpv6::walk(w),
        1 => icmp::walk(w),
        2 => igmp::walk(w),
        4 | 41 => Some(Next::Ip),
        6 => tcp::walk(w),
        17 => udp::walk(w),
        33 => dccp::walk(w),
        47 => gre::walk(w),
        50 => esp::walk(w),
        51 => ipv6::authentication(w),
        115 => l2tp::over_ip(w),
        132 => sctp::walk(w),
        136 => udp::lite(w),
        137 => Some(Next::EtherType(0x8847)),
        145 => nsh::walk(w),
        46 => w.stop("rsvp"),
        59 => w.stop("no next header"),
        88 => w.stop("eigrp"),
        89 => w.stop("ospf"),
        103 => w.stop("pim"),
        112 => w.stop("vrrp"),
        _ => w.stop("ip protocol"),
    }
}

/// What [`decode`] found in one frame. Reused from packet to packet: no allocation on the hot path.
#[derive(Default)]
pub struct Layers {
    /// In order of offset, without overlap. What they leave out is in `not_understood`, or the payload of `transport`,
    /// `quote`, `sctp` or `fragment`.
    pub pieces: Vec<Piece>,
    /// Innermost first, so that outer ones are computed over finished inner ones.
    pub checksums: Vec<Checksum>,
    /// The innermost TCP or UDP header, when its payload can be attributed to a flow.
    pub transport: Option<Transport>,
    /// TCP segments that an ICMP error quotes, or that are sampled.
    pub quotes: Vec<Transport>,
    /// The innermost transport is SCTP: its user data. The payload of `transport` is empty then.
    pub sctp: Option<Sctp>,
    /// The innermost IP header is that of a fragment.
    pub fragment: Option<Fragment>,
    /// Short names of the layers, outermost first: "eth", "vlan", "ip", "tcp" …
    pub names: Vec<&'static str>,
    /// Bytes that no layer claimed and why (a bounded set of constants), in no order, without overlap.
    pub not_understood: Vec<(&'static str, Range<usize>)>,
}

impl Layers {
    /// Where payload stands that is decided with its flow or datagram: with the pieces and what is not understood, these
    /// ranges cover the frame. Some may be empty.
    pub fn payloads(&self) -> impl Iterator<Item = &Range<usize>> {
        let transports = self.transport.iter().chain(&self.quotes).map(|transport| &transport.payload);
        let data = self.sctp.iter().flat_map(|sctp| &sctp.data).map(|data| &data.payload);
        transports.chain(data).chain(self.fragment.iter().map(|fragment| &fragment.payload))
    }

    /// Forgets the frame, keeps the memory.
    fn clear(&mut self) {
        self.pieces.clear();
        self.checksums.clear();
        self.transport = None;
        self.quotes.clear();
        self.sctp = None;
        self.fragment = None;
        self.names.clear();
        self.not_understood.clear();
    }
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
    /// A reading of a host's clock (TCP timestamps; 4 bytes); 0 is none. The host's address stands at offset `host` of the frame.
    Clock {
        /// Offset of the address.
        host: u32,
        /// Length of the address.
        len: u8,
    },
    /// An IPv6 flow label (3 bytes, of which the high 4 bits are none of it); 0 is none.
    FlowLabel,
    /// A tunnel's key or identifier (3 or 4 bytes): it tells one customer or subscriber from another.
    TunnelId,
    /// A checksum field, described in [`Layers::checksums`].
    Checksum,
}

/// A checksum field of the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it is computed.
    pub algorithm: Algorithm,
    /// Offset of the field.
    pub at: usize,
    /// The captured bytes that it covers (checksum field included; taken as zero).
    pub covers: Range<usize>,
    /// The pseudo-header that counts too.
    pub pseudo: Option<Pseudo>,
    /// The state it was captured in, and stays in.
    pub state: ChecksumState,
    /// Zero means "none" (UDP over IPv4), so that a computed zero is sent as 0xffff.
    pub zero_is_none: bool,
}

/// How a checksum is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 1071: two bytes.
    Internet,
    /// RFC 9260: four bytes.
    Crc32c,
    /// IEEE 802.3: four bytes.
    Ethernet,
}

impl Algorithm {
    /// Bytes of the field.
    pub fn size(self) -> usize {
        match self {
            Algorithm::Internet => 2,
            Algorithm::Crc32c | Algorithm::Ethernet => 4,
        }
    }
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
    /// Upper-layer length as the headers state it; 0 when the captured sum leaves it out (segmentation offload).
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

/// The innermost TCP or UDP (DCCP, SCTP) header.
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
