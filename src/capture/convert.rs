//! Packets in the other container's format, for `--format`.
//!
//! The text of options and the blocks that are no packets are not carried over: only packets and interfaces are.

use std::ops::Range;

use thiserror::Error;

use super::bytes::padded;
use super::metadata::{self, Regions};
use super::pcapng;
use super::{Interface, Meta, PacketRecord, Resolution};

const NANOS_PER_SECOND: i128 = 1_000_000_000;
/// What other tools take as the most that a packet can have.
const SNAPLEN: u32 = 262_144;
/// Begins `shb_userappl` of sections that we write.
const MARK: &[u8] = b"standin masked ";

/// Why a packet or interface cannot be said in the other format.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ConvertError {
    /// There is no interface yet, thus no link type.
    #[error("the capture describes no interface before its first packet, so pcap has no link type: write pcapng")]
    NoInterface,
    /// pcap has one link type for all packets.
    #[error("the capture has packets of link types {0} and {1}, and pcap can hold one only: write pcapng")]
    LinkTypes(u32, u32),
    /// pcap counts seconds from 1970 to 2106.
    #[error("a packet's time lies outside of what pcap can say (1970 to 2106): write pcapng")]
    Time,
    /// An interface with a finer clock came after the header was written.
    #[error("an interface with a finer clock appears after packets of coarser ones: write pcapng")]
    FinerClock,
    /// The packet's interface was not among those of the header.
    #[error("a packet belongs to an interface that the capture does not describe before its first packet")]
    UnknownInterface,
}

/// Writes packets as records of the chosen format.
#[derive(Debug)]
pub struct Converter {
    to: To,
}

#[derive(Debug)]
enum To {
    Pcap { link: u32, snaplen: u32, nanos: bool },
    PcapNg { interfaces: Vec<Interface> },
}

impl Converter {
    /// To pcap, with the interfaces described before the first packet. Nanoseconds when a clock is finer than microseconds.
    ///
    /// # Errors
    /// There is no interface, or they have several link types.
    pub fn to_pcap(interfaces: &[Interface]) -> Result<Converter, ConvertError> {
        let link = interfaces.first().ok_or(ConvertError::NoInterface)?.link;
        if let Some(other) = interfaces.iter().find(|interface| interface.link != link) {
            return Err(ConvertError::LinkTypes(link, other.link));
        }
        let unlimited = interfaces.iter().any(|interface| interface.snaplen == 0);
        let longest = interfaces.iter().map(|interface| interface.snaplen).max().unwrap_or(0);
        let snaplen = if unlimited { SNAPLEN } else { longest };
        let nanos = interfaces.iter().any(|interface| interface.resolution.is_finer_than_micros());
        Ok(Converter { to: To::Pcap { link, snaplen, nanos } })
    }

    /// To pcapng, one interface description for each.
    pub fn to_pcapng(interfaces: &[Interface]) -> Converter {
        Converter { to: To::PcapNg { interfaces: interfaces.to_vec() } }
    }

    /// Appends what comes before the packets: all of it framing.
    pub fn header(&self, out: &mut Vec<u8>) {
        match &self.to {
            To::Pcap { link, snaplen, nanos } => pcap_header(*link, *snaplen, *nanos, out),
            To::PcapNg { interfaces } => {
                section_header(out);
                interfaces.iter().for_each(|interface| interface_description(interface, out));
            }
        }
    }

    /// Appends a packet; returns where in `out` its bytes lie. What is around them is framing.
    ///
    /// # Errors
    /// The format cannot say it; `out` is then as it was.
    pub fn packet(&self, packet: &PacketRecord, frame: &[u8], out: &mut Vec<u8>) -> Result<Range<usize>, ConvertError> {
        match &self.to {
            To::Pcap { link, .. } if *link != packet.link => Err(ConvertError::LinkTypes(*link, packet.link)),
            To::Pcap { nanos, .. } => pcap_packet(*nanos, packet, frame, out),
            To::PcapNg { interfaces } => {
                let interface = interfaces.get(packet.interface as usize).ok_or(ConvertError::UnknownInterface)?;
                enhanced_packet(interface, packet, frame, out)
            }
        }
    }
}

fn pcap_header(link: u32, snaplen: u32, nanos: bool, out: &mut Vec<u8>) {
    const VERSION_2_4: u32 = 0x0004_0002;
    let magic: u32 = if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    put(out, &[magic, VERSION_2_4, 0, 0, snaplen, link]);
}

