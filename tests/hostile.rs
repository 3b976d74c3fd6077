//! G9: whatever comes in, masking ends, soon, with an output that adds up or with an error.

mod damage;
mod oracle;
mod random;
mod seeds;

use std::io::{self, Cursor, Read};

use random::Random;

/// `.ci/run` masks 20,000 with the release build, `.ci/damaged.rs`.
#[test]
fn damaged_captures_do_no_harm() {
    let check = |number| damage::check(number).err().map(|why| format!("capture {number}: {why}"));
    let bad: Vec<String> = (0..200).filter_map(check).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn mask(file: Vec<u8>) -> Option<oracle::Masked> {
    oracle::mask(Cursor::new(file), 0, None)
}

/// The damage leaves something to read: captures that are refused at once would test nothing.
#[test]
fn most_damaged_captures_can_be_read() {
    let read = (0..100).filter(|number| mask(damage::capture(*number)).is_some()).count();
    assert!(read > 75, "{read} of 100");
}

/// A wrong byte, a run that is missing, a packet that is cut: the oracle sees each.
#[test]
fn the_oracle_sees_what_is_wrong() {
    let file = seeds::pcap(1, &seeds::traffic(&mut Random(5)).1, false);
    let good = || mask(file.clone()).unwrap();
    assert_eq!(oracle::judge(&file, &good(), false), Ok(()));
    let assert_wrong = |masked: oracle::Masked, why: &str| {
        let said = oracle::judge(&file, &masked, false).unwrap_err();
        assert!(said.contains(why), "{said}");
    };
    let mut masked = good();
    masked.bytes[30] ^= 1;
    assert_wrong(masked, "not the input's");
    let mut masked = good();
    let first = masked.ledger.iter().position(|byte| *byte == b'\n').unwrap();
    masked.ledger.drain(..=first);
    assert_wrong(masked, "a gap");
    let mut masked = good();
    masked.manifest.ledger.kept += 1;
    assert_wrong(masked, "other labels");
    let mut masked = good();
    masked.manifest.output.packets -= 1;
    assert_wrong(masked, "packets before");
}

/// Gives a capture away in pieces of sizes that a number chooses.
struct Pieces {
    bytes: Cursor<Vec<u8>>,
    random: Random,
    most: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = (1 + self.random.below(self.most)).min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

/// However a pipe is cut, the output is the same: of damaged captures too.
#[test]
fn damaged_captures_in_pieces_are_masked_alike() {
    for number in 0..60 {
        let file = damage::capture(number);
        let most = [1, 7, 100, 5_000][number as usize % 4];
        let pieces = Pieces { bytes: Cursor::new(file.clone()), random: Random(number), most };
        let (whole, cut) = (mask(file), oracle::mask(pieces, 0, None));
        let outcome = |masked: Option<oracle::Masked>| masked.map(|m| (m.bytes, m.ledger, m.manifest.warnings));
        assert!(outcome(whole) == outcome(cut), "capture {number} in pieces of {most} at most");
    }
}
