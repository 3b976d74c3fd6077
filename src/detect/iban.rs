//! International bank account numbers (ISO 13616).

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `iban`.
pub(super) struct Iban;

/// Countries and the length of their numbers.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

impl Detector for Iban {
    fn id(&self) -> &'static str {
        "iban"
    }

    fn about(&self) -> &'static str {
        "bank account numbers with right check digits, in groups or not"
    }

    fn method(&self) -> &'static str {
        "iban"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::DIGITS_7.and(Signs::LETTER)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("pay DE89370400440532013000.", "DE89370400440532013000"),
                ("GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 32"),
                ("to no9386011117947 today", "no9386011117947"),
            ],
            misses: &[
                "DE89370400440532013001",
                "XX89370400440532013000",
                "DE8937040044053201300",
                "DE893704004405320130001",
            ],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let mut start = 0;
        while let Some(head) = text.get(start..start + 4) {
            let led = head[0].is_ascii_alphabetic() && head[1].is_ascii_alphabetic();
            let checked = head[2].is_ascii_digit() && head[3].is_ascii_digit();
            match (led && checked).then(|| account(text, start)).flatten() {
                Some(end) => {
                    found.push(start..end);
                    start = end;
                }
                None => start += 1,
            }
        }
    }
}

/// Where the account number that begins at `start` ends.
fn account(text: &[u8], start: usize) -> Option<usize> {
    let country = text[start..start + 2].to_ascii_uppercase();
    let (_, length) = LENGTHS.iter().find(|(code, _)| code[..] == country)?;
    let mut end = start;
    let mut characters = 0;
    while characters < *length {
        match text.get(end)? {
            byte if byte.is_ascii_alphanumeric() => characters += 1,
            b' ' if text[end - 1] != b' ' => {}
            _ => return None,
        }
        end += 1;
    }
    (text::stands_alone(text, &(start..end)) && mod_97(&text[start..end]) == 1).then_some(end)
}

/// ISO 7064: the number modulo 97, its first four characters behind the others, letters as 10 to 35.
fn mod_97(account: &[u8]) -> u32 {
    let (head, rest) = account.split_at(4);
    rest.iter()
        .chain(head)
        .filter_map(|byte| char::from(*byte).to_digit(36))
        .fold(0, |sum, value| (sum * if value > 9 { 100 } else { 10 } + value) % 97)
}
