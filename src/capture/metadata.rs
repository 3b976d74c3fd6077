//! What pcapng blocks say beside their packets: options, names, secrets, padding, each as a region of the record.
//!
//! Every byte that is not known to be framing gets a region: masking blanks what it cannot change meaningfully.

use std::ops::Range;

use pcap_parser::pcapng::{PcapNGOption, parse_option_be, parse_option_le};
use pcap_parser::{CB_MAGIC, DCB_MAGIC, DSB_MAGIC, ISB_MAGIC, NRB_MAGIC, PcapError, SJE_MAGIC, nom};

use super::bytes::{Endian, padded};
use super::{Meta, Region};

/// How an option's value is laid out.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Text(&'static str),
    Host,
    Opaque(&'static str),
    /// A capture filter: a kind (0 for text), then text or program.
    Filter,
    /// A number of exactly so many bytes that tells nothing about anyone.
    Number(usize),
    /// An address of `address` bytes, then a mask or prefix length up to `len` bytes.
    Address {
        what: Meta,
        address: usize,
        len: usize,
    },
}

/// An option that a block type knows: its code and layout.
pub(super) struct Known(u16, Value);

/// Code 1 is a comment everywhere.
const COMMENT: Known = Known(1, Value::Text("comment"));

const SECTION_HEADER: &[Known] =
    &[COMMENT, Known(2, Value::Text("hardware")), Known(3, Value::Text("os")), Known(4, Value::Text("userappl"))];

const INTERFACE_DESCRIPTION: &[Known] = &[
    COMMENT,
    Known(2, Value::Text("if_name")),
    Known(3, Value::Text("if_description")),
    Known(4, Value::Address { what: Meta::Ipv4, address: 4, len: 8 }),
    Known(5, Value::Address { what: Meta::Ipv6, address: 16, len: 17 }),
    Known(6, Value::Address { what: Meta::Mac, address: 6, len: 6 }),
    Known(7, Value::Opaque("eui address")),
    Known(8, Value::Number(8)), // if_speed
    Known(IF_TSRESOL, Value::Number(1)),
    Known(10, Value::Opaque("time zone")),
    Known(11, Value::Filter),
    Known(12, Value::Text("if_os")),
    Known(13, Value::Number(1)), // if_fcslen
    Known(IF_TSOFFSET, Value::Number(8)),
    Known(15, Value::Text("if_hardware")),
    Known(16, Value::Number(8)), // if_txspeed
    Known(17, Value::Number(8)), // if_rxspeed
    Known(18, Value::Text("if_iana_tzname")),
];
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// Options of an enhanced packet block.
pub(super) const ENHANCED_PACKET: &[Known] = &[
    COMMENT,
    Known(2, Value::Number(4)), // epb_flags
    Known(3, Value::Opaque("hash")),
    Known(4, Value::Number(8)), // epb_dropcount
    Known(5, Value::Opaque("packet id")),
    Known(6, Value::Opaque("queue")),
    Known(7, Value::Opaque("verdict")),
];

/// Options of the obsolete packet block.
pub(super) const OBSOLETE_PACKET: &[Known] = &[COMMENT, Known(2, Value::Number(4)), Known(3, Value::Opaque("hash"))];

/// Start and end time, then five counts.
const INTERFACE_STATISTICS: &[Known] = &[
    COMMENT,
    Known(2, Value::Number(8)),
    Known(3, Value::Number(8)),
    Known(4, Value::Number(8)),
    Known(5, Value::Number(8)),
    Known(6, Value::Number(8)),
    Known(7, Value::Number(8)),
    Known(8, Value::Number(8)),
];

/// The resolver's own name and addresses.
const NAME_RESOLUTION: &[Known] = &[
    COMMENT,
    Known(2, Value::Host),
    Known(3, Value::Address { what: Meta::Ipv4, address: 4, len: 4 }),
    Known(4, Value::Address { what: Meta::Ipv6, address: 16, len: 16 }),
];

