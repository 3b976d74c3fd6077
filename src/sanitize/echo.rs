//! What a captured text repeats of those before it, the masked one repeats of the masked ones.
//!
//! A message that was packed in few bytes says little that is new: the rest is copied out of earlier messages. Full
//! pseudonyms keep what is repeated whole (an equal value has an equal pseudonym), but not what is repeated in part: a time
//! that differs in its last digits becomes another time all through. Its *echo* copies what the captured value copied, from
//! where the masked text stands now, and takes only the rest of its pseudonym. So what repeats takes as little room as it did.
//!
//! Nothing captured comes back: only bytes that stand for values are copied, into places that hold a character of a value.

use super::squeeze;

/// Bytes back that anything may be repeated from (RFC 1951 §2).
const BEFORE_MAX: usize = 32 << 10;

/// The texts before, of one direction.
#[derive(Default)]
pub(super) struct Echo {
    captured: Vec<u8>,
    /// What was written instead, byte for byte; 0 where it stands for no value.
    masked: Vec<u8>,
}

impl Echo {
    /// What `plain` repeats, from at most `most` bytes before its end. None of a text that is too long to be looked at.
    pub(super) fn repeats(&self, plain: &[u8], most: usize) -> Option<Repeats<'_>> {
        let reach = most.checked_sub(plain.len())?;
        let from = self.captured.len().saturating_sub(reach);
        let distances = squeeze::distances(plain, &self.captured[from..])?;
        Some(Repeats { distances, before: &self.masked[from..] })
    }

    /// Goes on behind `captured`, for which stands `masked`, of the same length; zeros where it stands for no value.
    pub(super) fn advance(&mut self, captured: &[u8], masked: &[u8]) {
        for (all, new) in [(&mut self.captured, captured), (&mut self.masked, masked)] {
            let new = &new[new.len().saturating_sub(BEFORE_MAX)..];
            let excess = (all.len() + new.len()).saturating_sub(BEFORE_MAX);
            all.drain(..excess);
            all.extend_from_slice(new);
        }
    }
}

/// What a text repeats.
pub(super) struct Repeats<'a> {
    /// By byte: how far back it stands. 0: it is new.
    distances: Vec<usize>,
    /// What is masked before, as [`Echo::masked`].
    before: &'a [u8],
}

impl Repeats<'_> {
    /// The masked byte that the byte at `at` repeats: 0 if it is new, or repeats what stands for no value. `so_far` is
    /// the masked text up to there, as [`Echo::masked`].
    fn byte(&self, at: usize, so_far: &[u8]) -> u8 {
        let from = (self.before.len() + at).checked_sub(self.distances[at]).filter(|_| self.distances[at] > 0);
        let byte = from.and_then(|from| match from.checked_sub(self.before.len()) {
            None => self.before.get(from),
            Some(from) => so_far.get(from),
        });
        byte.copied().unwrap_or(0)
    }

    /// Appends the echo of the value that stands at `so_far.len()`: what it repeats, and `fresh` where it is new. `filler`
    /// tells where characters of the value stand. No number begins with a zero that did not.
    pub(super) fn echo(&self, value: &Value<'_>, so_far: &mut Vec<u8>) {
        let start = so_far.len();
        for (n, (&raw, &filler)) in value.raw.iter().zip(value.filler).enumerate() {
            let fresh = value.fresh[n];
            if ![raw, filler, value.pseudonym[n]].iter().all(u8::is_ascii_alphanumeric) {
                so_far.push(filler);
                continue;
            }
            let byte = self.byte(start + n, so_far);
            let before = n.checked_sub(1).map_or(0, |before| so_far[start + before]);
            let leads = byte == b'0' && raw != b'0' && !before.is_ascii_digit();
            so_far.push(if fits(byte, value.pseudonym[n], raw) && !leads { byte } else { fresh });
        }
    }
}

/// A value, and what may stand for it: all of one length.
pub(super) struct Value<'a> {
    pub(super) raw: &'a [u8],
    /// In full.
    pub(super) pseudonym: &'a [u8],
    /// With one letter for all letters, and one digit.
    pub(super) filler: &'a [u8],
    /// What stands where nothing is repeated: one of those.
    pub(super) fresh: &'a [u8],
}

/// Whether a byte may stand where the pseudonym has another: a digit for a digit, a letter for one of its case. Where the
/// pseudonym of a letter is a digit, or the other way round, both may.
fn fits(byte: u8, pseudonym: u8, raw: u8) -> bool {
    let class = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_lowercase(), byte.is_ascii_uppercase());
    let any = class(pseudonym).0 != class(raw).0;
    byte.is_ascii_alphanumeric() && (any || class(byte) == class(pseudonym))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(before: (&[u8], &[u8]), plain: &[u8], value: &Value<'_>, fill: usize) -> Vec<u8> {
        let mut echo = Echo::default();
        echo.advance(before.0, before.1);
        let mut so_far = vec![0; fill];
        echo.repeats(plain, BEFORE_MAX).expect("short").echo(value, &mut so_far);
        so_far.split_off(fill)
    }

    #[test]
    fn what_repeats_is_repeated_and_what_is_new_is_fresh() {
        let value = |fresh| Value {
            raw: b"2031-05-03T09:15",
            pseudonym: b"2038-11-27T16:42",
            filler: b"1111-11-11x11:11",
            fresh,
        };
        let masked = [&[0; 7][..], b"2036-02-18T03:21", &[0; 2]].concat();
        let before = (&b"{\"at\":\"2031-05-03T09:14\"}"[..], &masked[..]);
        let plain = b"{\"at\":\"2031-05-03T09:15\"}";
        assert_eq!(echo(before, plain, &value(b"2038-11-27T16:42"), 7), b"2036-02-18T03:22");
        assert_eq!(echo(before, plain, &value(b"1111-11-11x11:11"), 7), b"2036-02-18T03:21");
    }

    /// What stands for no value is captured text: it does not come into one.
    #[test]
    fn what_is_kept_is_not_copied_into_a_value() {
        let value = Value { raw: b"shipped", pseudonym: b"qzkfwul", filler: b"xxxxxxx", fresh: b"qzkfwul" };
        assert_eq!(echo((b"{\"shipped\":1}", &[0; 13]), b"\"shipped\"", &value, 1), b"qzkfwul");
    }
}
