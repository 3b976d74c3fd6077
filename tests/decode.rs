//! Frames of every kind as written bytes, any bytes at all, and the captures at hand.

mod wrappings;

use std::path::Path;

use etherparse::{LaxSlicedPacket, TransportSlice};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, PcapBlockOwned, PcapError};
use proptest::prelude::*;
use standin::decode::{ChecksumState, Layers, What, decode};

const ETHERNET: &str = "02 00 5e 00 00 01  02 00 5e 00 00 02";
/// 192.0.2.1:49152 -> 198.51.100.2:80, "hello".
const TCP4: &str = "45 00 00 2d 12 34 00 00 40 06 7c 60 c0 00 02 01 c6 33 64 02 \
    c0 00 00 50 01 02 03 04 05 06 07 08 50 18 04 00 ab 59 00 00 68 65 6c 6c 6f";
const UDP4: &str = "45 00 00 21 12 34 00 00 40 11 7c 61 c0 00 02 01 c6 33 64 02 \
    c0 00 27 0f 00 0d e8 ba 68 65 6c 6c 6f";
/// 2001:db8::1 -> 2001:db8::2.
const TCP6: &str = "60 01 23 45 00 19 06 40 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 \
    20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02 \
    c0 00 00 50 01 02 03 04 05 06 07 08 50 18 04 00 3c 1c 00 00 68 65 6c 6c 6f";
const ADDRESSES6: &str =
    "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02";

const TCP4_SHOWN: &str = "keep10 sum:Good ip4 ip4 keep16 sum:Good keep2 payload5";
const TCP6_SHOWN: &str = "keep1 label keep4 ip6 ip6 keep16 sum:Good keep2 payload5";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn decoded(link: u32, frame: &[u8], wire_len: usize) -> Layers {
    let mut layers = Layers::default();
    decode(link, frame, wire_len as u32, &mut layers);
    layers
}

