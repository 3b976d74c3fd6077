//! Social security numbers of the United States: 078-05-1120.

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `ssn`.
pub(super) struct Ssn;

impl Detector for Ssn {
    fn id(&self) -> &'static str {
        "ssn"
    }

    fn about(&self) -> &'static str {
        "social security numbers of the United States, with hyphens"
    }

    fn method(&self) -> &'static str {
        "digits"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::HYPHENS_2.and(Signs::DIGITS_7)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[("ssn: 078-05-1120,", "078-05-1120")],
            misses: &["000-12-3456", "666-12-3456", "078-00-1120", "078-05-0000", "078-05-11200", "1-078-05-1120"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let belongs = |byte: u8| byte.is_ascii_digit() || byte == b'-';
        let runs = text::runs(text, belongs);
        found.extend(runs.filter(|at| is_ssn(&text[at.clone()]) && text::stands_alone(text, at)));
    }
}

fn is_ssn(text: &[u8]) -> bool {
    let mut groups = text.split(|byte| *byte == b'-');
    let (Some(area), Some(group), Some(serial), None) = (groups.next(), groups.next(), groups.next(), groups.next())
    else {
        return false;
    };
    let lengths = (area.len(), group.len(), serial.len()) == (3, 2, 4);
    lengths && area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000"
}
