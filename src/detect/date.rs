//! Dates and instants: 1984-03-09, 1984-03-09T08:15:30Z, 09.03.1984, 3/9/1984.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{Detector, Examples, Signs, text};

/// The kind `date`.
pub(super) struct Date;

static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)([12][0-9]{3})(?:-([0-9]{2})-([0-9]{2})|/([0-9]{2})/([0-9]{2}))",
        r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?",
        r"|([0-9]{1,2})(?:\.([0-9]{1,2})\.|/([0-9]{1,2})/|-([0-9]{1,2})-)[12][0-9]{3}",
    ))
    .ok()
});

impl Detector for Date {
    fn id(&self) -> &'static str {
        "date"
    }

    fn about(&self) -> &'static str {
        "dates (of birth and others) in ISO, European and American form, with or without time"
    }

    fn method(&self) -> &'static str {
        "date"
    }

    fn needs(&self) -> &'static [Signs] {
        const {
            &[
                Signs::HYPHENS_2.and(Signs::DIGITS_4),
                Signs::SLASHES_2.and(Signs::DIGITS_4),
                Signs::DOTS_2.and(Signs::DIGITS_4),
            ]
        }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("born 1984-03-09.", "1984-03-09"),
                ("\"2024-02-29T08:15:30.123Z\"", "2024-02-29T08:15:30.123Z"),
                ("am 9.3.1984 in", "9.3.1984"),
                ("dob=03/29/1984", "03/29/1984"),
                ("1984/03/09 08:15", "1984/03/09 08:15"),
            ],
            misses: &["1984-13-09", "1984-00-10", "1.2.3", "12-34-5678", "11984-03-09", "3.9.19845"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let Some(form) = &*FORM else { return };
        for captures in form.captures_iter(text) {
            let number = |group: usize| {
                let digits = &text[captures.get(group)?.range()];
                Some(text::digits(digits).fold(0, |sum, digit| sum * 10 + digit))
            };
            let pair = |first: usize, second: usize| number(first).zip(number(second));
            let (one, other) = pair(2, 3)
                .or_else(|| pair(4, 5))
                .or_else(|| Some((number(6)?, number(7).or(number(8)).or(number(9))?)))
                .unwrap_or_default();
            let range = captures.get(0).map_or(0..0, |hit| hit.range());
            let day_first = number(6).is_some();
            let valid = is_day(one, other) || day_first && is_day(other, one);
            if valid && text::stands_alone(text, &range) {
                found.push(range);
            }
        }
    }
}

fn is_day(month: u32, day: u32) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}
