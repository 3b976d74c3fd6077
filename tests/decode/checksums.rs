//! Checksums: right, wrong, offloaded, absent, cut.

use standin::decode::{ChecksumState, What};

use super::{ETHERNET, TCP4, TCP6, TCP6_SHOWN, UDP4, assert_decodes, decoded, hex};

#[test]
fn segmentation_offload_states_no_length() {
    assert_decodes(
        101,
        &TCP4.replacen("00 2d", "00 00", 1),
        "ip tcp",
        "keep10 sum:Bad ip4 ip4 keep16 sum:Good keep2 payload5",
    );
    assert_decodes(101, &TCP6.replacen("00 19", "00 00", 1), "ipv6 tcp", TCP6_SHOWN);
}

/// Good stays good, bad bad, none none, offloaded offloaded, after addresses and payload were edited.
#[test]
fn checksums_keep_their_state() {
    for (frame, field, value, expected) in [
        (TCP4, 36, [0xab, 0x59], ChecksumState::Good),
        (TCP4, 36, [0xab, 0x58], ChecksumState::Bad),
        (TCP4, 36, [0, 0], ChecksumState::Zero),
        // The pseudo-header with the segment's length, and without.
        (TCP4, 36, [0xec, 0x56], ChecksumState::PseudoOnly),
        (TCP4, 36, [0xec, 0x3d], ChecksumState::PseudoOnly),
        (UDP4, 26, [0xe8, 0xba], ChecksumState::Good),
        (UDP4, 26, [0, 0], ChecksumState::Zero),
        (UDP4, 26, [0xff, 0xff], ChecksumState::Bad),
        (TCP6, 56, [0x3c, 0x1c], ChecksumState::Good),
        (TCP6, 56, [0x3c, 0x1d], ChecksumState::Bad),
    ] {
        let mut frame = hex(frame);
        frame[field..field + 2].copy_from_slice(&value);
        let before = decoded(101, &frame, frame.len());
        assert_eq!(before.checksums[0].state, expected, "as captured: {value:x?}");
        let length = before.checksums[0].pseudo.as_ref().unwrap().length;
        // The card will cut this one up: its sum leaves the length out, and so does the new one.
        assert_eq!(length == 0, value == [0xec, 0x3d]);
        for piece in before.pieces.iter().filter(|piece| matches!(piece.what, What::Ipv4 | What::Ipv6)) {
            frame[piece.start as usize + 3] ^= 0x55;
        }
        let last = frame.len() - 1;
        frame[last] = 0;
        before.checksums.iter().for_each(|checksum| checksum.write(&mut frame));
        let after = decoded(101, &frame, frame.len());
        assert_eq!(after.checksums[0].state, expected, "as written: {value:x?}");
        assert_eq!(after.checksums[0].pseudo.as_ref().unwrap().length, length);
        assert_eq!(frame[field..field + 2] == value, expected == ChecksumState::Zero);
    }
}

/// Of all payloads, one makes the sum of the pseudo-header the right one.
#[test]
fn an_offloaded_checksum_may_be_right_by_accident() {
    let mut frame = hex(TCP4);
    frame[36..38].copy_from_slice(&[0xec, 0x56]);
    let mut right = 0;
    for value in 0..=u16::MAX {
        frame[40..42].copy_from_slice(&value.to_be_bytes());
        let layers = decoded(101, &frame, frame.len());
        let checksum = &layers.checksums[0];
        right += u32::from(checksum.state == ChecksumState::Good);
        assert!(checksum.reads_as(ChecksumState::PseudoOnly, &frame));
        assert!(!checksum.reads_as(ChecksumState::Bad, &frame) && !checksum.reads_as(ChecksumState::Zero, &frame));
    }
    assert!((1..=2).contains(&right), "0 and 0xffff are the same summand: {right}");
}

/// A checksum over bytes that are missing cannot be checked; what is written does not depend on what stood there.
#[test]
fn a_cut_checksum_stays_cut_and_forgets() {
    let written = [[0xab, 0x59], [0x12, 0x34]].map(|old| {
        let mut frame = hex(TCP4);
        frame[36..38].copy_from_slice(&old);
        let layers = decoded(101, &frame[..43], frame.len());
        assert_eq!(layers.checksums[0].state, ChecksumState::Cut);
        layers.checksums.iter().for_each(|checksum| checksum.write(&mut frame));
        assert_eq!(decoded(101, &frame[..43], frame.len()).checksums[0].state, ChecksumState::Cut);
        frame
    });
    assert_eq!(written[0], written[1]);
}

/// Outer checksums cover inner ones: written in order, all are right at the end.
#[test]
fn checksums_are_written_innermost_first() {
    let head =
        format!("45000055 00000000 40110000 c0000201c6336402 c000 12b5 0041 0000 080000000000010000 {ETHERNET}0800");
    let head = head.replace("0041", "004b").replace("45000055", "4500005f").replacen(
        "080000000000010000",
        "0800000000000100",
        1,
    );
    let mut frame = hex(&format!("{head} {TCP4}"));
    let mut layers = decoded(101, &frame, frame.len());
    layers.checksums.iter_mut().for_each(|checksum| checksum.state = ChecksumState::Good);
    frame[70] ^= 1;
    layers.checksums.iter().for_each(|checksum| checksum.write(&mut frame));
    let states: Vec<_> =
        decoded(101, &frame, frame.len()).checksums.into_iter().map(|checksum| checksum.state).collect();
    assert_eq!(states, [ChecksumState::Good; 4]);
}
