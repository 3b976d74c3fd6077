//! Numbers written with separators: telephone, national id, card of unknown kind. The digits are one number.

use super::Method;
use super::keyring::Keyring;

/// The method `digits`.
pub(super) struct Digits;

impl Method for Digits {
    fn id(&self) -> &'static str {
        "digits"
    }

    fn about(&self) -> &'static str {
        "the digits as one number, whatever separates them: (030) 123-45 67 and 0301234567 stay alike"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["+49 30 1234567", "(212) 555-0187", "078-05-1120", "0301234567"]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        let letters = text.iter().any(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80);
        let digits = text.iter().any(u8::is_ascii_digit);
        if digits && !letters {
            keyring.digits(text, out);
        }
        digits && !letters
    }
}
