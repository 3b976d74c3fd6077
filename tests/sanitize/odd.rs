//! Captures as they are found: odd clocks and sections, mirrored, one-sided and offloaded traffic.

use std::io::Cursor;

use standin::capture::{Batch, Reader};

use super::wire::{ACK, From, PSH, RST, SYN, Segment, Wire, answer, post, said};
use super::{assert_ledger, mask, packets};

const SECRET: &str = "Zelda Fothergill";

fn request() -> Vec<u8> {
    post("/people", "", "application/json", format!("{{\"name\":\"{SECRET}\"}}").as_bytes())
}

fn response() -> Vec<u8> {
    answer("200 OK", "", "application/json", format!("{{\"name\":\"{SECRET}\",\"id\":83125977}}").as_bytes())
}

/// The two sides of a plain connection, masked.
fn plain() -> [Vec<u8>; 2] {
    let mut wire = Wire::connected();
    wire.say(From::Client, request()).say(From::Server, response()).close();
    let masked = mask(&wire.file).bytes;
    [From::Client, From::Server].map(|from| said(&masked, from))
}

/// Masks; the secret is in the input, not in the output, and the ledger is true.
fn checked(file: &[u8]) -> Vec<u8> {
    let holds = |bytes: &[u8]| memchr::memmem::find(bytes, SECRET.as_bytes()).is_some();
    assert!(holds(file));
    let masked = mask(file);
    assert_ledger(file, &masked);
    assert!(!holds(&masked.bytes));
    masked.bytes
}

#[test]
fn one_direction_only() {
    let [client, server] = plain();
    let mut wire = Wire::new();
    wire.flags(From::Client, SYN).say(From::Client, request()).flags(From::Client, ACK);
    assert_eq!(said(&checked(&wire.file), From::Client), client);
    let mut wire = Wire::new();
    wire.flags(From::Server, SYN | ACK).say(From::Server, response());
    assert_eq!(said(&checked(&wire.file), From::Server), server);
}

/// A mirror port sees each packet twice, a little later.
#[test]
fn every_packet_twice() {
    let mut wire = Wire { mss: 50, ..Wire::connected() };
    wire.say(From::Client, request()).say(From::Server, response()).close();
    let mut twice = Wire::new();
    for packet in packets(&wire.file) {
        twice.frame(&packet.frame).frame(&packet.frame);
    }
    let masked = checked(&twice.file);
    for (n, pair) in packets(&masked).chunks(2).enumerate() {
        assert_eq!(pair[0].frame, pair[1].frame, "packet {n}");
    }
    assert_eq!([From::Client, From::Server].map(|from| said(&masked, from)), plain());
}

#[test]
fn both_ends_open() {
    let mut wire = Wire::new();
    wire.flags(From::Client, SYN).flags(From::Server, SYN);
    let again = |wire: &Wire, from: From| Segment {
        from,
        flags: SYN | ACK,
        seq: wire.next[from as usize] - 1,
        ack: wire.next[1 - from as usize],
        payload: Vec::new(),
    };
    let (client, server) = (again(&wire, From::Client), again(&wire, From::Server));
    wire.send(&client).send(&server).say(From::Client, request()).say(From::Server, response()).close();
    let masked = checked(&wire.file);
    assert_eq!([From::Client, From::Server].map(|from| said(&masked, from)), plain());
}

#[test]
fn a_segment_that_comes_seconds_late() {
    for (seconds, is_read) in [(1, true), (5, false)] {
        let mut wire = Wire::connected();
        let request = request();
        let (a, b) = request.split_at(60);
        let (first, second) = (wire.segment(From::Client, ACK, a), wire.segment(From::Client, ACK, b));
        wire.send(&second);
        wire.micros += seconds * 1_000_000;
        // Others go on meanwhile, so that time is seen to pass.
        wire.flags(From::Server, ACK).send(&first).say(From::Server, response()).close();
        let masked = checked(&wire.file);
        assert_eq!(said(&masked, From::Client) == plain()[0], is_read, "{seconds} s");
        assert_eq!(said(&masked, From::Server), plain()[1], "{seconds} s");
    }
}

/// The window is closed, and the sender asks with a byte or more of what comes next.
#[test]
fn probes_of_a_closed_window_carry_data() {
    for probed in [1, 20] {
        let mut wire = Wire::connected();
        let segment = wire.segment(From::Client, ACK, &request());
        let probe = Segment { payload: segment.payload[..probed].to_vec(), ..segment.clone() };
        wire.send(&probe).flags(From::Server, ACK).send(&probe).flags(From::Server, ACK).send(&segment);
        wire.say(From::Server, response()).close();
        let masked = checked(&wire.file);
        assert_eq!([From::Client, From::Server].map(|from| said(&masked, from)), plain());
    }
}

#[test]
fn a_reset_gives_its_reason() {
    let mut wire = Wire::connected();
    wire.say(From::Client, request());
    let reset = wire.segment(From::Server, RST | ACK, SECRET.as_bytes());
    wire.send(&reset);
    assert_eq!(said(&checked(&wire.file), From::Client), plain()[0]);
}

