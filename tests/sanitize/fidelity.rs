//! G4: the masked capture behaves like the original.

use std::io::Cursor;

use standin::decode::{ChecksumState, Layers, What, decode};
use standin::dissect::{self, Stream, Visitor};
use standin::protocol::Mark;

use super::{CAPTURES, fixture, format, masked_fixture, packets};

/// What a packet is, apart from addresses and payload.
#[derive(Debug, PartialEq)]
struct Shape {
    time_ns: i128,
    wire_len: u32,
    captured: usize,
    names: Vec<&'static str>,
    checksums: Vec<(usize, ChecksumState)>,
    tcp: Option<(u32, u32, u8, u16, u16)>,
    payload: Option<std::ops::Range<usize>>,
}

fn shapes(file: &[u8]) -> Vec<Shape> {
    let mut layers = Layers::default();
    let shape = |packet: super::Packet| {
        decode(packet.link, &packet.frame, packet.wire_len, &mut layers);
        let transport = layers.transport.as_ref();
        Shape {
            time_ns: packet.time_ns,
            wire_len: packet.wire_len,
            captured: packet.frame.len(),
            names: layers.names.clone(),
            checksums: layers.checksums.iter().map(|sum| (sum.at, sum.state)).collect(),
            tcp: transport.and_then(|t| t.tcp.map(|tcp| (tcp.seq, tcp.ack, tcp.flags, t.src.1, t.dst.1))),
            payload: transport.map(|t| t.payload.clone()),
        }
    };
    packets(file).into_iter().map(shape).collect()
}

#[test]
fn packets_keep_their_shape() {
    for name in CAPTURES {
        let input = fixture(name);
        for rules in
            if name == CAPTURES[0] { &["default", "blank", "headers-only", "addresses-only"][..] } else { &["default"] }
        {
            let masked = masked_fixture(name, rules);
            assert_eq!(format(&input), format(&masked.bytes));
            for (at, (old, new)) in shapes(&input).iter().zip(&shapes(&masked.bytes)).enumerate() {
                assert_eq!(old, new, "{name} under {rules}, packet {at}");
            }
        }
    }
}

/// Messages: streams, methods, statuses, where they begin and end.
#[derive(Default)]
struct Messages(Vec<String>);

impl Visitor for Messages {
    fn mark(&mut self, stream: Stream, mark: Mark<'_>, time_ns: i128) {
        let what = match mark {
            Mark::Request { method, target, at } => {
                let segments = target.split(|&byte| byte == b'/').count();
                format!("{} with {segments} segments, {} bytes, at {at}", String::from_utf8_lossy(method), target.len())
            }
            Mark::Response { status, at } => format!("{status} at {at}"),
            Mark::End { end } => format!("end {end}"),
            Mark::Lane(lane) => format!("lane {lane}"),
            Mark::Cut => "cut".to_owned(),
            Mark::Text(_) => return,
        };
        self.0.push(format!("{stream:?} {time_ns} {what}"));
    }
}

fn messages(file: &[u8]) -> Vec<String> {
    let mut messages = Messages::default();
    dissect::run(Box::new(Cursor::new(file.to_vec())), &mut messages).unwrap();
    messages.0
}

#[test]
fn messages_stay_where_they_were() {
    for name in CAPTURES {
        let input = fixture(name);
        let original = messages(&input);
        assert!(original.len() > 100, "{name}: {} marks", original.len());
        for rules in ["default", "blank"] {
            if rules == "blank" && name != CAPTURES[0] {
                continue;
            }
            let masked = messages(&masked_fixture(name, rules).bytes);
            for (old, new) in original.iter().zip(&masked) {
                assert_eq!(old, new, "{name} under {rules}");
            }
            assert_eq!(original.len(), masked.len(), "{name} under {rules}");
        }
    }
}

/// What no rule keeps is another address: nothing stays itself.
#[test]
fn no_host_keeps_its_address() {
    let input = fixture(CAPTURES[0]);
    let masked = masked_fixture(CAPTURES[0], "default");
    let mut layers = Layers::default();
    let mut changed = 0;
    for (old, new) in packets(&input).iter().zip(&packets(&masked.bytes)) {
        decode(old.link, &old.frame, old.wire_len, &mut layers);
        for piece in layers.pieces.iter().filter(|piece| piece.what == What::Ipv4) {
            let at = piece.start as usize..(piece.start + piece.len) as usize;
            assert!(old.frame[at.clone()] != new.frame[at]);
            changed += 1;
        }
    }
    assert!(changed > 400);
}
