//! What hides beside the layers: a marker planted in each place, and looked for in the output.

use super::wire::{Wire, sum};
use super::{assert_ledger, mask, packets};

/// No byte of it is one that headers have.
const MARKER: [u8; 8] = [0xd3, 0x1c, 0x9a, 0x4b, 0x37, 0xe2, 0x5b, 0x91];

const MACS: [u8; 12] = [0x9c, 0x1c, 0x42, 1, 2, 3, 0x9c, 0x1c, 0x42, 4, 5, 6];
const HOSTS: [u8; 8] = [82, 83, 84, 85, 91, 92, 93, 94];

fn marker(len: usize) -> Vec<u8> {
    MARKER.iter().copied().cycle().take(len).collect()
}

/// A header option: kind, length, data.
fn option(kind: u8, data: &[u8]) -> Vec<u8> {
    [&[kind, data.len() as u8 + 2], data].concat()
}

/// A TCP segment with these options and this payload.
fn tcp(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().next_multiple_of(4), 1);
    let mut tcp = vec![0x9c, 0x41, 0, 80, 0, 0, 3, 0xe8, 0, 0, 0, 0, 0x50 + options.len() as u8 * 4, flags];
    tcp.extend([0x20, 0, 0, 0, 0, 0]);
    [tcp, options, payload.to_vec()].concat()
}

/// An IPv4 packet with these header options.
fn ipv4(protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().next_multiple_of(4), 1);
    let mut ip = vec![0x45 + options.len() as u8 / 4, 0];
    ip.extend(((20 + options.len() + payload.len()) as u16).to_be_bytes());
    ip.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
    ip.extend(HOSTS);
    ip.extend(&options);
    let value = sum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&value);
    [ip, payload.to_vec()].concat()
}

/// An IPv6 packet; `first` are its version, class and label.
fn ipv6(first: [u8; 4], hosts: [[u8; 16]; 2], next: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    [&first[..], &length, &[next, 64], &hosts[0], &hosts[1], payload].concat()
}

const V6: [[u8; 16]; 2] = [
    [0x2a, 1, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0x11, 0x22, 0x33, 0x44],
    [0x2a, 1, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0x55, 0x66, 0x77, 0x88],
];

fn ethernet(ethertype: [u8; 2], payload: &[u8]) -> Vec<u8> {
    [&MACS[..], &ethertype, payload].concat()
}

fn v4(options: &[u8], payload: &[u8]) -> Vec<u8> {
    ethernet([8, 0], &ipv4(6, options, payload))
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    ethernet([0x86, 0xdd], &ipv6([0x60, 0, 0, 0], V6, next, payload))
}

/// Each place with the frame that has the marker there.
fn places() -> Vec<(&'static str, Vec<u8>)> {
    let syn = |options: &[u8]| v4(&[], &tcp(2, options, b""));
    let header = |data: &[u8]| [&[6, (data.len() / 8) as u8], data].concat();
    vec![
        ("sender's clock", syn(&option(8, &[&MARKER[..4], &[0; 4]].concat()))),
        ("receiver's clock", syn(&option(8, &MARKER))),
        ("MD5 signature", syn(&option(19, &marker(16)))),
        ("authentication option", syn(&option(29, &marker(18)))),
        ("fast-open cookie", syn(&option(34, &MARKER))),
        ("experimental option", syn(&option(254, &marker(10)))),
        ("unknown option", syn(&option(200, &MARKER))),
        ("multipath key", syn(&option(30, &[&[0, 0x81], &MARKER[..]].concat()))),
        ("behind the end of options", syn(&[&[0, 1, 1, 1], &MARKER[..]].concat())),
        ("record route", v4(&option(7, &[&[12], &MARKER[..]].concat()), &tcp(16, &[], b""))),
        ("loose source route", v4(&option(131, &[&[4], &MARKER[..]].concat()), &tcp(16, &[], b""))),
        ("time stamps", v4(&option(68, &[&[13, 0], &MARKER[..]].concat()), &tcp(16, &[], b""))),
        ("time stamps with addresses", v4(&option(68, &[&[13, 1], &MARKER[..]].concat()), &tcp(16, &[], b""))),
        ("security option", v4(&option(130, &marker(9)), &tcp(16, &[], b""))),
        ("unknown IP option", v4(&option(0x99, &MARKER), &tcp(16, &[], b""))),
        ("behind the end of IP options", v4(&[&[0, 1, 1, 1], &MARKER[..]].concat(), &tcp(16, &[], b""))),
        (
            "hop-by-hop option",
            v6(0, &[header(&[&option(0x1e, &MARKER)[..], &[1, 2, 0, 0]].concat()), tcp(16, &[], b"")].concat()),
        ),
        (
            "destination option",
            v6(60, &[header(&[&option(0x1e, &MARKER)[..], &[1, 2, 0, 0]].concat()), tcp(16, &[], b"")].concat()),
        ),
        ("PadN", v6(60, &[header(&[&option(1, &MARKER)[..], &[1, 2, 0, 0]].concat()), tcp(16, &[], b"")].concat())),
        (
            "home address",
            v6(
                60,
                &[
                    header(&[&[1, 2, 0, 0][..], &option(0xc9, &[&[0x2a, 1], &marker(14)[..]].concat())].concat()),
                    tcp(16, &[], b""),
                ]
                .concat(),
            ),
        ),
        ("routing header", v6(43, &[vec![6, 2, 0, 0, 0, 0, 0, 0, 0x2a, 1], marker(14), tcp(16, &[], b"")].concat())),
        (
            "segment routing TLV",
            v6(
                43,
                &[vec![6, 4, 4, 0, 0, 0, 0, 0, 0x2a, 1], marker(14), option(200, &marker(14)), tcp(16, &[], b"")]
                    .concat(),
            ),
        ),
        ("unknown routing header", v6(43, &[vec![6, 2, 77, 0, 0, 0, 0, 0], marker(16), tcp(16, &[], b"")].concat())),
        (
            "authentication header",
            v6(51, &[vec![6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2], marker(12), tcp(16, &[], b"")].concat()),
        ),
        ("Ethernet padding", [v4(&[], &tcp(16, &[], b"")), MARKER.to_vec()].concat()),
        ("trailer behind a payload", [v4(&[], &tcp(16, &[], &[b'x'; 60])), MARKER.to_vec()].concat()),
        ("frame check sequence", [v4(&[], &tcp(16, &[], &[b'x'; 60])), MARKER[..4].to_vec()].concat()),
        ("behind an IPv6 packet", [v6(6, &tcp(16, &[], b"")), MARKER.to_vec()].concat()),
        (
            "behind an ARP packet",
            [
                ethernet(
                    [8, 6],
                    &[
                        0, 1, 8, 0, 6, 4, 0, 1, 0x9c, 0x1c, 0x42, 1, 2, 3, 82, 83, 84, 85, 0, 0, 0, 0, 0, 0, 91, 92,
                        93, 94,
                    ],
                ),
                MARKER.to_vec(),
            ]
            .concat(),
        ),
        ("behind an LLC frame", [&MACS[..], &[0, 3, 0x42, 0x42, 3], &MARKER].concat()),
        ("urgent data", v4(&[], &[&tcp(0x38, &[], b"")[..18], &[0, 8], &MARKER].concat())),
        ("MAC behind an unknown type", ethernet([0x12, 0x34], &MARKER)),
        (
            "flow label",
            ethernet([0x86, 0xdd], &ipv6([0x60, MARKER[1] & 15, MARKER[2], MARKER[3]], V6, 6, &tcp(16, &[], b""))),
        ),
    ]
}

