//! What a well-formed capture says is what is read, however its bytes arrive.

use std::io::{self, Cursor, Read, Write};

use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use standin::capture::{Batch, CaptureError, Endian, Format, Reader};

use super::build::{Block, Interface, MICROS, MODIFIED, NANOS, Order, Pcap, Section, one_of_everything, pcapng};
use super::{Pieces, read, read_bytes};

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::Little), Just(Order::Big)]
}

fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..max)
}

fn pcap() -> impl Strategy<Value = Pcap> {
    let magic = prop_oneof![Just(MICROS), Just(NANOS), Just(MODIFIED)];
    let version = prop_oneof![Just((2, 4)), Just((2, 3)), Just((2, 2))];
    let packet = (any::<u32>(), any::<u32>(), bytes(200), 0..1000_u32);
    (order(), magic, version, any::<u32>(), vec(packet, 0..20))
        .prop_map(|(order, magic, version, link, packets)| Pcap { order, magic, version, link, packets })
}

/// Codes of no clock: those are an interface's own.
fn options() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    let code = prop_oneof![1..9_u16, 10..14_u16, Just(2988), Just(19372), 32768..40000_u16];
    vec((code, bytes(30)), 0..4)
}

fn interface() -> impl Strategy<Value = Interface> {
    let tsresol = proptest::option::of(prop_oneof![0..20_u8, 128..190_u8]);
    let tsoffset = proptest::option::of(any::<i64>());
    (any::<u16>(), prop_oneof![Just(0), 1..100_u32], tsresol, tsoffset, options())
        .prop_map(|(link, snaplen, tsresol, tsoffset, options)| Interface { link, snaplen, tsresol, tsoffset, options })
}

fn block() -> impl Strategy<Value = Block> {
    let body = vec(any::<[u8; 4]>(), 0..30).prop_map(|words| words.concat());
    let packet = || (any::<usize>(), any::<u64>(), bytes(200), 0..1000_u32, options());
    let known = prop_oneof![Just(4), Just(5), Just(9), Just(10), Just(0xbad), Just(0x4000_0bad), 11..u32::MAX];
    let known = known.prop_filter("opens a section", |kind| *kind != 0x0a0d_0d0a);
    prop_oneof![
        packet().prop_map(|(i, t, d, m, o)| Block::Enhanced(i, t, d, m, o)),
        packet().prop_map(|(i, t, d, m, o)| Block::Obsolete(i, t, d, m, o)),
        bytes(200).prop_map(Block::Simple),
        (known, body).prop_map(|(kind, body)| Block::Other(kind, body)),
    ]
}

fn section() -> impl Strategy<Value = Section> {
    (order(), options(), vec(interface(), 1..4), vec(block(), 0..12))
        .prop_map(|(order, options, interfaces, blocks)| Section { order, options, interfaces, blocks })
}

