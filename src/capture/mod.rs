//! A capture file or pipe as batches of whole records, and back, byte for byte.
//!
//! A *record* is the unit of the container: the pcap file header, a pcap packet, a pcapng block. Concatenating the
//! bytes of all records gives the (uncompressed) file. Masking edits records where they lie and never moves them.
//!
//! On the way in: `source` decompresses, `sniff` recognises, `reader` cuts into batches, `pcap` and `pcapng` know the
//! records, `metadata` the options and names in them, `time` their clocks. On the way out: `writer` appends, `convert`
//! says packets in the other format.

mod bytes;
mod convert;
mod error;
mod metadata;
mod pcap;
mod pcapng;
mod reader;
mod sniff;
mod source;
mod time;
mod writer;

use std::ops::Range;

pub use bytes::Endian;
pub use convert::{ConvertError, Converter, is_marked, mark_option};
pub use error::{CaptureError, Damage, Fault};
pub use reader::Reader;
pub use time::Resolution;
pub use writer::{Compression, Finished, Output, Writer, remove_unfinished};

/// Position of a packet in the capture, from 0 (Wireshark's frame number less one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub u64);

/// Whole records, in capture order, as one piece of memory.
#[derive(Default)]
pub struct Batch {
    /// The records' bytes, one after another.
    pub bytes: Vec<u8>,
    /// Where each record lies in `bytes`; together they cover it.
    pub records: Vec<Record>,
    /// What records say beside their framing and packet data; see [`Record::regions`].
    pub regions: Vec<Region>,
    /// How many interfaces are described before the first packet in it; none without a packet.
    pub described: Option<usize>,
}

/// One record of the container.
#[derive(Clone, Debug)]
pub struct Record {
    /// First byte in [`Batch::bytes`].
    pub start: usize,
    /// Length in bytes, framing included.
    pub len: usize,
    /// Set when the record is a packet.
    pub packet: Option<PacketRecord>,
    /// Indices into [`Batch::regions`]. Bytes of the record in no region and not packet data are framing (structural).
    pub regions: Range<usize>,
}

/// The packet in a record.
#[derive(Clone, Debug)]
pub struct PacketRecord {
    /// Link type as in the tcpdump.org registry (1 = Ethernet).
    pub link: u32,
    /// Interface number within the capture (counted over all sections).
    pub interface: u32,
    /// Nanoseconds since 1970 (negative before; resolution finer than 1 ns is truncated). 0 in a simple packet block,
    /// which has none.
    pub time_ns: i128,
    /// The captured frame bytes, relative to the record's start.
    pub data: Range<usize>,
    /// Length on the wire, bytes.
    pub wire_len: u32,
}

/// A part of a record that is neither framing nor packet data.
#[derive(Clone, Debug)]
pub struct Region {
    /// Relative to the record's start.
    pub at: Range<usize>,
    /// What stands there.
    pub what: Meta,
}

/// What a region holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// Free text: a comment, an interface name. The name says which ("comment", "if_name", …).
    Text(&'static str),
    /// A host name of name resolution.
    Host,
    /// An IPv4 address, 4 bytes.
    Ipv4,
    /// An IPv6 address, 16 bytes.
    Ipv6,
    /// A MAC address, 6 bytes.
    Mac,
    /// Anything else that is not framing: secrets, custom data, padding, unknown options and blocks. Blanked, unless a rule
    /// names it.
    Opaque(&'static str),
}

impl Meta {
    /// The path by which rules name it (`pcapng.if_name`, `pcapng.custom_block`); none for addresses, which have a setting,
    /// and padding, which is always blanked.
    pub fn path(self) -> Option<String> {
        match self {
            Meta::Opaque("padding") | Meta::Ipv4 | Meta::Ipv6 | Meta::Mac => None,
            Meta::Host => Some("pcapng.name_resolution".to_owned()),
            Meta::Text(what) | Meta::Opaque(what) => Some(format!("pcapng.{}", what.replace(' ', "_"))),
        }
    }
}

/// The container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A file header and packets.
    Pcap {
        /// Byte order of all headers.
        endian: Endian,
        /// Times are in nanoseconds, else in microseconds.
        nanos: bool,
        /// Alexey Kuznetsov's format, with 24-byte packet headers.
        modified: bool,
    },
    /// Blocks in sections.
    PcapNg,
}

/// Where packets were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Link type as in the tcpdump.org registry.
    pub link: u32,
    /// Most bytes captured of a packet; 0 for no limit.
    pub snaplen: u32,
    /// Unit of the packets' times.
    pub resolution: Resolution,
    /// Added to the packets' times.
    pub offset_seconds: i64,
}

/// What stands at the front of the bytes not yet framed.
enum Step {
    Record { len: usize, packet: Option<PacketRecord> },
    Incomplete,
    Damage(Fault),
}

impl Batch {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.regions.clear();
        self.described = None;
    }
}
