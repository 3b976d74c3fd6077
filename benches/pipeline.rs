//! The pipeline and each of its stages, on the fixtures repeated in memory: the same input in every run.
//!
//! `cargo bench` runs all of them, `cargo bench -- mask` those whose name holds "mask", `-- --quick` takes a tenth of the time.

#![allow(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::io::{self, Cursor};
use std::ops::Range;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

use standin::capture::{Batch, Reader};
use standin::decode::{self, Layers};
use standin::dissect::{self, Stream, Visitor};
use standin::mask::{self, Key, Masker};
use standin::protocol::http1::Http1;
use standin::protocol::{Conversation, Field, Mark, Protocol, Side, Sink, Window};
use standin::replay::{self, Asked};
use standin::rules::Policy;
use standin::sanitize;
use standin::workload::{self, Collector, Workload, correlate};

const PCAP: &[u8] = include_bytes!("../fixtures/shop-keepalive.pcap");
const PCAPNG: &[u8] = include_bytes!("../fixtures/shop-ipv6.pcapng");

/// Repetitions: some MiB, so that start-up does not count.
const TIMES: usize = 8;

/// Sixteen fixed bytes twice: pseudonyms, and so their cost, are the same in every run.
const KEY: [u8; 32] = *b"standin bench 01standin bench 01";

criterion_group!(benches, reading, decoding, http1, dissecting, masking, pseudonyms, replaying);
criterion_main!(benches);

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    for (name, bytes) in [("pcap", pcap(TIMES)), ("pcapng", PCAPNG.repeat(TIMES))] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &bytes, |b, bytes| {
            b.iter(|| packets(bytes, |_, _, _| {}))
        });
    }
}

fn decoding(c: &mut Criterion) {
    let mut frames = Vec::new();
    packets(PCAP, |link, frame, wire_len| frames.push((link, frame.to_vec(), wire_len)));
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("packets", |b| {
        let mut layers = Layers::default();
        b.iter(|| {
            for (link, frame, wire_len) in &frames {
                decode::decode(*link, frame, *wire_len, &mut layers);
                black_box(&layers);
            }
        });
    });
}

fn http1(c: &mut Criterion) {
    let mut turns = Turns::default();
    dissect::run(input(PCAP), &mut turns).expect("the fixture can be read");
    let bytes: usize = turns.0.iter().flatten().map(|(_, bytes)| bytes.len()).sum();
    let mut group = c.benchmark_group("protocol");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("http1", |b| {
        b.iter(|| {
            for connection in &turns.0 {
                converse(&mut *Http1.open(0), connection);
            }
        });
    });
}

fn dissecting(c: &mut Criterion) {
    let bytes = pcap(TIMES);
    let mut group = c.benchmark_group("dissect");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("pcap", |b| b.iter(|| dissect::run(input(&bytes), &mut Nothing).map(|_| ())));
}

fn masking(c: &mut Criterion) {
    let bytes = pcap(TIMES);
    let key = Key::from_bytes(KEY);
    let mut group = c.benchmark_group("mask");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    for rules in ["default", "addresses-only", "blank"] {
        let policy = Arc::new(Policy::load(&[rules.to_owned()]).expect("built in"));
        group.bench_function(rules, |b| {
            b.iter(|| {
                let reader = Reader::open(input(&bytes)).expect("a capture");
                let options = sanitize::Options { policy: policy.clone(), key: &key, ledger: None, format: None };
                sanitize::mask(reader, &mut io::sink(), options, &|| false).expect("a sink takes everything")
            });
        });
    }
}

/// One pseudonym of each method's examples, computed anew each time.
fn pseudonyms(c: &mut Criterion) {
    let masker = Masker::new(&Key::from_bytes(KEY), Box::new(|_| false));
    let mut group = c.benchmark_group("pseudonym");
    for method in mask::ALL {
        group.throughput(Throughput::Elements(method.examples().len() as u64));
        let mut out = Vec::new();
        group.bench_function(method.id(), |b| {
            b.iter(|| {
                out.clear();
                for example in method.examples() {
                    method.mask(black_box(example.as_bytes()), masker.keyring(), &mut out);
                }
            });
        });
    }
}

