//! Runs: the words, numbers and tokens of a text, and their classes. Every class is mapped onto itself.

use super::slots::{self, Alphabet, Slot};

/// What kind of run it is. The classes are apart: a run has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Digits only.
    Number,
    /// ASCII letters, all lower case, all upper case or capitalised.
    Word(Case),
    /// At least 8 of 0-9a-f or 0-9A-F, letters and digits.
    Hex(Case),
    /// Any other run of ASCII letters and digits.
    Token,
    /// With characters outside ASCII.
    Wide,
}

/// The pattern of upper and lower case, taken off before mapping and put back after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// anna
    Lower,
    /// ANNA; also a single letter
    Upper,
    /// Anna
    Capitalised,
}

/// Shortest run that is taken for hexadecimal.
const HEX_MIN: usize = 8;

impl Class {
    /// The class of a run.
    pub(super) fn of(run: &[u8]) -> Class {
        let mut seen = Seen::default();
        for &byte in run {
            seen.add(byte);
        }
        let Seen { digits, lower, upper, beyond_f, wide } = seen;
        if wide {
            return Class::Wide;
        }
        match (digits > 0, lower > 0, upper > 0) {
            (true, false, false) => Class::Number,
            (false, true, false) => Class::Word(Case::Lower),
            (false, false, true) => Class::Word(Case::Upper),
            (false, true, true) if upper == 1 && run[0].is_ascii_uppercase() => Class::Word(Case::Capitalised),
            (true, true, false) if !beyond_f && run.len() >= HEX_MIN => Class::Hex(Case::Lower),
            (true, false, true) if !beyond_f && run.len() >= HEX_MIN => Class::Hex(Case::Upper),
            _ => Class::Token,
        }
    }
}

#[derive(Default)]
struct Seen {
    digits: usize,
    lower: usize,
    upper: usize,
    beyond_f: bool,
    wide: bool,
}

impl Seen {
    fn add(&mut self, byte: u8) {
        match byte {
            b'0'..=b'9' => self.digits += 1,
            b'a'..=b'z' => self.lower += 1,
            b'A'..=b'Z' => self.upper += 1,
            _ => self.wide = true,
        }
        self.beyond_f |= byte.is_ascii_alphabetic() && (byte | 0x20) > b'f';
    }
}

/// The canonical slots of a run: case taken off where the class folds it.
pub(super) fn slots_of(run: &[u8], class: Class, slots: &mut Vec<Slot>) {
    slots.clear();
    let all = |alphabet: Alphabet| {
        run.iter().filter_map(move |&byte| {
            let folded = byte.to_ascii_lowercase();
            Slot::of(alphabet, byte).or(Slot::of(alphabet, folded))
        })
    };
    match class {
        Class::Number => number_slots(run.iter().copied(), slots),
        Class::Word(_) => slots.extend(all(Alphabet::Lower)),
        Class::Hex(_) => slots.extend(all(Alphabet::HexLower)),
        Class::Token => slots.extend(all(Alphabet::Alphanumeric)),
        Class::Wide => {
            let mut at = 0;
            while at < run.len() {
                let (length, slot) = slots::first(&run[at..]);
                slots.extend(slot);
                at += length.max(1);
            }
        }
    }
}

/// The slots of a number's digits. A leading zero is left out (it stays), any other leading digit keeps from being zero:
/// 0 stays 0, and a quantity of 1 does not become one of 0.
pub(super) fn number_slots(digits: impl Iterator<Item = u8>, slots: &mut Vec<Slot>) {
    for (n, byte) in digits.enumerate() {
        let alphabet = match (n, byte) {
            (0, b'0') => continue,
            (0, _) => Alphabet::NonZero,
            _ => Alphabet::Digit,
        };
        slots.extend(Slot::of(alphabet, byte));
    }
}

/// Appends the characters of mapped slots in the form that `run` had.
pub(super) fn write(run: &[u8], class: Class, slots: &[Slot], out: &mut Vec<u8>) {
    if class == Class::Number && slots.len() < run.len() {
        out.push(b'0');
    }
    let start = out.len();
    slots::write(slots, out);
    if let Class::Word(case) | Class::Hex(case) = class {
        case.put_back(&mut out[start..]);
    }
}

impl Case {
    /// Gives lower-case text this pattern.
    pub(super) fn put_back(self, text: &mut [u8]) {
        match self {
            Case::Lower => {}
            Case::Upper => text.make_ascii_uppercase(),
            Case::Capitalised => text[..1].make_ascii_uppercase(),
        }
    }
}

/// The next run of `text` from `at` on: ASCII letters and digits and everything outside ASCII.
pub(super) fn next(text: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let in_run = |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80;
    let rest = text.get(at..)?;
    let start = at + rest.iter().position(in_run)?;
    let length = text[start..].iter().position(|byte| !in_run(byte));
    Some(start..length.map_or(text.len(), |length| start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_its_class() {
        for (run, class) in [
            ("7", Class::Number),
            ("007", Class::Number),
            ("anna", Class::Word(Case::Lower)),
            ("A", Class::Word(Case::Upper)),
            ("ANNA", Class::Word(Case::Upper)),
            ("Anna", Class::Word(Case::Capitalised)),
            ("deadbeef", Class::Word(Case::Lower)),
            ("deadbee7", Class::Hex(Case::Lower)),
            ("DEADBEE7", Class::Hex(Case::Upper)),
            ("DEADbee7", Class::Token),
            ("abc123", Class::Token),
            ("McDonald", Class::Token),
            ("Zoë", Class::Wide),
        ] {
            assert_eq!(Class::of(run.as_bytes()), class, "{run}");
        }
    }
}
