//! Deflate to an exact length (RFC 1951): compress, then pad with empty blocks.
//!
//! A window ends on a byte boundary by a sync flush. Behind it an empty stored block takes 5 bytes, and each empty
//! fixed block before that takes 10 bits more, so that any length is reachable in mid-stream but 1, 2, 3, 4 and 8;
//! at the end a final fixed block (10 bits) makes every length from 2 on reachable.

use flate2::{Compress, Compression, FlushCompress};

/// Compression levels in the order of trying, the cheap one first, and by how many percent of the room the outcome may
/// be too long for a better level to be worth trying. Not level 1: zlib-rs 0.6 panics there when its output comes in pieces.
const LEVELS: [(u32, usize); 5] = [(2, 30), (5, 10), (9, 0), (6, 0), (3, 0)];
/// A text that was packed better than this repeats itself over and over; of such, cheap levels make several times as much
/// as the best, so their outcome tells nothing.
const REPETITIVE: usize = 12;
/// Of less, the best level costs little, and cheap ones with their fixed codes tell nothing.
const SMALL: usize = 2 << 10;
/// The best level's place.
const BEST: usize = 2;

/// Whether a text could be deflated to a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It was.
    Exactly,
    /// It is shorter, by a few bytes that no empty block fills: another text of about its entropy may fit.
    NotQuite,
    /// It is longer.
    No,
}

/// Compressors by level, used again and again: a new one costs more than a small window.
pub(super) struct Deflaters {
    by_level: [Option<Compress>; 10],
    /// They refer to no more than 2^`bits` bytes before.
    bits: u8,
}

/// The widest window of deflate.
pub(super) const WINDOW_BITS: u8 = 15;
/// The narrowest one that compressors know. What they refer to within it lies within half of it.
const WINDOW_BITS_MIN: u8 = 9;

impl Default for Deflaters {
    fn default() -> Self {
        Deflaters { by_level: Default::default(), bits: WINDOW_BITS }
    }
}

impl Deflaters {
    /// A compressor of this level at the beginning of a stream.
    fn fresh(&mut self, level: u32) -> &mut Compress {
        let (slot, bits) = (&mut self.by_level[level as usize], self.bits.max(WINDOW_BITS_MIN));
        if let Some(used) = slot {
            used.reset();
        }
        slot.get_or_insert_with(|| Compress::new_with_window_bits(Compression::new(level), false, bits))
    }

    /// From here on, nothing refers to more than 2^`bits` bytes before.
    pub(super) fn within(&mut self, bits: u8) {
        if self.bits != bits {
            *self = Deflaters { bits, ..Deflaters::default() };
        }
    }

    /// How far back anything may refer.
    pub(super) fn reach_max(&self) -> usize {
        1 << self.bits
    }

    /// The end of a dictionary that all of `plain` may refer to; none when not all of it may refer to its own beginning.
    pub(super) fn reach<'a>(&self, dictionary: &'a [u8], plain: &[u8]) -> Option<&'a [u8]> {
        let most = self.reach_max().checked_sub(plain.len())?;
        Some(&dictionary[dictionary.len().saturating_sub(most)..])
    }

    /// Forgets a compressor that still has output to give.
    fn discard(&mut self, level: u32) {
        self.by_level[level as usize] = None;
    }
}

/// Compresses `plain` into exactly `room` bytes behind what `out` holds, readable after `dictionary` (the plain bytes
/// before, at most 32 KiB of them are used). `last` ends the deflate stream. `out` is as it was unless it fits.
pub(super) fn deflate_to(
    plain: &[u8],
    dictionary: &[u8],
    room: usize,
    last: bool,
    deflaters: &mut Deflaters,
    out: &mut Vec<u8>,
) -> Fit {
    let start = out.len();
    let first = if plain.len() < SMALL || plain.len() / REPETITIVE > room { BEST } else { 0 };
    let mut near = false;
    for &(level, hopeless) in &LEVELS[first..] {
        let length = if last {
            finish_to(plain, dictionary, deflaters.fresh(level), room, out)
        } else {
            compress(plain, dictionary, deflaters.fresh(level), FlushCompress::Sync, room, out)
        };
        let Some(length) = length else {
            deflaters.discard(level);
            out.truncate(start);
            return Fit::No;
        };
        if last && length == room {
            return Fit::Exactly;
        }
        let rest = room.checked_sub(length).filter(|_| !last);
        if rest.is_some_and(|rest| pad_middle(rest, out)) {
            return Fit::Exactly;
        }
        out.truncate(start);
        near |= length < room;
        if length > room + room * hopeless / 100 + 16 {
            break;
        }
    }
    match (near, last && near && flush_to(plain, dictionary, room, deflaters, out)) {
        (_, true) => Fit::Exactly,
        (true, false) => Fit::NotQuite,
        (false, false) => Fit::No,
    }
}

