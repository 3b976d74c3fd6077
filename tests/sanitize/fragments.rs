//! Packets cut into IP fragments, in tunnels too: the same decisions as for whole ones, and nothing left where they fail.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::wire::{ACK, From, Wire, answer, post};
use super::{How, Masked, assert_ledger, mask, packets};

const SECRET: &str = "anna.baker@brookfield-mills.com";

/// A capture with whole packets: a request and an answer.
fn whole() -> Wire {
    let body = format!(r#"{{"email":"{SECRET}","notes":["{}"]}}"#, "Anna Baker called about 83125977. ".repeat(8));
    let mut wire = Wire::connected();
    wire.say(
        From::Client,
        post("/orders", "Cookie: sid=f3b0c44298fc1c149afb\r\n", "application/json", body.as_bytes()),
    );
    wire.say(From::Server, answer("200 OK", "", "application/json", body.as_bytes()));
    wire.close();
    wire
}

/// The IP packets of a capture of Ethernet frames.
fn ip_packets(file: &[u8]) -> Vec<Vec<u8>> {
    packets(file).into_iter().map(|packet| packet.frame[14..].to_vec()).collect()
}

/// How a packet is cut: lengths in units of eight bytes, over and over; an order; which fragments come twice.
#[derive(Clone, Debug)]
struct Cut {
    units: Vec<usize>,
    order: Vec<prop::sample::Index>,
    twice: Vec<prop::sample::Index>,
}

fn cut() -> impl Strategy<Value = Cut> {
    let indices = || prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    // A first fragment may be as short as a tunnel's header.
    (1usize..12, prop::collection::vec(6usize..40, 1..3), indices(), indices())
        .prop_map(|(first, others, order, twice)| Cut { units: [vec![first], others].concat(), order, twice })
}

/// An outer header of version 4 or 6 in which an IP packet travels.
#[derive(Clone, Copy, Debug)]
enum Outer {
    V4,
    V6,
    /// GRE in version 4, with a checksum over what it carries.
    Gre,
}

/// Fragments of the IP packet that carries `inner` in a tunnel.
fn tunnelled(inner: &[u8], id: u16, outer: Outer, cut: &Cut) -> Vec<Vec<u8>> {
    let inner_protocol = if inner[0] >> 4 == 6 { 41 } else { 4 };
    let packet = match outer {
        Outer::V4 => {
            let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, inner_protocol, 0, 0, 172, 16, 9, 1, 172, 16, 9, 2];
            packet.extend(inner);
            packet
        }
        Outer::Gre => {
            let mut gre = vec![0x80, 0, 8, 0, 0, 0, 0, 0];
            if inner[0] >> 4 == 6 {
                gre[2..4].copy_from_slice(&[0x86, 0xdd]);
            }
            gre.extend(inner);
            let value = super::wire::sum(&gre).to_be_bytes();
            gre[4..6].copy_from_slice(&value);
            [&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 47, 0, 0, 172, 16, 9, 1, 172, 16, 9, 2], &gre[..]].concat()
        }
        Outer::V6 => {
            let mut packet = vec![0x60, 0, 0, 0, 0, 0, inner_protocol, 64];
            for host in [1, 2] {
                packet.extend([0x20, 0x02, 0x51, 0x52, 0x53, 0x54, 0, 0, 0, 0, 0, 0, 0, 0x77, 0x66, host]);
            }
            packet.extend(inner);
            packet
        }
    };
    fragments(&packet, id, cut)
}

/// An IP packet (a version 6 one without extension headers) in fragments.
fn fragments(packet: &[u8], id: u16, cut: &Cut) -> Vec<Vec<u8>> {
    let (header, payload) = packet.split_at(if packet[0] >> 4 == 6 { 40 } else { 20 });
    let mut units = cut.units.iter().cycle();
    let (mut pieces, mut at) = (Vec::new(), 0);
    while at < payload.len() {
        let end = payload.len().min(at + units.next().unwrap() * 8);
        pieces.push(fragment(header, id, at, &payload[at..end], end < payload.len()));
        at = end;
    }
    for index in &cut.twice {
        pieces.push(pieces[index.index(pieces.len())].clone());
    }
    for index in &cut.order {
        let index = index.index(pieces.len());
        pieces[..].rotate_left(index);
    }
    pieces
}