/// Collects the regions of one block.
pub(super) struct Regions<'a> {
    endian: Endian,
    /// The block without its last length field: offsets into it are offsets into the record.
    body: &'a [u8],
    found: &'a mut Vec<Region>,
}

impl<'a> Regions<'a> {
    pub(super) fn new(endian: Endian, body: &'a [u8], found: &'a mut Vec<Region>) -> Self {
        Regions { endian, body, found }
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.body
    }

    fn push(&mut self, at: Range<usize>, what: Meta) {
        let at = at.start..at.end.min(self.body.len());
        if at.start < at.end {
            self.found.push(Region { at, what });
        }
    }

    /// From `at` to the end of the block.
    fn rest(&mut self, at: usize, what: &'static str) {
        self.push(at..self.body.len(), Meta::Opaque(what));
    }

    /// The padding behind a value that ends at `end` in something that began on a 32-bit boundary of the block.
    fn padding(&mut self, end: usize) -> usize {
        self.push(end..padded(end), Meta::Opaque("padding"));
        padded(end)
    }
}

pub(super) fn section_header(regions: &mut Regions<'_>) {
    options(SECTION_OPTIONS, SECTION_HEADER, regions);
}

pub(super) fn interface_description(regions: &mut Regions<'_>) {
    regions.push(10..12, Meta::Opaque("reserved"));
    options(INTERFACE_OPTIONS, INTERFACE_DESCRIPTION, regions);
}

/// Padding and options behind packet data that ends at `data_end`.
pub(super) fn packet(data_end: usize, known: &[Known], regions: &mut Regions<'_>) {
    let at = regions.padding(data_end);
    options(at, known, regions);
}

/// A simple packet has no options: the rest is padding.
pub(super) fn simple_packet(data_end: usize, regions: &mut Regions<'_>) {
    regions.rest(data_end, "padding");
}

/// Any block that is neither a packet nor needed to read packets.
pub(super) fn other(kind: u32, regions: &mut Regions<'_>) {
    match kind {
        NRB_MAGIC => names(regions),
        ISB_MAGIC => options(20, INTERFACE_STATISTICS, regions),
        DSB_MAGIC => secrets(regions),
        CB_MAGIC | DCB_MAGIC => regions.rest(8, "custom block"),
        SJE_MAGIC => regions.rest(8, "systemd journal"),
        _ => regions.rest(8, "unknown block"),
    }
}

/// `if_tsresol` as it stands (6 by default) and `if_tsoffset` in seconds of an interface description.
///
/// pcap-parser reads the offset in the wrong byte order, and takes either from behind the end of the options.
pub(super) fn clock(regions: &Regions<'_>) -> (u8, i64) {
    let (mut resolution, mut offset) = (6, 0);
    let mut at = INTERFACE_OPTIONS;
    while let Some(option) = regions.body.get(at..).and_then(|rest| option(regions.endian, rest)) {
        match (option.code.0, option.len, option.value()) {
            (END_OF_OPTIONS, ..) => break,
            (IF_TSRESOL, 1, [first, ..]) => resolution = *first,
            (IF_TSOFFSET, 8, value) => offset = regions.endian.i64(value, 0).unwrap_or(0),
            _ => {}
        }
        at += OPTION_HEAD_BYTES + option.value().len();
    }
    (resolution, offset)
}

/// Where the options of a section header begin.
pub(super) const SECTION_OPTIONS: usize = 24;
const INTERFACE_OPTIONS: usize = 16;
const OPTION_HEAD_BYTES: usize = 4;
const END_OF_OPTIONS: u16 = 0;

/// The option at the front of `bytes`, if it is well-formed.
fn option(endian: Endian, bytes: &[u8]) -> Option<PcapNGOption<'_>> {
    let parsed: nom::IResult<_, _, PcapError<_>> = match endian {
        Endian::Little => parse_option_le(bytes),
        Endian::Big => parse_option_be(bytes),
    };
    parsed.ok().map(|(_, option)| option)
}