/// Frames as a host with segmentation offload captures them: longer than IP can say, or with a length of zero.
#[test]
fn segments_before_they_are_cut() {
    let text = "lorem ipsum ".repeat(3_000);
    let body = format!("{{\"name\":\"{SECRET}\",\"text\":\"{text}\",\"more\":\"{text}\"}}");
    let request = post("/people", "", "application/json", body.as_bytes());
    assert!(request.len() > 70_000);
    let mut wire = Wire::connected();
    wire.say(From::Client, &request).close();
    let expected = said(&checked(&wire.file), From::Client);
    let mut wire = Wire::connected();
    let segment = wire.segment(From::Client, ACK | PSH, &request);
    let [source, destination] = wire.ports.map(u16::to_be_bytes);
    let numbers = [segment.seq.to_be_bytes(), segment.ack.to_be_bytes()].concat();
    let tcp = [&source[..], &destination, &numbers, &[0x50, segment.flags, 0x20, 0, 0, 0, 0, 0], &request].concat();
    let ip = [&[0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0][..], &wire.addresses.concat()].concat();
    let frame = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], &ip, &tcp].concat();
    wire.frame(&frame).close();
    assert!(said(&checked(&wire.file), From::Client) == expected);
}

/// Every length at which a frame can be cut, from nothing on.
#[test]
fn runts() {
    let mut wire = Wire::connected();
    wire.say(From::Client, request());
    let frame = packets(&wire.file).pop().unwrap().frame;
    let mut cut = Wire::new();
    for length in 0..=frame.len() {
        cut.snaplen = length;
        cut.frame(&frame);
        // As if it had been so short on the wire.
        cut.frame(&frame[..length]);
    }
    let masked = checked(&cut.file);
    let lengths = |file: &[u8]| packets(file).iter().map(|p| (p.frame.len(), p.wire_len)).collect::<Vec<_>>();
    assert_eq!(lengths(&masked), lengths(&cut.file));
}

/// Sections in both byte orders, interfaces of several link types, clocks of powers of ten and two, before 1970 too,
/// and times that go backwards.
#[test]
fn sections_interfaces_and_clocks() {
    let mut wire = Wire::connected();
    wire.say(From::Client, request()).say(From::Server, response()).close();
    let frames: Vec<Vec<u8>> = packets(&wire.file).into_iter().map(|packet| packet.frame).collect();
    let mut file = Vec::new();
    for (section, order) in [u32::to_be_bytes as fn(u32) -> [u8; 4], u32::to_le_bytes].into_iter().enumerate() {
        let short = |number: u16| {
            let bytes = order(u32::from(number) << 16 | u32::from(number));
            [bytes[0], bytes[1]]
        };
        let block = |kind: u32, body: &[u8]| {
            let length = order(body.len() as u32 + 12);
            [&order(kind)[..], &length, body, &length].concat()
        };
        let interface = |link: u16, resolution: u8, offset: i64| {
            let offset = [order((offset as u64 >> 32) as u32), order(offset as u32)];
            let offset = if section == 0 { offset } else { [offset[1], offset[0]] };
            let options =
                [&short(9)[..], &short(1), &[resolution, 0, 0, 0], &short(14), &short(8), &offset.concat(), &[0; 4]];
            block(1, &[&short(link)[..], &[0, 0], &order(0), &options.concat()].concat())
        };
        file.extend(block(
            0x0a0d_0d0a,
            &[order(0x1a2b_3c4d), order(1 << (16 * (1 - section))), [0xff; 4], [0xff; 4]].concat(),
        ));
        file.extend(interface(1, 0x80 | 10, -4_000_000_000));
        file.extend(interface(101, 9, 0));
        for (n, frame) in frames.iter().enumerate() {
            let link = n % 2;
            let mut frame = frame[14 * link..].to_vec();
            let length = order(frame.len() as u32);
            frame.resize(frame.len().next_multiple_of(4), 0);
            let ticks = 5_000_000 - 40_000 * n as u32;
            file.extend(block(
                6,
                &[&order(link as u32)[..], &order(0), &order(ticks), &length, &length, &frame].concat(),
            ));
        }
    }
    let masked = checked(&file);
    let facts = |file: &[u8]| {
        let facts = |p: super::Packet| (p.time_ns, p.link, p.interface, p.wire_len, p.frame.len());
        packets(file).into_iter().map(facts).collect::<Vec<_>>()
    };
    let seen = facts(&file);
    assert_eq!(facts(&masked), seen);
    assert_eq!(seen.len(), 2 * frames.len());
    assert!(seen.iter().any(|fact| fact.0 < 0) && seen.iter().any(|fact| fact.2 == 3), "the test's own capture");
    assert!(seen.windows(2).any(|pair| pair[1].0 < pair[0].0));
    assert_eq!(blocks(&masked), blocks(&file));
}

/// Type and length of every block, as they stand.
fn blocks(file: &[u8]) -> Vec<[u8; 8]> {
    let mut reader = Reader::open(Box::new(Cursor::new(file.to_vec()))).unwrap();
    let (mut batch, mut blocks) = (Batch::default(), Vec::new());
    while reader.next_batch(&mut batch).unwrap() {
        blocks.extend(batch.records.iter().map(|record| *batch.bytes[record.start..].first_chunk().unwrap()));
    }
    blocks
}
