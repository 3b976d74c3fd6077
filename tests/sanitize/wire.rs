//! Small captures of TCP connections, written by hand: Ethernet, IPv4, right checksums, pcap.

use std::collections::BTreeMap;

use standin::decode::{Layers, decode};

pub(crate) const SYN: u8 = 2;
pub(crate) const FIN: u8 = 1;
pub(crate) const RST: u8 = 4;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum From {
    Client,
    Server,
}

use self::From::{Client, Server};

/// A segment with its absolute sequence number.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) from: From,
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) payload: Vec<u8>,
}

/// Two ends of connections, and the packets between them.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) addresses: [[u8; 4]; 2],
    pub(crate) ports: [u16; 2],
    /// Sequence numbers that come next.
    pub(crate) next: [u32; 2],
    pub(crate) micros: u64,
    /// Added to every TCP checksum: 0 for right ones.
    pub(crate) fault: u16,
    /// Most bytes captured of a frame.
    pub(crate) snaplen: usize,
    /// Most bytes of payload in a segment.
    pub(crate) mss: usize,
    pub(crate) file: Vec<u8>,
}

impl Wire {
    pub(crate) fn new() -> Wire {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
            file.extend(word.to_le_bytes());
        }
        Wire {
            addresses: [[10, 20, 30, 40], [192, 168, 77, 5]],
            ports: [40_001, 80],
            next: [1_000, 900_000],
            micros: 1_700_000_000_000_000,
            fault: 0,
            snaplen: usize::MAX,
            mss: 1460,
            file,
        }
    }

    /// With the three packets that open a connection.
    pub(crate) fn connected() -> Wire {
        let mut wire = Wire::new();
        wire.connect();
        wire
    }

    pub(crate) fn connect(&mut self) -> &mut Wire {
        self.flags(Client, SYN).flags(Server, SYN | ACK).flags(Client, ACK)
    }

    /// A segment without payload.
    pub(crate) fn flags(&mut self, from: From, flags: u8) -> &mut Wire {
        let segment = self.segment(from, flags, b"");
        self.send(&segment)
    }

    /// Bytes of one side, in as many segments as it takes.
    pub(crate) fn say(&mut self, from: From, bytes: impl AsRef<[u8]>) -> &mut Wire {
        for piece in bytes.as_ref().chunks(self.mss) {
            let segment = self.segment(from, ACK, piece);
            self.send(&segment);
        }
        self
    }

    pub(crate) fn close(&mut self) -> &mut Wire {
        self.flags(Client, FIN | ACK).flags(Server, FIN | ACK).flags(Client, ACK)
    }

    /// The next segment of a side, which is not sent yet.
    pub(crate) fn segment(&mut self, from: From, flags: u8, payload: &[u8]) -> Segment {
        let (side, other) = (from as usize, 1 - from as usize);
        let ack = if flags & ACK == 0 { 0 } else { self.next[other] };
        let segment = Segment { from, flags, seq: self.next[side], ack, payload: payload.to_vec() };
        self.next[side] = self.next[side].wrapping_add(payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0));
        segment
    }

    /// Puts a segment on the wire, a millisecond after the last packet.
    pub(crate) fn send(&mut self, segment: &Segment) -> &mut Wire {
        let (side, other) = (segment.from as usize, 1 - segment.from as usize);
        let mut tcp = [self.ports[side].to_be_bytes(), self.ports[other].to_be_bytes()].concat();
        tcp.extend(segment.seq.to_be_bytes());
        tcp.extend(segment.ack.to_be_bytes());
        tcp.extend([0x50, segment.flags, 0x20, 0, 0, 0, 0, 0]);
        tcp.extend(&segment.payload);
        let mut pseudo = [self.addresses[side], self.addresses[other]].concat();
        pseudo.extend([0, 6]);
        pseudo.extend((tcp.len() as u16).to_be_bytes());
        pseudo.extend(&tcp);
        tcp[16..18].copy_from_slice(&sum(&pseudo).wrapping_add(self.fault).to_be_bytes());
        let mut ip = vec![0x45, 0];
        ip.extend((tcp.len() as u16 + 20).to_be_bytes());
        ip.extend([0, 1, 0x40, 0, 64, 6, 0, 0]);
        ip.extend(self.addresses[side]);
        ip.extend(self.addresses[other]);
        let header = sum(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&header);
        let macs = [[0x9c, 0x1c, 0x42, 1, 2, 3], [0x9c, 0x1c, 0x42, 4, 5, 6]];
        self.frame(&[&macs[other][..], &macs[side], &[8, 0], &ip, &tcp].concat())
    }

    pub(crate) fn frame(&mut self, frame: &[u8]) -> &mut Wire {
        self.micros += 1_000;
        let captured = frame.len().min(self.snaplen);
        let words =
            [(self.micros / 1_000_000) as u32, (self.micros % 1_000_000) as u32, captured as u32, frame.len() as u32];
        for word in words {
            self.file.extend(word.to_le_bytes());
        }
        self.file.extend(&frame[..captured]);
        self
    }
}

