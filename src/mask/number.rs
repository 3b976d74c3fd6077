//! Numbers of JSON (RFC 8259 §6): a number stays a number of the same form.

use super::Method;
use super::keyring::Keyring;

/// The method `number`.
pub(super) struct Number;

impl Method for Number {
    fn id(&self) -> &'static str {
        "number"
    }

    fn about(&self) -> &'static str {
        "another JSON number of the same form; a whole number as it is masked in any text"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["4711", "-12.50", "6.02e23", "0.75"]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        if !is_number(text) {
            return false;
        }
        // The exponent stays: it is a magnitude, and another one might not be representable.
        let exponent = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
        let (mantissa, exponent) = text.split_at(exponent);
        keyring.text(mantissa, &[], out);
        out.extend_from_slice(exponent);
        true
    }
}

/// Digits with sign, point and exponent, and nothing else.
pub(super) fn is_number(text: &[u8]) -> bool {
    let form = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    text.iter().all(form) && text.iter().any(u8::is_ascii_digit)
}
