//! Decisions belong to stream bytes: however a conversation is cut into packets, the masked stream is the same.

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use standin::capture::Reader;
use standin::mask::Key;
use standin::sanitize::{self, Options};

use super::wire::{ACK, FIN, From, RST, SYN, Segment, Wire, answer, payloads, post, said};
use super::{Masked, assert_ledger, mask, policy};

const JSON: &str =
    r#"{"name":"Anna Baker","email":"anna.baker@brookfield-mills.com","cards":["4929123456781234"],"id":83125977}"#;

/// What client and server say in turn: login, a chunked answer, a form, a gzip answer.
fn turns() -> [(From, Vec<u8>); 6] {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(format!("[{}]", [JSON; 20].join(",")).as_bytes()).unwrap();
    let (a, b) = JSON.split_at(31);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n",
        a.len(),
        b.len()
    );
    [
        (From::Client, post("/login", "Cookie: sid=f3b0c44298fc1c149afb\r\n", "application/json", JSON.as_bytes())),
        (From::Server, chunked.into_bytes()),
        (
            From::Client,
            post(
                "/people/83125977",
                "",
                "application/x-www-form-urlencoded",
                b"email=anna.baker%40brookfield-mills.com&n=3",
            ),
        ),
        (From::Server, answer("200 OK", "Content-Encoding: gzip\r\n", "application/json", &gzip.finish().unwrap())),
        (From::Client, b"GET /cart?id=83125977 HTTP/1.1\r\nHost: shop.example\r\n\r\n".to_vec()),
        (From::Server, b"HTTP/1.1 204 No Content\r\nX-Request-Id: 0c91d2e4a773\r\n\r\n".to_vec()),
    ]
}

fn plain() -> Masked {
    let mut wire = Wire::connected();
    for (from, bytes) in turns() {
        wire.say(from, bytes);
    }
    mask(&wire.close().file)
}

/// Every payload of a masked capture is a piece of the reference streams, wherever it was cut.
fn assert_pieces_of(reference: &Masked, file: &[u8], what: &str) {
    let streams = [From::Client, From::Server].map(|from| said(&reference.bytes, from));
    let bases = Wire::connected().next;
    for (at, payload) in payloads(file).into_iter().enumerate().filter(|(_, p)| !p.bytes.is_empty()) {
        let side = usize::from(payload.source_port == 80);
        let from = payload.seq.wrapping_sub(bases[side]) as usize;
        let expected = &streams[side][from..from + payload.bytes.len()];
        assert_eq!(String::from_utf8_lossy(&payload.bytes), String::from_utf8_lossy(expected), "{what}: packet {at}");
    }
}

/// How one turn is put on the wire.
#[derive(Clone, Debug)]
struct Cut {
    /// Lengths of segments, over and over.
    lengths: Vec<usize>,
    /// Pairs that change places.
    swaps: Vec<(usize, usize)>,
    /// Parts that are sent once more: from, length, and after which segment.
    again: Vec<(usize, usize, usize)>,
}

fn cut() -> impl Strategy<Value = Cut> {
    (
        prop::collection::vec(1usize..220, 1..6),
        prop::collection::vec((0usize..64, 0usize..64), 0..4),
        prop::collection::vec((0usize..600, 1usize..300, 0usize..64), 0..4),
    )
        .prop_map(|(lengths, swaps, again)| Cut { lengths, swaps, again })
}

