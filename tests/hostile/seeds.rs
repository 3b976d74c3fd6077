//! Captures to damage: the fixtures' traffic in every wrapping that has a decoder, in both containers.

use std::io::Cursor;
use std::sync::LazyLock;

use standin::capture::{Batch, Reader};

use super::random::Random;

const FIXTURES: [&[u8]; 5] = [
    include_bytes!("../../fixtures/shop-demo.pcap"),
    include_bytes!("../../fixtures/shop-ipv6.pcapng"),
    include_bytes!("../../fixtures/shop-keepalive.pcap"),
    include_bytes!("../../fixtures/shop-lossy.pcap"),
    include_bytes!("../../fixtures/shop-ns.pcap"),
];

/// A packet to be written.
#[derive(Clone)]
pub struct Packet {
    pub micros: u64,
    pub frame: Vec<u8>,
    /// Bytes on the wire beyond those captured.
    pub beyond: u32,
}

/// Each fixture's IP packets, without what stands before them.
static TRAFFIC: LazyLock<Vec<Vec<Packet>>> = LazyLock::new(|| FIXTURES.iter().map(|file| ip_packets(file)).collect());

fn ip_packets(file: &[u8]) -> Vec<Packet> {
    let mut reader = Reader::open(Box::new(Cursor::new(file.to_vec()))).expect("a fixture");
    let mut batch = Batch::default();
    let mut traffic = Vec::new();
    while reader.next_batch(&mut batch).expect("a fixture") {
        for record in &batch.records {
            let Some(packet) = &record.packet else { continue };
            let frame = &batch.bytes[record.start..][packet.data.clone()];
            let at = if packet.link == 1 { 14 } else { 20 };
            if frame.get(at).is_some_and(|first| matches!(first >> 4, 4 | 6)) {
                traffic.push(Packet { micros: (packet.time_ns / 1000) as u64, frame: frame[at..].to_vec(), beyond: 0 });
            }
        }
    }
    traffic
}

/// What stands before an IP packet: link type, and a function of the version and the packet's length.
struct Wrapping(u32, fn(u8, u16) -> Vec<u8>);

const WRAPPINGS: &[Wrapping] = &[
    Wrapping(1, |v, _| ethernet(v, &[])),
    Wrapping(1, |v, _| ethernet(v, &[0x81, 0, 0, 7])),
    Wrapping(1, |v, _| ethernet(v, &[0x88, 0xA8, 0, 7, 0x81, 0, 0, 9, 0x91, 0, 0, 1])),
    Wrapping(1, |_, _| [&ETHERNET[..], &[0x88, 0x47, 0, 1, 0, 64, 0, 1, 1, 64]].concat()),
    Wrapping(1, |v, n| [&ETHERNET[..], &[0x88, 0x64, 0x11, 0, 0, 1], &(n + 2).to_be_bytes(), &ppp(v)].concat()),
    Wrapping(1, |v, n| tunnel(4, 4 + n, 47, &[0, 0, ether_type(v)[0], ether_type(v)[1]])),
    Wrapping(1, |v, n| tunnel(4, 12 + n, 47, &[&[0x30, 0][..], &ether_type(v), &[0, 0, 0, 7, 0, 0, 0, 1]].concat())),
    Wrapping(1, |v, n| tunnel(4, n, if v == 6 { 41 } else { 4 }, &[])),
    Wrapping(1, |v, n| udp(4789, 22 + n, &[&[8, 0, 0, 0, 0, 0, 7, 0][..], &ethernet(v, &[])].concat())),
    Wrapping(1, |v, n| udp(6081, 8 + n, &[&[0, 0][..], &ether_type(v), &[0, 0, 7, 0]].concat())),
    Wrapping(1, |_, n| udp(2152, 8 + n, &[&[0x30, 0xFF][..], &n.to_be_bytes(), &[0, 0, 0, 7]].concat())),
    Wrapping(1, |_, n| udp(3544, n, &[])),
    Wrapping(1, |_, n| tunnel(4, 8 + n, 1, &[3, 1, 0, 0, 0, 0, 0, 0])),
    Wrapping(1, |_, n| tunnel(4, 24 + n, 51, &[&[4, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1][..], &[9; 12]].concat())),
    Wrapping(1, |v, n| [&ETHERNET[..], &(n + 8).to_be_bytes(), &[0xAA, 0xAA, 3, 0, 0, 0], &ether_type(v)].concat()),
    Wrapping(0, |v, _| if v == 6 { vec![10, 0, 0, 0] } else { vec![2, 0, 0, 0] }),
    Wrapping(108, |v, _| if v == 6 { vec![0, 0, 0, 10] } else { vec![0, 0, 0, 2] }),
    Wrapping(9, |v, _| [&[0xFF, 3][..], &ppp(v)].concat()),
    Wrapping(101, |_, _| Vec::new()),
    Wrapping(228, |_, _| Vec::new()),
    Wrapping(113, |v, _| [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..], &ether_type(v)].concat()),
    Wrapping(276, |v, _| [&ether_type(v)[..], &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]].concat()),
    Wrapping(239, |v, n| [&[if v == 6 { 10 } else { 2 }, 0, 0, 0][..], &(n + 4).to_le_bytes(), &[9, 0]].concat()),
    Wrapping(105, |v, _| [&[8, 1, 0, 0][..], &[2; 18], &[0, 0, 0xAA, 0xAA, 3, 0, 0, 0], &ether_type(v)].concat()),
    Wrapping(127, |v, _| {
        [&[0, 0, 8, 0, 0, 0, 0, 0, 8, 1, 0, 0][..], &[2; 18], &[0, 0, 0xAA, 0xAA, 3, 0, 0, 0], &ether_type(v)].concat()
    }),
    Wrapping(147, |_, _| vec![1, 2, 3]),
];