/// Half of the marker is enough to give it away; of a label, two bytes are.
fn is_there(frame: &[u8], place: &str) -> bool {
    match place {
        "flow label" => frame[16..18] == MARKER[2..4],
        _ => [&MARKER[..4], &MARKER[4..]].iter().any(|half| frame.windows(4).any(|window| window == *half)),
    }
}

#[test]
fn nothing_hides_beside_the_layers() {
    for (place, frame) in places() {
        assert!(is_there(&frame, place), "{place}: not planted");
        let mut wire = Wire::new();
        wire.frame(&frame);
        let masked = mask(&wire.file);
        assert_ledger(&wire.file, &masked);
        assert!(!is_there(&packets(&masked.bytes)[0].frame, place), "{place}");
    }
}

/// What passes between two readings of a clock stays; both sides' options tell of the same clocks.
#[test]
fn clocks_run_on() {
    let mut wire = Wire::new();
    for (ticks, echo) in [(7_000_000_u32, 0_u32), (7_000_250, 900)] {
        wire.frame(&v4(&[], &tcp(16, &option(8, &[ticks.to_be_bytes(), echo.to_be_bytes()].concat()), b"")));
    }
    let packets = packets(&mask(&wire.file).bytes);
    let number = |packet: usize, at: usize| u32::from_be_bytes(packets[packet].frame[at..at + 4].try_into().unwrap());
    assert_ne!(number(0, 56), 7_000_000);
    assert_eq!(number(1, 56).wrapping_sub(number(0, 56)), 250);
    assert_eq!(number(0, 60), 0, "no echo yet");
    assert_ne!(number(1, 60).wrapping_sub(900), number(1, 56).wrapping_sub(7_000_250), "one offset for two hosts");
}

/// An interface id made of a MAC is made of that MAC's pseudonym; so are groups and their MACs.
#[test]
fn interface_ids_follow_their_mac() {
    let mac = [0x9c, 0x1c, 0x42, 0x4b, 0x37, 0xe2];
    let host = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x9e, 0x1c, 0x42, 0xff, 0xfe, 0x4b, 0x37, 0xe2];
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x4b, 0x37, 0xe2];
    let packet = ipv6([0x60, 0, 0, 0], [host, group], 6, &tcp(2, &[], b""));
    let frame = [&[0x33, 0x33, 0xff, 0x4b, 0x37, 0xe2][..], &mac, &[0x86, 0xdd], &packet].concat();
    let mut wire = Wire::new();
    wire.frame(&frame);
    let masked = &packets(&mask(&wire.file).bytes)[0].frame;
    let new = &masked[6..12];
    assert_ne!(new, mac);
    assert_ne!(new[3..], mac[3..], "the card's number");
    let id = [new[0] ^ 2, new[1], new[2], 0xff, 0xfe, new[3], new[4], new[5]];
    assert_eq!(masked[14 + 16..14 + 24], id);
    assert_eq!(masked[14 + 37..14 + 40], new[3..], "the solicited-node group");
    assert_eq!(masked[..6], [&[0x33, 0x33, 0xff], &new[3..]].concat()[..], "the group's MAC");
}

/// A record that is not there in full is not copied.
#[test]
fn nothing_hides_behind_the_last_packet() {
    let mut wire = Wire::new();
    wire.frame(&v4(&[], &tcp(2, &[], b"")));
    let whole = mask(&wire.file).bytes;
    for tail in [marker(8), [&[0; 8][..], &[200, 0, 0, 0, 200, 0, 0, 0], &MARKER].concat()] {
        let masked = mask(&[&wire.file[..], &tail].concat());
        assert_eq!(masked.bytes, whole);
        assert_eq!(masked.manifest.warnings.len(), 1);
    }
}