/// One fragment, with a right header checksum.
fn fragment(header: &[u8], id: u16, at: usize, payload: &[u8], more: bool) -> Vec<u8> {
    let mut fragment = header.to_vec();
    if header[0] >> 4 == 6 {
        fragment[4..6].copy_from_slice(&(payload.len() as u16 + 8).to_be_bytes());
        let next = std::mem::replace(&mut fragment[6], 44);
        fragment.extend([next, 0]);
        fragment.extend((at as u16 | u16::from(more)).to_be_bytes());
        fragment.extend([0, 0]);
        fragment.extend(id.to_be_bytes());
    } else {
        fragment[2..4].copy_from_slice(&(payload.len() as u16 + 20).to_be_bytes());
        fragment[4..6].copy_from_slice(&id.to_be_bytes());
        fragment[6..8].copy_from_slice(&((at / 8) as u16 | u16::from(more) << 13).to_be_bytes());
        fragment[10..12].fill(0);
        let sum = super::wire::sum(&fragment).to_be_bytes();
        fragment[10..12].copy_from_slice(&sum);
    }
    fragment.extend(payload);
    fragment
}

/// Ethernet frames around IP packets, as a capture.
fn framed<'a>(packets: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let mut wire = Wire::new();
    for packet in packets {
        let ethertype: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
        // Fragments follow one another closely.
        wire.micros -= 990;
        wire.frame(&[&[0x9c, 0x1c, 0x42, 1, 2, 3, 0x9c, 0x1c, 0x42, 4, 5, 6], &ethertype[..], packet].concat());
    }
    wire.file
}

/// A datagram's protocol, and its pieces by offset.
#[derive(Default)]
struct Pieces {
    protocol: u8,
    by_offset: BTreeMap<usize, Vec<u8>>,
}

/// The packets that fragments make, in the order in which they begin: what an IP layer would pass on, tunnels opened. A reader of this test's own;
/// of copies, both must say the same.
fn put_together(packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut order = Vec::new();
    let mut datagrams: BTreeMap<Vec<u8>, Pieces> = BTreeMap::new();
    let mut fragmented = false;
    for (n, packet) in packets.into_iter().enumerate() {
        let v6 = packet[0] >> 4 == 6;
        let (header, next, offset, id) = match v6 {
            true if packet[6] == 44 => (48, packet[40], &packet[42..44], packet[44..48].to_vec()),
            true => (40, packet[6], &[0, 0][..], n.to_be_bytes().to_vec()),
            false if packet[6] & 0x3f | packet[7] != 0 => (20, packet[9], &packet[6..8], packet[4..6].to_vec()),
            false => (20, packet[9], &[0, 0][..], n.to_be_bytes().to_vec()),
        };
        let whole = offset[0] & 0x3f | offset[1] == 0;
        let at = usize::from(u16::from_be_bytes([offset[0], offset[1]]));
        let at = if v6 { at & 0xfff8 } else { (at & 0x1fff) * 8 };
        fragmented |= !whole || matches!(next, 4 | 41 | 47);
        let key = [&[next, u8::from(whole)][..], &id].concat();
        if !datagrams.contains_key(&key) {
            order.push(key.clone());
        }
        let pieces = datagrams.entry(key).or_default();
        pieces.protocol = next;
        if let Some(copy) = pieces.by_offset.insert(at, packet[header..].to_vec()) {
            assert_eq!(copy, packet[header..], "two copies of a fragment differ");
        }
    }
    let joined = order.iter().map(|key| {
        let mut payload = Vec::new();
        for (at, piece) in &datagrams[key].by_offset {
            assert!(*at <= payload.len(), "a hole");
            payload.truncate(*at);
            payload.extend(piece);
        }
        (datagrams[key].protocol, payload)
    });
    if !fragmented {
        return joined.map(|(_, payload)| payload).collect();
    }
    let inner = joined.map(|(next, payload)| match next {
        4 | 41 => payload,
        47 => {
            assert_eq!(super::wire::sum(&payload), 0, "the checksum of GRE");
            payload[8..].to_vec()
        }
        // What is no tunnel goes once more through as a packet of its own.
        next => [&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, next, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &payload].concat(),
    });
    put_together(inner.collect())
}

