//! MAC addresses in text: 00:1a:2b:3c:4d:5e, 00-1A-2B-3C-4D-5E, 001a.2b3c.4d5e.

use super::Method;
use super::keyring::{Keyring, put_back};

/// The method `mac`.
pub(super) struct Mac;

impl Method for Mac {
    fn id(&self) -> &'static str {
        "mac"
    }

    fn about(&self) -> &'static str {
        "the MAC address's pseudonym, as in frames"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["00:1a:2b:3c:4d:5e", "A0-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        let digits = || text.iter().filter(|byte| byte.is_ascii_hexdigit());
        let others = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'-' | b'.');
        if digits().count() != 12 || !text.iter().all(others) {
            return false;
        }
        let value = digits().fold(0u64, |sum, byte| sum << 4 | u64::from(nibble(*byte)));
        let mut address = [0; 6];
        address.copy_from_slice(&value.to_be_bytes()[2..]);
        let mut hex = Vec::with_capacity(12);
        let upper = digits().any(u8::is_ascii_uppercase);
        for octet in keyring.addresses.mac(address) {
            hex.extend([octet >> 4, octet & 15].map(|nibble| digit(nibble, upper)));
        }
        put_back(text, u8::is_ascii_hexdigit, &hex, out);
        true
    }
}

fn nibble(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => (byte | 0x20).wrapping_sub(b'a' - 10),
    }
}

fn digit(nibble: u8, upper: bool) -> u8 {
    match (nibble, upper) {
        (0..10, _) => b'0' + nibble,
        (_, true) => b'A' + nibble - 10,
        (_, false) => b'a' + nibble - 10,
    }
}