/// The option list from `at` on.
fn options(mut at: usize, known: &[Known], regions: &mut Regions<'_>) {
    let body = regions.body;
    while at < body.len() {
        let Some(option) = option(regions.endian, &body[at..]) else {
            return regions.rest(at, "malformed options");
        };
        let code = option.code.0;
        let value = at + OPTION_HEAD_BYTES;
        let end = value + usize::from(option.len);
        if code == END_OF_OPTIONS {
            return regions.rest(value, "after the options");
        }
        let layout = known.iter().find(|known| known.0 == code);
        option_value(value..end, layout.map_or(Value::Opaque("unknown option"), |known| known.1), regions);
        at = regions.padding(end);
    }
}

fn option_value(at: Range<usize>, layout: Value, regions: &mut Regions<'_>) {
    match layout {
        Value::Text(name) => regions.push(at, Meta::Text(name)),
        Value::Host => regions.push(at, Meta::Host),
        Value::Opaque(name) => regions.push(at, Meta::Opaque(name)),
        Value::Filter if regions.body.get(at.start) == Some(&0) => {
            regions.push(at.start + 1..at.end, Meta::Text("if_filter"));
        }
        Value::Filter => regions.push(at, Meta::Opaque("filter program")),
        Value::Number(len) if at.len() == len => {}
        Value::Address { what, address, len } if at.len() == len => regions.push(at.start..at.start + address, what),
        Value::Number(_) | Value::Address { .. } => regions.push(at, Meta::Opaque("option of a wrong length")),
    }
}

/// Name resolution: records of an address and its names, then options.
fn names(regions: &mut Regions<'_>) {
    const END_OF_RECORDS: u16 = 0;
    let (endian, body) = (regions.endian, regions.body);
    let mut at = 8;
    while at < body.len() {
        let (Some(kind), Some(len)) = (endian.u16(body, at), endian.u16(body, at + 2)) else {
            return regions.rest(at, "malformed names");
        };
        let value = at + 4..at + 4 + usize::from(len);
        if value.end > body.len() {
            return regions.rest(at, "malformed names");
        }
        match kind {
            END_OF_RECORDS if len == 0 => return options(value.end, NAME_RESOLUTION, regions),
            1 => address_and_names(value.clone(), Meta::Ipv4, 4, regions),
            2 => address_and_names(value.clone(), Meta::Ipv6, 16, regions),
            3 => address_and_names(value.clone(), Meta::Mac, 6, regions),
            4 => address_and_names(value.clone(), Meta::Opaque("eui address"), 8, regions),
            _ => regions.push(value.clone(), Meta::Opaque("unknown name record")),
        }
        at = regions.padding(value.end);
    }
}

/// An address, then names that each end with a zero byte (which is framing).
fn address_and_names(at: Range<usize>, what: Meta, address: usize, regions: &mut Regions<'_>) {
    let names = at.start + address;
    if names > at.end {
        return regions.push(at, Meta::Opaque("malformed names"));
    }
    regions.push(at.start..names, what);
    let body = regions.body;
    let mut start = names;
    for name in body[names..at.end].split(|byte| *byte == 0) {
        regions.push(start..start + name.len(), Meta::Host);
        start += name.len() + 1;
    }
}

/// Decryption secrets: kind, length, secrets, options.
fn secrets(regions: &mut Regions<'_>) {
    const SECRETS: usize = 16;
    let body = regions.body;
    let Some(len) = regions.endian.u32(body, 12).map(|len| len as usize) else {
        return regions.rest(8, "decryption secrets");
    };
    if len > body.len() - SECRETS {
        return regions.rest(SECRETS, "decryption secrets");
    }
    regions.push(SECRETS..SECRETS + len, Meta::Opaque("decryption secrets"));
    let at = regions.padding(SECRETS + len);
    options(at, &[COMMENT], regions);
}
