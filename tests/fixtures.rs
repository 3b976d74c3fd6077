//! The recorded captures: there, small, well-formed, and really holding what was planted in them.
//!
//! The reader here is this test's own: forty lines that share nothing with the crate, so that neither vouches for itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All captures together.
const TOTAL_BYTES_MAX: u64 = 3 << 20;
/// One capture.
const CAPTURE_BYTES_MAX: u64 = 1 << 20;
/// The one that is part of the binary.
const DEMO_BYTES_MAX: u64 = 250 << 10;

const CAPTURES: [&str; 6] =
    ["shop-demo.pcap", "shop-ipv6.pcapng", "shop-keepalive.pcap", "shop-lossy.pcap", "shop-ns.pcap", "shop-http2.pcap"];

/// The first capture with other secrets.
const TWIN: &str = "shop-demo-twin.pcap";
/// Another API with other people, who stand in `make/people.tsv`.
const CLINIC: &str = "clinic.pcap";
/// WebSocket.
const CHAT: &str = "chat.pcap";
/// gRPC.
const PARCELS: &str = "parcels.pcap";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn capture(name: &str) -> Vec<u8> {
    let path = fixtures().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A packet: nanoseconds since 1970 and the frame.
struct Packet {
    time_ns: u64,
    frame: Vec<u8>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The packets of a little-endian pcap or pcapng file; panics on anything out of place.
fn packets(file: &[u8]) -> Vec<Packet> {
    match u32_at(file, 0) {
        0xa1b2_c3d4 => pcap_packets(file, 1_000),
        0xa1b2_3c4d => pcap_packets(file, 1),
        0x0a0d_0d0a => pcapng_packets(file),
        magic => panic!("unknown magic {magic:#x}"),
    }
}

fn pcap_packets(file: &[u8], nanos_per_tick: u64) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let (seconds, ticks) = (u32_at(file, at), u32_at(file, at + 4));
        let (captured, wire) = (u32_at(file, at + 8) as usize, u32_at(file, at + 12) as usize);
        assert_eq!(captured, wire, "a packet was cut");
        let time_ns = u64::from(seconds) * 1_000_000_000 + u64::from(ticks) * nanos_per_tick;
        packets.push(Packet { time_ns, frame: file[at + 16..at + 16 + captured].to_vec() });
        at += 16 + captured;
    }
    packets
}

/// Enhanced packet blocks of one interface with nanosecond resolution.
fn pcapng_packets(file: &[u8]) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let length = u32_at(file, at + 4) as usize;
        assert_eq!(u32_at(file, at + length - 4) as usize, length, "the lengths of a block differ");
        if u32_at(file, at) == 6 {
            let time_ns = u64::from(u32_at(file, at + 12)) << 32 | u64::from(u32_at(file, at + 16));
            let captured = u32_at(file, at + 20) as usize;
            packets.push(Packet { time_ns, frame: file[at + 28..at + 28 + captured].to_vec() });
        }
        at += length;
    }
    packets
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

/// Lines of `planted.tsv`: kind, value, captures.
fn planted() -> Vec<[String; 3]> {
    let text = fs::read_to_string(fixtures().join("planted.tsv")).unwrap();
    let columns =
        |line: &str| line.split('\t').map(String::from).collect::<Vec<_>>().try_into().expect("three columns");
    text.lines().filter(|line| !line.starts_with('#')).map(columns).collect()
}

#[test]
fn captures_are_small() {
    let sizes: Vec<u64> =
        CAPTURES.iter().chain([&TWIN, &CLINIC, &CHAT, &PARCELS]).map(|name| capture(name).len() as u64).collect();
    assert!(sizes.iter().all(|&size| size < CAPTURE_BYTES_MAX), "{sizes:?}");
    assert!(sizes.iter().sum::<u64>() <= TOTAL_BYTES_MAX, "{sizes:?}");
    assert!(sizes[0] < DEMO_BYTES_MAX, "the demo capture has {} bytes", sizes[0]);
}

#[test]
fn no_capture_is_left_out_of_these_tests() {
    let is_capture = |path: &Path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng");
    let found: BTreeSet<String> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_capture(path))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, CAPTURES.iter().chain([&TWIN, &CLINIC, &CHAT, &PARCELS]).map(|name| name.to_string()).collect());
}

#[test]
fn captures_parse_and_last_seconds() {
    for name in CAPTURES.into_iter().chain([CLINIC, PARCELS]) {
        let packets = packets(&capture(name));
        assert!(packets.len() > 200, "{name}: {} packets", packets.len());
        let span_ns = packets.last().unwrap().time_ns - packets[0].time_ns;
        assert!((1_000_000_000..15_000_000_000).contains(&span_ns), "{name}: {span_ns} ns");
    }
}

