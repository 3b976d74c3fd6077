//! Telephone numbers: +49 30 1234567, (212) 555-0187, 212-555-0187.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{Detector, Examples, Signs, text};

/// The kind `phone`.
pub(super) struct Phone;

static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?-u)\+[1-9][0-9]{0,3}(?:[ .-]?\(0?[0-9]{1,4}\))?(?:[ ./-]?[0-9]{1,})+",
        r"|(?:1[ .-])?\([0-9]{3}\) ?[0-9]{3}[ .-][0-9]{4}",
        r"|(?:1[ .-])?[0-9]{3}(?:-[0-9]{3}-|\.[0-9]{3}\.| [0-9]{3} )[0-9]{4}",
        r"|0[1-9][0-9]{1,4}[ /-][0-9]{3,8}",
    ))
    .ok()
});

impl Detector for Phone {
    fn id(&self) -> &'static str {
        "phone"
    }

    fn about(&self) -> &'static str {
        "telephone numbers in international form (E.164) and usual national ones"
    }

    fn method(&self) -> &'static str {
        "digits"
    }

    fn needs(&self) -> &'static [Signs] {
        const {
            &[
                Signs::DIGITS_7.and(Signs::PLUS),
                Signs::DIGITS_7.and(Signs::SPACE),
                Signs::DIGITS_7.and(Signs::HYPHEN),
                Signs::DIGITS_7.and(Signs::SLASH),
                Signs::DIGITS_7.and(Signs::DOTS_2),
            ]
        }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("tel:+49-30-1234567;", "+49-30-1234567"),
                ("call +1 (212) 555-0187 now", "+1 (212) 555-0187"),
                ("(212) 555-0187", "(212) 555-0187"),
                ("212.555.0187", "212.555.0187"),
                ("Tel. 030 1234567", "030 1234567"),
                ("+4915112345678", "+4915112345678"),
            ],
            misses: &["4711", "1+1234", "212-555-01871", "+12", "1234567890123", "555-0187"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let Some(form) = &*FORM else { return };
        for hit in form.find_iter(text) {
            let digits = text::digits(hit.as_bytes()).count();
            if (7..=15).contains(&digits) && text::stands_alone(text, &hit.range()) {
                found.push(hit.range());
            }
        }
    }
}
