//! The internet checksum (RFC 1071): how it stood in the capture, and how to make it stand so again.

use std::ops::Range;

use super::{Algorithm, Checksum, ChecksumState, Pseudo, crc};

/// What a wrong checksum is wrong by. Not a multiple of 0xffff, nor are its small multiples: never right by accident.
const WRONG_BY: u16 = 0x2b5d;

impl Checksum {
    /// Finds the state of this checksum in `frame`, the frame as captured.
    ///
    /// A state that nothing else applies to stays: [`ChecksumState::Cut`] where bytes are missing, else
    /// [`ChecksumState::Bad`].
    pub fn observe(&mut self, frame: &[u8]) {
        if self.algorithm != Algorithm::Internet {
            return crc::observe(self, frame);
        }
        let Some(field) = frame.get(self.at..self.at + 2) else {
            return;
        };
        let field = u16::from_be_bytes([field[0], field[1]]);
        let can_be_right = self.state != ChecksumState::Cut && !(self.zero_is_none && field == 0);
        if can_be_right && self.sum(frame) == 0xffff {
            self.state = ChecksumState::Good;
        } else if field == 0 {
            self.state = ChecksumState::Zero;
        } else if let Some(pseudo) = &mut self.pseudo
            && let Some(length) = pseudo.lengths().into_iter().find(|&length| pseudo.sum(frame, length) == field)
        {
            pseudo.length = length;
            self.state = ChecksumState::PseudoOnly;
        }
    }

    /// Whether the observed field can be read as `state` as well: once in 65,536 frames "none yet" is right by accident.
    pub fn reads_as(&self, state: ChecksumState, frame: &[u8]) -> bool {
        let field = || Some(u16::from_be_bytes([*frame.get(self.at)?, *frame.get(self.at + 1)?]));
        match state {
            _ if state == self.state => true,
            ChecksumState::Zero => field() == Some(0),
            ChecksumState::PseudoOnly => self.pseudo.as_ref().is_some_and(|pseudo| {
                pseudo.lengths().iter().any(|&length| Some(pseudo.sum(frame, length)) == field())
            }),
            _ => false,
        }
    }

    /// Puts the checksum of the edited `frame` into the state it had in the captured one.
    ///
    /// Never derived from the old value. Checksums that cover other checksums are written after those.
    pub fn write(&self, frame: &mut [u8]) {
        if self.algorithm != Algorithm::Internet {
            return crc::write(self, frame);
        }
        let Some(field) = frame.get_mut(self.at..self.at + 2) else {
            return;
        };
        field.fill(0);
        let value = match self.state {
            ChecksumState::Good => self.right(frame),
            ChecksumState::Bad => self.unmistakable(frame, add(self.right(frame), WRONG_BY)),
            ChecksumState::Zero => 0,
            ChecksumState::PseudoOnly => self.pseudo.as_ref().map_or(0, |pseudo| pseudo.sum(frame, pseudo.length)),
            ChecksumState::Cut => self.unmistakable(frame, self.right(frame)),
        };
        frame[self.at..self.at + 2].copy_from_slice(&value.to_be_bytes());
    }

    /// The right value for a frame whose field is zero.
    fn right(&self, frame: &[u8]) -> u16 {
        match !self.sum(frame) {
            0 if self.zero_is_none => 0xffff,
            value => value,
        }
    }

    /// `value`, unless it would be taken for "none" or for an offloaded sum: then another.
    fn unmistakable(&self, frame: &[u8], value: u16) -> u16 {
        let forms = self.pseudo.as_ref().map(|pseudo| pseudo.lengths().map(|length| pseudo.sum(frame, length)));
        let mut value = if value == 0 { 0xffff } else { value };
        while forms.is_some_and(|forms| forms.contains(&value)) {
            value = add(value, WRONG_BY);
        }
        value
    }

    /// Sum over the covered bytes, the field as it stands, and the pseudo-header.
    fn sum(&self, frame: &[u8]) -> u16 {
        let covered = wide(frame.get(self.covers.clone()).unwrap_or_default());
        let pseudo = self.pseudo.as_ref().map_or(0, |pseudo| pseudo.wide(frame, pseudo.length));
        fold(covered + pseudo)
    }
}

impl Pseudo {
    /// The lengths that senders enter into an offloaded sum: the segment's, or none yet when the card will cut it up.
    fn lengths(&self) -> [u32; 2] {
        [self.length, 0]
    }

    /// Sum over the pseudo-header (RFC 9293 3.1, RFC 8200 8.1), not inverted.
    fn sum(&self, frame: &[u8], length: u32) -> u16 {
        fold(self.wide(frame, length))
    }