const ETHERNET: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

fn ether_type(version: u8) -> [u8; 2] {
    if version == 6 { [0x86, 0xDD] } else { [8, 0] }
}

fn ppp(version: u8) -> [u8; 2] {
    if version == 6 { [0, 0x57] } else { [0, 0x21] }
}

fn ethernet(version: u8, tags: &[u8]) -> Vec<u8> {
    [&ETHERNET[..], tags, &ether_type(version)].concat()
}

/// Ethernet, an IPv4 header for so many bytes behind it, and what comes next.
fn tunnel(version: u8, len: u16, protocol: u8, next: &[u8]) -> Vec<u8> {
    let mut header = [0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0, 198, 51, 100, 7, 203, 0, 113, 9];
    header[2..4].copy_from_slice(&(len + 20).to_be_bytes());
    [&ethernet(version, &[])[..], &header, next].concat()
}

fn udp(port: u16, len: u16, next: &[u8]) -> Vec<u8> {
    let len = len + 8;
    tunnel(4, len, 17, &[&[0xC0, 1][..], &port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], next].concat())
}

/// A stretch of a fixture's traffic in one wrapping: the link type, the packets, and where their IP headers are.
pub fn traffic(random: &mut Random) -> (u32, Vec<Packet>, usize) {
    let source = &TRAFFIC[random.below(TRAFFIC.len())];
    let Wrapping(link, wrap) = WRAPPINGS[random.below(WRAPPINGS.len())];
    let from = random.below(source.len());
    let count = 1 + random.below(40);
    let mut ip_at = 0;
    let wrapped = source[from..].iter().take(count).map(|Packet { micros, frame: ip, .. }| {
        let mut frame = wrap(ip[0] >> 4, ip.len() as u16);
        ip_at = frame.len();
        frame.extend_from_slice(ip);
        Packet { micros: *micros, frame, beyond: 0 }
    });
    let packets = wrapped.collect();
    (link, packets, ip_at)
}

/// The packets as a pcap file.
pub fn pcap(link: u32, packets: &[Packet], swapped: bool) -> Vec<u8> {
    let mut file = Vec::new();
    let word = |word: u32, file: &mut Vec<u8>| {
        file.extend(if swapped { word.to_be_bytes() } else { word.to_le_bytes() });
    };
    for value in [0xA1B2_C3D4, if swapped { 0x0002_0004 } else { 0x0004_0002 }, 0, 0, 262_144, link] {
        word(value, &mut file);
    }
    for packet in packets {
        let len = packet.frame.len() as u32;
        for value in [(packet.micros / 1_000_000) as u32, (packet.micros % 1_000_000) as u32, len, len + packet.beyond]
        {
            word(value, &mut file);
        }
        file.extend(&packet.frame);
    }
    file
}

/// The packets as a pcapng file, with options and blocks of other kinds between them.
pub fn pcapng(link: u32, packets: &[Packet], random: &mut Random) -> Vec<u8> {
    let mut file = Vec::new();
    let section =
        [&[0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0][..], &[0xFF; 8], &option(4, b"notes of Anna"), &[0; 4]].concat();
    let interface =
        [&(link as u16).to_le_bytes()[..], &[0, 0, 0, 0, 4, 0], &option(2, b"eth0"), &option(9, &[6]), &[0; 4]]
            .concat();
    block(0x0A0D_0D0A, &section, &mut file);
    block(1, &interface, &mut file);
    for packet in packets {
        match random.below(24) {
            0 => block(5, &[&[0; 12][..], &option(1, b"seen by Ben"), &[0; 4]].concat(), &mut file),
            1 => block(4, &[1, 0, 9, 0, 10, 0, 0, 1, b'h', b'o', b's', b't', 0, 0, 0, 0, 0, 0, 0, 0], &mut file),
            2 => block(0x0BAD, b"custom data, whatever it is.", &mut file),
            3 => block(0x0A, &[0x4B, 0x53, 0x4C, 0x54, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], &mut file),
            4 => {
                block(0x0A0D_0D0A, &section, &mut file);
                block(1, &interface, &mut file);
            }
            _ => {}
        }
        let len = packet.frame.len() as u32;
        let words = [0, (packet.micros >> 32) as u32, packet.micros as u32, len, len + packet.beyond];
        let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        body.extend(&packet.frame);
        body.resize(body.len().next_multiple_of(4), 0);
        if random.below(6) == 0 {
            body.extend(option(1, b"a remark about Cora"));
            body.extend([0; 4]);
        }
        block(6, &body, &mut file);
    }
    file
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = [&code.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat();
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

fn block(kind: u32, body: &[u8], file: &mut Vec<u8>) {
    let len = (body.len() as u32 + 12).to_le_bytes();
    file.extend([&kind.to_le_bytes()[..], &len, body, &len].concat());
}
