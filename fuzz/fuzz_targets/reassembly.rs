//! Segments of two connections, five bytes each: who, where, how long, flags, time. What is told of them must add up.
#![no_main]

use std::collections::BTreeMap;
use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use standin::capture::PacketId;
use standin::decode::Layers;
use standin::dissect::{Dissector, Packet, Stream, Visitor};
use standin::flow::Span;
use standin::protocol::Field;

const TEXT: &[u8] =
    b"POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{\"a\":\"b\",\"c\":[1,2,3]}HTTP/1.1 200 OK\r\n\r\n";

fuzz_target!(|data: &[u8]| {
    let mut dissector = Dissector::default();
    let mut sums = Sums::default();
    let mut time_ns = 0;
    for (id, segment) in data.chunks_exact(5).enumerate() {
        let &[who, at, len, flags, time] = segment else { return };
        time_ns += i128::from(time) * 10_000_000;
        let frame = frame(who, u32::from(at), usize::from(len) % TEXT.len(), flags);
        let wire_len = frame.len() as u32 + if who & 8 != 0 { 5 } else { 0 };
        sums.frames.push(frame.len());
        let packet = Packet { id: PacketId(id as u64), time_ns, link: 101, frame: &frame, wire_len };
        dissector.packet(&packet, &mut sums);
    }
    dissector.finish(&mut sums);
    assert_eq!(sums.settled, sums.frames.len() as u64, "a packet was never settled");
});

/// IPv4 and TCP: `who` chooses the connection, the direction and whether the sequence numbers wrap.
fn frame(who: u8, at: u32, len: usize, flags: u8) -> Vec<u8> {
    let mut frame = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let (client, server) = (1000 + u16::from(who & 1), 80_u16);
    let (from, to) = if who & 2 == 0 { (client, server) } else { (server, client) };
    let base = if who & 4 == 0 { 1000_u32 } else { u32::MAX - 60 };
    frame.extend([from.to_be_bytes(), to.to_be_bytes()].concat());
    frame.extend(base.wrapping_add(at).to_be_bytes());
    frame.extend([0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    frame.extend(TEXT.iter().cycle().skip(at as usize).take(len));
    let total = frame.len() as u16 + if who & 8 != 0 { 5 } else { 0 };
    frame[2..4].copy_from_slice(&total.to_be_bytes());
    frame
}

#[derive(Default)]
struct Sums {
    frames: Vec<usize>,
    settled: u64,
    /// How far each stream was told.
    next: BTreeMap<(u64, bool), u64>,
}

impl Sums {
    fn spans(&self, spans: &[Span]) {
        for span in spans {
            let len = self.frames[span.packet.0 as usize];
            assert!(span.packet.0 >= self.settled, "a packet that was settled is decided");
            assert!(span.at.start < span.at.end && span.at.end as usize <= len, "a span beyond its frame");
        }
    }
}

impl Visitor for Sums {
    fn bytes(&mut self, stream: Stream, at: u64, bytes: &[u8]) {
        let next = self.next.entry((stream.flow, standin_fuzz::index(stream.side) == 1)).or_default();
        assert!(at >= *next, "a stream goes back");
        *next = at + bytes.len() as u64;
    }

    fn keep(&mut self, _: Stream, _: Range<u64>, spans: &[Span]) {
        self.spans(spans);
    }

    fn field(&mut self, _: Stream, _: &Field<'_>, _: &[Range<u64>], spans: &[Span]) {
        self.spans(spans);
    }

    fn opaque(&mut self, _: Stream, _: &'static str, _: Range<u64>, spans: &[Span]) {
        self.spans(spans);
    }

    fn packet(&mut self, _: &Packet<'_>, _: &Layers) {}

    fn settled(&mut self, last: PacketId) {
        assert!(last.0 + 1 > self.settled && last.0 < self.frames.len() as u64);
        self.settled = last.0 + 1;
    }
}
