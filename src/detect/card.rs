//! Payment card numbers: Luhn's check digit (ISO/IEC 7812-1 annex B) and the issuers' prefixes and lengths.

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `card`.
pub(super) struct Card;

impl Detector for Card {
    fn id(&self) -> &'static str {
        "card"
    }

    fn about(&self) -> &'static str {
        "payment card numbers with a right check digit, with single spaces or hyphens"
    }

    fn method(&self) -> &'static str {
        "card"
    }

    fn needs(&self) -> &'static [Signs] {
        &[Signs::DIGITS_12]
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("pan=4111111111111111&", "4111111111111111"),
                ("5500-0055-5555-5559", "5500-0055-5555-5559"),
                ("card 3782 822463 10005", "3782 822463 10005"),
            ],
            misses: &["4111111111111112", "1700000000008", "41111111111111110000", "0.4111111111111111"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let belongs = |byte: u8| byte.is_ascii_digit() || byte == b' ' || byte == b'-';
        for run in text::runs(text, belongs) {
            let start = text::forth(text, run.start, |byte| !byte.is_ascii_digit()).min(run.end);
            let end = text::back(text, run.end, |byte| !byte.is_ascii_digit()).max(start);
            if is_card(text, &(start..end)) {
                found.push(start..end);
                continue;
            }
            let groups = text::runs(&text[start..end], |byte| byte.is_ascii_digit());
            let places = groups.map(|group| start + group.start..start + group.end);
            found.extend(places.filter(|at| is_card(text, at)));
        }
    }
}

fn is_card(text: &[u8], at: &Range<usize>) -> bool {
    let number = &text[at.clone()];
    let decimal = at.start > 0 && text[at.start - 1] == b'.';
    let digits = text::digits(number).count();
    let single = number.windows(2).all(|pair| pair.iter().any(u8::is_ascii_digit));
    (13..=19).contains(&digits)
        && single
        && !decimal
        && text::stands_alone(text, at)
        && is_issued(text::digits(number).take(4).fold(0, |sum, digit| sum * 10 + digit), digits)
        && luhn(number)
}

/// Whether an issuer has numbers that begin with these four digits, of this length.
fn is_issued(prefix: u32, digits: usize) -> bool {
    match prefix {
        4000..=4999 => matches!(digits, 13 | 16 | 19),
        5100..=5599 | 2221..=2720 | 2200..=2204 => digits == 16,
        3400..=3499 | 3700..=3799 => digits == 15,
        3000..=3099 | 3600..=3699 | 3800..=3999 => digits >= 14,
        3528..=3589 | 6011 | 6200..=6299 | 6440..=6599 => digits >= 16,
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => true,
        _ => false,
    }
}

fn luhn(number: &[u8]) -> bool {
    let sum: u32 = text::digits(number)
        .rev()
        .enumerate()
        .map(|(n, digit)| match n % 2 {
            0 => digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}
