//! Checksums by polynomial division, all bits reversed: CRC32c of SCTP (RFC 9260, appendix A), CRC-32 of Ethernet
//! (IEEE 802.3 3.2.9). How they stood in the capture, and how to make them stand so again.

use std::ops::Range;

use super::{Algorithm, Checksum, ChecksumState};

/// What a wrong checksum is wrong by.
const WRONG_BY: u32 = 0x2b5d_4f11;

static CASTAGNOLI: [u32; 256] = table(0x82f6_3b78);
static ETHERNET: [u32; 256] = table(0xedb8_8320);

/// The remainder of each byte.
const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 { rest >> 1 ^ polynomial } else { rest >> 1 };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
}

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

/// The right value, the field taken as zero where it is covered.
fn right(checksum: &Checksum, frame: &[u8]) -> u32 {
    let table = match checksum.algorithm {
        Algorithm::Ethernet => &ETHERNET,
        Algorithm::Crc32c | Algorithm::Internet => &CASTAGNOLI,
    };
    let Range { start, end } = checksum.covers;
    let field = checksum.at..(checksum.at + 4).min(end);
    let part = |range: Range<usize>| frame.get(range).unwrap_or_default().iter();
    let covered = [0; 4].iter().take(field.len());
    let bytes = part(start..end.min(checksum.at)).chain(covered).chain(part(field.end.max(checksum.at)..end));
    remainder(table, bytes)
}

fn remainder<'a>(table: &[u32; 256], bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(u32::MAX, |rest, byte| rest >> 8 ^ table[usize::from(rest as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The catalogue of CRCs gives the remainders of these digits.
    #[test]
    fn check_values_of_the_polynomials() {
        assert_eq!(remainder(&CASTAGNOLI, b"123456789".iter()), 0xe306_9283);
        assert_eq!(remainder(&ETHERNET, b"123456789".iter()), 0xcbf4_3926);
    }

    #[test]
    fn written_states_are_observed_again() {
        for (algorithm, at, covers) in [(Algorithm::Crc32c, 8, 0..20), (Algorithm::Ethernet, 16, 0..16)] {
            for state in [ChecksumState::Good, ChecksumState::Bad, ChecksumState::Zero, ChecksumState::Cut] {
                let checksum = |state| Checksum {
                    algorithm,
                    at,
                    covers: covers.clone(),
                    pseudo: None,
                    state,
                    zero_is_none: false,
                };
                let mut frame: Vec<u8> = (0..20).collect();
                checksum(state).write(&mut frame);
                let mut seen = checksum(if state == ChecksumState::Cut { state } else { ChecksumState::Bad });
                seen.observe(&frame);
                assert_eq!(seen.state, state);
            }
        }
    }
}
