//! Frames and captures around a canary, written by hand.

use super::Placement;

pub(super) const ETHERNET: u32 = 1;

/// Addresses of nobody that is looked for.
pub(super) const MACS: [[u8; 6]; 2] = [[0xa4, 0x5e, 0x60, 1, 2, 3], [0xa4, 0x5e, 0x60, 4, 5, 6]];
pub(super) const HOSTS: [[u8; 4]; 2] = [[10, 20, 30, 40], [192, 168, 77, 5]];
pub(super) const HOSTS6: [[u8; 16]; 2] = [
    [0xfd, 0x12, 0x34, 0x56, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0x11, 0x22],
    [0xfd, 0x12, 0x34, 0x56, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0x33, 0x44],
];

impl Placement {
    /// A pcap with one frame.
    pub(super) fn frame(name: &'static str, canary: &[u8], link: u32, frame: &[u8]) -> Placement {
        Placement::frames(name, canary, link, &[frame.to_vec()])
    }

    /// A pcap with these frames, a millisecond apart.
    pub(super) fn frames(name: &'static str, canary: &[u8], link: u32, frames: &[Vec<u8>]) -> Placement {
        let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link]);
        for (index, frame) in frames.iter().enumerate() {
            let length = frame.len() as u32;
            file.extend(words(&[1_700_000_000, 1_000 * index as u32, length, length]));
            file.extend(frame);
        }
        Placement { name, canary: canary.to_vec(), file }
    }

    /// Ethernet around `payload`.
    pub(super) fn eth(name: &'static str, canary: &[u8], ethertype: u16, payload: impl AsRef<[u8]>) -> Placement {
        Placement::frame(name, canary, ETHERNET, &eth(ethertype, payload))
    }

    /// IPv4 in Ethernet around `payload`.
    pub(super) fn ip(name: &'static str, canary: &[u8], protocol: u8, payload: impl AsRef<[u8]>) -> Placement {
        Placement::eth(name, canary, 0x0800, ip(protocol, payload))
    }

    /// IPv6 in Ethernet around `payload`.
    pub(super) fn ip6(name: &'static str, canary: &[u8], next: u8, payload: impl AsRef<[u8]>) -> Placement {
        Placement::eth(name, canary, 0x86dd, ip6(next, payload))
    }

    /// A datagram to a port.
    pub(super) fn udp(name: &'static str, canary: &[u8], port: u16, payload: impl AsRef<[u8]>) -> Placement {
        Placement::ip(name, canary, 17, udp(port, payload))
    }
}

/// Little-endian numbers.
pub(super) fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub(super) fn eth(ethertype: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    eth_between(MACS, ethertype, payload)
}

pub(super) fn eth_between(macs: [[u8; 6]; 2], ethertype: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    [&macs[1][..], &macs[0], &ethertype.to_be_bytes(), payload.as_ref()].concat()
}

pub(super) fn ip(protocol: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    ip_with(HOSTS, &[], protocol, payload)
}

/// IPv4 with options, whose length must be a multiple of four.
pub(super) fn ip_with(hosts: [[u8; 4]; 2], options: &[u8], protocol: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let header = 20 + options.len();
    let total = ((header + payload.len()) as u16).to_be_bytes();
    let mut packet = vec![0x40 | (header / 4) as u8, 0, total[0], total[1], 0, 1, 0x40, 0, 64, protocol, 0, 0];
    packet.extend([hosts[0], hosts[1]].concat());
    packet.extend(options);
    let sum = sum(&packet).to_be_bytes();
    packet[10..12].copy_from_slice(&sum);
    packet.extend(payload);
    packet
}

pub(super) fn ip6(next: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    ip6_between(HOSTS6, next, payload)
}

pub(super) fn ip6_between(hosts: [[u8; 16]; 2], next: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = (payload.len() as u16).to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], next, 64];
    packet.extend([hosts[0], hosts[1]].concat());
    packet.extend(payload);
    packet
}

/// A datagram without checksum.
pub(super) fn udp(port: u16, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = (payload.len() as u16 + 8).to_be_bytes();
    [&40_000u16.to_be_bytes()[..], &port.to_be_bytes(), &length, &[0, 0], payload].concat()
}

/// A segment without checksum; the options are padded.
pub(super) fn tcp(flags: u8, seq: u32, options: &[u8], payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let offset = (20 + options.len()) as u8 / 4;
    let mut segment = [40_001u16.to_be_bytes(), 80u16.to_be_bytes()].concat();
    segment.extend(seq.to_be_bytes());
    segment.extend(1_000_u32.to_be_bytes());
    segment.extend([offset << 4, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(options);
    segment.extend(payload.as_ref());
    segment
}

/// The internet checksum, RFC 1071.
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks(2).map(|c| u32::from(c[0]) << 8 | c.get(1).map_or(0, |&b| u32::from(b))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
