//! Canaries in link layers.

use super::frame::{ETHERNET, HOSTS, MACS, eth, eth_between, ip, tcp, udp};
use super::{IPV4, IPV6, MAC, Placement, TEXT, WORD};

pub(super) fn all() -> Vec<Placement> {
    [ethernet(), arp(), logical_link_control(), ppp(), wireless(), cooked(), others()].into_iter().flatten().collect()
}

fn ethernet() -> Vec<Placement> {
    let datagram = ip(17, udp(9, b"x"));
    let behind = |canary: &[u8]| eth(0x0800, [&datagram[..], canary].concat());
    let short = |length: u16, payload: &[u8]| eth(length, payload);
    vec![
        Placement::frame("ethernet source", &MAC, ETHERNET, &eth_between([MAC, MACS[1]], 0x0800, &datagram)),
        Placement::frame("ethernet destination", &MAC, ETHERNET, &eth_between([MACS[0], MAC], 0x0800, &datagram)),
        Placement::frame("ethernet padding", TEXT, ETHERNET, &behind(TEXT)),
        Placement::frame("ethernet trailer", TEXT, ETHERNET, &behind(&[&[0; 20][..], TEXT].concat())),
        Placement::frame("frame check sequence", &WORD, ETHERNET, &behind(&[&[0; 17][..], &WORD].concat())),
        Placement::frame("behind an 802.3 length", TEXT, ETHERNET, &short(3, &[b"\x42\x42\x03", TEXT].concat())),
        Placement::frame("a runt", &WORD, ETHERNET, &WORD),
        Placement::eth("unknown ethertype", TEXT, 0x1234, TEXT),
        Placement::eth("vlan, unknown ethertype", TEXT, 0x8100, [b"\0\x05\x12\x34", TEXT].concat()),
        Placement::eth("two vlans, unknown ethertype", TEXT, 0x88a8, [b"\0\x05\x81\0\0\x06\x12\x34", TEXT].concat()),
        Placement::eth("two vlans, inner address", &IPV4, 0x88a8, {
            let inner = super::frame::ip_with([IPV4, HOSTS[1]], &[], 17, udp(9, b"x"));
            [&b"\0\x05\x81\0\0\x06\x08\0"[..], &inner].concat()
        }),
        Placement::eth("provider backbone, customer's mac", &MAC, 0x88e7, [&[0, 0, 0, 9][..], &MAC, &MACS[0]].concat()),
        Placement::eth("lldp system name", TEXT, 0x88cc, [&[0x0a, TEXT.len() as u8][..], TEXT, &[0, 0]].concat()),
        Placement::eth("lldp chassis", &MAC, 0x88cc, [&[2, 7, 4][..], &MAC, &[0, 0]].concat()),
        Placement::eth("eapol", TEXT, 0x888e, [&[1, 0, 0, 16][..], TEXT].concat()),
        Placement::eth("macsec channel", &MAC, 0x88e5, [&[0x20, 0, 0, 0, 0, 1][..], &MAC, &[0, 1]].concat()),
        Placement::eth("macsec payload", TEXT, 0x88e5, [&[0, 0, 0, 0, 0, 1][..], TEXT].concat()),
        Placement::eth("loopback test", TEXT, 0x9000, TEXT),
        Placement::eth("wake on lan", &MAC, 0x0842, [&[0xff; 6][..], &MAC.repeat(16)].concat()),
        Placement::eth("ipx", TEXT, 0x8137, [&[0xff; 30][..], TEXT].concat()),
        Placement::eth("service header's context", TEXT, 0x894f, {
            [&[0x0f, 0xc6, 2, 1, 0, 0, 1, 0xff][..], TEXT, &[0; 4], &datagram].concat()
        }),
        Placement::eth("mpls payload", TEXT, 0x8847, [&[0, 0, 0x31, 64, 0x90][..], TEXT].concat()),
        Placement::eth("mpls inner payload", TEXT, 0x8847, [&[0, 0, 0x31, 64][..], &ip(17, udp(9, TEXT))].concat()),
        Placement::eth("mpls inner mac", &MAC, 0x8847, {
            [&[0, 0, 0x31, 64, 0, 0, 0, 0][..], &eth_between([MAC, MACS[1]], 0x0800, &datagram)].concat()
        }),
    ]
}

