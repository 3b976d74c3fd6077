//! URLs with an authority (RFC 3986 §3), with or without credentials.

use std::ops::Range;

use memchr::memmem;

use super::{Detector, Examples, Signs, text};

/// The kind `url`.
pub(super) struct Url;

impl Detector for Url {
    fn id(&self) -> &'static str {
        "url"
    }

    fn about(&self) -> &'static str {
        "URLs: https://anna:secret@host/path?query, postgres://…"
    }

    fn method(&self) -> &'static str {
        "url"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::COLON.and(Signs::SLASHES_2)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("see https://acme.io/a?b=c#d.", "https://acme.io/a?b=c#d"),
                ("<postgres://anna:pw@db:5432/x>", "postgres://anna:pw@db:5432/x"),
            ],
            misses: &["://", "a: //b", "http://", "12:34 // comment"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'.' | b'-');
        let in_url = |byte: u8| {
            byte > b' ' && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x7f)
        };
        let mut behind = 0;
        for colon in memmem::find_iter(text, b"://") {
            let start = text::back(text, colon, in_scheme);
            let mut end = text::forth(text, colon + 3, in_url);
            while end > colon + 3
                && matches!(text[end - 1], b'.' | b',' | b';' | b':' | b'!' | b'?' | b')' | b']' | b'\'')
            {
                // A bracket may be that of an IPv6 address.
                if text[end - 1] == b']' && text[colon + 3] == b'[' {
                    break;
                }
                end -= 1;
            }
            let named = colon - start >= 2 && text[start].is_ascii_alphabetic();
            if start >= behind && named && end > colon + 3 {
                found.push(start..end);
                behind = end;
            }
        }
    }
}