/// The internet checksum, RFC 1071.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |&b| u32::from(b))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A request with a body of a media type.
pub(crate) fn post(target: &str, headers: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: shop.example\r\n{headers}Content-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A response with a body of a media type.
pub(crate) fn answer(status: &str, headers: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Type: {media_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Payload of a TCP packet.
pub(crate) struct Payload {
    /// Source and destination, with ports.
    pub(crate) ends: String,
    pub(crate) source_port: u16,
    pub(crate) seq: u32,
    pub(crate) bytes: Vec<u8>,
}

/// The TCP payloads of a capture, in its order; every packet with TCP has one.
pub(crate) fn payloads(file: &[u8]) -> Vec<Payload> {
    let mut layers = Layers::default();
    let payload = |packet: super::Packet| {
        decode(packet.link, &packet.frame, packet.wire_len, &mut layers);
        let transport = layers.transport.as_ref()?;
        let seq = transport.tcp?.seq;
        let ends = format!("{:?} {:?}", transport.src, transport.dst);
        Some(Payload {
            ends,
            source_port: transport.src.1,
            seq,
            bytes: packet.frame[transport.payload.clone()].to_vec(),
        })
    };
    super::packets(file).into_iter().filter_map(payload).collect()
}

/// Each direction's bytes, put in order by sequence number alone; the first packet with a byte wins. A reader of this
/// test's own. A direction whose numbers leap begins anew.
pub(crate) fn streams(file: &[u8]) -> Vec<Vec<u8>> {
    let mut directions: BTreeMap<String, (u32, Vec<Payload>)> = BTreeMap::new();
    let mut done = Vec::new();
    for payload in payloads(file).into_iter().filter(|payload| !payload.bytes.is_empty()) {
        let entry = directions.entry(payload.ends.clone()).or_insert_with(|| (payload.seq, Vec::new()));
        if (payload.seq.wrapping_sub(entry.0) as i32).unsigned_abs() > 4 << 20 {
            done.push(std::mem::replace(entry, (payload.seq, Vec::new())));
        }
        entry.1.push(payload);
    }
    done.extend(directions.into_values());
    done.into_iter().map(|(base, payloads)| joined(base, payloads)).collect()
}

fn joined(base: u32, mut payloads: Vec<Payload>) -> Vec<u8> {
    payloads.sort_by_key(|payload| payload.seq.wrapping_sub(base) as i32);
    let first = payloads[0].seq;
    let mut stream = Vec::new();
    for payload in payloads {
        let at = payload.seq.wrapping_sub(first) as usize;
        if at > stream.len() {
            stream.resize(at, 0);
        }
        let known = (stream.len() - at).min(payload.bytes.len());
        stream.extend(&payload.bytes[known..]);
    }
    stream
}

/// What one side of a capture with one connection said.
pub(crate) fn said(file: &[u8], from: From) -> Vec<u8> {
    let is_client = |payload: &Payload| payload.source_port == Wire::new().ports[0];
    let mut mine = payloads(file);
    mine.retain(|payload| !payload.bytes.is_empty() && is_client(payload) == (from == Client));
    if mine.is_empty() { Vec::new() } else { joined(mine[0].seq, mine) }
}