fn assert_nothing_left(masked: &Masked) {
    for secret in [SECRET, "83125977", "Anna", "f3b0c44298fc1c149afb"] {
        let found = masked.bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} is left");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// Segments come out of their fragments as they come out whole, checksums included.
    #[test]
    fn fragments_are_decided_as_the_whole(
        inner in cut(),
        tunnels in prop::collection::vec((prop_oneof![Just(Outer::V4), Just(Outer::V6), Just(Outer::Gre)], cut()), 0..3),
    ) {
        let whole = whole();
        let mut cut_up = Vec::new();
        let mut next_id = 1000;
        for (n, packet) in ip_packets(&whole.file).iter().enumerate() {
            let mut layer = fragments(packet, n as u16 + 1, &inner);
            for (outer, cut) in &tunnels {
                let ids = next_id..;
                next_id += layer.len() as u16;
                layer = layer.iter().zip(ids).flat_map(|(packet, id)| tunnelled(packet, id, *outer, cut)).collect();
            }
            cut_up.extend(layer);
        }
        let input = framed(&cut_up);
        let masked = mask(&input);
        assert_ledger(&input, &masked);
        assert_nothing_left(&masked);
        prop_assert!(masked.manifest.not_understood.is_empty(), "{:?}", masked.manifest.not_understood);
        let expected: BTreeSet<Vec<u8>> = ip_packets(&mask(&whole.file).bytes).iter().map(|p| p[20..].to_vec()).collect();
        let put_together = put_together(ip_packets(&masked.bytes));
        prop_assert_eq!(put_together.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

/// The request's segment in three fragments.
fn request() -> [Vec<u8>; 3] {
    let mut wire = Wire::connected();
    let segment = wire.segment(From::Client, ACK, &post("/orders", "", "text/plain", SECRET.repeat(9).as_bytes()));
    wire.file.truncate(24);
    wire.send(&segment);
    let cut = Cut { units: vec![20], order: Vec::new(), twice: Vec::new() };
    let pieces = fragments(&ip_packets(&wire.file)[0], 9, &cut);
    pieces.try_into().expect("three")
}

fn told(masked: &Masked, what: &str) -> u64 {
    masked.manifest.not_understood.iter().filter(|told| told.what == what).map(|told| told.packets).sum()
}

#[test]
fn without_the_first_fragment_the_others_are_blanked_and_counted() {
    let [_, second, third] = request();
    let input = framed([&second, &third]);
    let masked = mask(&input);
    assert_ledger(&input, &masked);
    assert_eq!(told(&masked, "ip fragment"), 2);
    assert!(ip_packets(&masked.bytes).iter().all(|packet| packet[20..].iter().all(|&byte| byte == 0)));
}

#[test]
fn the_first_fragment_is_read_though_others_are_missing() {
    let [first, _, third] = request();
    for pieces in [vec![&first], vec![&first, &third], vec![&third, &first]] {
        let input = framed(pieces);
        let masked = mask(&input);
        assert_ledger(&input, &masked);
        assert_nothing_left(&masked);
        let text = String::from_utf8_lossy(&masked.bytes).into_owned();
        assert!(text.contains("POST /orders HTTP/1.1\r\n"), "{text}");
    }
}

#[test]
fn overlapping_fragments_that_disagree_do_not_leak() {
    let [first, second, third] = request();
    let mut other = second.clone();
    let end = other.len();
    other[end - SECRET.len()..].copy_from_slice(b"peter.brown@pleasant-fields.org");
    for pieces in
        [[&first, &second, &other, &third], [&first, &other, &second, &third], [&other, &second, &third, &first]]
    {
        let input = framed(pieces);
        let masked = mask(&input);
        assert_ledger(&input, &masked);
        assert_nothing_left(&masked);
        assert!(!String::from_utf8_lossy(&masked.bytes).contains("peter.brown"));
        assert_eq!(told(&masked, "overlapping fragment"), 1);
    }
}

/// A header's checksum keeps its state though it covers bytes of several packets.
#[test]
fn a_wrong_checksum_stays_wrong() {
    let [mut first, second, third] = request();
    first[20 + 16] ^= 0x55;
    let masked = mask(&framed([&first, &second, &third]));
    let right = mask(&framed(&request()));
    let field = |masked: &Masked| ip_packets(&masked.bytes)[0][36..38].to_vec();
    assert_ne!(field(&masked), field(&right));
    assert_ne!(field(&masked), [0, 0]);
    assert_nothing_left(&masked);
}

/// Fragments wait two seconds of capture time for one another, and do not hold up others for longer.
#[test]
fn fragments_do_not_wait_for_ever() {
    let [_, second, _] = request();
    let mut input = framed([&second]);
    let mut later = Wire::connected();
    later.micros += 3_000_000;
    later.say(From::Client, b"GET /cart HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    input.extend(&later.file[24..]);
    let masked = mask(&input);
    assert_eq!(told(&masked, "ip fragment"), 1);
}

/// Any fragments at all: what they claim to be, and how much of them was captured.
fn any_fragment() -> impl Strategy<Value = (Vec<u8>, usize)> {
    let payload = prop_oneof![
        Just(request()[0][20..].to_vec()),
        prop::collection::vec(any::<u8>(), 0..80),
        Just([&[0x45, 0, 0, 40, 0, 7, 0x20, 0, 64, 17, 0, 0, 172, 16, 9, 1, 172, 16, 9, 2][..], &[9; 20]].concat()),
    ];
    let place = prop_oneof![Just(0usize), 0usize..40, Just(8191)];
    (any::<bool>(), 0..3u16, place, payload, any::<bool>(), 0..3usize, 0usize..40).prop_map(
        |(v6, id, units, payload, more, protocol, cut)| {
            let protocol = [6, 4, 132][protocol];
            let v4: &[u8] = &[0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 172, 16, 9, 1, 172, 16, 9, 2];
            let v6_header = [&[0x60, 0, 0, 0, 0, 0, protocol, 64][..], &[0x20; 32]].concat();
            let packet = fragment(if v6 { &v6_header } else { v4 }, id, units * 8, &payload, more);
            let cut = packet.len().saturating_sub(cut / 4);
            (packet, cut)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever fragments say, the ledger adds up, and no packet is lost.
    #[test]
    fn any_fragments_are_accounted_for(fragments in prop::collection::vec((any_fragment(), 0u64..1_500_000), 1..24)) {
        let mut wire = Wire::new();
        for ((packet, captured), pause) in &fragments {
            let ethertype: [u8; 2] = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [8, 0] };
            wire.micros += pause;
            wire.snaplen = captured + 14;
            wire.frame(&[&[0x9c, 0x1c, 0x42, 1, 2, 3, 0x9c, 0x1c, 0x42, 4, 5, 6], &ethertype[..], packet].concat());
        }
        let masked = mask(&wire.file);
        assert_ledger(&wire.file, &masked);
        prop_assert_eq!(packets(&masked.bytes).len(), fragments.len());
    }
}

/// Payload is kept, addresses are not: neither those that stand in the middle of a fragmented tunnel, nor where that
/// cannot be told.
#[test]
fn kept_payload_is_no_hiding_place_for_addresses() {
    let packet = &ip_packets(&whole().file)[3];
    let (from, to) = (&packet[12..16], &packet[16..20]);
    // Sixteen bytes each: the inner addresses are cut in the middle.
    let cut = Cut { units: vec![2], order: Vec::new(), twice: Vec::new() };
    let tunnelled = tunnelled(packet, 9, Outer::V4, &cut);
    for pieces in [&tunnelled[..], &tunnelled[1..]] {
        let input = framed(pieces);
        let masked = How::rules("addresses-only").mask(&input);
        assert_ledger(&input, &masked);
        let text: Vec<u8> = ip_packets(&masked.bytes).iter().flat_map(|packet| packet[20..].to_vec()).collect();
        assert!(!text.windows(4).any(|window| window == from || window == to));
    }
}

/// A tunnel's header alone in a fragment leaves first, and its checksum covers one that is written with later packets.
#[test]
fn outer_checksums_are_written_after_inner_ones() {
    let cut = |first| Cut { units: vec![first, 6], order: Vec::new(), twice: Vec::new() };
    let inner = fragments(&ip_packets(&whole().file)[3], 9, &cut(7));
    let ids = 100..;
    let outer = inner.iter().zip(ids).flat_map(|(packet, id)| tunnelled(packet, id, Outer::Gre, &cut(1)));
    let masked = mask(&framed(&outer.collect::<Vec<_>>()));
    // Looks at the checksums of GRE.
    let together = put_together(ip_packets(&masked.bytes));
    assert_eq!(together.len(), 1);
}
