//! The pcapng format: blocks in sections (draft-ietf-opsawg-pcapng).
//!
//! Blocks are framed here, and pcap-parser gets whole ones: it cannot tell a short read from a block whose contents do
//! not fit. What the blocks say beside packets is in `metadata.rs`. Time is computed here: pcap-parser refuses binary
//! resolutions, cuts fine ones and reads `if_tsoffset` in the wrong byte order.

use pcap_parser::nom::IResult;
use pcap_parser::pcapng::{
    InterfaceDescriptionBlock, parse_enhancedpacketblock_be, parse_enhancedpacketblock_le,
    parse_interfacedescriptionblock_be, parse_interfacedescriptionblock_le, parse_sectionheaderblock,
    parse_simplepacketblock_be, parse_simplepacketblock_le,
};
use pcap_parser::{EPB_MAGIC, IDB_MAGIC, PcapError, SHB_MAGIC, SPB_MAGIC};

use super::bytes::Endian;
use super::error::Fault;
use super::metadata::{self, Regions};
use super::{Interface, PacketRecord, Region, Resolution, Step};
use crate::limits::{INTERFACES_MAX, RECORD_BYTES_MAX};

/// Bytes that tell a section header: block type, length, byte-order mark.
pub(super) const SECTION_START_BYTES: usize = 12;
/// The obsolete packet block, which pcap-parser does not know.
pub(super) const PACKET_BLOCK: u32 = 2;
/// Type and length before the body, length again after it.
const BLOCK_HEAD_BYTES: usize = 8;
const BLOCK_TAIL_BYTES: usize = 4;
const BYTE_ORDER_MARK: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];

/// The block type that opens a section; the same in both byte orders.
pub(super) fn is_section_header(bytes: &[u8]) -> bool {
    bytes.starts_with(&SHB_MAGIC.to_be_bytes())
}

/// The byte order that a section header announces.
pub(super) fn byte_order(section_header: &[u8]) -> Option<Endian> {
    let mark: [u8; 4] = *section_header.get(BLOCK_HEAD_BYTES..)?.first_chunk()?;
    let reversed = [mark[3], mark[2], mark[1], mark[0]];
    match (mark == BYTE_ORDER_MARK, reversed == BYTE_ORDER_MARK) {
        (true, _) => Some(Endian::Big),
        (_, true) => Some(Endian::Little),
        _ => None,
    }
}

/// A pcapng file, as far as its blocks were read.
#[derive(Debug, Default)]
pub(super) struct PcapNg {
    endian: Endian,
    /// Of all sections.
    pub(super) interfaces: Vec<Interface>,
    /// Index of this section's first.
    section: usize,
}

impl PcapNg {
    /// The block at the front of `bytes`.
    pub(super) fn step(&mut self, bytes: &[u8], regions: &mut Vec<Region>) -> Step {
        let len = match self.block_len(bytes) {
            Ok(Some(len)) => len,
            Ok(None) => return Step::Incomplete,
            Err(fault) => return Step::Damage(fault),
        };
        let Some(block) = bytes.get(..len) else { return Step::Incomplete };
        match self.block(block, regions) {
            Ok(packet) => Step::Record { len, packet },
            Err(fault) => Step::Damage(fault),
        }
    }

    /// Length of the block, from its first bytes; none while there are too few. Enters a new section's byte order.
    fn block_len(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        if is_section_header(bytes) {
            if bytes.len() < SECTION_START_BYTES {
                return Ok(None);
            }
            self.endian = byte_order(bytes).ok_or(Fault::ByteOrder)?;
        }
        let (Some(_), Some(len)) = (self.endian.u32(bytes, 0), self.endian.u32(bytes, 4)) else { return Ok(None) };
        let len = len as usize;
        match len {
            _ if len > RECORD_BYTES_MAX => Err(Fault::TooLong),
            _ if len < BLOCK_HEAD_BYTES + BLOCK_TAIL_BYTES || !len.is_multiple_of(4) => Err(Fault::BlockLength),
            _ => Ok(Some(len)),
        }
    }

    fn block(&mut self, block: &[u8], regions: &mut Vec<Region>) -> Result<Option<PacketRecord>, Fault> {
        let body_end = block.len() - BLOCK_TAIL_BYTES;
        if self.endian.u32(block, body_end) != self.endian.u32(block, 4) {
            return Err(Fault::BlockLength);
        }
        let kind = self.endian.u32(block, 0).ok_or(Fault::BlockLength)?;
        let mut regions = Regions::new(self.endian, &block[..body_end], regions);
        match kind {
            EPB_MAGIC => return self.enhanced_packet(block, &mut regions).map(Some),
            SPB_MAGIC => return self.simple_packet(block, &mut regions).map(Some),
            PACKET_BLOCK => return self.obsolete_packet(&mut regions).map(Some),
            SHB_MAGIC => self.section_header(block, &mut regions)?,
            IDB_MAGIC => self.interface_description(block, &mut regions)?,
            other => metadata::other(other, &mut regions),
        }
        Ok(None)
    }

