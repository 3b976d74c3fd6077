//! G6, G7: the output is a function of key, rules and input, however the input arrives.

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use standin::capture::{Compression, Format, Writer};
use standin::sanitize::Container;

use super::{How, fixture, format, mask, packets};

/// Gives a capture away in pieces of these sizes, over and over.
struct Pieces {
    bytes: Cursor<Vec<u8>>,
    sizes: Vec<usize>,
    turn: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].clamp(1, buffer.len());
        self.turn += 1;
        self.bytes.read(&mut buffer[..size])
    }
}

fn in_pieces(input: &[u8], sizes: Vec<usize>, how: &How) -> Vec<u8> {
    how.read(Pieces { bytes: Cursor::new(input.to_vec()), sizes, turn: 0 }).unwrap().bytes
}

/// The first part of a fixture, cut between packets, so that reading it byte by byte does not take long.
fn beginning(name: &str, bytes: usize) -> Vec<u8> {
    let mut input = fixture(name);
    input.truncate(bytes);
    let read = mask(&input).manifest.input.bytes as usize;
    input.truncate(read);
    input
}

#[test]
fn bytes_one_by_one() {
    for name in ["shop-lossy.pcap", "shop-ipv6.pcapng"] {
        let input = beginning(name, 60_000);
        assert_eq!(in_pieces(&input, vec![1], &How::default()), mask(&input).bytes, "{name}");
        for format in [Container::Pcap, Container::PcapNg] {
            let how = How { format: Some(format), ..How::default() };
            assert!(in_pieces(&input, vec![1], &how) == how.mask(&input).bytes, "{name} as {format:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn pieces_of_any_size(sizes in prop::collection::vec(1usize..5_000, 1..8)) {
        let input = beginning("shop-lossy.pcap", 80_000);
        prop_assert!(in_pieces(&input, sizes, &How::default()) == mask(&input).bytes);
    }
}

#[test]
fn compressed_input_is_the_same() {
    let input = beginning("shop-demo.pcap", 100_000);
    let expected = mask(&input).bytes;
    for compression in [Compression::Gzip, Compression::Zstd] {
        let mut writer = Writer::new(Vec::new(), compression).unwrap();
        writer.write_all(&input).unwrap();
        let packed = writer.finish().unwrap();
        assert_ne!(packed, input);
        assert!(mask(&packed).bytes == expected, "{compression:?}");
        assert!(in_pieces(&packed, vec![3, 1, 70], &How::default()) == expected, "{compression:?} in pieces");
    }
}

#[test]
fn the_key_decides() {
    let input = beginning("shop-demo.pcap", 100_000);
    let masked = mask(&input);
    assert_eq!(masked.manifest.key_id, mask(&input).manifest.key_id);
    let other = How { key: 8, ..How::default() }.mask(&input);
    assert_ne!(masked.manifest.key_id, other.manifest.key_id);
    let pairs: Vec<_> = packets(&masked.bytes).into_iter().zip(packets(&other.bytes)).collect();
    let differing = pairs.iter().filter(|(a, b)| a.frame != b.frame).count();
    assert_eq!(differing, pairs.len(), "some packet depends on no key");
    assert_eq!(masked.ledger, other.ledger, "what is masked does not depend on the key");
}

/// There and back: the frames are those of the plain masking.
#[test]
fn other_containers_hold_the_same_packets() {
    for name in ["shop-demo.pcap", "shop-ns.pcap", "shop-ipv6.pcapng"] {
        let input = beginning(name, 60_000);
        let expected = packets(&mask(&input).bytes);
        for (container, is_right) in [
            (Container::Pcap, (|f| matches!(f, Format::Pcap { .. })) as fn(Format) -> bool),
            (Container::PcapNg, |f| f == Format::PcapNg),
        ] {
            let converted = How { format: Some(container), ..How::default() }.mask(&input);
            assert!(is_right(format(&converted.bytes)), "{name} as {container:?}");
            assert_eq!(packets(&converted.bytes), expected, "{name} as {container:?}");
            let total: usize =
                converted.ledger.lines().map(|l| l.split('\t').nth(1).unwrap().parse::<usize>().unwrap()).sum();
            assert_eq!(total, converted.bytes.len(), "{name} as {container:?}");
        }
    }
}

/// Interfaces that are described later do not count, whatever a read brings at once.
#[test]
fn conversion_does_not_depend_on_reads() {
    let interface = |resolution: u8| {
        let mut body = vec![1, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, resolution, 0, 0, 0, 0, 0, 0, 0];
        wrap(1, &mut body)
    };
    let packet = |id: u8| {
        let mut body = vec![id, 0, 0, 0, 0, 0, 0, 0, 64, 66, 15, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4];
        wrap(6, &mut body)
    };
    fn wrap(kind: u32, body: &mut [u8]) -> Vec<u8> {
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, body, &length].concat()
    }
    let mut header = [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0].to_vec();
    header.extend([0xff; 8]);
    let start = [wrap(0x0a0d_0d0a, &mut header), interface(6)].concat();
    let how = How { format: Some(Container::Pcap), ..How::default() };
    for rest in [vec![interface(9), packet(0), packet(1)], vec![packet(0), interface(9), packet(0)], vec![]] {
        let input = [start.clone(), rest.concat()].concat();
        let whole = how.mask(&input);
        assert_eq!(packets(&whole.bytes).len(), rest.len().saturating_sub(1));
        assert_eq!(in_pieces(&input, vec![1], &how), whole.bytes);
    }
    // Without any interface there is no link type to write.
    let error = how.read(Cursor::new(start[..28].to_vec())).err().unwrap();
    assert!(error.contains("no interface"), "{error}");
}
