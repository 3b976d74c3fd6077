//! Packets in packets: tunnels, and what errors quote.

use super::{ADDRESSES6, ETHERNET, TCP4, TCP4_SHOWN, TCP6, TCP6_SHOWN, UDP4, assert_decodes, decoded, hex};

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