fn arp() -> Vec<Placement> {
    let packet = |macs: [[u8; 6]; 2], hosts: [[u8; 4]; 2]| {
        [&[0, 1, 8, 0, 6, 4, 0, 1][..], &macs[0], &hosts[0], &macs[1], &hosts[1]].concat()
    };
    vec![
        Placement::eth("arp sender's mac", &MAC, 0x0806, packet([MAC, MACS[1]], HOSTS)),
        Placement::eth("arp target's mac", &MAC, 0x0806, packet([MACS[0], MAC], HOSTS)),
        Placement::eth("arp sender's address", &IPV4, 0x0806, packet(MACS, [IPV4, HOSTS[1]])),
        Placement::eth("arp target's address", &IPV4, 0x0806, packet(MACS, [HOSTS[0], IPV4])),
        Placement::eth("behind arp", TEXT, 0x0806, [packet(MACS, HOSTS), TEXT.to_vec()].concat()),
        Placement::eth("reverse arp", &MAC, 0x8035, packet([MACS[0], MAC], HOSTS)),
        Placement::eth("arp of another hardware", TEXT, 0x0806, [&[0, 32, 8, 0, 20, 4, 0, 1][..], TEXT, TEXT].concat()),
    ]
}

fn logical_link_control() -> Vec<Placement> {
    let frame = |payload: &[u8]| eth(payload.len() as u16, payload);
    let one = |name, canary: &[u8], payload: &[u8]| Placement::frame(name, canary, ETHERNET, &frame(payload));
    vec![
        one("llc payload", TEXT, &[b"\xf0\xf0\x03", TEXT].concat()),
        one("snap of an unknown organisation", TEXT, &[b"\xaa\xaa\x03\x08\0\x07\x12\x34", TEXT].concat()),
        one("snap's organisation and type", &TEXT[..5], &[b"\xaa\xaa\x03", &TEXT[..5], &[0; 20]].concat()),
        one("cisco discovery", TEXT, &[b"\xaa\xaa\x03\0\0\x0c\x20\0\x02\xb4\0\0\0\x01\0\x10", TEXT].concat()),
        one("spanning tree's bridge", &MAC, &[&[0x42, 0x42, 3, 0, 0, 0, 0, 0, 0x80, 0][..], &MAC, &[0; 20]].concat()),
        one("netbios name", TEXT, &[b"\xf0\xf0\x03\x2c\0\xff\xef\x08\0\0\0\0\0\0\0", TEXT].concat()),
        one("novell raw", TEXT, &[b"\xff\xff", TEXT].concat()),
    ]
}

