//! Cut, damaged and hostile captures: what was whole is handed out, nothing panics, nothing swallows memory.

use proptest::prelude::*;
use standin::capture::{CaptureError, Fault};
use standin::limits::{INTERFACES_MAX, RECORD_BYTES_MAX};

use super::build::{Bytes, MICROS, Order, Pcap, one_of_everything};
use super::formats::{gzip, zstd};
use super::read_bytes;

fn small_pcap() -> Vec<u8> {
    let packets = vec![(1, 2, b"one".to_vec(), 0), (3, 4, b"another".to_vec(), 5)];
    Pcap { order: Order::Big, magic: MICROS, version: (2, 4), link: 1, packets }.build().0
}

/// The fault that ends a capture, and how many records came before.
fn fault(bytes: &[u8]) -> (Option<Fault>, usize) {
    let whole = read_bytes(bytes).unwrap();
    (whole.damage.map(|damage| damage.fault), whole.records.len())
}

#[test]
fn cut_anywhere_the_records_before_are_there() {
    for bytes in [small_pcap(), one_of_everything(Order::Little).0, one_of_everything(Order::Big).0] {
        let records = read_bytes(&bytes).unwrap().records;
        let ends: Vec<usize> = records
            .iter()
            .scan(0, |end, len| {
                *end += len;
                Some(*end)
            })
            .collect();
        for cut in 1..bytes.len() {
            let complete = ends.iter().filter(|end| **end <= cut).count();
            let end = complete.checked_sub(1).map_or(0, |last| ends[last]);
            match read_bytes(&bytes[..cut]) {
                Err(CaptureError::Damaged(damage)) => assert_eq!((complete, damage.fault), (0, Fault::Cut)),
                Err(other) => panic!("{other:?}"),
                Ok(whole) => {
                    assert_eq!((whole.records.len(), &whole.bytes[..]), (complete, &bytes[..end]));
                    assert_eq!(whole.damage.map(|damage| damage.fault), (end < cut).then_some(Fault::Cut));
                }
            }
        }
    }
}

#[test]
fn cut_or_damaged_compression_gives_what_could_be_decompressed() {
    let packets = vec![(1, 2, vec![7; 1000], 0); 5000];
    let pcap = Pcap { order: Order::Little, magic: MICROS, version: (2, 4), link: 1, packets };
    let mut noise = 1_u32;
    let (mut bytes, _) = pcap.build();
    // What does not compress spreads the packets over the compressed data.
    for packet in bytes[24..].chunks_exact_mut(1016) {
        packet[16..].fill_with(|| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        });
    }
    for compressed in [gzip(&bytes), zstd(&bytes)] {
        let half = compressed.len() / 2;
        let cut = read_bytes(&compressed[..half]).unwrap();
        assert!(cut.packets.len() > 1000, "{}", cut.packets.len());
        assert!(cut.damage.is_some_and(|damage| damage.fault == Fault::Compression));
        // Stored bytes that are flipped decompress to something else: then it is the records that make no sense.
        let mut flipped = compressed.clone();
        flipped[half..half + 3000].iter_mut().for_each(|byte| *byte = !*byte);
        let flipped = read_bytes(&flipped).unwrap();
        assert!(flipped.packets.len() > 1000 && flipped.damage.is_some());
        assert!(matches!(read_bytes(&compressed[..8]), Err(CaptureError::Damaged(d)) if d.fault == Fault::Compression));
    }
    let mut trailing = gzip(&bytes);
    trailing.extend(b"rubbish at the end");
    let whole = read_bytes(&trailing).unwrap();
    assert_eq!((whole.packets.len(), whole.damage.map(|d| d.fault)), (5000, Some(Fault::Compression)));
}

#[test]
fn absurd_pcap_lengths_end_the_capture() {
    for len in [RECORD_BYTES_MAX as u32 + 1, u32::MAX] {
        let mut bytes = Bytes::new(Order::Big);
        bytes.raw(&small_pcap()).n32(0).n32(0).n32(len).n32(len).raw(&[0; 100]);
        assert_eq!(fault(&bytes.bytes), (Some(Fault::TooLong), 3));
    }
    let mut longer_than_wire = Bytes::new(Order::Big);
    longer_than_wire.raw(&small_pcap()).n32(0).n32(0).n32(4).n32(1).raw(b"data");
    assert_eq!(fault(&longer_than_wire.bytes), (None, 4));
}

