//! National identity numbers that their form or check digits give away.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{Detector, Examples, Signs, text};

/// The kind `national_id`.
pub(super) struct NationalId;

/// A form, and what its check digits say.
struct Form {
    regex: Regex,
    is_valid: fn(&[u8]) -> bool,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let form = |pattern: &str, is_valid| {
        let regex = Regex::new(&format!("(?-u){pattern}")).ok()?;
        Some(Form { regex, is_valid })
    };
    let forms = [
        form("[0-9]{8}-?[A-Z]|[XYZ]-?[0-9]{7}-?[A-Z]", is_dni),
        form(
            "[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]",
            |_| true,
        ),
        form(
            "[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]",
            |_| true,
        ),
        form(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", is_cpf),
        form(
            "[12] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}",
            is_insee,
        ),
    ];
    forms.into_iter().flatten().collect()
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
        const { &[Signs::DIGITS_7, Signs::DIGITS_4.and(Signs::LETTER)] }
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
            misses: &[
                "12345678A",
                "529.982.247-26",
                "order 4711",
                "2 55 08 14 168 025 39",
            ],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        for Form { regex, is_valid } in FORMS.iter() {
            let hits = regex.find_iter(text).filter(|hit| is_valid(hit.as_bytes()));
            found.extend(
                hits.map(|hit| hit.range())
                    .filter(|at| text::stands_alone(text, at)),
            );
        }
        found.sort_unstable_by_key(|at| at.start);
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
        let sum: u32 = digits[..count]
            .iter()
            .zip(weights)
            .map(|(digit, weight)| digit * weight)
            .sum();
        sum * 10 % 11 % 10 == digits[count]
    };
    digits.len() == 11 && check(9) && check(10)
}

/// France: the last two digits are 97 less the rest modulo 97.
fn is_insee(text: &[u8]) -> bool {
    let number = text::digits(text).fold(0u64, |sum, digit| sum * 10 + u64::from(digit));
    number % 100 == 97 - number / 100 % 97
}