/// A finished stream of exactly `room` bytes: what is left over goes in front of it, as empty blocks. The length is that
/// of the stream alone where the two do not add up.
fn finish_to(
    plain: &[u8],
    dictionary: &[u8],
    deflater: &mut Compress,
    room: usize,
    out: &mut Vec<u8>,
) -> Option<usize> {
    let start = out.len();
    let length = compress(plain, dictionary, deflater, FlushCompress::Finish, room, out)?;
    let rest = room.checked_sub(length).filter(|rest| reachable(*rest));
    if let Some(rest) = rest {
        let stream = out.split_off(start);
        pad_middle(rest, out);
        out.extend_from_slice(&stream);
        return Some(room);
    }
    Some(length)
}

/// As a window in mid-stream, and a final block behind it: reaches lengths that [`finish_to`] cannot.
fn flush_to(plain: &[u8], dictionary: &[u8], room: usize, deflaters: &mut Deflaters, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let length = compress(plain, dictionary, deflaters.fresh(6), FlushCompress::Sync, room, out);
    let rest = length.and_then(|length| room.checked_sub(length));
    let done = rest.is_some_and(|rest| pad(rest, true, out));
    if !done {
        out.truncate(start);
    }
    done
}

/// The compressed length, sync flush or final block included; the bytes are appended. None if it outgrows every use.
fn compress(
    plain: &[u8],
    dictionary: &[u8],
    deflater: &mut Compress,
    flush: FlushCompress,
    room: usize,
    out: &mut Vec<u8>,
) -> Option<usize> {
    if plain.is_empty() && flush == FlushCompress::Sync {
        return Some(0);
    }
    let start = out.len();
    if !dictionary.is_empty() {
        deflater.set_dictionary(dictionary).ok()?;
    }
    out.reserve(room + room / 8 + 64);
    loop {
        let read = deflater.total_in() as usize;
        deflater.compress_vec(&plain[read..], out, flush).ok()?;
        if deflater.total_in() as usize == plain.len() && out.len() < out.capacity() {
            return Some(out.len() - start);
        }
        if out.len() - start > 2 * room + 64 {
            return None;
        }
        out.reserve(1024);
    }
}

/// Appends exactly `rest` bytes of empty blocks, the last one final if `last`.
fn pad(rest: usize, last: bool, out: &mut Vec<u8>) -> bool {
    if !last {
        return pad_middle(rest, out);
    }
    for end in 2..=6 {
        let Some(before) = rest.checked_sub(end) else { return false };
        if !reachable(before) {
            continue;
        }
        pad_middle(before, out);
        match end {
            5 => out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]),
            6 => blocks(1, Some(1), out),
            _ => final_fixed(end - 2, out),
        }
        return true;
    }
    false
}

fn reachable(rest: usize) -> bool {
    !matches!(rest, 1..=4 | 8)
}

/// Empty stored blocks, the first of them behind as many empty fixed blocks as make the length right.
fn pad_middle(rest: usize, out: &mut Vec<u8>) -> bool {
    if !reachable(rest) {
        return false;
    }
    let mut left = rest;
    let mut take = |bytes: usize, fixed: usize, left: &mut usize| {
        blocks(fixed, Some(0), out);
        *left -= bytes;
    };
    match rest % 5 {
        1 => take(6, 1, &mut left),
        2 => take(7, 2, &mut left),
        3 => {
            take(6, 1, &mut left);
            take(7, 2, &mut left);
        }
        4 => take(9, 3, &mut left),
        _ => {}
    }
    while left > 0 {
        take(5, 0, &mut left);
    }
    true
}

