//! Fragments of IP datagrams (RFC 791 §3.2, RFC 8200 §4.5), and the datagram as if it had never been cut.

use std::net::IpAddr;
use std::ops::Range;

use super::{ChecksumState, Layers, decode};

/// Link type of bare IP packets.
const RAW: u32 = 101;

/// A part of a datagram; its payload waits until the others are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Which datagram.
    pub datagram: DatagramId,
    /// The IP header in the frame, with IPv6 extension headers up to the fragment header, that one included.
    pub header: Range<usize>,
    /// The fragment's payload as captured.
    pub payload: Range<usize>,
    /// Where in the datagram's payload it belongs.
    pub at: u32,
    /// Its length on the wire; more than captured when cut by the snaplen.
    pub len: u32,
    /// Others follow.
    pub more: bool,
}

/// What the fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DatagramId {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// Protocol number of IPv4; 0 for IPv6, where it does not count.
    pub protocol: u8,
    /// Identification.
    pub id: u32,
}

/// Makes the header of a first fragment that of the whole datagram with `payload` bytes: with no length, if it is too
/// long for one.
pub fn unfragment(header: &mut [u8], payload: usize) {
    let len = header.len();
    let (length_at, fragment_at, counted) = match header.first() {
        Some(first) if first >> 4 == 6 => (4, len.saturating_sub(6), len.saturating_sub(40)),
        _ => (2, 6, len),
    };
    let length = u16::try_from(counted + payload).unwrap_or(0);
    for (at, value) in [(length_at, length), (fragment_at, 0)] {
        if let Some(field) = header.get_mut(at..at + 2) {
            field.copy_from_slice(&value.to_be_bytes());
        }
    }
}

/// Decodes what stands behind the first `header` bytes of a datagram: these are decoded with the packets that hold them.
///
/// From `whole_to` on bytes are missing: checksums over them cannot be verified.
pub fn decode_datagram(frame: &[u8], header: usize, whole_to: usize, layers: &mut Layers) {
    decode(RAW, frame, frame.len() as u32, layers);
    let start = header as u32;
    layers.pieces.retain_mut(|piece| {
        let end = piece.start + piece.len;
        piece.start = piece.start.max(start.min(end));
        piece.len = end - piece.start;
        piece.len > 0
    });
    layers.not_understood.retain_mut(|(_, at)| {
        at.start = at.start.max(header);
        at.start < at.end
    });
    layers.checksums.retain(|checksum| checksum.at >= header);
    for checksum in &mut layers.checksums {
        let verified = matches!(checksum.state, ChecksumState::Good | ChecksumState::Bad);
        if verified && (checksum.covers.end > whole_to || whole_to < frame.len() && checksum.covers.end == frame.len())
        {
            checksum.state = ChecksumState::Cut;
        }
    }
    layers.names.drain(..layers.names.len().min(1));
}
