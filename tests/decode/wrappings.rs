//! Wrappings one by one, around one and the same TCP segment.

use proptest::prelude::*;

use super::{ETHERNET, TCP4, TCP4_SHOWN, assert_decodes, decoded, hex, shown};

/// 172.16.0.1 -> 172.16.0.2, without a checksum.
fn ip(protocol: &str, len: usize) -> String {
    format!("45 00 {:04x} 00 00 00 00 40 {protocol} 00 00 ac 10 00 01 ac 10 00 02", len + 20)
}

fn udp(port: &str, len: usize) -> String {
    format!("{} c0 00 {port} {:04x} 00 00", ip("11", len + 8), len + 8)
}

const IP: &str = "keep10 sum:Zero ip4 ip4";
const UDP: &str = "keep10 sum:Zero ip4 ip4 keep6 sum:Zero";

/// Each carries the segment on: link type, what stands before it, names, what is shown of that.
fn carriers() -> Vec<(u32, String, &'static str, String)> {
    vec![
        (
            6,
            "10 40 02005e000001 02005e000002 aaaa03 000000 0800".into(),
            "tokenring llc",
            "keep2 mac mac keep18".into(),
        ),
        (
            6,
            "10 40 02005e000001 82005e000002 0630 1111 2222 aaaa03 000000 0800".into(),
            "tokenring llc",
            "keep2 mac mac [source route]6 keep18".into(),
        ),
        (10, "57 02005e000001 02005e000002 aaaa03 000000 0800".into(), "fddi llc", "keep1 mac mac keep18".into()),
        (7, "be 50 f0".into(), "arcnet", "[link address]2 keep11".into()),
        (7, "be 50 d4 00 0001".into(), "arcnet", "[link address]2 keep14".into()),
        (129, "be 50 c300 f0".into(), "arcnet", "[link address]2 keep13".into()),
        (258, "10000000 01000000 65000000 656e3000".into(), "pktap", "keep12 [pktap]4 keep10".into()),
        (284, format!("{ETHERNET} 40000000 0800"), "eth dsa", "mac mac keep16".into()),
        (281, format!("{ETHERNET} 00000001 0800"), "eth dsa", "mac mac keep16".into()),
        (285, format!("{ETHERNET} dada 0000 40000000 0800"), "eth dsa", "mac mac keep20".into()),
        (1, format!("{ETHERNET} 8909 0101 0001 0064 0800"), "eth cmd", "mac mac keep20".into()),
        (282, format!("00000001 {ETHERNET} 0800"), "dsa eth", "keep4 mac mac keep12".into()),
        (
            1,
            format!("{ETHERNET} 88e7 60 00abcd {ETHERNET} 0800"),
            "eth pbb eth",
            "mac mac keep3 id3 mac mac keep12".into(),
        ),
        (1, format!("{ETHERNET} 894f 0002 0201 00000103 "), "eth nsh", "mac mac keep20".into()),
        (
            1,
            format!("{ETHERNET} 894f 0006 0103 00000103 0a0b0c0d 0a0b0c0d 0a0b0c0d 0a0b0c0d {ETHERNET} 0800"),
            "eth nsh eth",
            "mac mac keep10 [nsh context]16 mac mac keep12".into(),
        ),
        (
            101,
            format!("{} 0c000004 00000100 0002 0201 00000103", udp("12b6", 61)),
            "ip udp vxlan nsh",
            format!("{UDP} keep4 id3 keep19"),
        ),
        (101, format!("{} 0002 0001 0002 ff03 0021", udp("06a5", 55)), "ip udp l2tp ppp", format!("{UDP} keep20")),
        (
            101,
            format!("{} 4a02 003f 0001 0002 0003 0004 0002 aaaa 21", udp("06a5", 62)).replace("003f", "003e"),
            "ip udp l2tp ppp",
            format!("{UDP} keep14 [padding]2 keep11"),
        ),
        (
            101,
            format!("{} 00000007 0a0b0c0d {ETHERNET} 0800", ip("73", 67)),
            "ip l2tp eth",
            format!("{IP} keep4 [l2tp cookie]4 mac mac keep12"),
        ),
        (
            101,
            format!("{} 0003 0000 00000007 {ETHERNET} 0800", udp("06a5", 67)),
            "ip udp l2tp eth",
            format!("{UDP} keep8 mac mac keep12"),
        ),
        (
            101,
            format!("{} 1000 22eb 00000001 0102030405060708090a0b0c {ETHERNET} 0800", ip("2f", 79)),
            "ip gre erspan eth",
            format!("{IP} keep20 mac mac keep12"),
        ),
        (
            101,
            format!("{} 1000 22eb 00000001 0102030405060708090a0b01 1122334455667788 {ETHERNET} 0800", ip("2f", 87)),
            "ip gre erspan eth",
            format!("{IP} keep20 [erspan platform]8 mac mac keep12"),
        ),
    ]
}

