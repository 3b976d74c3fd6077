//! Private keys in PEM (RFC 7468).

use std::ops::Range;

use memchr::memmem;

use super::{Detector, Examples, Signs};

/// The kind `private_key`.
pub(super) struct PrivateKey;

impl Detector for PrivateKey {
    fn id(&self) -> &'static str {
        "private_key"
    }

    fn about(&self) -> &'static str {
        "private keys in PEM, from BEGIN to END"
    }

    fn method(&self) -> &'static str {
        "token"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::HYPHENS_2.and(Signs::LETTER)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                (
                    "key: -----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----\n",
                    "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
                ),
                ("-----BEGIN PRIVATE KEY-----\nMIIcut off", "-----BEGIN PRIVATE KEY-----\nMIIcut off"),
            ],
            misses: &["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "-----BEGIN"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let mut from = 0;
        while let Some(at) = memmem::find(&text[from..], b"-----BEGIN ") {
            let start = from + at;
            let rest = &text[start..];
            from = start + 1;
            let head = rest[11..].iter().position(|byte| *byte == b'-').map_or(rest.len(), |n| n + 11);
            if !rest[..head].ends_with(b"PRIVATE KEY") {
                continue;
            }
            let end = memmem::find(rest, b"-----END ").and_then(|end| {
                let dashes = memmem::find(&rest[end + 9..], b"-----")?;
                Some(end + 9 + dashes + 5)
            });
            from = start + end.unwrap_or(rest.len());
            found.push(start..from);
        }
    }
}
