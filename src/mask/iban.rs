//! Bank account numbers: the country stays, the check digits are computed; right stays right, wrong stays wrong.

use super::Method;
use super::keyring::{Keyring, put_back};

/// The method `iban`.
pub(super) struct Iban;

impl Method for Iban {
    fn id(&self) -> &'static str {
        "iban"
    }

    fn about(&self) -> &'static str {
        "another account of the same country, with right check digits if it had them"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["DE89370400440532013000", "GB82 WEST 1234 5698 7654 32", "no9386011117947", "DE89370400440532013001"]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        let joined: Vec<u8> = text.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
        let separated = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b' ' || *byte == b'-';
        let ([c1, c2, d1, d2, account @ ..], true) = (&joined[..], text.iter().all(separated)) else {
            return false;
        };
        let checked = d1.is_ascii_digit() && d2.is_ascii_digit();
        if !checked || !c1.is_ascii_alphabetic() || !c2.is_ascii_alphabetic() || account.is_empty() {
            return false;
        }
        let country = [c1.to_ascii_uppercase(), c2.to_ascii_uppercase()];
        let right = check_digits(country, account);
        let wrong_by = (u32::from(d1 - b'0') * 10 + u32::from(d2 - b'0') + 97 - right % 97) % 97;
        let mut image = Vec::with_capacity(account.len());
        keyring.shape(&keyring.ibans.for_text(&country), account, &mut image);
        let check = (check_digits(country, &image) - 2 + wrong_by) % 97 + 2;
        let mut masked = vec![*c1, *c2, b'0' + (check / 10) as u8, b'0' + (check % 10) as u8];
        masked.append(&mut image);
        put_back(text, u8::is_ascii_alphanumeric, &masked, out);
        true
    }
}

/// The check digits, 2 to 98, that make the number right (ISO 13616, ISO 7064 MOD 97-10).
fn check_digits(country: [u8; 2], account: &[u8]) -> u32 {
    let remainder = account
        .iter()
        .chain(&country)
        .chain(b"00")
        .filter_map(|byte| char::from(*byte).to_digit(36))
        .fold(0, |sum, value| (sum * if value > 9 { 100 } else { 10 } + value) % 97);
    98 - remainder
}