fn ppp() -> Vec<Placement> {
    let session = |payload: &[u8]| [&[0x11, 0, 0, 1, 0, payload.len() as u8][..], payload].concat();
    let tag = |kind: u16, value: &[u8]| [&kind.to_be_bytes()[..], &[0, value.len() as u8], value].concat();
    let discovery = |tag: Vec<u8>| [&[0x11, 9, 0, 0, 0, tag.len() as u8][..], &tag].concat();
    let control = |protocol: u16, body: &[u8]| {
        let packet = [&protocol.to_be_bytes()[..], &[1, 1, 0, body.len() as u8 + 4], body].concat();
        session(&packet)
    };
    let name = [&[TEXT.len() as u8][..], TEXT].concat();
    vec![
        Placement::eth("pppoe concentrator's name", TEXT, 0x8863, discovery(tag(0x0102, TEXT))),
        Placement::eth("pppoe cookie", TEXT, 0x8863, discovery(tag(0x0104, TEXT))),
        Placement::eth("pppoe host's own tag", TEXT, 0x8863, discovery(tag(0x0103, TEXT))),
        Placement::eth("pppoe vendor's tag", TEXT, 0x8863, discovery(tag(0x0105, TEXT))),
        Placement::eth("behind a pppoe session", TEXT, 0x8864, [session(&[0, 0x21]), TEXT.to_vec()].concat()),
        Placement::eth("link control's magic number", &WORD, 0x8864, control(0xc021, &[&[5, 6][..], &WORD].concat())),
        Placement::eth("password authentication", TEXT, 0x8864, control(0xc023, &name)),
        Placement::eth("challenge's name", TEXT, 0x8864, control(0xc223, &[&[4, 1, 2, 3, 4][..], TEXT].concat())),
        Placement::eth("ip control's address", &IPV4, 0x8864, control(0x8021, &[&[3, 6][..], &IPV4].concat())),
        Placement::eth(
            "ipv6 control's interface",
            &IPV6[8..],
            0x8864,
            control(0x8057, &[&[1, 10], &IPV6[8..]].concat()),
        ),
        Placement::eth("ppp of an unknown protocol", TEXT, 0x8864, session(&[&[0x12, 0x34][..], TEXT].concat())),
        Placement::eth("pppoe inner payload", TEXT, 0x8864, session(&[&[0, 0x21][..], &ip(17, udp(9, TEXT))].concat())),
        Placement::frame(
            "ppp control on a serial line",
            TEXT,
            50,
            &[b"\xff\x03\xc0\x23\x01\x01\0\x10\x0c", TEXT].concat(),
        ),
        Placement::frame(
            "hdlc's address",
            &IPV4,
            104,
            &[&[0x8f, 0, 0x80, 0x35, 0, 0, 0, 1][..], &IPV4, &[0; 6]].concat(),
        ),
        Placement::frame("hdlc of an unknown protocol", TEXT, 104, &[&[0x0f, 0, 0x12, 0x34][..], TEXT].concat()),
    ]
}

fn wireless() -> Vec<Placement> {
    let frame = |control: u8, flags: u8, macs: [[u8; 6]; 3], rest: &[u8]| {
        [&[control, flags, 0, 0][..], &macs.concat(), &[0, 0], rest].concat()
    };
    let plain = [MACS[0], MACS[1], MACS[0]];
    let data = [&b"\xaa\xaa\x03\0\0\0\x08\0"[..], &ip(17, udp(9, TEXT))].concat();
    let one = |name, canary: &[u8], bytes: Vec<u8>| Placement::frame(name, canary, 105, &bytes);
    vec![
        one("wlan receiver", &MAC, frame(8, 1, [MAC, MACS[0], MACS[1]], &data)),
        one("wlan transmitter", &MAC, frame(8, 1, [MACS[0], MAC, MACS[1]], &data)),
        one("wlan third address", &MAC, frame(8, 1, [MACS[0], MACS[1], MAC], &data)),
        one("wlan fourth address", &MAC, frame(8, 3, plain, &[&MAC[..], &data].concat())),
        one("wlan data", TEXT, frame(8, 1, plain, &data)),
        one("wlan protected data", TEXT, frame(8, 0x41, plain, &[&[0; 8][..], TEXT].concat())),
        one("wlan management, address", &MAC, frame(0x40, 0, [MACS[0], MAC, MACS[1]], &[0, 0])),
        one("wlan network's name", TEXT, frame(0x40, 0, plain, &[&[0, TEXT.len() as u8][..], TEXT].concat())),
        one("wlan vendor's element", TEXT, {
            frame(0x80, 0, plain, &[&[0; 12][..], &[221, TEXT.len() as u8], TEXT].concat())
        }),
        one("wlan control, address", &MAC, [&[0xb4, 0, 0, 0][..], &MAC, &MACS[0]].concat()),
        Placement::frame("radiotap field", TEXT, 127, &{
            [&[0, 0, 8 + TEXT.len() as u8, 0, 0, 0, 0, 0][..], TEXT, &frame(8, 1, plain, &data[..8])].concat()
        }),
        Placement::frame("per-packet information", TEXT, 192, &{
            [&[0, 0, 8 + TEXT.len() as u8, 0, 105, 0, 0, 0][..], TEXT, &frame(8, 1, plain, &data[..8])].concat()
        }),
        Placement::frame("prism header", TEXT, 119, &[&[0; 32][..], TEXT].concat()),
    ]
}