#[test]
fn a_segment_is_found_in_every_wrapping() {
    let tail = TCP4_SHOWN.strip_prefix("keep10 ").unwrap();
    for (link, head, names, expected) in carriers() {
        // Structural neighbours are one piece: the segment's first ten bytes count to it.
        let expected = format!("{expected} {tail}");
        assert_decodes(link, &format!("{head} {TCP4}"), &format!("{names} ip tcp"), &expected);
    }
}

proptest! {
    /// However they are cut and damaged, each byte is accounted for, and checksums keep their state.
    #[test]
    fn damaged_wrappings_are_partitioned(
        carrier in any::<prop::sample::Index>(),
        damage in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..5),
        keep in any::<prop::sample::Index>(),
    ) {
        let carriers = carriers().into_iter().map(|(link, head, ..)| (link, format!("{head} {TCP4}")));
        let carriers: Vec<_> = carriers.chain([(101, samples())]).collect();
        let (link, frame) = &carriers[carrier.index(carriers.len())];
        let mut frame = hex(frame);
        let wire = frame.len();
        for (at, byte) in damage {
            let at = at.index(wire);
            frame[at] = byte;
        }
        frame.truncate(keep.index(wire + 1));
        let before = decoded(*link, &frame, wire);
        prop_assert_eq!(shown(&before, frame.len()).err(), None);
        before.checksums.iter().for_each(|checksum| checksum.write(&mut frame));
        prop_assert_eq!(decoded(*link, &frame, wire).pieces, before.pieces);
    }
}

/// Copies of packets in a datagram of samples: quoted, not of their flows, each with its own addresses and checksums.
fn samples() -> String {
    let header = format!("00000001 00000040 0000000b 0000002d 00000000 0000002d {TCP4} 000000");
    let counted = "00000001 00000008 0102030405060708";
    let addresses = "00000003 00000020 0000002d 00000006 c0000201 c6336402 0000c000 00000050 00000010 00000000";
    let sample = "00000001 0000000d 0000003c 12345678 00000000 0000000d 00000002";
    [
        &udp("18c7", 28 + 152 + 112 + 40)[..],
        "00000005 00000001 c0000207 00000000 00000009 0a0b0c0d 00000003",
        &format!("00000001 00000090 {sample} 00000002 {header} {addresses}"),
        &format!("00000001 00000068 {sample} 00000001 {header}"),
        &format!("00000002 00000020 00000001 0000000d 00000001 {counted} aaaaaaaa"),
    ]
    .join(" ")
}

#[test]
fn sampled_packets() {
    let copy = TCP4_SHOWN.strip_prefix("keep10 ").unwrap().replace("payload", "quote");
    let expected = format!(
        "{UDP} keep8 ip4 keep8 [sflow clock]4 keep78 {copy} [sflow record]3 keep16 ip4 ip4 keep90 {copy} [sflow record]3 \
         keep28 [sflow record]8 [sflow sample]4"
    );
    assert_decodes(101, &samples(), "ip udp sflow ip tcp ip tcp", &expected);
}