fn replaying(c: &mut Criterion) {
    let workload = workload();
    let steps: Vec<_> = workload.sessions.iter().flat_map(|session| &session.steps).collect();
    let mut group = c.benchmark_group("replay");
    group.throughput(Throughput::Elements(steps.len() as u64));
    group.bench_function("render requests", |b| {
        b.iter(|| {
            for step in &steps {
                let host = step
                    .request
                    .header("host")
                    .map(|at| workload::Replacement { at, with: b"127.0.0.1:8080".to_vec() });
                black_box(workload::render(&step.request, host.as_slice()));
            }
        });
    });
    let response =
        [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 512\r\n\r\n".as_slice(), &[b' '; 512]]
            .concat();
    group.throughput(Throughput::Bytes(response.len() as u64));
    group.bench_function("read a response", |b| {
        b.iter(|| {
            let mut reader = replay::Reader::new(Asked::Other, false);
            reader.read(black_box(&response)).map(|taken| (taken, reader.status()))
        });
    });
}

/// The pcap fixture with its packets several times over.
fn pcap(times: usize) -> Vec<u8> {
    let (header, packets) = PCAP.split_at(24);
    [header, &packets.repeat(times)].concat()
}

fn input(bytes: &[u8]) -> Box<dyn io::Read + Send> {
    Box::new(Cursor::new(bytes.to_vec()))
}

fn packets(bytes: &[u8], mut each: impl FnMut(u32, &[u8], u32)) {
    let mut reader = Reader::open(input(bytes)).expect("a capture");
    let mut batch = Batch::default();
    while reader.next_batch(&mut batch).expect("memory can be read") {
        for record in &batch.records {
            if let Some(packet) = &record.packet {
                let data = &batch.bytes[record.start..record.start + record.len][packet.data.clone()];
                each(packet.link, black_box(data), packet.wire_len);
            }
        }
    }
}

fn workload() -> Workload {
    let mut collector = Collector::new();
    dissect::run(input(PCAP), &mut collector).expect("the fixture can be read");
    let mut workload = collector.finish().expect("the fixture is small");
    correlate(&mut workload);
    workload
}

struct Nothing;

impl Visitor for Nothing {}

/// The bytes of each connection, as its sides took turns.
#[derive(Default)]
struct Turns(Vec<Vec<(Side, Vec<u8>)>>);

impl Visitor for Turns {
    fn bytes(&mut self, stream: Stream, _at: u64, bytes: &[u8]) {
        let flow = usize::try_from(stream.flow).expect("a small capture");
        self.0.resize(self.0.len().max(flow + 1), Vec::new());
        self.0[flow].push((stream.side, bytes.to_vec()));
    }
}

/// Lets a conversation read both sides; what it cannot decide yet comes again with more behind it.
fn converse(conversation: &mut dyn Conversation, turns: &[(Side, Vec<u8>)]) {
    let mut sides = [(Side::Client, 0, Vec::new()), (Side::Server, 0, Vec::new())];
    for (side, bytes) in turns {
        let (_, at, waiting) = &mut sides[usize::from(*side == Side::Server)];
        waiting.extend_from_slice(bytes);
        let taken = conversation.read(*side, *at, waiting, false, &mut Deaf);
        waiting.drain(..taken);
        *at += taken as u64;
    }
    for (side, at, waiting) in &sides {
        conversation.read(*side, *at, waiting, true, &mut Deaf);
    }
}

struct Deaf;

impl Sink for Deaf {
    fn keep(&mut self, at: Range<u64>) {
        black_box(at);
    }
    fn field(&mut self, _at: &[Range<u64>], field: &Field<'_>) {
        black_box(field);
    }
    fn opaque(&mut self, at: Range<u64>, _what: &'static str) {
        black_box(at);
    }
    fn window(&mut self, _at: &[Range<u64>], window: &Window<'_>) {
        black_box(window);
    }
    fn mark(&mut self, _side: Side, mark: Mark<'_>) {
        black_box(mark);
    }
}