fn cooked() -> Vec<Placement> {
    let datagram = ip(17, udp(9, b"x"));
    let v1 = |hardware: u16, length: u8, address: [u8; 8]| {
        let head = [&[0, 4][..], &hardware.to_be_bytes(), &[0, length], &address, &[8, 0]].concat();
        [head, datagram.clone()].concat()
    };
    let v2 = |address: [u8; 8]| [&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6][..], &address, &datagram].concat();
    let eight = |bytes: &[u8]| -> [u8; 8] {
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        eight
    };
    let value = |kind: u16, bytes: &[u8]| {
        let mut value = [&(bytes.len() as u16 + 4).to_le_bytes()[..], &kind.to_le_bytes(), bytes].concat();
        value.resize(value.len().next_multiple_of(4), 0);
        value
    };
    let log = |values: Vec<u8>| [&[2, 0, 0, 0][..], &values, &value(9, &datagram)].concat();
    vec![
        Placement::frame("cooked address", &MAC, 113, &v1(1, 6, eight(&MAC))),
        Placement::frame("cooked address of another hardware", &MAC, 113, &v1(65_534, 6, eight(&MAC))),
        Placement::frame("cooked long address", &TEXT[..8], 113, &v1(32, 8, eight(&TEXT[..8]))),
        Placement::frame(
            "beside a cooked address",
            &TEXT[..6],
            113,
            &v1(1, 2, eight(&[&[2, 4][..], &TEXT[..6]].concat())),
        ),
        Placement::frame("cooked address, version 2", &MAC, 276, &v2(eight(&MAC))),
        Placement::frame("beside no cooked address", TEXT[..8].as_ref(), 113, &v1(772, 0, eight(&TEXT[..8]))),
        Placement::frame("netfilter prefix", TEXT, 239, &log(value(10, TEXT))),
        Placement::frame(
            "netfilter hardware address",
            &MAC,
            239,
            &log(value(8, &[&[0, 6, 0, 0][..], &MAC, &[0, 0]].concat())),
        ),
        Placement::frame(
            "netfilter hardware header",
            &MAC,
            239,
            &log(value(16, &[&MACS[0][..], &MAC, &[8, 0]].concat())),
        ),
        Placement::frame("netfilter user", &WORD, 239, &log(value(11, &WORD))),
        Placement::frame("netfilter unknown value", TEXT, 239, &log(value(99, TEXT))),
        Placement::frame(
            "netfilter packet",
            TEXT,
            239,
            &[&[2, 0, 0, 0][..], &value(9, &ip(17, udp(9, TEXT)))].concat(),
        ),
    ]
}

fn others() -> Vec<Placement> {
    vec![
        Placement::frame("loopback of an unknown family", TEXT, 0, &[&[99, 0, 0, 0][..], TEXT].concat()),
        Placement::frame("loopback payload", TEXT, 0, &[&[2, 0, 0, 0][..], &ip(6, tcp(16, 1, &[], TEXT))].concat()),
        Placement::frame("raw ip payload", TEXT, 101, &ip(17, udp(9, TEXT))),
        Placement::frame("usb", TEXT, 220, &[&[0; 64][..], TEXT].concat()),
        Placement::frame("bluetooth", TEXT, 201, TEXT),
        Placement::frame("bluetooth address", &MAC, 187, &[&[4, 4, 10][..], &MAC, &[0; 4]].concat()),
        Placement::frame(
            "pktap process",
            TEXT,
            258,
            &[&[108, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0][..], TEXT, &[0; 84]].concat(),
        ),
        Placement::frame("user's link type", TEXT, 147, TEXT),
        Placement::frame("unknown link type", TEXT, 9_999, TEXT),
        Placement::frame(
            "token ring",
            &MAC,
            6,
            &[&[0x10, 0x40][..], &MACS[0], &MAC, b"\xaa\xaa\x03\0\0\0\x08\0"].concat(),
        ),
        Placement::frame("fddi", &MAC, 10, &[&[0x50][..], &MACS[0], &MAC, b"\xaa\xaa\x03\0\0\0\x08\0"].concat()),
        Placement::frame("can bus", TEXT, 227, &[&[0; 8][..], TEXT].concat()),
    ]
}