proptest! {
    #[test]
    fn any_pcap_comes_back_whole(pcap in pcap(), sizes in vec(1..700_usize, 1..8)) {
        let (bytes, packets) = pcap.build();
        let whole = read(Pieces::new(&bytes, &sizes)).unwrap();
        prop_assert!(whole.damage.is_none());
        prop_assert_eq!(whole.records.len(), packets.len() + 1);
        prop_assert_eq!(whole.packets, packets);
        prop_assert_eq!(whole.bytes, bytes);
    }

    #[test]
    fn any_pcapng_comes_back_whole(sections in vec(section(), 1..4), sizes in vec(1..700_usize, 1..8)) {
        let (bytes, packets) = pcapng(&sections);
        let whole = read(Pieces::new(&bytes, &sizes)).unwrap();
        prop_assert_eq!(whole.damage, None);
        let blocks: usize = sections.iter().map(|s| 1 + s.interfaces.len() + s.blocks.len()).sum();
        prop_assert_eq!(whole.records.len(), blocks);
        prop_assert_eq!(whole.packets, packets);
        prop_assert_eq!(whole.bytes, bytes);
    }

    #[test]
    fn members_and_frames_read_as_one(cuts in vec(0..700_usize, 0..4), sizes in vec(1..50_usize, 1..4)) {
        let (bytes, packets) = one_of_everything(Order::Big);
        for compress in [gzip as fn(&[u8]) -> Vec<u8>, zstd] {
            let compressed: Vec<u8> = split(&bytes, &cuts).into_iter().flat_map(compress).collect();
            let whole = read(Pieces::new(&compressed, &sizes)).unwrap();
            prop_assert_eq!(whole.damage, None);
            prop_assert_eq!(&whole.packets, &packets);
            prop_assert_eq!(&whole.bytes, &bytes);
        }
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn split<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(bytes.len())).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

#[test]
fn one_byte_at_a_time_is_enough() {
    for order in [Order::Little, Order::Big] {
        let (bytes, packets) = one_of_everything(order);
        let whole = read(Pieces::new(&bytes, &[1])).unwrap();
        assert_eq!((whole.bytes, whole.packets, whole.damage), (bytes, packets, None));
    }
}

#[test]
fn the_format_is_told() {
    let open = |pcap: &Pcap| Reader::open(Box::new(Cursor::new(pcap.build().0))).unwrap().format();
    let pcap = Pcap { order: Order::Big, magic: MODIFIED, version: (2, 4), link: 1, packets: vec![] };
    assert_eq!(open(&pcap), Format::Pcap { endian: Endian::Big, nanos: false, modified: true });
    let pcap = Pcap { order: Order::Little, magic: NANOS, ..pcap };
    assert_eq!(open(&pcap), Format::Pcap { endian: Endian::Little, nanos: true, modified: false });
    let reader = Reader::open(Box::new(Cursor::new(one_of_everything(Order::Big).0))).unwrap();
    assert_eq!(reader.format(), Format::PcapNg);
}

#[test]
fn what_is_no_capture_is_named() {
    let not = |bytes: &[u8]| match read_bytes(bytes) {
        Err(CaptureError::NotACapture(name)) => name,
        other => panic!("{other:?}"),
    };
    assert!(not(b"snoop\0\0\0\0\0\0\x02").contains("snoop"));
    assert!(not(b"{\"log\":{}}").contains("JSON"));
    assert!(not(&gzip(&gzip(b"x"))).contains("gzip data inside"));
    assert_eq!(not(b"Dear Sir, please find"), "no format that is known here");
    assert!(matches!(read_bytes(b""), Err(CaptureError::Empty)));
    assert!(matches!(read_bytes(&gzip(b"")), Err(CaptureError::Empty)));
}

#[test]
fn a_live_pipe_flows() {
    let (receiver, mut sender) = io::pipe().unwrap();
    let packet = |size| (0, 0, vec![1; size], 0);
    let pcap = Pcap { order: Order::Little, magic: MICROS, version: (2, 4), link: 1, packets: vec![packet(50); 2] };
    let (bytes, _) = pcap.build();
    sender.write_all(&bytes[..24]).unwrap();
    let mut reader = Reader::open(Box::new(receiver)).unwrap();
    let mut batch = Batch::default();
    let mut records =
        |batch: &mut Batch| reader.next_batch(batch).map(|more| more.then_some(batch.records.len())).unwrap();
    assert_eq!(records(&mut batch), Some(1));
    // One packet and the beginning of the next: the next call must not wait for the rest of it.
    sender.write_all(&bytes[24..100]).unwrap();
    assert_eq!(records(&mut batch), Some(1));
    sender.write_all(&bytes[100..]).unwrap();
    assert_eq!(records(&mut batch), Some(1));
    drop(sender);
    assert_eq!(records(&mut batch), None);
}

#[test]
fn a_failing_disk_is_no_damage() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let (bytes, _) = one_of_everything(Order::Little);
    for half in [bytes[..bytes.len() / 2].to_vec(), gzip(&bytes)[..100].to_vec(), zstd(&bytes)[..100].to_vec()] {
        let error = read(Cursor::new(half).chain(Fails)).unwrap_err();
        assert!(matches!(error, CaptureError::Io(_)), "{error:?}");
    }
}
