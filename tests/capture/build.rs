//! Captures written from a description, byte by byte and apart from the code under test.

use super::Seen;

/// Byte order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Little,
    Big,
}

/// Numbers in a byte order.
pub(super) struct Bytes {
    order: Order,
    pub(super) bytes: Vec<u8>,
}

impl Bytes {
    pub(super) fn new(order: Order) -> Bytes {
        Bytes { order, bytes: Vec::new() }
    }

    pub(super) fn n16(&mut self, number: u16) -> &mut Bytes {
        self.raw(&match self.order {
            Order::Little => number.to_le_bytes(),
            Order::Big => number.to_be_bytes(),
        })
    }

    pub(super) fn n32(&mut self, number: u32) -> &mut Bytes {
        self.raw(&match self.order {
            Order::Little => number.to_le_bytes(),
            Order::Big => number.to_be_bytes(),
        })
    }

    pub(super) fn n64(&mut self, number: u64) -> &mut Bytes {
        self.raw(&match self.order {
            Order::Little => number.to_le_bytes(),
            Order::Big => number.to_be_bytes(),
        })
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Bytes {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The bytes and padding that is not zero, as hostile or sloppy writers leave it.
    pub(super) fn padded(&mut self, bytes: &[u8]) -> &mut Bytes {
        self.raw(bytes).raw(&b"PAD"[..bytes.len().next_multiple_of(4) - bytes.len()])
    }

    pub(super) fn option(&mut self, code: u16, value: &[u8]) -> &mut Bytes {
        self.n16(code).n16(value.len() as u16).padded(value)
    }

    fn options(&mut self, options: &[(u16, Vec<u8>)]) -> &mut Bytes {
        options.iter().for_each(|(code, value)| {
            self.option(*code, value);
        });
        if options.is_empty() { self } else { self.n32(0) }
    }

    pub(super) fn block(&mut self, kind: u32, body: &[u8]) -> &mut Bytes {
        let len = body.len() as u32 + 12;
        self.n32(kind).n32(len).raw(body).n32(len)
    }
}

/// A pcap file.
#[derive(Clone, Debug)]
pub(super) struct Pcap {
    pub(super) order: Order,
    pub(super) magic: u32,
    pub(super) version: (u16, u16),
    pub(super) link: u32,
    /// Seconds, fraction, data, bytes on the wire beyond the data.
    pub(super) packets: Vec<(u32, u32, Vec<u8>, u32)>,
}

pub(super) const MICROS: u32 = 0xa1b2_c3d4;
pub(super) const NANOS: u32 = 0xa1b2_3c4d;
pub(super) const MODIFIED: u32 = 0xa1b2_cd34;

impl Pcap {
    pub(super) fn build(&self) -> (Vec<u8>, Vec<Seen>) {
        let mut out = Bytes::new(self.order);
        out.n32(self.magic).n16(self.version.0).n16(self.version.1).n32(0).n32(0).n32(65_535).n32(self.link);
        let mut seen = Vec::new();
        for (seconds, fraction, data, more) in &self.packets {
            let (caplen, wire_len) = (data.len() as u32, data.len() as u32 + more);
            let lengths = if self.version < (2, 3) { (wire_len, caplen) } else { (caplen, wire_len) };
            out.n32(*seconds).n32(*fraction).n32(lengths.0).n32(lengths.1);
            if self.magic == MODIFIED {
                out.n32(2).n16(0x800).raw(&[0, 0xee]);
            }
            out.raw(data);
            let unit = if self.magic == NANOS { 1 } else { 1_000 };
            let time_ns = i128::from(*seconds) * 1_000_000_000 + i128::from(*fraction) * unit;
            seen.push(Seen { link: self.link & 0xffff, interface: 0, time_ns, data: data.clone(), wire_len });
        }
        (out.bytes, seen)
    }
}

/// An interface of a pcapng section.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub(super) link: u16,
    pub(super) snaplen: u32,
    pub(super) tsresol: Option<u8>,
    pub(super) tsoffset: Option<i64>,
    pub(super) options: Vec<(u16, Vec<u8>)>,
}

impl Interface {
    fn nanos(&self, ticks: u64) -> i128 {
        let tsresol = self.tsresol.unwrap_or(6);
        let base: i128 = if tsresol & 0x80 == 0 { 10 } else { 2 };
        let per_second = base.pow(u32::from(tsresol & 0x7f));
        i128::from(self.tsoffset.unwrap_or(0)) * 1_000_000_000 + i128::from(ticks) * 1_000_000_000 / per_second
    }
}

/// A block that is neither section header nor interface description.
#[derive(Clone, Debug)]
pub(super) enum Block {
    /// Enhanced: interface (reduced to one that is there), ticks, data, more on the wire, options.
    Enhanced(usize, u64, Vec<u8>, u32, Vec<(u16, Vec<u8>)>),
    /// The obsolete one.
    Obsolete(usize, u64, Vec<u8>, u32, Vec<(u16, Vec<u8>)>),
    /// Simple: data and whether to pretend that it was longer than the snaplen.
    Simple(Vec<u8>),
    /// Anything.
    Other(u32, Vec<u8>),
}

/// A pcapng section.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) order: Order,
    pub(super) options: Vec<(u16, Vec<u8>)>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) blocks: Vec<Block>,
}

