//! Nothing of the value but its shape.

use super::Method;
use super::keyring::Keyring;
use super::{degrade, number};

/// The method `blank`.
pub(super) struct Blank;

impl Method for Blank {
    fn id(&self) -> &'static str {
        "blank"
    }

    fn about(&self) -> &'static str {
        "x for letters, 1 and zeros for numbers: depends on no secret but its shape"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["Anna Baker", "4711", "12.50"]
    }

    fn mask(&self, text: &[u8], _: &Keyring, out: &mut Vec<u8>) -> bool {
        blank(text, out);
        true
    }
}

/// Appends the blank pattern: numbers become `1000` with sign, point and exponent in place; elsewhere every letter and
/// digit becomes a filler of its encoded length.
fn blank(text: &[u8], out: &mut Vec<u8>) {
    if !number::is_number(text) {
        return out.extend(degrade::filler(text, &[]));
    }
    let mut first = true;
    out.extend(text.iter().map(|byte| {
        let digit = byte.is_ascii_digit();
        let blank = if first { b'1' } else { b'0' };
        first &= !digit;
        if digit { blank } else { *byte }
    }));
}