fn send_cut(wire: &mut Wire, from: From, bytes: &[u8], cut: &Cut) {
    let first = wire.segment(from, ACK, bytes);
    let piece = |at: usize, len: usize| {
        let end = (at + len).min(bytes.len());
        Segment { seq: first.seq.wrapping_add(at as u32), payload: bytes[at.min(end)..end].to_vec(), ..first.clone() }
    };
    let mut segments = Vec::new();
    let mut at = 0;
    for &length in cut.lengths.iter().cycle() {
        if at >= bytes.len() {
            break;
        }
        segments.push(piece(at, length));
        at += length;
    }
    let count = segments.len();
    for &(a, b) in &cut.swaps {
        segments.swap(a % count, b % count);
    }
    for &(at, len, behind) in &cut.again {
        let segment = piece(at % bytes.len(), len);
        segments.insert((behind % segments.len()) + 1, segment);
    }
    for segment in segments {
        wire.send(&segment);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_cut_gives_the_same_stream(cuts in prop::collection::vec(cut(), 6), base in any::<[u32; 2]>()) {
        let reference = plain();
        let mut wire = Wire::connected();
        for ((from, bytes), cut) in turns().into_iter().zip(&cuts) {
            send_cut(&mut wire, from, &bytes, cut);
        }
        let masked = mask(&wire.close().file);
        assert_ledger(&wire.file, &masked);
        assert_pieces_of(&reference, &masked.bytes, "as cut");
        prop_assert_eq!(masked.manifest.late_copy, 0);

        // The same with sequence numbers that wrap around wherever they like.
        let mut wire = Wire { next: base, ..Wire::new() };
        wire.connect();
        for (from, bytes) in turns() {
            wire.say(from, bytes);
        }
        let wrapped = mask(&wire.close().file);
        for from in [From::Client, From::Server] {
            prop_assert!(said(&wrapped.bytes, from) == said(&reference.bytes, from));
        }
    }
}

/// Nothing of what was said is left in a capture that could not be read.
fn assert_nothing_left(masked: &Masked) {
    for secret in ["Anna Baker", "anna.baker", "4929123456781234", "83125977", "f3b0c44298fc1c149afb", "secret"] {
        assert!(memchr::memmem::find(&masked.bytes, secret.as_bytes()).is_none(), "{secret} is left");
    }
}

#[test]
fn late_copies_get_the_same_bytes() {
    let mut wire = Wire::connected();
    let mut copies = Vec::new();
    for (from, bytes) in turns() {
        copies.push(wire.segment(from, ACK, &bytes));
        wire.send(copies.last().unwrap());
    }
    for copy in &copies {
        let middle = copy.payload.len() / 3..copy.payload.len() * 2 / 3;
        wire.send(copy);
        wire.send(&Segment {
            seq: copy.seq + middle.start as u32,
            payload: copy.payload[middle].to_vec(),
            ..copy.clone()
        });
    }
    let masked = mask(&wire.file);
    assert_ledger(&wire.file, &masked);
    assert_pieces_of(&plain(), &masked.bytes, "late");
    assert_eq!(masked.manifest.late_copy, 0);
}

#[test]
fn altered_late_copies_are_blanked_and_counted() {
    let mut wire = Wire::connected();
    let request = wire.segment(From::Client, ACK, &post("/login", "", "application/json", JSON.as_bytes()));
    let mut altered = request.clone();
    let text = String::from_utf8(altered.payload).unwrap();
    altered.payload = text.replace("Anna Baker", "secret Bob").into_bytes();
    wire.send(&request).send(&altered);
    let masked = mask(&wire.file);
    assert_nothing_left(&masked);
    assert_ledger(&wire.file, &masked);
    assert_eq!(masked.manifest.late_copy, 1);
    let payloads = payloads(&masked.bytes);
    let differing = payloads[3].bytes.iter().zip(&payloads[4].bytes).filter(|(a, b)| a != b).count();
    assert!(payloads[4].bytes.contains(&0) && differing <= 10, "{differing} bytes differ");
}

/// Two readings of the same bytes, neither released when the other comes: the first is read, the other is blank.
#[test]
fn overlaps_that_disagree_do_not_leak() {
    let mut wire = Wire::connected();
    let request = wire.segment(From::Client, ACK, &post("/login", "", "application/json", JSON.as_bytes()));
    let cut = request.payload.len() - 60;
    let first = Segment { payload: request.payload[..cut].to_vec(), ..request.clone() };
    let other = Segment {
        seq: request.seq + cut as u32 - 20,
        payload: [&b"secret secret secret"[..], &request.payload[cut..]].concat(),
        ..request
    };
    wire.send(&first).send(&other);
    let masked = mask(&wire.close().file);
    assert_nothing_left(&masked);
    assert_ledger(&wire.file, &masked);
    assert!(masked.manifest.late_copy > 0);
    // And early ones: both wait for the byte before them.
    let mut wire = Wire::connected();
    let request = wire.segment(From::Client, ACK, &post("/login", "", "application/json", JSON.as_bytes()));
    let early =
        |at: usize, bytes: &[u8]| Segment { seq: request.seq + at as u32, payload: bytes.to_vec(), ..request.clone() };
    wire.send(&early(40, &request.payload[40..])).send(&early(120, b"secret secret secret"));
    wire.send(&early(0, &request.payload[..40]));
    let masked = mask(&wire.close().file);
    assert_nothing_left(&masked);
    assert_ledger(&wire.file, &masked);
}

#[test]
fn behind_a_gap_the_next_message_is_read() {
    let mut wire = Wire::connected();
    for (from, bytes) in &turns()[..2] {
        wire.say(*from, bytes);
    }
    // The first half of a request is missing; the next one is whole.
    let lost = post("/people", "", "application/json", JSON.as_bytes());
    let lost = wire.segment(From::Client, ACK, &lost);
    let half = lost.payload.len() - 50;
    wire.send(&Segment { seq: lost.seq + half as u32, payload: lost.payload[half..].to_vec(), ..lost });
    wire.micros += 10_000_000;
    wire.say(From::Client, "GET /cart HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=f3b0c44298fc1c149afb\r\n\r\n");
    let masked = mask(&wire.close().file);
    assert_nothing_left(&masked);
    assert_ledger(&wire.file, &masked);
    let client = said(&masked.bytes, From::Client);
    assert!(memchr::memmem::find(&client, b"GET /cart HTTP/1.1\r\nHost: ").is_some());
    let all = said(&plain().bytes, From::Client);
    let cookie = |stream: &[u8]| stream[memchr::memmem::find(stream, b"Cookie: sid=").unwrap()..][..30].to_vec();
    assert_eq!(cookie(&client[client.len() - 60..]), cookie(&all));
}

/// A segment whose number lies a gigabyte ahead is blanked; the stream that goes on meanwhile is read to its end.
#[test]
fn a_made_up_sequence_number_stops_nothing() {
    let mut wire = Wire::connected();
    let turns = turns();
    wire.say(turns[0].0, &turns[0].1);
    let stranger = wire.segment(From::Client, ACK, b"secret secret secret");
    wire.next = Wire::connected().next;
    wire.next[0] += turns[0].1.len() as u32;
    wire.send(&Segment { seq: stranger.seq.wrapping_add(1 << 30), ..stranger.clone() });
    for (from, bytes) in &turns[1..] {
        wire.micros += 3_000_000;
        wire.say(*from, bytes);
    }
    let masked = mask(&wire.close().file);
    assert_nothing_left(&masked);
    assert_ledger(&wire.file, &masked);
    let (there, blanked): (Vec<_>, Vec<_>) =
        payloads(&masked.bytes).into_iter().partition(|payload| payload.seq != stranger.seq.wrapping_add(1 << 30));
    assert_eq!(blanked.iter().map(|payload| &payload.bytes[..]).collect::<Vec<_>>(), [&[0; 20]]);
    let of =
        |port: u16| there.iter().filter(move |p| (p.source_port == 80) == (port == 80)).flat_map(|p| p.bytes.clone());
    for (port, from) in [(1, From::Client), (80, From::Server)] {
        let (masked, plain) = (of(port).collect::<Vec<_>>(), said(&plain().bytes, from));
        assert_eq!(String::from_utf8_lossy(&masked), String::from_utf8_lossy(&plain));
    }
}

#[test]
fn a_capture_that_begins_in_the_middle() {
    let mut wire = Wire::new();
    wire.say(From::Server, &turns()[1].1[60..]);
    wire.say(From::Client, &turns()[2].1);
    wire.say(From::Server, &turns()[3].1);
    let masked = mask(&wire.file);
    assert_nothing_left(&masked);
    assert_ledger(&wire.file, &masked);
    let lengths = turns().map(|(_, bytes)| bytes.len());
    let reference = [From::Client, From::Server].map(|from| said(&plain().bytes, from));
    assert_eq!(said(&masked.bytes, From::Client), reference[0][lengths[0]..][..lengths[2]]);
    let server = said(&masked.bytes, From::Server);
    assert!(server.ends_with(&reference[1][lengths[1]..][..lengths[3]]));
}

#[test]
fn ports_are_used_again() {
    for end in [FIN | ACK, RST, 0] {
        let mut wire = Wire::connected();
        wire.say(From::Client, &turns()[0].1);
        if end != 0 {
            wire.flags(From::Client, end);
        }
        let first = wire.next;
        wire.next = [first[0].wrapping_add(0x4000_0000), 77];
        wire.flags(From::Client, SYN).flags(From::Server, SYN | ACK).flags(From::Client, ACK);
        wire.say(From::Client, &turns()[2].1).say(From::Server, &turns()[3].1);
        let masked = mask(&wire.close().file);
        assert_nothing_left(&masked);
        assert_ledger(&wire.file, &masked);
        let reference = said(&plain().bytes, From::Client);
        let (a, b) = reference.split_at(turns()[0].1.len());
        let new: Vec<Vec<u8>> =
            payloads(&masked.bytes).into_iter().map(|p| p.bytes).filter(|b| b.starts_with(b"POST")).collect();
        assert_eq!(new.len(), 2, "end {end}");
        assert!(new[0] == a && b.starts_with(&new[1]), "end {end}");
    }
}

#[test]
fn keep_alive_probes_are_copies() {
    let mut wire = Wire::connected();
    wire.say(From::Client, &turns()[0].1).say(From::Server, &turns()[1].1);
    let last = *turns()[0].1.last().unwrap();
    for byte in [last, 0] {
        let probe =
            Segment { from: From::Client, flags: ACK, seq: wire.next[0] - 1, ack: wire.next[1], payload: vec![byte] };
        wire.micros += 15_000_000;
        wire.send(&probe);
    }
    wire.say(From::Client, &turns()[2].1).say(From::Server, &turns()[3].1);
    let masked = mask(&wire.close().file);
    assert_ledger(&wire.file, &masked);
    for from in [From::Client, From::Server] {
        let reference = said(&plain().bytes, from);
        let now = said(&masked.bytes, from);
        assert!(reference.starts_with(&now), "{from:?}");
    }
}

#[test]
fn frames_cut_by_the_snaplen() {
    for snaplen in [54, 60, 96, 128, 300, 1000] {
        let mut wire = Wire { snaplen, ..Wire::connected() };
        for (from, bytes) in turns().into_iter().chain(turns()) {
            wire.say(from, bytes);
        }
        let masked = mask(&wire.close().file);
        assert_nothing_left(&masked);
        assert_ledger(&wire.file, &masked);
    }
    // Start lines are short enough: they are read in each frame although what is behind is missing.
    let mut wire = Wire { snaplen: 128, ..Wire::connected() };
    for _ in 0..5 {
        wire.say(From::Client, &turns()[0].1).say(From::Server, &turns()[1].1);
    }
    let masked = mask(&wire.close().file);
    let starts =
        payloads(&masked.bytes).iter().filter(|p| p.bytes.starts_with(b"POST /login HTTP/1.1\r\nHost: ")).count();
    assert_eq!(starts, 5);
}

/// How much of the output was written when the input came to its end.
fn left_before_the_end(input: Vec<u8>) -> usize {
    struct Input(Cursor<Vec<u8>>, Arc<AtomicUsize>, Arc<AtomicUsize>);
    impl Read for Input {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(500);
            let read = self.0.read(&mut buffer[..length])?;
            if read == 0 {
                self.2.store(self.1.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            Ok(read)
        }
    }
    struct Sink(Arc<AtomicUsize>);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.fetch_add(bytes.len(), Ordering::Relaxed);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (written, at_end) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let reader = Reader::open(Box::new(Input(Cursor::new(input), written.clone(), at_end.clone()))).unwrap();
    let key = Key::from_bytes([7; 32]);
    let options = Options { policy: policy("default"), key: &key, ledger: None, format: None };
    sanitize::mask(reader, &mut Sink(written), options, &|| false).unwrap();
    at_end.load(Ordering::Relaxed)
}

/// Packets that nothing holds back leave at once.
#[test]
fn a_pipe_flows() {
    let mut wire = Wire::connected();
    for _ in 0..20 {
        for (from, bytes) in turns() {
            wire.say(from, bytes);
        }
    }
    assert!(left_before_the_end(wire.file.clone()) > wire.file.len() - 2_000);
}

/// Neither empty packets nor records that are no packets pile up behind one that waits.
#[test]
fn what_waits_is_bounded() {
    let mut wire = Wire::connected();
    wire.say(From::Client, "GET /cart HTTP/1.1\r\nCookie: sid=f3b0c44298fc1c149afb");
    for _ in 0..80_000 {
        wire.frame(b"").micros -= 1_000;
    }
    assert!(left_before_the_end(wire.file.clone()) > wire.file.len() / 3);
}

/// A connection that keeps an unfinished head does not hold back the capture for ever, and other packets go on.
#[test]
fn nothing_waits_for_ever() {
    let mut wire = Wire::connected();
    wire.say(From::Client, "GET /cart HTTP/1.1\r\nCookie: sid=f3b0c44298fc1c149afb");
    wire.ports[0] = 40_002;
    wire.connect();
    for _ in 0..20 {
        wire.micros += 5_000_000;
        wire.say(From::Client, &turns()[0].1).say(From::Server, &turns()[1].1);
    }
    let masked = mask(&wire.file);
    assert_nothing_left(&masked);
    assert_ledger(&wire.file, &masked);
    let unfinished = &payloads(&masked.bytes)[3].bytes;
    assert!(unfinished.starts_with(b"GET /cart HTTP/1.1\r\nCookie: "), "{}", String::from_utf8_lossy(unfinished));
    assert!(left_before_the_end(wire.file.clone()) > wire.file.len() / 2);
}
