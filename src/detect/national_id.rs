//! National identity numbers that their form or check digits give away.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{Detector, Examples, Signs, text};

/// The kind `national_id`.
pub(super) struct NationalId;

static FORMS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)\b(?:(?:[0-9]{8}-?[A-Z]|[XYZ]-?[0-9]{7}-?[A-Z])",
        "|(?:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D])",
        "|(?:[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z])",
        r"|(?:[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2})",
        r"|(?:[12] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}))\b",
    ))
    .ok()
});

impl Detector for NationalId {
    fn id(&self) -> &'static str {
        "national_id"
    }

    fn about(&self) -> &'static str {
        "national identity numbers of Spain, the United Kingdom, Italy, Brazil and France"
    }

    fn method(&self) -> &'static str {
        "digits"
    }

    fn needs(&self) -> &'static [Signs] {
        const {
            &[
                Signs::DIGITS_12,
                Signs::DIGITS_6.and(Signs::LETTER),
                Signs::DIGITS_7.and(Signs::DOTS_2).and(Signs::HYPHEN),
            ]
        }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("DNI 12345678Z", "12345678Z"),
                ("NI: AB 12 34 56 C.", "AB 12 34 56 C"),
                ("RSSMRA85T10A562S", "RSSMRA85T10A562S"),
                ("cpf=529.982.247-25", "529.982.247-25"),
                ("2 55 08 14 168 025 38", "2 55 08 14 168 025 38"),
            ],
            misses: &["12345678A", "529.982.247-26", "order 4711", "2 55 08 14 168 025 39"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let Some(forms) = &*FORMS else { return };
        for hit in forms.find_iter(text) {
            if is_valid(hit.as_bytes()) && text::stands_alone(text, &hit.range()) {
                found.push(hit.range());
            }
        }
    }
}

/// What the check digits say, where the form has any. The forms are told apart by their characters.
fn is_valid(text: &[u8]) -> bool {
    let letters = text.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    match letters {
        0 if text.contains(&b'.') => is_cpf(text),
        0 => is_insee(text),
        1 | 2 => is_dni(text),
        _ => true,
    }
}

/// Spain: the letter is the number modulo 23.
fn is_dni(text: &[u8]) -> bool {
    let lead = match text.first() {
        Some(b'Y') => 1,
        Some(b'Z') => 2,
        _ => 0,
    };
    let number = text::digits(text).fold(lead, |sum, digit| sum * 10 + digit);
    text.last() == Some(&b"TRWAGMYFPDXBNJZSQVHLCKE"[number as usize % 23])
}

/// Brazil: two check digits.
fn is_cpf(text: &[u8]) -> bool {
    let digits: Vec<u32> = text::digits(text).collect();
    let check = |count: usize| {
        let weights = (2..=count as u32 + 1).rev();
        let sum: u32 = digits[..count].iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
        sum * 10 % 11 % 10 == digits[count]
    };
    digits.len() == 11 && check(9) && check(10)
}

/// France: the last two digits are 97 less the rest modulo 97.
fn is_insee(text: &[u8]) -> bool {
    let number = text::digits(text).fold(0u64, |sum, digit| sum * 10 + u64::from(digit));
    number % 100 == 97 - number / 100 % 97
}