/// Every byte of the frame in order: what it is, how many of them. Fails unless each is there exactly once.
fn shown(layers: &Layers, len: usize) -> Result<String, String> {
    let pieces = layers.pieces.iter().map(|piece| {
        let (start, len) = (piece.start as usize, piece.len as usize);
        let text = match piece.what {
            What::Structural => format!("keep{len}"),
            What::Mac => "mac".into(),
            What::TunnelId => format!("id{len}"),
            What::Ipv4 => "ip4".into(),
            What::Ipv6 => "ip6".into(),
            What::Clock { .. } => "clock".into(),
            What::FlowLabel => "label".into(),
            What::Checksum => match layers.checksums.iter().find(|checksum| checksum.at == start) {
                Some(checksum) => format!("sum:{:?}", checksum.state),
                None => return Err("checksum piece without checksum"),
            },
        };
        Ok((start..start + len, text))
    });
    let gaps = layers.not_understood.iter().map(|(why, at)| Ok((at.clone(), format!("[{why}]{}", at.len()))));
    let payloads = layers.payloads().filter(|at| !at.is_empty()).map(|at| Ok((at.clone(), name_of(layers, at))));
    let mut all = pieces.chain(gaps).chain(payloads).collect::<Result<Vec<_>, _>>()?;
    if !layers.pieces.is_sorted_by_key(|piece| piece.start) {
        return Err("pieces out of order".into());
    }
    all.sort_by_key(|(at, _)| at.start);
    let mut at = 0;
    for (range, text) in &all {
        if range.start != at || range.is_empty() {
            return Err(format!("{text} at {range:?}, expected at {at}"));
        }
        at = range.end;
    }
    match at == len {
        true => Ok(all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")),
        false => Err(format!("covers {at} of {len}")),
    }
}

/// What kind of payload this is, and how long.
fn name_of(layers: &Layers, at: &std::ops::Range<usize>) -> String {
    let name = match layers {
        Layers { fragment: Some(fragment), .. } if fragment.payload == *at => "fragment",
        Layers { quotes, .. } if quotes.iter().any(|quote| quote.payload == *at) => "quote",
        Layers { sctp: Some(_), .. } => "data",
        _ => "payload",
    };
    format!("{name}{}", at.len())
}

#[track_caller]
fn assert_decodes(link: u32, frame: &str, names: &str, expected: &str) {
    let frame = hex(frame);
    let layers = decoded(link, &frame, frame.len());
    assert_eq!(shown(&layers, frame.len()).as_deref(), Ok(expected));
    assert_eq!(layers.names.join(" "), names);
}

#[test]
fn ethernet_ipv4_tcp() {
    let frame = hex(&format!("{ETHERNET} 0800 {TCP4}"));
    let layers = decoded(1, &frame, frame.len());
    assert_eq!(
        shown(&layers, frame.len()).unwrap(),
        format!("mac mac keep2 {TCP4_SHOWN}").replace("keep2 keep10", "keep12")
    );
    let transport = layers.transport.unwrap();
    assert_eq!(transport.src, ("192.0.2.1".parse().unwrap(), 49152));
    assert_eq!(transport.dst, ("198.51.100.2".parse().unwrap(), 80));
    assert_eq!(&frame[transport.payload.clone()], b"hello");
    assert_eq!(transport.wire_payload, 5);
    let tcp = transport.tcp.unwrap();
    assert_eq!((tcp.seq, tcp.ack, tcp.flags), (0x01020304, 0x05060708, 0x18));
}

#[test]
fn links() {
    let tail4 = TCP4_SHOWN.strip_prefix("keep10 ").unwrap();
    let tail6 = TCP6_SHOWN.strip_prefix("keep1 ").unwrap();
    for (link, head, names, expected) in [
        (1, format!("{ETHERNET} 8100 0001 0800"), "eth vlan", "mac mac keep16"),
        (
            1,
            format!("{ETHERNET} 88a8 0001 9100 0002 9200 0003 8100 0004 8100 0005 0800"),
            "eth vlan vlan vlan vlan vlan",
            "mac mac keep32",
        ),
        (1, format!("{ETHERNET} 0035 aaaa03 000000 0800"), "eth llc", "mac mac keep20"),
        (1, format!("{ETHERNET} 8847 00001 0ff 00002 1ff"), "eth mpls", "mac mac keep20"),
        (
            1,
            format!("{ETHERNET} 8847 00001 1ff 00000000 {ETHERNET} 0800"),
            "eth mpls eth",
            "mac mac keep10 mac mac keep12",
        ),
        (1, format!("{ETHERNET} 8864 1100 0001 002f 0021"), "eth pppoes ppp", "mac mac keep20"),
        (0, "02000000".into(), "null", "keep14"),
        (0, "00000002".into(), "null", "keep14"),
        (108, "00000002".into(), "null", "keep14"),
        (9, "ff03 0021".into(), "ppp", "keep14"),
        (50, "21".into(), "ppp", "keep11"),
        (104, "0f00 0800".into(), "chdlc", "keep14"),
        (101, String::new(), "", "keep10"),
        (228, String::new(), "", "keep10"),
        (113, "0000 0001 0006 02005e000001 abcd 0800".into(), "sll", "keep6 mac [padding]2 keep12"),
        (113, "0000 0001 0004 0102030400000000 0800".into(), "sll", "keep6 [link address]8 keep12"),
        (276, "0800 0000 00000001 0001 00 06 02005e000001 0000".into(), "sll2", "keep12 mac [padding]2 keep10"),
        (239, "0200 0000 0800 0100 08000103 3100 0900".into(), "nflog", "keep8 [nflog attribute]4 keep14"),
        (
            127,
            "0000 0900 00000000 10  0802 0000 020000000001 020000000002 020000000003 1000 aaaa03000000 0800".into(),
            "radiotap wlan llc",
            "keep4 [radiotap]5 keep4 mac mac mac keep20",
        ),
    ] {
        let names = format!("{names} ip tcp");
        assert_decodes(link, &format!("{head} {TCP4}"), names.trim_start(), &format!("{expected} {tail4}"));
    }
    for (link, head, names, expected) in [
        (1, format!("{ETHERNET} 86dd"), "eth", "mac mac keep3"),
        (0, "1e000000".into(), "null", "keep5"),
        (0, "0000001c".into(), "null", "keep5"),
        (229, String::new(), "", "keep1"),
        (12, String::new(), "", "keep1"),
    ] {
        let names = format!("{names} ipv6 tcp");
        assert_decodes(link, &format!("{head} {TCP6}"), names.trim_start(), &format!("{expected} {tail6}"));
    }
}

#[test]
fn what_is_not_understood_is_said() {
    for (link, frame, expected) in [
        (147, "0102".into(), "[link type]2"),
        (1, format!("{ETHERNET} 88cc 0102"), "mac mac keep2 [lldp]2"),
        (1, format!("{ETHERNET} 1234 0102"), "mac mac keep2 [ethertype]2"),
        (1, format!("{ETHERNET} 0002 4242 ff"), "mac mac keep2 [spanning tree]2 [trailer]1"),
        (1, format!("{ETHERNET} 0800 05"), "mac mac keep2 [malformed]1"),
        (101, TCP4.replace("40 06", "40 32"), "keep10 sum:Bad ip4 ip4 id4 keep4 [esp payload]17"),
        (101, TCP4.replace("40 06", "40 fe"), "keep10 sum:Bad ip4 ip4 [ip protocol]25"),
        (101, format!("{TCP4} 01 02"), "keep10 sum:Good ip4 ip4 keep16 sum:Good keep2 payload5 [trailer]2"),
        (101, TCP4.replacen("12 34 00 00", "12 34 20 00", 1), "keep10 sum:Bad ip4 ip4 fragment25"),
        (101, TCP4.replacen("12 34 00 00", "12 34 00 01", 1), "keep10 sum:Bad ip4 ip4 fragment25"),
        (101, TCP4.replacen("50 18", "40 18", 1), "keep10 sum:Good ip4 ip4 keep16 sum:Bad keep2 [malformed]5"),
    ] {
        let frame = hex(&frame);
        assert_eq!(shown(&decoded(link, &frame, frame.len()), frame.len()).as_deref(), Ok(expected));
    }
}

#[test]
fn a_cut_frame_keeps_what_is_whole() {
    let frame = hex(TCP4);
    for (len, expected) in [
        (3, "keep3"),
        (11, "keep10 [cut off]1"),
        (18, "keep10 sum:Cut ip4 [cut off]2"),
        (31, "keep10 sum:Good ip4 ip4 keep11"),
        (37, "keep10 sum:Good ip4 ip4 keep16 [cut off]1"),
        (43, "keep10 sum:Good ip4 ip4 keep16 sum:Cut keep2 payload3"),
    ] {
        assert_eq!(shown(&decoded(101, &frame[..len], frame.len()), len).as_deref(), Ok(expected));
    }
    let transport = decoded(101, &frame[..43], frame.len()).transport.unwrap();
    assert_eq!((transport.payload.len(), transport.wire_payload), (3, 5));
    // Padding on the wire is no payload.
    assert_eq!(decoded(101, &frame[..43], 60).transport.unwrap().wire_payload, 5);
}

#[test]
fn tcp_options() {
    let frame = "45 00 00 41 12 34 00 00 40 06 7c 4c c0 00 02 01 c6 33 64 02 c0 00 00 50 01 02 03 04 05 06 07 08 a0 18 04 00 43 74 00 00 \
        02 04 05 b4 04 02 08 0a 00 00 00 01 00 00 00 02 01 03 03 07 68 65 6c 6c 6f";
    assert_decodes(101, frame, "ip tcp", "keep10 sum:Good ip4 ip4 keep16 sum:Good keep10 clock clock keep4 payload5");
    // A fast-open cookie, an option beyond the header, and an end of options with garbage behind.
    let cookie = frame.replace("08 0a 00 00 00 01 00 00 00 02", "22 0a 00 00 00 01 00 00 00 02");
    assert_decodes(
        101,
        &cookie,
        "ip tcp",
        "keep10 sum:Good ip4 ip4 keep16 sum:Bad keep10 [tcp option]8 keep4 payload5",
    );
    let beyond = frame.replace("01 03 03 07", "01 03 04 07");
    assert_decodes(
        101,
        &beyond,
        "ip tcp",
        "keep10 sum:Good ip4 ip4 keep16 sum:Bad keep10 clock clock keep1 [tcp option]3 payload5",
    );
    let end = frame.replace("01 03 03 07", "00 03 03 07");
    assert_decodes(
        101,
        &end,
        "ip tcp",
        "keep10 sum:Good ip4 ip4 keep16 sum:Bad keep10 clock clock keep1 [padding]3 payload5",
    );
}

#[test]
fn segmentation_offload_states_no_length() {
    assert_decodes(
        101,
        &TCP4.replacen("00 2d", "00 00", 1),
        "ip tcp",
        "keep10 sum:Bad ip4 ip4 keep16 sum:Good keep2 payload5",
    );
    assert_decodes(101, &TCP6.replacen("00 19", "00 00", 1), "ipv6 tcp", TCP6_SHOWN);
}

#[test]
fn ipv4_options() {
    // Record route with one slot used and one free.
    let frame = "48 00 00 2d 12 34 00 00 40 11 64 88 c0 00 02 01 c6 33 64 02 07 0b 08 c0 00 02 05 00 00 00 00 00 \
        c0 00 27 0f 00 0d e8 ba 68 65 6c 6c 6f";
    assert_decodes(101, frame, "ip udp", "keep10 sum:Good ip4 ip4 keep3 ip4 ip4 keep7 sum:Good payload5");
    // A loose source route that is not done: the last slot is where the datagram goes.
    let routed = hex(&frame.replace("07 0b 08", "83 0b 04"));
    let transport = decoded(101, &routed, routed.len()).transport.unwrap();
    assert_eq!(transport.dst.0, std::net::Ipv4Addr::UNSPECIFIED);
    let timestamps = frame.replace("07 0b 08 c0 00 02 05 00 00 00 00 00", "44 0c 05 01 c0 00 02 05 00 00 00 01");
    assert_decodes(101, &timestamps, "ip udp", "keep10 sum:Bad ip4 ip4 keep4 ip4 [ip option]4 keep6 sum:Good payload5");
    let unknown = frame.replace("07 0b 08", "99 0b 08");
    assert_decodes(101, &unknown, "ip udp", "keep10 sum:Bad ip4 ip4 keep2 [ip option]9 keep7 sum:Good payload5");
}

#[test]
fn ipv6_extension_headers() {
    let tcp = TCP6.rsplit_once("c0 00 00 50").unwrap().1;
    let frame = |payload: &str, next, headers: &str| {
        format!("60000000 {payload} {next} 40 {ADDRESSES6} {headers} c0 00 00 50 {tcp}")
    };
    // Router alert and PadN.
    assert_decodes(
        101,
        &frame("0021", "00", "06 00 05 02 00 00 01 00"),
        "ipv6 tcp",
        "keep1 label keep4 ip6 ip6 keep24 sum:Good keep2 payload5",
    );
    assert_decodes(
        101,
        &frame("0021", "3c", "06 00 1e 04 01 02 03 04"),
        "ipv6 tcp",
        "keep1 label keep4 ip6 ip6 keep4 [ipv6 option]4 keep16 sum:Good keep2 payload5",
    );
    // Segment routing with one segment left: its address is the destination of the checksum.
    let segment = "20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02";
    let routed = frame("0031", "2b", &format!("06 02 04 01 00 00 00 00 {segment}"));
    let via = routed.replacen("00 02", "00 99", 1);
    assert_decodes(101, &via, "ipv6 tcp", "keep1 label keep4 ip6 ip6 keep8 ip6 keep16 sum:Good keep2 payload5");
    // A fragment, and a fragment header on a whole packet.
    assert_decodes(
        101,
        &frame("0021", "2c", "06 00 00 01 00 00 00 07"),
        "ipv6",
        "keep1 label keep4 ip6 ip6 keep8 fragment25",
    );
    assert_decodes(
        101,
        &frame("0021", "2c", "06 00 00 00 00 00 00 07"),
        "ipv6 tcp",
        "keep1 label keep4 ip6 ip6 keep24 sum:Good keep2 payload5",
    );
    assert_decodes(
        101,
        &frame("0031", "33", "06 04 0000 00000001 00000002 000102030405060708090a0b"),
        "ipv6 ah tcp",
        "keep1 label keep4 ip6 ip6 keep4 id4 keep4 [authentication value]12 keep16 sum:Good keep2 payload5",
    );
}

#[test]
fn arp_igmp_and_neighbours() {
    assert_decodes(
        1,
        &format!("{ETHERNET} 0806 0001 0800 06 04 0001 02005e000001 c0000201 000000000000 c0000202 0000"),
        "eth arp",
        "mac mac keep10 mac ip4 mac ip4 [trailer]2",
    );
    assert_decodes(
        1,
        &format!("{ETHERNET} 0806 0006 86dd 08 10 0001 0102"),
        "eth arp",
        "mac mac keep10 [arp addresses]2",
    );
    assert_decodes(
        101,
        "46 00 00 20 00 00 00 00 01 02 00 00 c0000201 e0000016 94 04 00 00  16 00 09 f8 e0 00 00 07",
        "ip igmp",
        "keep10 sum:Zero ip4 ip4 keep6 sum:Good ip4",
    );
    assert_decodes(
        101,
        "45 00 00 28 00 00 00 00 01 02 00 00 c0000201 e0000016  22 00 00 01 00 00 00 01 04 00 00 01 e0000007 c0000205",
        "ip igmp",
        "keep10 sum:Zero ip4 ip4 keep2 sum:Bad keep8 ip4 ip4",
    );
    let ns = format!(
        "60 01 23 45 00 20 3a 40 {ADDRESSES6} 87 00 ec 72 00 00 00 00 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02 01 01 02 00 00 00 00 01"
    );
    assert_decodes(101, &ns, "ipv6 icmpv6", "keep1 label keep4 ip6 ip6 keep2 sum:Good keep4 ip6 keep2 mac");
    let ra = format!(
        "60000000 0030 3a ff {ADDRESSES6} 86 00 1234 4000 0708 00000000 00000000 \
        03 04 40 c0 00000e10 00000e10 00000000 20010db8000000000000000000000000"
    );
    assert_decodes(101, &ra, "ipv6 icmpv6", "keep1 label keep4 ip6 ip6 keep2 sum:Bad keep28 ip6");
    let report =
        format!("60000000 001c 3a 01 {ADDRESSES6} 8f 00 1234 0000 0001 04 00 0000 ff020000000000000000000000000016");
    assert_decodes(101, &report, "ipv6 icmpv6", "keep1 label keep4 ip6 ip6 keep2 sum:Bad keep8 ip6");
}

#[test]
fn address_books() {
    let udp = |port: &str, len: usize| {
        format!("4500 {:04x} 0000 0000 40 11 0000 c0000201 c6336402 {port} {:04x} 0000", len + 28, len + 8)
    };
    let shown = "keep10 sum:Zero ip4 ip4 keep6 sum:Zero";
    let answer = "0009 8180 0001 0002 0000 0000 03777777 07657861 6d706c65 00 0001 0001 \
        c00c 0001 0001 0000003c 0004 c0000207  c010 0005 0001 0000003c 0004 01 61 c00c";
    assert_decodes(
        101,
        &format!("{} {answer}", udp("0035 d000", 61)),
        "ip udp dns",
        &format!("{shown} keep13 [dns name]3 keep1 [dns name]7 keep17 ip4 keep12 [dns data]4"),
    );
    let service = "0009 8180 0001 0002 0000 0000 03777777 07657861 6d706c65 00 0041 0001 \
        c00c 0041 0001 0000003c 0012 0001 00 0004 0004 c0000207 0001 0003 026832 \
        c00c 002f 0001 0000003c 0006 01 61 00 00 01 40";
    assert_decodes(
        101,
        &format!("{} {service}", udp("0035 d000", 77)),
        "ip udp dns",
        &format!(
            "{shown} keep13 [dns name]3 keep1 [dns name]7 keep24 ip4 keep4 [dns data]3 keep13 [dns name]1 keep3 [dns data]1"
        ),
    );
    // Not a whole message: nothing of it is believed.
    let cut = answer.replace("61 c00c", "61 c0");
    assert_decodes(101, &format!("{} {cut}", udp("0035 d000", 60)), "ip udp", &format!("{shown} payload60"));
    let fixed = "02 01 06 00 01020304 0000 8000 00000000 c0000207 c0000201 00000000 021122334455 00000000000000000000";
    let lease = format!("{fixed} {} 63825363 350105 3604c0000201 0c0161 3d0701021122334455 ff 0000", "00".repeat(192));
    assert_decodes(
        101,
        &format!("{} {lease}", udp("0043 0044", 265)),
        "ip udp dhcp",
        &format!(
            "{shown} keep12 ip4 ip4 ip4 ip4 mac [dhcp padding]10 [dhcp server name]64 [dhcp file]128 keep9 ip4 keep2 \
            [dhcp option]1 keep3 mac keep1 [dhcp padding]2"
        ),
    );
}

#[test]
fn icmp_errors_quote_packets() {
    let unreachable = "45 00 00 38 12 34 00 00 40 01 7c 5a c0 00 02 01 c6 33 64 02 03 01 38 a8 00 00 00 00 \
        45 00 00 2d 12 34 00 00 40 06 7c 60 c0 00 02 01 c6 33 64 02 c0 00 00 50 01 02 03 04";
    assert_decodes(
        101,
        unreachable,
        "ip icmp ip tcp",
        "keep10 sum:Good ip4 ip4 keep2 sum:Good keep14 sum:Good ip4 ip4 keep8",
    );
    let redirect = "45 00 00 38 12 34 00 00 40 01 7c 5a c0 00 02 01 c6 33 64 02 05 01 69 1d c0 00 02 09 \
        45 00 00 21 12 34 00 00 40 11 7c 61 c0 00 02 01 c6 33 64 02 c0 00 27 0f 00 0d e8 ba";
    assert_decodes(
        101,
        redirect,
        "ip icmp ip udp",
        "keep10 sum:Good ip4 ip4 keep2 sum:Good ip4 keep10 sum:Good ip4 ip4 keep6 sum:Cut",
    );
    let echo = "45 00 00 1e 12 34 00 00 40 01 00 00 c0 00 02 01 c6 33 64 02 08 00 00 00 00 01 00 02 61 62";
    assert_decodes(101, echo, "ip icmp", "keep10 sum:Zero ip4 ip4 keep2 sum:Zero keep4 [icmp data]2");
    // A quoted datagram's payload belongs to no flow.
    let whole = format!("45 00 00 3d 12 34 00 00 40 01 00 00 c0 00 02 01 c6 33 64 02 03 01 00 00 00 00 00 00 {UDP4}");
    let whole = hex(&whole);
    let layers = decoded(101, &whole, whole.len());
    assert!(layers.transport.is_none());
    assert_eq!(layers.not_understood, [("quoted payload", 56..61)]);
}

#[test]
fn tunnels() {
    let ip = |protocol, len: usize| {
        format!("45 00 {:04x} 00 00 00 00 40 {protocol} 00 00 c0 00 02 01 c6 33 64 02", len + 20)
    };
    let udp = |dst, len: usize| format!("{} c0 00 {dst} {:04x} 00 00", ip("11", len + 8), len + 8);
    let (ip_shown, udp_shown) = ("keep10 sum:Zero ip4 ip4", "keep10 sum:Zero ip4 ip4 keep6 sum:Zero");
    let tail4 = TCP4_SHOWN.strip_prefix("keep10 ").unwrap();
    for (head, names, expected) in [
        (ip("04", 45), "ip", format!("{ip_shown} keep10")),
        (format!("60000000 002d 04 40 {ADDRESSES6}"), "ipv6", "keep1 label keep4 ip6 ip6 keep10".into()),
        (format!("{} 0000 0800", ip("2f", 49)), "ip gre", format!("{ip_shown} keep14")),
        (
            format!("{} b000 0800 1234 0000 00000001 00000002", ip("2f", 61)),
            "ip gre",
            format!("{ip_shown} keep4 sum:Bad keep2 id4 keep14"),
        ),
        (
            format!("{} 1000 88be 00000001 0102030405060708 {ETHERNET} 0800", ip("2f", 75)),
            "ip gre erspan eth",
            format!("{ip_shown} keep16 mac mac keep12"),
        ),
        (
            format!("{} 08000000 00000100 {ETHERNET} 0800", udp("12b5", 67)),
            "ip udp vxlan eth",
            format!("{udp_shown} keep4 id3 keep1 mac mac keep12"),
        ),
        (
            format!("{} 0c000003 00000100 {ETHERNET} 0800", udp("12b6", 67)),
            "ip udp vxlan eth",
            format!("{udp_shown} keep4 id3 keep1 mac mac keep12"),
        ),
        (
            format!("{} 02006558 00000100 01020301 aabbccdd {ETHERNET} 0800", udp("17c1", 75)),
            "ip udp geneve eth",
            format!("{udp_shown} keep4 id3 keep5 [geneve option]4 mac mac keep12"),
        ),
        (format!("{} 30ff002d 00000001", udp("0868", 53)), "ip udp gtp", format!("{udp_shown} keep4 id4 keep10")),
        (
            format!("{} 34ff0035 00000001 00000085 01100900", udp("0868", 61)),
            "ip udp gtp",
            format!("{udp_shown} keep4 id4 keep5 [gtp extension]2 keep11"),
        ),
        (format!("{} 00000800", udp("1292", 49)), "ip udp gre", format!("{udp_shown} keep14")),
    ] {
        assert_decodes(101, &format!("{head} {TCP4}"), &format!("{names} ip tcp"), &format!("{expected} {tail4}"));
    }
    let tail6 = TCP6_SHOWN.strip_prefix("keep1 ").unwrap();
    assert_decodes(101, &format!("{} {TCP6}", ip("29", 65)), "ip ipv6 tcp", &format!("{ip_shown} keep1 {tail6}"));
    assert_decodes(
        101,
        &format!("{} 0000 1234 aabbccdd {TCP6}", udp("0dd8", 73)),
        "ip udp teredo ipv6 tcp",
        &format!("{udp_shown} keep2 [teredo origin]6 keep1 {tail6}"),
    );
    assert_decodes(
        101,
        &format!("{} 0001 0102 aa bbcc 0000000000000000 00 0000 1234 aabbccdd {TCP6}", udp("0dd8", 89)),
        "ip udp teredo ipv6 tcp",
        &format!("{udp_shown} keep4 [teredo authentication]12 keep2 [teredo origin]6 keep1 {tail6}"),
    );
    // A datagram to a tunnel's port that is none.
    assert_decodes(101, &format!("{} 4745 5420", udp("12b5", 4)), "ip udp", &format!("{udp_shown} payload4"));
}

#[test]
fn nesting_is_bounded() {
    let deep = "81000001".repeat(1000);
    let frame = hex(&format!("{ETHERNET} {deep} 0800 {TCP4}"));
    let layers = decoded(1, &frame, frame.len());
    assert_eq!(layers.not_understood.last().unwrap().0, "too many layers");
}

/// Good stays good, bad bad, none none, offloaded offloaded, after addresses and payload were edited.
#[test]
fn checksums_keep_their_state() {
    for (frame, field, value, expected) in [
        (TCP4, 36, [0xab, 0x59], ChecksumState::Good),
        (TCP4, 36, [0xab, 0x58], ChecksumState::Bad),
        (TCP4, 36, [0, 0], ChecksumState::Zero),
        // The pseudo-header with the segment's length, and without.
        (TCP4, 36, [0xec, 0x56], ChecksumState::PseudoOnly),
        (TCP4, 36, [0xec, 0x3d], ChecksumState::PseudoOnly),
        (UDP4, 26, [0xe8, 0xba], ChecksumState::Good),
        (UDP4, 26, [0, 0], ChecksumState::Zero),
        (UDP4, 26, [0xff, 0xff], ChecksumState::Bad),
        (TCP6, 56, [0x3c, 0x1c], ChecksumState::Good),
        (TCP6, 56, [0x3c, 0x1d], ChecksumState::Bad),
    ] {
        let mut frame = hex(frame);
        frame[field..field + 2].copy_from_slice(&value);
        let before = decoded(101, &frame, frame.len());
        assert_eq!(before.checksums[0].state, expected, "as captured: {value:x?}");
        let length = before.checksums[0].pseudo.as_ref().unwrap().length;
        // The card will cut this one up: its sum leaves the length out, and so does the new one.
        assert_eq!(length == 0, value == [0xec, 0x3d]);
        for piece in before.pieces.iter().filter(|piece| matches!(piece.what, What::Ipv4 | What::Ipv6)) {
            frame[piece.start as usize + 3] ^= 0x55;
        }
        let last = frame.len() - 1;
        frame[last] = 0;
        before.checksums.iter().for_each(|checksum| checksum.write(&mut frame));
        let after = decoded(101, &frame, frame.len());
        assert_eq!(after.checksums[0].state, expected, "as written: {value:x?}");
        assert_eq!(after.checksums[0].pseudo.as_ref().unwrap().length, length);
        assert_eq!(frame[field..field + 2] == value, expected == ChecksumState::Zero);
    }
}

/// Of all payloads, one makes the sum of the pseudo-header the right one.
#[test]
fn an_offloaded_checksum_may_be_right_by_accident() {
    let mut frame = hex(TCP4);
    frame[36..38].copy_from_slice(&[0xec, 0x56]);
    let mut right = 0;
    for value in 0..=u16::MAX {
        frame[40..42].copy_from_slice(&value.to_be_bytes());
        let layers = decoded(101, &frame, frame.len());
        let checksum = &layers.checksums[0];
        right += u32::from(checksum.state == ChecksumState::Good);
        assert!(checksum.reads_as(ChecksumState::PseudoOnly, &frame));
        assert!(!checksum.reads_as(ChecksumState::Bad, &frame) && !checksum.reads_as(ChecksumState::Zero, &frame));
    }
    assert!((1..=2).contains(&right), "0 and 0xffff are the same summand: {right}");
}

/// A checksum over bytes that are missing cannot be checked; what is written does not depend on what stood there.
#[test]
fn a_cut_checksum_stays_cut_and_forgets() {
    let written = [[0xab, 0x59], [0x12, 0x34]].map(|old| {
        let mut frame = hex(TCP4);
        frame[36..38].copy_from_slice(&old);
        let layers = decoded(101, &frame[..43], frame.len());
        assert_eq!(layers.checksums[0].state, ChecksumState::Cut);
        layers.checksums.iter().for_each(|checksum| checksum.write(&mut frame));
        assert_eq!(decoded(101, &frame[..43], frame.len()).checksums[0].state, ChecksumState::Cut);
        frame
    });
    assert_eq!(written[0], written[1]);
}

/// Outer checksums cover inner ones: written in order, all are right at the end.
#[test]
fn checksums_are_written_innermost_first() {
    let head =
        format!("45000055 00000000 40110000 c0000201c6336402 c000 12b5 0041 0000 080000000000010000 {ETHERNET}0800");
    let head = head.replace("0041", "004b").replace("45000055", "4500005f").replacen(
        "080000000000010000",
        "0800000000000100",
        1,
    );
    let mut frame = hex(&format!("{head} {TCP4}"));
    let mut layers = decoded(101, &frame, frame.len());
    layers.checksums.iter_mut().for_each(|checksum| checksum.state = ChecksumState::Good);
    frame[70] ^= 1;
    layers.checksums.iter().for_each(|checksum| checksum.write(&mut frame));
    let states: Vec<_> =
        decoded(101, &frame, frame.len()).checksums.into_iter().map(|checksum| checksum.state).collect();
    assert_eq!(states, [ChecksumState::Good; 4]);
}

const LINKS: [u32; 30] = [
    0, 1, 6, 7, 9, 10, 12, 14, 50, 101, 104, 105, 108, 113, 127, 129, 147, 192, 219, 228, 229, 239, 258, 276, 281, 282,
    284, 285, 300, 65535,
];

proptest! {
    /// Whatever the bytes: nothing panics, and each byte is a piece, payload or said to be not understood.
    #[test]
    fn any_bytes_are_partitioned(link in prop::sample::select(&LINKS), frame in prop::collection::vec(any::<u8>(), 0..200), more in 0usize..50) {
        let layers = decoded(link, &frame, frame.len() + more);
        prop_assert_eq!(shown(&layers, frame.len()).err(), None);
    }

    /// The same for frames that begin well, cut and damaged anywhere; and checksums keep their state over any edit of what they cover.
    #[test]
    fn damaged_frames_are_partitioned(
        base in prop::sample::select(&[TCP4, UDP4, TCP6]),
        tunnel in prop::sample::select(&["", "0800000000000100020000000001020000000002 0800", "30ff002d00000001"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in any::<prop::sample::Index>(),
    ) {
        let outer = match tunnel.len() {
            0 => String::new(),
            10..20 => "4500005100000000401100 00c0000201c6336402 c0000868 003d0000".into(),
            _ => "4500005f00000000401100 00c0000201c6336402 c00012b5 004b0000".into(),
        };
        let mut frame = hex(&format!("{outer}{tunnel}{base}"));
        let wire = frame.len();
        for (at, byte) in damage {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        frame.truncate(keep.index(wire + 1));
        let before = decoded(101, &frame, wire);
        prop_assert_eq!(shown(&before, frame.len()).err(), None);
        for piece in before.pieces.iter().filter(|piece| piece.what == What::Ipv4) {
            frame[piece.start as usize + 2] ^= 0x3c;
        }
        before.checksums.iter().for_each(|checksum| checksum.write(&mut frame));
        let after = decoded(101, &frame, wire);
        for (before, after) in before.checksums.iter().zip(&after.checksums) {
            prop_assert!(after.reads_as(before.state, &frame), "{before:?} {after:?}");
        }
        prop_assert_eq!(before.pieces, after.pieces);
    }
}

/// Calls `each` with every packet of a capture: link type, bytes, wire length.
fn each_packet(path: &Path, mut each: impl FnMut(u32, &[u8], usize)) {
    let file = std::fs::File::open(path).unwrap();
    let Ok(mut reader) = pcap_parser::create_reader(1 << 22, file) else {
        return;
    };
    let mut links = Vec::new();
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => links = vec![header.network.0 as u32 & 0xffff],
                    PcapBlockOwned::Legacy(packet) => each(links[0], packet.data, packet.origlen as usize),
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => links.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                        links.push(interface.linktype.0 as u32)
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                        if let Some(link) = links.get(packet.if_id as usize) {
                            each(*link, packet.packet_data(), packet.origlen as usize);
                        }
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(used);
            }
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Every packet of the captures at hand is partitioned; where etherparse sees plain TCP or UDP, we see the same.
#[test]
fn captures_decode_as_etherparse_sees_them() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    let folder = std::env::var_os("STANDIN_CAPTURES").map_or(beside, Into::into);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED real captures: set STANDIN_CAPTURES to a folder of them");
        return;
    };
    let (mut packets, mut compared) = (0, 0);
    for entry in entries {
        let path = entry.unwrap().path();
        if !path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng") {
            continue;
        }
        let mut layers = Layers::default();
        each_packet(&path, |link, frame, wire| {
            decode(link, frame, wire as u32, &mut layers);
            packets += 1;
            let context = || format!("{:?} packet {packets}: {:?}", path.file_name(), layers.names);
            assert_eq!(shown(&layers, frame.len()).err(), None, "{}", context());
            let plain = matches!(
                layers.names[..],
                ["eth", "ip" | "ipv6", "tcp" | "udp"] | ["eth", "vlan", "ip" | "ipv6", "tcp" | "udp"]
            );
            if let (true, Some(ours), Ok(theirs)) = (plain, &layers.transport, LaxSlicedPacket::from_ethernet(frame)) {
                let (ports, payload) = match &theirs.transport {
                    Some(TransportSlice::Tcp(tcp)) => ((tcp.source_port(), tcp.destination_port()), tcp.payload()),
                    Some(TransportSlice::Udp(udp)) => ((udp.source_port(), udp.destination_port()), udp.payload()),
                    _ => return,
                };
                assert_eq!((ours.src.1, ours.dst.1), ports, "{}", context());
                assert_eq!(&frame[ours.payload.clone()], payload, "{}", context());
                compared += 1;
            }
        });
    }
    eprintln!("{packets} packets, {compared} compared");
    assert!(compared > 0);
}