#[test]
fn formats_are_the_ones_promised() {
    let start = |name| capture(name)[..4].to_vec();
    assert_eq!(start("shop-demo.pcap"), [0xd4, 0xc3, 0xb2, 0xa1], "microseconds");
    assert_eq!(start("shop-ns.pcap"), [0x4d, 0x3c, 0xb2, 0xa1], "nanoseconds");
    assert_eq!(start("shop-ipv6.pcapng"), [0x0a, 0x0d, 0x0d, 0x0a]);
    assert_eq!(u32_at(&capture("shop-ns.pcap"), 20), 276, "Linux cooked v2");
    // Some nanosecond stamp is no whole microsecond.
    assert!(packets(&capture("shop-ns.pcap")).iter().any(|packet| packet.time_ns % 1_000 != 0));
}

#[test]
fn ipv6_capture_is_ipv6() {
    let packets = packets(&capture("shop-ipv6.pcapng"));
    assert!(packets.iter().all(|packet| packet.frame[12..14] == [0x86, 0xdd]));
}

/// Every planted value stands in the frames (or, for pcapng, the comments) of the captures it is listed with. This is
/// the positive control of every test that looks for these values in masked output.
#[test]
fn planted_values_are_in_the_captures() {
    let planted = planted();
    for kind in ["name", "email", "password", "phone", "card", "iban", "address"] {
        assert_eq!(planted.iter().filter(|line| line[0] == kind).count(), 16, "{kind}");
    }
    for name in CAPTURES {
        let packets = packets(&capture(name));
        let listed = planted.iter().filter(|line| line[2].split(',').any(|listed| listed == name));
        let mut count = 0;
        for [kind, value, _] in listed {
            assert!(packets.iter().any(|packet| holds(&packet.frame, value.as_bytes())), "{name}: {kind} {value}");
            count += 1;
        }
        assert!(count >= 14, "{name} holds {count} planted values");
    }
}

/// Packet by packet the twin has the same times and lengths, and none of the people's data in plain sight.
#[test]
fn twin_differs_in_secrets_only() {
    let (original, twin) = (packets(&capture(CAPTURES[0])), packets(&capture(TWIN)));
    let layout = |packets: &[Packet]| packets.iter().map(|p| (p.time_ns, p.frame.len())).collect::<Vec<_>>();
    assert_eq!(layout(&original), layout(&twin));
    assert!(original.iter().zip(&twin).filter(|(a, b)| a.frame != b.frame).count() > 200);
    for [kind, value, _] in planted() {
        assert!(!twin.iter().any(|packet| holds(&packet.frame, value.as_bytes())), "{kind} {value}");
    }
}

/// What the captures are for: each of these stands in at least one of them.
#[test]
fn traffic_shows_every_feature() {
    let all: Vec<Packet> = CAPTURES.iter().flat_map(|name| packets(&capture(name))).collect();
    for feature in [
        "Authorization: Bearer ",
        "Authorization: Basic ",
        "Set-Cookie: session=",
        "Cookie: ",
        "name=\"csrf\" value=\"",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=",
        "Content-Encoding: gzip",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
        "HTTP/1.1 100 Continue",
        "If-None-Match: \"",
        "HTTP/1.1 304 ",
        "HTTP/1.1 303 ",
        "HTTP/1.1 204 ",
        "HTTP/1.1 401 ",
        "HTTP/1.1 403 ",
        "HTTP/1.1 404 ",
        "HTTP/1.1 405 ",
        "HTTP/1.1 409 ",
        "HTTP/1.1 422 ",
        "Location: /api/v1/orders/",
        "HEAD /api/v1/products?page=",
        "X-Forwarded-For: ",
        "User-Agent: curl/",
        "User-Agent: ShopApp/",
        "User-Agent: Mozilla/",
        "h2load",
    ] {
        assert!(all.iter().any(|packet| holds(&packet.frame, feature.as_bytes())), "{feature}");
    }
}

/// Sequence numbers that come again or out of order: the cable of this capture was bad.
#[test]
fn lossy_capture_has_retransmissions() {
    let packets = packets(&capture("shop-lossy.pcap"));
    let mut seen = BTreeSet::new();
    let again =
        packets.iter().filter_map(|packet| tcp_data(&packet.frame)).filter(|segment| !seen.insert(*segment)).count();
    assert!(again >= 5, "{again} segments came again");
}

/// Addresses with ports, and sequence number, of a TCP segment with data in an Ethernet frame with IPv4.
fn tcp_data(frame: &[u8]) -> Option<(&[u8], &[u8], u32)> {
    if frame.get(12..14)? != [8, 0] || *frame.get(23)? != 6 {
        return None;
    }
    let header = usize::from(frame[14] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let tcp = frame.get(14 + header..14 + total)?;
    let offset = usize::from(*tcp.get(12)? >> 4) * 4;
    (tcp.len() > offset).then(|| (&frame[26..34], &tcp[..4], u32::from_be_bytes(tcp[4..8].try_into().unwrap())))
}

/// Nothing of the machine that recorded is in the files.
#[test]
fn captures_do_not_name_their_machine() {
    for name in CAPTURES.into_iter().chain([CLINIC, PARCELS]) {
        let file = capture(name);
        for trace in ["/home/", "/root/", "/tmp/", "Dumpcap", "Wireshark", "Linux version"] {
            assert!(!holds(&file, trace.as_bytes()), "{name} holds {trace}");
        }
    }
}