fn pcap_packet(
    nanos: bool,
    packet: &PacketRecord,
    frame: &[u8],
    out: &mut Vec<u8>,
) -> Result<Range<usize>, ConvertError> {
    let seconds = packet.time_ns.div_euclid(NANOS_PER_SECOND).try_into().map_err(|_| ConvertError::Time)?;
    let fraction = packet.time_ns.rem_euclid(NANOS_PER_SECOND) as u32;
    let fraction = match nanos {
        true => fraction,
        false if !fraction.is_multiple_of(1_000) => return Err(ConvertError::FinerClock),
        false => fraction / 1_000,
    };
    put(out, &[seconds, fraction, frame.len() as u32, packet.wire_len]);
    Ok(append(frame, out))
}

/// Little-endian, version 1.0, of unknown length, marked as ours.
fn section_header(out: &mut Vec<u8>) {
    const BYTE_ORDER: u32 = 0x1a2b_3c4d;
    const VERSION_1_0: u32 = 1;
    const UNKNOWN_LENGTH: u32 = u32::MAX;
    block(pcap_parser::SHB_MAGIC, out, |out| {
        put(out, &[BYTE_ORDER, VERSION_1_0, UNKNOWN_LENGTH, UNKNOWN_LENGTH]);
        out.extend(mark_option());
        put(out, &[0]);
    });
}

fn interface_description(interface: &Interface, out: &mut Vec<u8>) {
    const TSRESOL: u32 = 9 | 1 << 16;
    const TSOFFSET: u32 = 14 | 8 << 16;
    let tsresol = match interface.resolution {
        Resolution::Decimal(digits) => digits,
        Resolution::Binary(digits) => digits | 0x80,
    };
    block(pcap_parser::IDB_MAGIC, out, |out| {
        put(out, &[interface.link & 0xffff, interface.snaplen, TSRESOL, u32::from(tsresol)]);
        if interface.offset_seconds != 0 {
            put(out, &[TSOFFSET]);
            out.extend(interface.offset_seconds.to_le_bytes());
        }
        put(out, &[0]);
    });
}

fn enhanced_packet(
    interface: &Interface,
    packet: &PacketRecord,
    frame: &[u8],
    out: &mut Vec<u8>,
) -> Result<Range<usize>, ConvertError> {
    let ticks = interface.ticks(packet.time_ns).ok_or(ConvertError::Time)?;
    let mut data = 0..0;
    block(pcap_parser::EPB_MAGIC, out, |out| {
        let (high, low) = ((ticks >> 32) as u32, ticks as u32);
        put(out, &[packet.interface, high, low, frame.len() as u32, packet.wire_len]);
        data = append(frame, out);
        out.resize(out.len() + padded(frame.len()) - frame.len(), 0);
    });
    Ok(data)
}

/// A block around what `body` appends.
fn block(kind: u32, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    put(out, &[kind, 0]);
    body(out);
    let len = (out.len() - start + 4) as u32;
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    put(out, &[len]);
}

fn put(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
}

fn append(frame: &[u8], out: &mut Vec<u8>) -> Range<usize> {
    let start = out.len();
    out.extend_from_slice(frame);
    start..out.len()
}

/// The `shb_userappl` option, little-endian and padded, that marks a section as written by us.
pub fn mark_option() -> Vec<u8> {
    const USERAPPL: u16 = 4;
    let mut value = MARK.to_vec();
    value.extend(env!("CARGO_PKG_VERSION").bytes());
    let mut option = Vec::new();
    option.extend(USERAPPL.to_le_bytes());
    option.extend((value.len() as u16).to_le_bytes());
    option.extend(&value);
    option.resize(4 + padded(value.len()), 0);
    option
}

/// Whether a capture's first record is a section header that we wrote, in either byte order.
pub fn is_marked(first_block: &[u8]) -> bool {
    let Some(endian) = pcapng::byte_order(first_block).filter(|_| pcapng::is_section_header(first_block)) else {
        return false;
    };
    let mut found = Vec::new();
    let body = &first_block[..first_block.len().saturating_sub(4)];
    metadata::section_header(&mut Regions::new(endian, body, &mut found));
    found.iter().any(|region| region.what == Meta::Text("userappl") && body[region.at.clone()].starts_with(MARK))
}
