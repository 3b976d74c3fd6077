//! Frames of every kind as written bytes, any bytes at all, and the captures at hand.

mod checksums;
mod inside;
mod peers;
mod wrappings;

use proptest::prelude::*;
use standin::decode::{Layers, What, decode};

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