/// What cannot be read behind its header, or is no carrier.
#[test]
fn headers_alone() {
    for (link, frame, names, expected) in [
        (
            101,
            format!("{} 00000001 00000002 aabbccddee", ip("32", 13)),
            "ip esp",
            format!("{IP} id4 keep4 [esp payload]5"),
        ),
        (
            1,
            format!("{ETHERNET} 88e5 2c 00 00000001 02005e000001 0001 aabbccddeeff"),
            "eth macsec",
            "mac mac keep8 mac keep2 [macsec payload]6".into(),
        ),
        (1, format!("{ETHERNET} 88e5 0c 00 00000001 aabb"), "eth macsec", "mac mac keep8 [macsec payload]2".into()),
        (
            1,
            format!("{ETHERNET} 8863 11 09 0000 000a 0101 0000 0103 0002 abcd 0000"),
            "eth pppoed",
            "mac mac keep16 [pppoe tag]2 [trailer]2".into(),
        ),
        (
            101,
            format!("{} c802 000f 0001 0000 0001 0002 800800", udp("06a5", 15)),
            "ip udp l2tp",
            format!("{UDP} keep12 [l2tp control]3"),
        ),
        (
            101,
            format!("{} 00000000 c803 0010 00000000 0000 0000 8008", ip("73", 18)),
            "ip l2tp",
            format!("{IP} keep16 [l2tp control]2"),
        ),
        (
            101,
            format!("{} c000 0050 0008 0000 68656c6c6f", ip("88", 13)),
            "ip udplite",
            format!("{IP} keep6 sum:Zero payload5"),
        ),
        (
            101,
            format!("{} c000 1389 07 00 0000 09 00 000000000001 0000000000000002 aabbccdd 6869", ip("21", 30)),
            "ip dccp",
            format!("{IP} keep6 sum:Zero keep16 [dccp options]4 payload2"),
        ),
        (
            1,
            format!("{ETHERNET} 0806 0007 0800 01 04 0001 be c0000201 00 c0000202"),
            "eth arp",
            "mac mac keep10 [link address]1 ip4 [link address]1 ip4".into(),
        ),
    ] {
        assert_decodes(link, &frame, names, &expected);
    }
}

#[test]
fn sctp_chunks() {
    let sctp = |chunks: &str| {
        let chunks = chunks.replace(' ', "");
        format!("{} c000 0050 01020304 00000000 {chunks}", ip("84", 12 + chunks.len() / 2))
    };
    let head = "keep10 sum:Zero ip4 ip4 keep4 id4 sum:Zero";
    for (chunks, expected) in [
        ("0003 0013 00000001 0002 0000 00000000 616263 ff", "keep16 data3 [padding]1"),
        (
            "0300 0010 00000001 00001000 00000000 0003 0011 00000001 0002 0000 00000000 61 000000",
            "keep32 data1 [padding]3",
        ),
        (
            "0100 0028 00000001 00001000 00010001 00000001 0005 0008 0a010203 8000 0004 0007 0008 aabbccdd",
            "keep4 id4 keep16 ip4 keep8 [sctp parameter]4",
        ),
        ("0400 000c 0001 0008 0a010203", "keep4 [sctp chunk]8"),
        ("0a00 0008 aabbccdd 0b00 0004", "keep4 [sctp chunk]4 keep4"),
    ] {
        assert_decodes(101, &sctp(chunks), "ip sctp", &format!("{head} {expected}"));
    }
}

/// A frame check sequence is one if it is right, and stays right.
#[test]
fn frame_check_sequences() {
    let frame = hex(&format!("{ETHERNET} 0800 {TCP4} 0000"));
    let bitwise = !frame.iter().fold(u32::MAX, |rest, byte| {
        (0..8).fold(rest ^ u32::from(*byte), |rest, _| if rest & 1 == 1 { rest >> 1 ^ 0xedb8_8320 } else { rest >> 1 })
    });
    let mut frame = [frame, bitwise.to_le_bytes().to_vec()].concat();
    let layers = decoded(1, &frame, frame.len());
    assert!(shown(&layers, frame.len()).unwrap().ends_with("payload5 [trailer]2 sum:Good"));
    assert_eq!(layers.checksums.last().unwrap().at, frame.len() - 4, "it covers all others");
    frame[0] ^= 4;
    layers.checksums.iter().for_each(|checksum| checksum.write(&mut frame));
    assert!(shown(&decoded(1, &frame, frame.len()), frame.len()).unwrap().ends_with("sum:Good"));
    *frame.last_mut().unwrap() ^= 1;
    assert!(shown(&decoded(1, &frame, frame.len()), frame.len()).unwrap().ends_with("[trailer]6"));
}

#[test]
fn frames_of_80211_that_carry_no_data() {
    let macs = "02005e000001 02005e000002 02005e000003";
    for (frame, expected) in [
        (
            format!("8000 0000 {macs} 1000 0011223344556677 6400 0104 0003616263"),
            "keep4 mac mac mac keep2 [wlan management]17",
        ),
        ("d400 0000 02005e000001".into(), "keep4 mac"),
        ("b400 0000 02005e000001 02005e000002".into(), "keep4 mac mac"),
        ("8400 0000 02005e000001 02005e000002 0400 1234".into(), "keep4 mac mac [wlan control]4"),
        (format!("0842 0000 {macs} 1000 0102030405060708 aabb"), "keep4 mac mac mac keep2 [wlan protected]10"),
    ] {
        assert_decodes(105, &frame, "wlan", expected);
    }
}
