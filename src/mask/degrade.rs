//! Stand-ins for compressed bodies, where a full pseudonym would not fit: fewer distinct characters, the same shape.

use super::Part;
use super::keyring::Keyring;
use super::masker::in_order;
use super::slots::{self, Alphabet};

/// How much of a text's identity its stand-in keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The pseudonym: distinct stays distinct.
    Full,
    /// 12 keyed bits: most distinct texts stay distinct.
    Tag,
    /// Nothing: all texts of a shape become one.
    Filler,
}

/// Letters carry four bits of the tag each, digits three.
const TAG_BITS: u32 = 12;

/// The tag's characters to come, as numbers below 16.
pub(super) fn tag(keyring: &Keyring, text: &[u8]) -> [u32; 4] {
    let tag = keyring.tags.stream(text).below(1 << TAG_BITS);
    // Three letters use it up; four digits need one more, made of the bits that their three left out.
    [tag & 15, tag >> 4 & 15, tag >> 8 & 15, (tag >> 3 & 1) | (tag >> 7 & 1) << 1 | (tag >> 11 & 1) << 2]
}

/// Appends `text` with its first characters replaced by the tag's and the others by one filler each for letters and
/// digits. No digit becomes a zero, so numbers stay numbers.
pub(super) fn write(text: &[u8], parts: &[Part], tag: &[u32], out: &mut Vec<u8>) {
    let filler = filler(text, tag);
    let mut at = 0;
    for part in in_order(text, parts) {
        out.extend_from_slice(&filler[at..part.at.start]);
        let start = out.len();
        let (text, filler) = (&text[part.at.clone()], &filler[part.at.clone()]);
        part.method.method().degrade(text, filler, out);
        if out.len() - start != filler.len() {
            out.truncate(start);
            out.extend_from_slice(filler);
        }
        at = part.at.end;
    }
    out.extend_from_slice(&filler[at..]);
}

/// A text of the same shape: separators stay, the first letters and digits spell the tag, the others are fillers. No word or
/// number of the text stays as it was: one that looks like its filler gets another.
pub(super) fn filler(text: &[u8], tag: &[u32]) -> Vec<u8> {
    let mut filler = Vec::with_capacity(text.len());
    let mut tag = tag.iter();
    let mut rest = text;
    while !rest.is_empty() {
        let (length, slot) = slots::first(rest);
        match slot.map(|slot| slot.alphabet) {
            Some(Alphabet::Digit) => filler.push(b'1' + tag.next().map_or(0, |n| n & 7) as u8),
            Some(Alphabet::Lower | Alphabet::Upper) => filler.push(tag.next().map_or(b'x', |n| b'a' + *n as u8)),
            Some(Alphabet::Raw) => filler.push(0xBF),
            Some(_) => filler.extend_from_slice(wide(length)),
            None => filler.extend_from_slice(&rest[..length]),
        }
        rest = &rest[length..];
    }
    let mut at = 0;
    for run in text.chunk_by(|a, b| Kind::of(*a) == Kind::of(*b)) {
        let filler = &mut filler[at..at + run.len()];
        if Kind::of(run[0]) != Kind::Between && *filler == *run {
            make_other(filler);
        }
        at += run.len();
    }
    filler
}

/// What a text's runs are made of: a number or a word is one, what is made of both are several.
#[derive(PartialEq)]
enum Kind {
    Between,
    Digit,
    Letter,
    Wide,
}

impl Kind {
    fn of(byte: u8) -> Kind {
        match byte {
            b'0'..=b'9' => Kind::Digit,
            b'a'..=b'z' | b'A'..=b'Z' => Kind::Letter,
            0x80.. => Kind::Wide,
            _ => Kind::Between,
        }
    }
}

/// Makes a run of fillers another one: each of its characters the one beside it.
fn make_other(run: &mut [u8]) {
    for at in 0..run.len() {
        let ends = run.get(at + 1).is_none_or(|next| !(0x80..0xC0).contains(next));
        run[at] = match run[at] {
            b'9' => b'1',
            b'z' => b'a',
            byte @ (b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Z') => byte + 1,
            byte @ 0x80.. if ends => byte ^ 1,
            byte => byte,
        };
    }
}

/// A letter of this many bytes.
fn wide(length: usize) -> &'static [u8] {
    match length {
        2 => "ā".as_bytes(),
        3 => "가".as_bytes(),
        _ => "\u{20000}".as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever a text is made of, no word and no number of it stands in what has its shape.
        #[test]
        fn no_run_stays(text in "([x1]{1,4}|[a-z]{1,3}|[0-9]{1,3}|[ā가\u{20000}é一]{1,2}|[ .,:-]){1,8}", tag in prop::collection::vec(0u32..16, 0..5)) {
            let filler = filler(text.as_bytes(), &tag);
            let filler = std::str::from_utf8(&filler).expect("a text");
            prop_assert_eq!(filler.len(), text.len());
            let mut at = 0;
            for run in text.as_bytes().chunk_by(|a, b| Kind::of(*a) == Kind::of(*b)) {
                let stands = &filler.as_bytes()[at..at + run.len()];
                prop_assert_eq!(stands == run, Kind::of(run[0]) == Kind::Between, "{} for {}", filler, text);
                prop_assert!(Kind::of(stands[0]) == Kind::of(run[0]));
                at += run.len();
            }
        }
    }
}