/// `fixed` empty fixed blocks, then an empty stored one whose final bit is `stored`.
fn blocks(fixed: usize, stored: Option<u64>, out: &mut Vec<u8>) {
    let mut bits = 0u64;
    for i in 0..fixed {
        bits |= 0b10 << (10 * i);
    }
    let mut count = 10 * fixed;
    if let Some(end) = stored {
        bits |= end << count;
        count += 3;
    }
    out.extend_from_slice(&bits.to_le_bytes()[..count.div_ceil(8)]);
    if stored.is_some() {
        out.extend_from_slice(&[0, 0, 0xff, 0xff]);
    }
}

/// `fixed` empty fixed blocks and a final one: 2, 3 or 4 bytes for 0, 1 or 2.
fn final_fixed(fixed: usize, out: &mut Vec<u8>) {
    let mut bits = 0b11u64 << (10 * fixed);
    for i in 0..fixed {
        bits |= 0b10 << (10 * i);
    }
    out.extend_from_slice(&bits.to_le_bytes()[..(10 * (fixed + 1)).div_ceil(8)]);
}

/// Adler-32 (RFC 1950 §8.2), continued from `sum` (1 at the beginning).
pub(super) fn adler32(sum: u32, bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (sum & 0xffff, sum >> 16);
    for chunk in bytes.chunks(5552) {
        for &byte in chunk {
            a += u32::from(byte);
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress, Status};
    use proptest::prelude::*;

    fn inflate(bytes: &[u8]) -> (Vec<u8>, Status) {
        let mut out = Vec::with_capacity(1 << 20);
        let status =
            Decompress::new(false).decompress_vec(bytes, &mut out, FlushDecompress::Sync).expect("valid deflate");
        (out, status)
    }

    #[test]
    fn every_reachable_length_is_reached_exactly() {
        for last in [false, true] {
            for rest in 0..200 {
                let mut out = Vec::new();
                let expected = if last { rest >= 2 } else { reachable(rest) };
                assert_eq!(pad(rest, last, &mut out), expected, "{rest} {last}");
                if expected {
                    assert_eq!(out.len(), rest, "{last}");
                    let (plain, status) = inflate(&out);
                    assert!(plain.is_empty());
                    assert_eq!(status == Status::StreamEnd, last, "{rest} {last}");
                }
            }
        }
    }

    #[test]
    fn repetitive_text_fits_where_a_good_level_fits() {
        for times in [40, 400, 4_000] {
            let plain = b"\"Zelda Fothergill Oxenholme\",\"Zelda Fothergill Pumphrey\",".repeat(times);
            let mut best = Vec::new();
            let mut deflaters = Deflaters::default();
            let length = compress(&plain, &[], deflaters.fresh(9), FlushCompress::Sync, plain.len(), &mut best);
            let room = length.expect("compresses") + 10;
            let fit = deflate_to(&plain, &[], room, true, &mut deflaters, &mut Vec::new());
            assert_eq!(fit, Fit::Exactly, "{times} times");
        }
    }

    proptest! {
        #[test]
        fn windows_inflate_to_what_they_were_made_of(
            text in proptest::collection::vec("[a-f ]{1,40}", 1..60),
            cut in 0usize..2000,
            spare in 0usize..64,
        ) {
            let plain = text.concat().into_bytes();
            let (first, second) = plain.split_at(cut.min(plain.len()));
            let mut out = Vec::new();
            let mut deflaters = Deflaters::default();
            prop_assume!(deflate_to(first, &[], first.len() + 40, false, &mut deflaters, &mut out) == Fit::Exactly);
            prop_assert_eq!(out.len(), first.len() + 40);
            let fit = deflate_to(second, first, second.len() + 40 + spare, true, &mut deflaters, &mut out);
            prop_assert_eq!(fit, Fit::Exactly);
            prop_assert_eq!(out.len(), plain.len() + 80 + spare);
            let (inflated, status) = inflate(&out);
            prop_assert_eq!(inflated, plain);
            prop_assert_eq!(status, Status::StreamEnd);
        }
    }

    #[test]
    fn adler_of_a_known_text() {
        assert_eq!(adler32(1, b"Wikipedia"), 0x11e6_0398);
    }
}
