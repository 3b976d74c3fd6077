//! What an input is, by its first bytes; said in words, never in bytes.

use super::error::CaptureError;
use super::pcap::{self, Pcap};
use super::pcapng::{self, PcapNg};
use super::{Format, Interface, Region, Step};

/// Bytes that every known format can be told by.
const MAGIC_BYTES: usize = 4;

/// First bytes of what people try instead of a capture, and what to do about it.
const OTHERS: &[(&[u8], &str)] = &[
    (b"snoo", "a snoop file; `editcap -F pcapng` converts it"),
    (b"btsn", "a Bluetooth snoop file; `editcap -F pcapng` converts it"),
    (b"iptr", "an AIX iptrace file; `editcap -F pcapng` converts it"),
    (b"GMBU", "a Microsoft Network Monitor file; `editcap -F pcapng` converts it"),
    (b"RTSS", "a Microsoft Network Monitor file; `editcap -F pcapng` converts it"),
    (b"\xa1\xb2\x34\xcd", "a rare variant of pcap; `editcap -F pcap` converts it"),
    (b"\xcd\x34\xb2\xa1", "a rare variant of pcap; `editcap -F pcap` converts it"),
    (b"\xa1\x2b\x3c\x4d", "a rare variant of pcap; `editcap -F pcap` converts it"),
    (b"\x4d\x3c\x2b\xa1", "a rare variant of pcap; `editcap -F pcap` converts it"),
    (b"\x1f\x8b", "gzip data inside compressed data; decompress it once first"),
    (b"\x28\xb5\x2f\xfd", "zstd data inside compressed data; decompress it once first"),
    (b"\xfd7zX", "an xz file; decompress it first (gzip and zstd are read as they are)"),
    (b"BZh", "a bzip2 file; decompress it first (gzip and zstd are read as they are)"),
    (b"\x04\x22\x4d\x18", "an lz4 file; decompress it first (gzip and zstd are read as they are)"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"{", "a JSON text"),
    (b"[", "a JSON text"),
    (b"<", "an XML or HTML text"),
    (b"\x7fELF", "a program"),
];
const UNKNOWN: &str = "no format that is known here";

/// The grammar of a capture's records.
#[derive(Debug)]
pub(super) enum Container {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl Container {
    /// What `head` begins; none while it is too short to tell.
    pub(super) fn recognise(head: &[u8]) -> Result<Option<Container>, CaptureError> {
        if head.len() < MAGIC_BYTES {
            return Ok(None);
        }
        if pcapng::is_section_header(head) {
            return Ok(Some(Container::PcapNg(PcapNg::default())));
        }
        if !pcap::is_magic(head) {
            let other = OTHERS.iter().find(|(magic, _)| head.starts_with(magic));
            return Err(CaptureError::NotACapture(other.map_or(UNKNOWN, |(_, name)| name)));
        }
        Ok(Pcap::open(head).map(Container::Pcap))
    }

    pub(super) fn step(&mut self, bytes: &[u8], regions: &mut Vec<Region>) -> Step {
        match self {
            Container::Pcap(pcap) => pcap.step(bytes, regions),
            Container::PcapNg(pcapng) => pcapng.step(bytes, regions),
        }
    }

    pub(super) fn format(&self) -> Format {
        match self {
            Container::Pcap(pcap) => pcap.format(),
            Container::PcapNg(_) => Format::PcapNg,
        }
    }

    pub(super) fn interfaces(&self) -> &[Interface] {
        match self {
            Container::Pcap(pcap) => std::slice::from_ref(&pcap.interface),
            Container::PcapNg(pcapng) => &pcapng.interfaces,
        }
    }
}
