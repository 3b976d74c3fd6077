//! JSON Web Tokens (RFC 7519): three parts in base64url, the first of which begins with `{"`.

use std::ops::Range;

use memchr::memmem;

use super::{Detector, Examples, Signs, text};

/// The kind `jwt`.
pub(super) struct Jwt;

impl Detector for Jwt {
    fn id(&self) -> &'static str {
        "jwt"
    }

    fn about(&self) -> &'static str {
        "JSON Web Tokens, signed or not"
    }

    fn method(&self) -> &'static str {
        "jwt"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::DOTS_2.and(Signs::LONG_16)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[(
                "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0NzExIn0.c2lnbmF0dXJl!",
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0NzExIn0.c2lnbmF0dXJl",
            )],
            misses: &["eyJhbGciOiJIUzI1NiJ9", "keyJump.a.b", "eyJ.eyJ.abcdefghijklmnopqrst"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let in_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let mut behind = 0;
        for start in memmem::find_iter(text, b"eyJ") {
            if start < behind || text::back(text, start, in_part) < start {
                continue;
            }
            let header = text::forth(text, start, in_part);
            if header - start < 10 || text.get(header) != Some(&b'.') {
                continue;
            }
            let payload = text::forth(text, header + 1, in_part);
            if payload - header < 5 || text.get(payload) != Some(&b'.') {
                continue;
            }
            behind = text::forth(text, payload + 1, in_part);
            found.push(start..behind);
        }
    }
}
