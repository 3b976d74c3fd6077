//! HTTP over SCTP: streams are read in the order of their chunks, and checksums stay right.

use proptest::prelude::*;
use standin::decode::{ChecksumState, Layers, decode};

use super::wire::{Wire, answer, post};
use super::{Masked, assert_ledger, mask, packets};

const SECRET: &str = "anna.baker@brookfield-mills.com";

/// A chunk of a stream: who sends, transmission number, stream, bytes.
#[derive(Clone)]
struct Chunk {
    client: bool,
    tsn: u32,
    stream: u16,
    bytes: Vec<u8>,
}

/// Two requests on two streams, each in pieces, and their answers.
fn talk() -> Vec<Chunk> {
    let request = |n: usize| post("/orders", "", "text/plain", format!("{n} {SECRET}").as_bytes());
    let response =
        |n: usize| answer("200 OK", "", "application/json", format!(r#"{{"n":{n},"email":"{SECRET}"}}"#).as_bytes());
    let (mut chunks, mut numbers) = (Vec::new(), [0xffff_fff0_u32, 77]);
    for (client, streams) in [(true, [request(1), request(2)]), (false, [response(1), response(2)])] {
        let pieces = streams.iter().map(|bytes| bytes.chunks(30).collect::<Vec<_>>()).collect::<Vec<_>>();
        for n in 0..pieces.iter().map(Vec::len).max().unwrap() {
            for (stream, pieces) in pieces.iter().enumerate() {
                let Some(piece) = pieces.get(n) else { continue };
                let tsn = &mut numbers[usize::from(client)];
                chunks.push(Chunk { client, tsn: *tsn, stream: stream as u16, bytes: piece.to_vec() });
                *tsn = tsn.wrapping_add(1);
            }
        }
    }
    chunks
}

/// Packets of one or more chunks of the same sender.
fn capture(groups: &[&[Chunk]]) -> Vec<u8> {
    let mut wire = Wire::new();
    for group in groups {
        let [from, to] = if group[0].client { [0, 1] } else { [1, 0] };
        let ports = [40_001_u16, 80];
        let mut sctp = [ports[from].to_be_bytes(), ports[to].to_be_bytes()].concat();
        sctp.extend([1, 2, 3, 4, 0, 0, 0, 0]);
        for chunk in *group {
            sctp.extend([0, 3]);
            sctp.extend((chunk.bytes.len() as u16 + 16).to_be_bytes());
            sctp.extend(chunk.tsn.to_be_bytes());
            sctp.extend(chunk.stream.to_be_bytes());
            sctp.extend([0; 6]);
            sctp.extend(&chunk.bytes);
            sctp.resize(sctp.len().next_multiple_of(4), 0);
        }
        let sum = crc32c(&sctp).to_le_bytes();
        sctp[8..12].copy_from_slice(&sum);
        let mut frame = vec![0x9c, 0x1c, 0x42, 1, 2, 3, 0x9c, 0x1c, 0x42, 4, 5, 6, 8, 0, 0x45, 0];
        frame.extend((sctp.len() as u16 + 20).to_be_bytes());
        frame.extend([0, 1, 0x40, 0, 64, 132, 0, 0]);
        frame.extend([wire.addresses[from], wire.addresses[to]].concat());
        frame.extend(sctp);
        wire.frame(&frame);
    }
    wire.file
}

/// Bit by bit, as RFC 9260 defines it.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |rest, byte| {
        (0..8).fold(rest ^ u32::from(*byte), |rest, _| if rest & 1 == 1 { rest >> 1 ^ 0x82f6_3b78 } else { rest >> 1 })
    })
}

/// The chunks of a masked capture, by transmission number; every checksum is right.
fn chunks(masked: &Masked) -> Vec<(bool, u32, Vec<u8>)> {
    let mut layers = Layers::default();
    let mut chunks = Vec::new();
    for packet in packets(&masked.bytes) {
        decode(packet.link, &packet.frame, packet.wire_len, &mut layers);
        assert_eq!(layers.checksums[0].state, ChecksumState::Good);
        let client = layers.transport.as_ref().unwrap().dst.1 == 80;
        let data = layers.sctp.as_ref().unwrap().data.iter();
        chunks.extend(data.map(|data| (client, data.tsn, packet.frame[data.payload.clone()].to_vec())));
    }
    chunks.sort();
    chunks
}

