//! Card numbers: the digits that tell the network stay (4, or two others), a right check digit becomes a right one, a wrong one a wrong one. Computed, not
//! searched, so distinct stays distinct.

use super::Method;
use super::keyring::{Keyring, permute, put_back};
use super::slots::{self, Alphabet, Slot};

/// The method `card`.
pub(super) struct Card;

impl Method for Card {
    fn id(&self) -> &'static str {
        "card"
    }

    fn about(&self) -> &'static str {
        "another number of the same network, with a right check digit if it had one"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["4111 1111 1111 1111", "5500-0055-5555-5559", "378282246310005", "4111111111111112"]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        let separated = |byte: &u8| byte.is_ascii_digit() || *byte == b' ' || *byte == b'-';
        let digits: Vec<u8> = text.iter().copied().filter(u8::is_ascii_digit).collect();
        let ([body @ .., check], true) = (&digits[..], text.iter().all(separated)) else {
            return false;
        };
        let wrong_by = (10 + (check - b'0') - check_digit(&digits)) % 10;
        let network = if body.starts_with(b"4") { 1 } else { 2 };
        let (network, body) = body.split_at(network.min(body.len()));
        let mut slots: Vec<Slot> = body.iter().filter_map(|byte| Slot::of(Alphabet::Digit, *byte)).collect();
        if wrong_by > 0 {
            slots.extend(Slot::of(Alphabet::NonZero, b'0' + wrong_by));
        }
        let cards = keyring.cards.for_text(network);
        let tweak = (digits.len() as u64 & 0xff) << 8 | u64::from(wrong_by > 0);
        permute(&cards, tweak, &mut slots, |_| true);
        let mut image = network.to_vec();
        slots::write(&slots, &mut image);
        let wrong_by = match wrong_by {
            0 => 0,
            _ => image.pop().unwrap_or(b'1') - b'0',
        };
        image.push(b'0');
        let check = (check_digit(&image) + wrong_by) % 10;
        image.pop();
        image.push(b'0' + check);
        put_back(text, u8::is_ascii_digit, &image, out);
        true
    }
}

/// Luhn's check digit for all but the last digit (ISO/IEC 7812-1 annex B).
fn check_digit(digits: &[u8]) -> u8 {
    let sum: u32 = digits
        .iter()
        .rev()
        .skip(1)
        .enumerate()
        .map(|(n, byte)| match (n % 2, u32::from(byte - b'0')) {
            (0, digit) => digit * 2 / 10 + digit * 2 % 10,
            (_, digit) => digit,
        })
        .sum();
    ((10 - sum % 10) % 10) as u8
}
