//! CRC32c (RFC 9260, appendix A), SCTP's checksum: how it stood in the capture, and how to make it stand so again.

use std::ops::Range;

use super::{Checksum, ChecksumState};

/// What a wrong checksum is wrong by.
const WRONG_BY: u32 = 0x2b5d_4f11;
/// The Castagnoli polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The remainder of each byte.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { rest >> 1 ^ POLYNOMIAL } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

/// See [`Checksum::observe`].
pub(super) fn observe(checksum: &mut Checksum, frame: &[u8]) {
    let Some(&field) = frame.get(checksum.at..).and_then(|rest| rest.first_chunk()) else { return };
    if checksum.state != ChecksumState::Cut && u32::from_le_bytes(field) == right(checksum, frame) {
        checksum.state = ChecksumState::Good;
    } else if field == [0; 4] {
        checksum.state = ChecksumState::Zero;
    }
}

/// See [`Checksum::write`].
pub(super) fn write(checksum: &Checksum, frame: &mut [u8]) {
    let right = right(checksum, frame);
    let value = match checksum.state {
        ChecksumState::Good => right,
        ChecksumState::Zero => 0,
        ChecksumState::Bad | ChecksumState::PseudoOnly if right == WRONG_BY => !right,
        ChecksumState::Bad | ChecksumState::PseudoOnly => right ^ WRONG_BY,
        ChecksumState::Cut => right.max(1),
    };
    if let Some(field) = frame.get_mut(checksum.at..checksum.at + 4) {
        field.copy_from_slice(&value.to_le_bytes());
    }
}

/// The right value, the field taken as zero.
fn right(checksum: &Checksum, frame: &[u8]) -> u32 {
    let Range { start, end } = checksum.covers;
    let part = |range: Range<usize>| frame.get(range).unwrap_or_default().iter();
    let bytes = part(start..checksum.at).chain(&[0; 4]).chain(part(checksum.at + 4..end));
    !bytes.fold(u32::MAX, |rest, byte| rest >> 8 ^ TABLE[usize::from(rest as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::super::Algorithm;
    use super::*;

    fn checksum(state: ChecksumState) -> Checksum {
        let algorithm = Algorithm::Crc32c;
        Checksum { at: 8, covers: 0..20, pseudo: None, state, zero_is_none: false, algorithm }
    }

    #[test]
    fn the_check_value_of_the_polynomial() {
        let remainder =
            |bytes: &[u8]| !bytes.iter().fold(u32::MAX, |rest, b| rest >> 8 ^ TABLE[usize::from(rest as u8 ^ b)]);
        assert_eq!(remainder(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn written_states_are_observed_again() {
        for state in [ChecksumState::Good, ChecksumState::Bad, ChecksumState::Zero, ChecksumState::Cut] {
            let mut frame: Vec<u8> = (0..20).collect();
            checksum(state).write(&mut frame);
            let unverified = if state == ChecksumState::Cut { state } else { ChecksumState::Bad };
            let mut seen = checksum(unverified);
            seen.observe(&frame);
            assert_eq!(seen.state, state);
        }
    }
}
