//! What detectors ask about the surroundings of a range.

use std::ops::Range;

/// Whether no letter or digit touches the range from outside.
pub(super) fn stands_alone(text: &[u8], at: &Range<usize>) -> bool {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
    let before = at.start.checked_sub(1).and_then(|before| text.get(before));
    !before.is_some_and(word) && !text.get(at.end).is_some_and(word)
}

/// The ranges of the longest runs of bytes that belong.
pub(super) fn runs(text: &[u8], belongs: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text.get(at..)?.iter().position(|byte| belongs(*byte))?;
        let length = text[start..].iter().take_while(|byte| belongs(**byte)).count();
        at = start + length;
        Some(start..at)
    })
}

/// How far bytes that belong reach back from `end`.
pub(super) fn back(text: &[u8], end: usize, belongs: impl Fn(u8) -> bool) -> usize {
    end - text[..end].iter().rev().take_while(|byte| belongs(**byte)).count()
}

/// How far bytes that belong reach from `start`.
pub(super) fn forth(text: &[u8], start: usize, belongs: impl Fn(u8) -> bool) -> usize {
    start + text[start..].iter().take_while(|byte| belongs(**byte)).count()
}

/// The digits of a text, joined, as numbers.
pub(super) fn digits(text: &[u8]) -> impl DoubleEndedIterator<Item = u32> {
    text.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}
