//! UUIDs with hyphens (RFC 9562).

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `uuid`.
pub(super) struct Uuid;

const LENGTH: usize = 36;

impl Detector for Uuid {
    fn id(&self) -> &'static str {
        "uuid"
    }

    fn about(&self) -> &'static str {
        "UUIDs of versions 1 to 8"
    }

    fn method(&self) -> &'static str {
        "uuid"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::LONG_36.and(Signs::HYPHENS_2)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("urn:uuid:550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
                ("cart-6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"),
            ],
            misses: &[
                "00000000-0000-0000-0000-000000000000",
                "550e8400-e29b-41d4-a716-4466554400001",
                "550e8400-e29b-41d4-a716-44665544000g-long-enough",
            ],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let mut behind = 0;
        for hyphen in memchr::memchr_iter(b'-', text) {
            let Some(start) = hyphen.checked_sub(8).filter(|start| *start >= behind) else {
                continue;
            };
            let at = start..start + LENGTH;
            if text.get(at.clone()).is_some_and(is_uuid) && text::stands_alone(text, &at) {
                behind = at.end;
                found.push(at);
            }
        }
    }
}

fn is_uuid(text: &[u8]) -> bool {
    let digits = text.iter().enumerate().all(|(n, byte)| match n {
        8 | 13 | 18 | 23 => *byte == b'-',
        14 => matches!(byte, b'1'..=b'8'),
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
        _ => byte.is_ascii_hexdigit(),
    });
    text.len() == LENGTH && digits
}