    fn section_header(&mut self, block: &[u8], regions: &mut Regions<'_>) -> Result<(), Fault> {
        whole(parse_sectionheaderblock(block))?;
        self.section = self.interfaces.len();
        metadata::section_header(regions);
        Ok(())
    }

    fn interface_description(&mut self, block: &[u8], regions: &mut Regions<'_>) -> Result<(), Fault> {
        if self.interfaces.len() >= INTERFACES_MAX {
            return Err(Fault::TooManyInterfaces);
        }
        let described = whole(match self.endian {
            Endian::Little => parse_interfacedescriptionblock_le(block),
            Endian::Big => parse_interfacedescriptionblock_be(block),
        })?;
        self.interfaces.push(interface(&described, metadata::clock(regions)));
        metadata::interface_description(regions);
        Ok(())
    }

    fn enhanced_packet(&self, block: &[u8], regions: &mut Regions<'_>) -> Result<PacketRecord, Fault> {
        const DATA: usize = 28;
        let packet = whole(match self.endian {
            Endian::Little => parse_enhancedpacketblock_le(block),
            Endian::Big => parse_enhancedpacketblock_be(block),
        })?;
        let (number, interface) = self.interface(packet.if_id)?;
        let data = DATA..DATA + packet.caplen as usize;
        metadata::packet(data.end, metadata::ENHANCED_PACKET, regions);
        Ok(PacketRecord {
            link: interface.link,
            interface: number,
            time_ns: interface.nanos(ticks(packet.ts_high, packet.ts_low)),
            data,
            wire_len: packet.origlen,
        })
    }

    /// Belongs to the section's first interface, has no time (0), and no captured length: snaplen and wire length say it.
    fn simple_packet(&self, block: &[u8], regions: &mut Regions<'_>) -> Result<PacketRecord, Fault> {
        const DATA: usize = 12;
        let packet = whole(match self.endian {
            Endian::Little => parse_simplepacketblock_le(block),
            Endian::Big => parse_simplepacketblock_be(block),
        })?;
        let (number, interface) = self.interface(0)?;
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let caplen = packet.data.len().min(packet.origlen.min(snaplen) as usize);
        metadata::simple_packet(DATA + caplen, regions);
        Ok(PacketRecord {
            link: interface.link,
            interface: number,
            time_ns: 0,
            data: DATA..DATA + caplen,
            wire_len: packet.origlen,
        })
    }

    /// Appendix A of the draft: as the enhanced one, but with a 16-bit interface and a drop count.
    fn obsolete_packet(&self, regions: &mut Regions<'_>) -> Result<PacketRecord, Fault> {
        const DATA: usize = 28;
        let (endian, body) = (self.endian, regions.body());
        let field = |at| endian.u32(body, at).ok_or(Fault::BlockContents);
        let id = endian.u16(body, 8).ok_or(Fault::BlockContents)?;
        let (number, interface) = self.interface(u32::from(id))?;
        let time_ns = interface.nanos(ticks(field(12)?, field(16)?));
        let (caplen, wire_len) = (field(20)? as usize, field(24)?);
        if caplen > body.len().saturating_sub(DATA) {
            return Err(Fault::BlockContents);
        }
        let data = DATA..DATA + caplen;
        metadata::packet(data.end, metadata::OBSOLETE_PACKET, regions);
        Ok(PacketRecord { link: interface.link, interface: number, time_ns, data, wire_len })
    }

    /// An interface of this section: its number in the capture, and itself.
    fn interface(&self, id: u32) -> Result<(u32, &Interface), Fault> {
        let number = self.section.saturating_add(id as usize);
        let interface = self.interfaces.get(number).ok_or(Fault::UnknownInterface)?;
        Ok((number as u32, interface))
    }
}

/// What pcap-parser made of a whole block: "incomplete" means that the contents do not fit.
fn whole<T>(parsed: IResult<&[u8], T, PcapError<&[u8]>>) -> Result<T, Fault> {
    parsed.map(|(_, block)| block).map_err(|_| Fault::BlockContents)
}

fn ticks(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn interface(described: &InterfaceDescriptionBlock<'_>, (tsresol, offset_seconds): (u8, i64)) -> Interface {
    const BINARY: u8 = 0x80;
    Interface {
        link: described.linktype.0 as u32,
        snaplen: described.snaplen,
        resolution: if tsresol & BINARY == 0 {
            Resolution::Decimal(tsresol)
        } else {
            Resolution::Binary(tsresol & !BINARY)
        },
        offset_seconds,
    }
}
