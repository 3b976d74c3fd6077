//! MAC addresses: 00:1a:2b:3c:4d:5e, 00-1A-2B-3C-4D-5E, 001a.2b3c.4d5e.

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `mac`.
pub(super) struct Mac;

impl Detector for Mac {
    fn id(&self) -> &'static str {
        "mac"
    }

    fn about(&self) -> &'static str {
        "MAC addresses with colons, hyphens or dots"
    }

    fn method(&self) -> &'static str {
        "mac"
    }

    fn needs(&self) -> &'static [Signs] {
        &[Signs::COLONS_2, Signs::HYPHENS_2, Signs::DOTS_2]
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("hw=00:1a:2b:3c:4d:5e;", "00:1a:2b:3c:4d:5e"),
                ("A0-1A-2B-3C-4D-5E", "A0-1A-2B-3C-4D-5E"),
                ("(001a.2b3c.4d5e)", "001a.2b3c.4d5e"),
            ],
            misses: &["00:1a:2b:3c:4d", "00:1a:2b:3c:4d:5e:6f", "00:1a-2b:3c-4d:5e", "fe80::1a:2b:3c:4d"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        for (separator, width, groups) in [(b':', 2, 6), (b'-', 2, 6), (b'.', 4, 3)] {
            let belongs = |byte: u8| byte.is_ascii_hexdigit() || byte == separator;
            let length = (width + 1) * groups - 1;
            let exact = |at: &Range<usize>| {
                at.len() == length
                    && text[at.clone()].split(|byte| *byte == separator).all(|group| group.len() == width)
                    && text::stands_alone(text, at)
            };
            found.extend(text::runs(text, belongs).filter(exact));
        }
        found.sort_unstable_by_key(|at| at.start);
    }
}
