//! E-mail addresses as people write them (a part of RFC 5322 §3.4.1).

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `email`.
pub(super) struct Email;

/// Longest local part (RFC 5321 §4.5.3.1.1).
const LOCAL_MAX: usize = 64;

impl Detector for Email {
    fn id(&self) -> &'static str {
        "email"
    }

    fn about(&self) -> &'static str {
        "e-mail addresses"
    }

    fn method(&self) -> &'static str {
        "email"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::AT.and(Signs::DOT)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("Anna <anna.baker+shop@mail.acme.co.uk>,", "anna.baker+shop@mail.acme.co.uk"),
                ("mailto:b@x.io.", "b@x.io"),
                ("zoë@acme.example", "zoë@acme.example"),
            ],
            misses: &["@anna said v1.2", "anna@localhost.", "a@1.2.3.4", "anna @ acme.io"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        for at in memchr::memchr_iter(b'@', text) {
            let local = |byte: u8| byte.is_ascii_alphanumeric() || b"._%+-'!#$&*=?^~".contains(&byte) || byte >= 0x80;
            let mut start = text::back(text, at, local);
            while start < at && b".'*=?&".contains(&text[start]) {
                start += 1;
            }
            let domain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
            let mut end = text::forth(text, at + 1, domain);
            while matches!(text[at + 1..end].last(), Some(b'.' | b'-')) {
                end -= 1;
            }
            let written = start < at && at - start <= LOCAL_MAX && text[at - 1] != b'.';
            if written && is_domain(&text[at + 1..end]) {
                found.push(start..end);
            }
        }
    }
}

fn is_domain(domain: &[u8]) -> bool {
    let mut labels = domain.rsplit(|byte| *byte == b'.');
    let top = labels.next().unwrap_or_default();
    let mut others = labels.peekable();
    top.iter().all(u8::is_ascii_alphabetic)
        && !top.is_empty()
        && others.peek().is_some()
        && others.all(|label| (1..64).contains(&label.len()))
}