fn masked(groups: &[&[Chunk]]) -> Masked {
    let input = capture(groups);
    let masked = mask(&input);
    assert_ledger(&input, &masked);
    for secret in [SECRET, "anna", "brookfield"] {
        assert!(!masked.bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is left");
    }
    masked
}

#[test]
fn streams_of_an_association_are_read() {
    let talk = talk();
    let one_by_one: Vec<&[Chunk]> = talk.chunks(1).collect();
    let masked = masked(&one_by_one);
    let unread: Vec<&str> = masked.manifest.not_understood.iter().map(|what| what.what.as_str()).collect();
    assert_eq!(unread, ["padding"]);
    let text: Vec<u8> =
        chunks(&masked).into_iter().filter(|(client, ..)| *client).flat_map(|(_, _, bytes)| bytes).collect();
    assert!(String::from_utf8_lossy(&text).contains("/orders HTTP/1.1"));
}

/// However chunks come: out of order, several in a packet, twice, late.
#[test]
fn the_order_of_chunks_does_not_matter() {
    let talk = talk();
    let one_by_one: Vec<&[Chunk]> = talk.chunks(1).collect();
    let expected = chunks(&masked(&one_by_one));
    let mut swapped = one_by_one.clone();
    swapped.swap(1, 2);
    swapped.swap(3, 6);
    assert_eq!(chunks(&masked(&swapped)), expected);
    let requests = talk.iter().filter(|chunk| chunk.client).count();
    let (ours, theirs) = talk.split_at(requests);
    let together: Vec<&[Chunk]> = ours.chunks(3).chain(theirs.chunks(2)).collect();
    assert_eq!(chunks(&masked(&together)), expected);
    let again: Vec<&[Chunk]> = one_by_one.iter().chain(&one_by_one[2..7]).copied().collect();
    let mut with_copies = chunks(&masked(&again));
    with_copies.dedup();
    assert_eq!(with_copies, expected);
}

/// A chunk that is missing costs its message, and waits no longer than a gap may.
#[test]
fn behind_a_missing_chunk_nothing_leaks() {
    let talk = talk();
    let mut groups: Vec<&[Chunk]> = talk.chunks(1).collect();
    groups.remove(3);
    let masked = masked(&groups);
    assert!(!masked.manifest.not_understood.is_empty());
}

#[test]
fn a_wrong_checksum_stays_wrong() {
    let talk = talk();
    let mut input = capture(&[&talk[..1]]);
    input[24 + 16 + 14 + 20 + 8] ^= 1;
    let masked = mask(&input);
    let packet = &packets(&masked.bytes)[0];
    let mut layers = Layers::default();
    decode(packet.link, &packet.frame, packet.wire_len, &mut layers);
    assert_eq!(layers.checksums[0].state, ChecksumState::Bad);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever numbers chunks have and however they are damaged, the ledger adds up.
    #[test]
    fn any_chunks_are_accounted_for(
        chunks in prop::collection::vec((any::<bool>(), 0u32..12, 0u16..80, prop::collection::vec(any::<u8>(), 0..20)), 1..30),
        damage in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index, u8)>(), 0..6),
    ) {
        let chunk = |(client, tsn, stream, bytes): (bool, u32, u16, Vec<u8>)| {
            Chunk { client, tsn: tsn.wrapping_sub(5), stream, bytes }
        };
        let chunks: Vec<Chunk> = chunks.into_iter().map(chunk).collect();
        let groups: Vec<&[Chunk]> = chunks.chunk_by(|a, b| a.client == b.client).collect();
        let mut packets = packets(&capture(&groups));
        for (packet, at, byte) in damage {
            let count = packets.len();
            let ip = &mut packets[packet.index(count)].frame[14..];
            let at = at.index(ip.len());
            ip[at] = byte;
        }
        let mut wire = Wire::new();
        for packet in &packets {
            wire.frame(&packet.frame);
        }
        let masked = mask(&wire.file);
        assert_ledger(&wire.file, &masked);
    }
}