    fn wide(&self, frame: &[u8], length: u32) -> u64 {
        let bytes = |range: &Range<usize>| wide(frame.get(range.clone()).unwrap_or_default());
        let numbers = [u32::from(self.protocol), length];
        bytes(&self.src) + bytes(&self.dst) + numbers.map(|number| u64::from(number.to_be())).iter().sum::<u64>()
    }
}

/// Sum of the 32-bit words as they lie in memory, the last one filled up with zeros: see [`fold`].
///
/// Four lanes, which compilers turn into vector instructions.
fn wide(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut lanes = [0u64; 4];
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            let word = u64::from_ne_bytes(*word);
            *lane += (word & 0xffff_ffff) + (word >> 32);
        }
    }
    let (words, rest) = rest.as_chunks::<4>();
    let words: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    let mut last = [0; 4];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    lanes.iter().sum::<u64>() + words + u64::from(u32::from_ne_bytes(last))
}

/// One's complement sum of big-endian 16-bit words: the same in either byte order, but for a swap at the end.
fn fold(wide: u64) -> u16 {
    let sum = (wide & 0xffff_ffff) + (wide >> 32);
    let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    u16::from_be(sum as u16)
}

/// One's complement addition.
fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(bytes: &[u8]) -> u16 {
        bytes
            .chunks(2)
            .fold(0, |total, pair| add(total, u16::from(pair[0]) << 8 | u16::from(*pair.get(1).unwrap_or(&0))))
    }

    /// Among all sums are those that look like "none" or like an offloaded one: they are avoided.
    #[test]
    fn no_sum_is_mistaken_for_another_state() {
        for state in [ChecksumState::Cut, ChecksumState::Bad] {
            for word in 0..=u16::MAX {
                let mut frame = [192, 0, 2, 1, 198, 51, 100, 2, 0, 0, 0, 0];
                frame[10..].copy_from_slice(&word.to_be_bytes());
                let pseudo = Pseudo { src: 0..4, dst: 4..8, protocol: 17, length: 4 };
                let (algorithm, pseudo) = (Algorithm::Internet, Some(pseudo));
                let mut checksum = Checksum { algorithm, at: 8, covers: 8..12, pseudo, state, zero_is_none: true };
                checksum.write(&mut frame);
                checksum.observe(&frame);
                assert_eq!(checksum.state, state);
            }
        }
    }

    proptest! {
        #[test]
        fn wide_sum_is_the_naive_one(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(fold(wide(&bytes)), naive(&bytes));
        }

        #[test]
        fn wide_sum_is_etherparses(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let theirs = etherparse::checksum::Sum16BitWords::new().add_slice(&bytes).ones_complement();
            prop_assert_eq!((!fold(wide(&bytes))).to_be(), theirs);
        }

        /// Whatever the state, the field and the edit: what is written is observed in the same state again.
        #[test]
        fn written_state_is_observed_again(
            mut frame in proptest::collection::vec(any::<u8>(), 34..80),
            edit in any::<[u8; 8]>(),
            cut in any::<bool>(),
            zero_is_none in any::<bool>(),
            captured_as in 0..5,
        ) {
            let pseudo = Pseudo { src: 0..4, dst: 4..8, protocol: 6, length: frame.len() as u32 - 8 };
            let unverified = if cut { ChecksumState::Cut } else { ChecksumState::Bad };
            let mut checksum =
                Checksum { algorithm: Algorithm::Internet, at: 24, covers: 8..frame.len(), pseudo: Some(pseudo), state: unverified, zero_is_none };
            let mut captured = checksum.clone();
            match captured_as {
                0 => captured.state = ChecksumState::Zero,
                1 => captured.state = ChecksumState::Good,
                2 => captured.state = ChecksumState::PseudoOnly,
                3 => {
                    captured.state = ChecksumState::PseudoOnly;
                    captured.pseudo.as_mut().unwrap().length = 0;
                }
                _ => {}
            }
            if captured.state != unverified {
                captured.write(&mut frame);
            }
            checksum.observe(&frame);
            let state = checksum.state;
            frame[..8].copy_from_slice(&edit);
            frame[30] = edit[0];
            checksum.write(&mut frame);
            checksum.state = unverified;
            checksum.observe(&frame);
            // An offloaded sum of the right form is right by chance once in 2^16.
            if !(state == ChecksumState::PseudoOnly && checksum.state == ChecksumState::Good) {
                prop_assert_eq!(checksum.state, state);
            }
        }
    }
}
