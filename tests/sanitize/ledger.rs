//! G1: every output byte has one label, and the labels are true, whatever comes in.

use proptest::prelude::*;

use super::{CAPTURES, How, Masked, assert_ledger, fixture, masked_fixture, packets};

const RULES: [&str; 4] = ["default", "blank", "headers-only", "addresses-only"];

/// What must hold for any input that can be read at all.
fn assert_masked(input: &[u8], masked: &Masked) {
    let read = masked.manifest.input.bytes as usize;
    assert_eq!(masked.bytes.len(), read, "a byte was added or lost");
    assert_ledger(input, masked);
    let layout = |file: &[u8]| -> Vec<_> {
        packets(file).iter().map(|p| (p.time_ns, p.link, p.interface, p.wire_len, p.frame.len())).collect()
    };
    assert_eq!(layout(&input[..read]), layout(&masked.bytes));
}

#[test]
fn labels_are_true_of_the_fixtures() {
    for name in CAPTURES {
        let input = fixture(name);
        for rules in if name == CAPTURES[0] { &RULES[..] } else { &RULES[..1] } {
            let masked = masked_fixture(name, rules);
            assert_eq!(masked.bytes.len(), input.len(), "{name} {rules}");
            assert_masked(&input, &masked);
        }
    }
}

/// A pcap file with these frames, a second apart for every `pace` of them.
fn pcap(link: u32, frames: &[(Vec<u8>, u32)]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link] {
        file.extend(word.to_le_bytes());
    }
    for (at, (frame, beyond)) in frames.iter().enumerate() {
        for word in [1_700_000_000 + at as u32 / 8, 0, frame.len() as u32, frame.len() as u32 + beyond] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// Frames of a fixture, some of them with bytes changed or cut, in another order.
fn damaged_frames() -> impl Strategy<Value = Vec<(Vec<u8>, u32)>> {
    let frames: Vec<Vec<u8>> = packets(&fixture("shop-demo.pcap")).into_iter().map(|p| p.frame).take(60).collect();
    let change = (0usize..400, any::<u8>());
    let frame = (0..frames.len(), prop::collection::vec(change, 0..4), 0usize..2000, prop::bool::weighted(0.2));
    prop::collection::vec(frame, 1..40).prop_map(move |picks| {
        let damaged = |(index, changes, length, cut): (usize, Vec<(usize, u8)>, usize, bool)| {
            let mut frame: Vec<u8> = frames[index].clone();
            for (at, byte) in changes {
                let at = at % frame.len();
                frame[at] = byte;
            }
            let whole = frame.len();
            if cut {
                frame.truncate(length);
            }
            let beyond = (whole - frame.len()) as u32;
            (frame, beyond)
        };
        picks.into_iter().map(damaged).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_frames(
        link in prop::sample::select(vec![0u32, 1, 9, 101, 105, 108, 113, 127, 192, 219, 239, 276, 147]),
        frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..120), 0u32..3), 0..12),
        rules in prop::sample::select(RULES.to_vec()),
    ) {
        let input = pcap(link, &frames);
        assert_masked(&input, &How::rules(rules).mask(&input));
    }

    #[test]
    fn damaged_traffic(frames in damaged_frames(), rules in prop::sample::select(RULES.to_vec())) {
        let input = pcap(1, &frames);
        assert_masked(&input, &How::rules(rules).mask(&input));
    }

    #[test]
    fn damaged_files(
        name in prop::sample::select(vec!["shop-ipv6.pcapng", "shop-demo.pcap"]),
        length in 0usize..30_000,
        changes in prop::collection::vec((0usize..30_000, any::<u8>()), 0..6),
        rules in prop::sample::select(RULES.to_vec()),
    ) {
        let mut input = fixture(name);
        input.truncate(length);
        for (at, byte) in changes {
            if let Some(old) = input.get_mut(at) {
                *old = byte;
            }
        }
        let bytes = input.clone();
        if let Ok(masked) = How::rules(rules).read(std::io::Cursor::new(bytes)) {
            assert_masked(&input, &masked);
        }
    }

    #[test]
    fn any_bytes_behind_a_magic(
        magic in prop::sample::select(vec![&b"\xd4\xc3\xb2\xa1"[..], b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a", b""]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let input = [magic, &bytes].concat();
        if let Ok(masked) = How::default().read(std::io::Cursor::new(input.clone())) {
            assert_masked(&input, &masked);
        }
    }
}
