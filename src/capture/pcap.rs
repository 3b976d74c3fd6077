//! The pcap format: a file header, then packets (draft-ietf-opsawg-pcap, and two older habits).
//!
//! pcap-parser reads the file header. Record headers are read here: their lengths must be judged before there is a
//! whole record to hand to a parser, and files older than version 2.3 have the two lengths swapped, as libpcap knows.

use super::bytes::Endian;
use super::error::Fault;
use super::{Format, Interface, Meta, PacketRecord, Region, Resolution, Step};
use crate::limits::RECORD_BYTES_MAX;

/// Length of the file header.
pub(super) const HEADER_BYTES: usize = 24;
/// Alexey Kuznetsov's modified format, big-endian: the one magic that pcap-parser does not know.
const MODIFIED_BIG: [u8; 4] = [0xa1, 0xb2, 0xcd, 0x34];
const PLAIN_BIG: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// First bytes of a file, as written by either byte order: microseconds, nanoseconds, modified.
const MAGICS: &[[u8; 4]] = &[
    PLAIN_BIG,
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x4d, 0x3c, 0xb2, 0xa1],
    MODIFIED_BIG,
    [0x34, 0xcd, 0xb2, 0xa1],
];

/// Which of a record header's lengths is the captured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    WireFirst,
    /// Version 2.3 was written both ways: the captured length is the smaller one.
    SmallerIsCaptured,
}

/// Whether a pcap file begins so.
pub(super) fn is_magic(head: &[u8]) -> bool {
    MAGICS.iter().any(|magic| head.starts_with(magic))
}

/// A pcap file after its header.
#[derive(Debug)]
pub(super) struct Pcap {
    endian: Endian,
    nanos: bool,
    modified: bool,
    lengths: Lengths,
    pub(super) interface: Interface,
    header_read: bool,
}

impl Pcap {
    /// Reads the file header; `None` when these bytes are none.
    pub(super) fn open(head: &[u8]) -> Option<Pcap> {
        let mut head: [u8; HEADER_BYTES] = *head.first_chunk()?;
        let modified_big = head.starts_with(&MODIFIED_BIG);
        if modified_big {
            head[..4].copy_from_slice(&PLAIN_BIG);
        }
        let (_, header) = pcap_parser::parse_pcap_header(&head).ok()?;
        let nanos = header.is_nanosecond_precision();
        Some(Pcap {
            endian: if header.is_bigendian() { Endian::Big } else { Endian::Little },
            nanos,
            modified: modified_big || header.is_modified_format(),
            lengths: match (header.version_major, header.version_minor) {
                (2, 0..3) | (543, _) => Lengths::WireFirst,
                (2, 3) => Lengths::SmallerIsCaptured,
                _ => Lengths::CapturedFirst,
            },
            interface: Interface {
                // The upper half says how long the frame check sequence is.
                link: header.network.0 as u32 & 0xffff,
                snaplen: header.snaplen,
                resolution: Resolution::Decimal(if nanos { 9 } else { 6 }),
                offset_seconds: 0,
            },
            header_read: false,
        })
    }

    pub(super) fn format(&self) -> Format {
        Format::Pcap { endian: self.endian, nanos: self.nanos, modified: self.modified }
    }

    /// The record at the front of `bytes`.
    pub(super) fn step(&mut self, bytes: &[u8], regions: &mut Vec<Region>) -> Step {
        if !self.header_read {
            self.header_read = true;
            header_regions(bytes, regions);
            return Step::Record { len: HEADER_BYTES, packet: None };
        }
        self.packet(bytes, regions).unwrap_or(Step::Incomplete)
    }

    fn packet(&self, bytes: &[u8], regions: &mut Vec<Region>) -> Option<Step> {
        let header = bytes.first_chunk::<16>()?;
        let seconds = self.endian.u32(header, 0)?;
        let fraction = self.endian.u32(header, 4)?;
        let (caplen, wire_len) = self.lengths(self.endian.u32(header, 8)?, self.endian.u32(header, 12)?);
        if caplen as usize > RECORD_BYTES_MAX {
            return Some(Step::Damage(Fault::TooLong));
        }
        let start = if self.modified { 24 } else { 16 };
        let data = start..start + caplen as usize;
        if bytes.len() < data.end {
            return None;
        }
        if self.modified {
            // Interface index, protocol, packet type; then one byte that nobody sets.
            regions.push(Region { at: 23..24, what: Meta::Opaque("padding") });
        }
        let nanos = if self.nanos { i128::from(fraction) } else { i128::from(fraction) * 1_000 };
        let packet = PacketRecord {
            link: self.interface.link,
            interface: 0,
            time_ns: i128::from(seconds) * NANOS_PER_SECOND + nanos,
            wire_len,
            data: data.clone(),
        };
        Some(Step::Record { len: data.end, packet: Some(packet) })
    }

    /// (captured, on the wire)
    fn lengths(&self, first: u32, second: u32) -> (u32, u32) {
        match self.lengths {
            Lengths::CapturedFirst => (first, second),
            Lengths::WireFirst => (second, first),
            Lengths::SmallerIsCaptured => (first.min(second), first.max(second)),
        }
    }
}

/// Fields of the file header that readers do not need: the time zone and the accuracy of time stamps, zero in most files.
fn header_regions(header: &[u8], regions: &mut Vec<Region>) {
    for (at, name) in [(8..12, "time zone"), (12..16, "time accuracy")] {
        if header.get(at.clone()).is_some_and(|bytes| bytes.iter().any(|&byte| byte != 0)) {
            regions.push(Region { at, what: Meta::Opaque(name) });
        }
    }
}
