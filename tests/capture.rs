//! Captures: every byte comes back, every packet is found, whatever the input looks like and however it arrives.

mod build;
mod corpus;
mod formats;
mod hostile;
mod output;
mod regions;

use std::io::{self, Cursor, Read};
use std::ops::Range;

use standin::capture::{Batch, CaptureError, Damage, Reader};

/// What the tests compare of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    link: u32,
    interface: u32,
    time_ns: i128,
    data: Vec<u8>,
    wire_len: u32,
}

/// A capture read to its end.
#[derive(Debug, Default)]
struct Whole {
    bytes: Vec<u8>,
    /// Length of each record.
    records: Vec<usize>,
    packets: Vec<Seen>,
    damage: Option<Damage>,
}

/// Reads all of it, and checks on the way what holds for every batch.
fn read(input: impl Read + Send + 'static) -> Result<Whole, CaptureError> {
    let mut reader = Reader::open(Box::new(input))?;
    let mut whole = Whole::default();
    let mut batch = Batch::default();
    while reader.next_batch(&mut batch)? {
        check(&batch);
        whole.bytes.extend_from_slice(&batch.bytes);
        whole.records.extend(batch.records.iter().map(|record| record.len));
        whole.packets.extend(packets(&batch));
        assert_eq!(reader.bytes_read(), whole.bytes.len() as u64);
    }
    assert!(batch.bytes.is_empty() && batch.records.is_empty() && batch.regions.is_empty());
    whole.damage = reader.damage().copied();
    if let Some(damage) = whole.damage {
        assert_eq!((damage.offset, damage.packets), (whole.bytes.len() as u64, whole.packets.len() as u64));
    }
    Ok(whole)
}

fn read_bytes(bytes: &[u8]) -> Result<Whole, CaptureError> {
    read(Cursor::new(bytes.to_vec()))
}

fn packets(batch: &Batch) -> Vec<Seen> {
    let seen = |record: &standin::capture::Record| {
        let packet = record.packet.clone()?;
        let data = batch.bytes[record.start..record.start + record.len][packet.data].to_vec();
        let (link, interface, time_ns, wire_len) = (packet.link, packet.interface, packet.time_ns, packet.wire_len);
        Some(Seen { link, interface, time_ns, data, wire_len })
    };
    batch.records.iter().filter_map(seen).collect()
}

/// Records cover the bytes; regions and packet data lie inside their record and apart from each other.
fn check(batch: &Batch) {
    let (mut at, mut region) = (0, 0);
    for record in &batch.records {
        assert_eq!((record.start, record.regions.start), (at, region));
        (at, region) = (record.start + record.len, record.regions.end);
        let mut ranges: Vec<Range<usize>> =
            batch.regions[record.regions.clone()].iter().map(|r| r.at.clone()).collect();
        assert!(ranges.iter().all(|range| range.start < range.end));
        ranges.extend(record.packet.iter().map(|packet| packet.data.clone()));
        ranges.sort_by_key(|range| (range.start, range.end));
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "{ranges:?}");
        assert!(ranges.last().is_none_or(|last| last.end <= record.len), "{ranges:?} of {}", record.len);
    }
    assert_eq!((at, region), (batch.bytes.len(), batch.regions.len()));
}

/// Hands out bytes in pieces of given sizes, over and over.
struct Pieces {
    bytes: Cursor<Vec<u8>>,
    sizes: Vec<usize>,
    next: usize,
}

impl Pieces {
    fn new(bytes: &[u8], sizes: &[usize]) -> Pieces {
        Pieces { bytes: Cursor::new(bytes.to_vec()), sizes: sizes.to_vec(), next: 0 }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.next % self.sizes.len()].min(buffer.len());
        self.next += 1;
        self.bytes.read(&mut buffer[..size])
    }
}