pub(super) fn pcapng(sections: &[Section]) -> (Vec<u8>, Vec<Seen>) {
    let (mut bytes, mut seen, mut first) = (Vec::new(), Vec::new(), 0);
    for section in sections {
        bytes.extend(section.build(first, &mut seen));
        first += section.interfaces.len();
    }
    (bytes, seen)
}

impl Section {
    fn build(&self, first: usize, seen: &mut Vec<Seen>) -> Vec<u8> {
        let mut out = Bytes::new(self.order);
        let mut body = Bytes::new(self.order);
        body.n32(0x1a2b_3c4d).n16(1).n16(0).n64(u64::MAX).options(&self.options);
        out.block(0x0a0d_0d0a, &body.bytes);
        for interface in &self.interfaces {
            out.block(1, &self.interface(interface));
        }
        for block in &self.blocks {
            self.block(block, first, &mut out, seen);
        }
        out.bytes
    }

    fn interface(&self, interface: &Interface) -> Vec<u8> {
        let mut body = Bytes::new(self.order);
        body.n16(interface.link).n16(0).n32(interface.snaplen);
        if let Some(tsresol) = interface.tsresol {
            body.option(9, &[tsresol]);
        }
        if let Some(tsoffset) = interface.tsoffset {
            let mut value = Bytes::new(self.order);
            value.n64(tsoffset as u64);
            body.option(14, &value.bytes);
        }
        body.options(&interface.options);
        body.bytes
    }

    fn block(&self, block: &Block, first: usize, out: &mut Bytes, seen: &mut Vec<Seen>) {
        let mut body = Bytes::new(self.order);
        let (kind, id, time_ns, data, wire_len) = match block {
            Block::Other(kind, bytes) => {
                out.block(*kind, bytes);
                return;
            }
            Block::Enhanced(id, ticks, data, more, options) => {
                let (id, wire_len) = (id % self.interfaces.len(), data.len() as u32 + more);
                body.n32(id as u32).n32((ticks >> 32) as u32).n32(*ticks as u32);
                body.n32(data.len() as u32).n32(wire_len).padded(data).options(options);
                (6, id, self.interfaces[id].nanos(*ticks), data.clone(), wire_len)
            }
            Block::Obsolete(id, ticks, data, more, options) => {
                let (id, wire_len) = (id % self.interfaces.len(), data.len() as u32 + more);
                body.n16(id as u16).n16(7).n32((ticks >> 32) as u32).n32(*ticks as u32);
                body.n32(data.len() as u32).n32(wire_len).padded(data).options(options);
                (2, id, self.interfaces[id].nanos(*ticks), data.clone(), wire_len)
            }
            Block::Simple(data) => {
                let snaplen = match self.interfaces[0].snaplen {
                    0 => data.len(),
                    limit => data.len().min(limit as usize),
                };
                body.n32(data.len() as u32).padded(&data[..snaplen]);
                (3, 0, 0, data[..snaplen].to_vec(), data.len() as u32)
            }
        };
        out.block(kind, &body.bytes);
        let link = u32::from(self.interfaces[id].link);
        seen.push(Seen { link, interface: (first + id) as u32, time_ns, data, wire_len });
    }
}

/// A small pcapng file with one of everything; the numbers are arbitrary.
pub(super) fn one_of_everything(order: Order) -> (Vec<u8>, Vec<Seen>) {
    let mut names = Bytes::new(order);
    names.n16(1).n16(9).padded(b"\x0a\0\0\x01host\0").n32(0).option(2, b"resolver");
    let mut secrets = Bytes::new(order);
    secrets.n32(0x544c_534b).n32(7).padded(b"SECRETS").option(1, b"keys");
    let mut statistics = Bytes::new(order);
    statistics.n32(0).n64(5).option(4, &[0; 8]);
    let mut custom = Bytes::new(order);
    custom.n32(32_473).raw(b"opaque!!");
    let interface = |snaplen, tsresol| Interface {
        link: 1,
        snaplen,
        tsresol,
        tsoffset: Some(-3_600),
        options: vec![(2, b"eth0".to_vec()), (4, vec![10, 0, 0, 1, 255, 0, 0, 0]), (6, vec![2; 6])],
    };
    let section = Section {
        order,
        options: vec![(1, b"a comment".to_vec()), (4, b"writer 1.0".to_vec())],
        interfaces: vec![interface(6, None), interface(0, Some(0x80 | 20))],
        blocks: vec![
            Block::Enhanced(0, 1 << 40, b"first packet".to_vec(), 3, vec![(1, b"why".to_vec()), (2, vec![0; 4])]),
            Block::Other(4, names.bytes),
            Block::Simple(b"simple packet".to_vec()),
            Block::Other(10, secrets.bytes),
            Block::Obsolete(1, 1 << 41, b"old".to_vec(), 0, vec![]),
            Block::Other(5, statistics.bytes),
            Block::Other(0xbad, custom.bytes),
            Block::Other(9, b"MESSAGE=journal\n".to_vec()),
            Block::Other(0x7777, b"who knows...".to_vec()),
            Block::Enhanced(1, 12_345_678, vec![], 0, vec![]),
        ],
    };
    pcapng(&[section])
}