#[test]
fn impossible_blocks_end_the_capture() {
    let (good, _) = one_of_everything(Order::Little);
    let records = read_bytes(&good).unwrap().records.len();
    let after = |build: fn(&mut Bytes)| {
        let mut bytes = Bytes::new(Order::Little);
        build(bytes.raw(&good));
        let (fault, read) = fault(&bytes.bytes);
        assert_eq!(read, records);
        fault.unwrap()
    };
    let packet = |bytes: &mut Bytes, kind: u32, words: &[u32]| {
        let mut body = Bytes::new(Order::Little);
        words.iter().for_each(|word| {
            body.n32(*word);
        });
        bytes.block(kind, &body.bytes);
    };
    for len in [0, 8, 11, 13, 14] {
        let mut bytes = Bytes::new(Order::Little);
        bytes.raw(&good).n32(6).n32(len).raw(&[0; 40]);
        assert_eq!(fault(&bytes.bytes), (Some(Fault::BlockLength), records));
    }
    assert_eq!(
        after(|b| {
            b.n32(6).n32(!3).raw(&[0; 40]);
        }),
        Fault::TooLong
    );
    assert_eq!(
        after(|b| {
            b.n32(99).n32(16).n32(0).n32(20);
        }),
        Fault::BlockLength
    );
    assert_eq!(
        after(|b| {
            b.block(0x0a0d_0d0a, &[0; 16]);
        }),
        Fault::ByteOrder
    );
    assert_eq!(
        after(|b| {
            b.block(0x0a0d_0d0a, &0x1a2b_3c4d_u32.to_le_bytes());
        }),
        Fault::BlockContents
    );
    assert_eq!(
        after(|b| {
            b.block(1, &[0; 4]);
        }),
        Fault::BlockContents
    );
    for (kind, words, expected) in [
        (6, &[0, 0, 0, 5, 5, 0][..], Fault::BlockContents),
        (6, &[0, 0, 0, u32::MAX, 5, 0], Fault::BlockContents),
        (6, &[2, 0, 0, 0, 0], Fault::UnknownInterface),
        (6, &[0, 0], Fault::BlockContents),
        (2, &[0, 0, 0, 5, 5, 0], Fault::BlockContents),
        (2, &[0, 0, 0, u32::MAX, 5, 0], Fault::BlockContents),
        (2, &[9, 0, 0, 0, 0], Fault::UnknownInterface),
        (2, &[0, 0], Fault::BlockContents),
        (3, &[], Fault::BlockContents),
    ] {
        let mut bytes = Bytes::new(Order::Little);
        bytes.raw(&good);
        packet(&mut bytes, kind, words);
        assert_eq!(fault(&bytes.bytes), (Some(expected), records), "{kind} {words:?}");
    }
}

#[test]
fn interfaces_without_end_are_refused() {
    let mut bytes = Bytes::new(Order::Little);
    let mut header = Bytes::new(Order::Little);
    header.n32(0x1a2b_3c4d).n16(1).n16(0).n64(u64::MAX);
    bytes.block(0x0a0d_0d0a, &header.bytes);
    (0..=INTERFACES_MAX).for_each(|_| {
        bytes.block(1, &[0; 8]);
    });
    assert_eq!(fault(&bytes.bytes), (Some(Fault::TooManyInterfaces), INTERFACES_MAX + 1));
}

#[test]
fn errors_say_where_but_never_what() {
    let mut bytes = small_pcap();
    bytes.extend([0xff; 20]);
    let damage = read_bytes(&bytes).unwrap().damage.unwrap();
    assert_eq!(damage.to_string(), "a record claims more than 16 MiB (at byte 66, after 2 packets)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever bytes are changed, the records are a prefix of the input and keep their invariants.
    #[test]
    fn mutations_do_no_harm(
        which in 0..3_usize,
        changes in proptest::collection::vec((any::<usize>(), prop_oneof![Just(0), Just(255), any::<u8>()]), 1..6),
    ) {
        let mut bytes = match which {
            0 => small_pcap(),
            1 => one_of_everything(Order::Little).0,
            _ => one_of_everything(Order::Big).0,
        };
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(whole) = read_bytes(&bytes) {
            prop_assert!(bytes.starts_with(&whole.bytes));
            prop_assert_eq!(whole.damage.is_none(), whole.bytes.len() == bytes.len());
        }
    }
}
