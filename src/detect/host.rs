//! Host names under well-known top-level domains.

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `host`.
pub(super) struct Host;

/// Top-level domains that are hardly ever the extension of a file.
const TOP_LEVEL: &[&str] = &[
    "com", "net", "org", "edu", "gov", "mil", "int", "info", "biz", "io", "dev", "app", "cloud", "shop", "ai", "eu",
    "us", "uk", "ca", "au", "nz", "de", "at", "ch", "fr", "es", "it", "nl", "be", "dk", "se", "fi", "cz", "ru", "ua",
    "jp", "cn", "in", "br", "mx", "local", "internal", "corp", "lan", "test", "example", "invalid", "arpa",
];

impl Detector for Host {
    fn id(&self) -> &'static str {
        "host"
    }

    fn about(&self) -> &'static str {
        "host names under well-known top-level domains"
    }

    fn method(&self) -> &'static str {
        "host"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::DOT.and(Signs::LETTER)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("via shop.acme-corp.co.uk:443.", "shop.acme-corp.co.uk"),
                ("DB01.prod.internal", "DB01.prod.internal"),
            ],
            misses: &["index.html", "v1.2.3", "com", "..com", "a.b.rs", "-.com", "Hello.In my"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let belongs = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        for run in text::runs(text, belongs) {
            let end = text::back(text, run.end, |byte| byte == b'.').max(run.start);
            if is_host(&text[run.start..end]) && text::stands_alone(text, &(run.start..end)) {
                found.push(run.start..end);
            }
        }
    }
}

fn is_host(name: &[u8]) -> bool {
    let mut labels = name.split(|byte| *byte == b'.').rev();
    let top = labels.next().unwrap_or_default();
    // A sentence that begins without a space behind the one before ("Hello.In") is no host name.
    let capitalised = top.first().is_some_and(u8::is_ascii_uppercase) && top.iter().any(u8::is_ascii_lowercase);
    let known = TOP_LEVEL.iter().any(|known| top.eq_ignore_ascii_case(known.as_bytes()));
    let mut others = labels.peekable();
    known
        && !capitalised
        && others.peek().is_some()
        && others.all(|label| (1..64).contains(&label.len()) && label[0] != b'-' && !label.ends_with(b"-"))
}
