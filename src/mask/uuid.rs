//! UUIDs (RFC 9562): 30 hex digits are mapped, version and variant stay. With or without hyphens, in either case.

use super::Method;
use super::keyring::{Keyring, permute, put_back};
use super::slots::{Alphabet, Slot};

/// The method `uuid`.
pub(super) struct Uuid;

/// Index of the digit that tells the version, 1 to 8.
const VERSION: usize = 12;
/// Index of the digit that tells the variant, 8 to b.
const VARIANT: usize = 16;

impl Method for Uuid {
    fn id(&self) -> &'static str {
        "uuid"
    }

    fn about(&self) -> &'static str {
        "another UUID of the same version and variant"
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "550e8400-e29b-41d4-a716-446655440000",
            "6BA7B8109DAD11D180B400C04FD430C8",
            "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
        ]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        let hex: Vec<u8> = text.iter().copied().filter(u8::is_ascii_hexdigit).collect();
        let Some(mut slots) = slots_of(&hex) else {
            return false;
        };
        map(keyring, &mut slots);
        let mut mapped = Vec::with_capacity(hex.len());
        super::slots::write(&slots, &mut mapped);
        if hex.iter().any(u8::is_ascii_uppercase) {
            mapped.make_ascii_uppercase();
        }
        put_back(text, u8::is_ascii_hexdigit, &mapped, out);
        true
    }
}

/// The digits of a UUID; None when 32 hex digits are none.
pub(super) fn slots_of(hex: &[u8]) -> Option<Vec<Slot>> {
    let version = hex.get(VERSION)?;
    let variant = hex.get(VARIANT)?.to_ascii_lowercase();
    let fits = hex.len() == 32 && matches!(version, b'1'..=b'8') && matches!(variant, b'8' | b'9' | b'a' | b'b');
    let slot = |byte: &u8| Slot::of(Alphabet::HexLower, byte.to_ascii_lowercase());
    fits.then(|| hex.iter().map(slot).collect()).flatten()
}

/// Maps the digits but for version and variant: a permutation of 16^30.
pub(super) fn map(keyring: &Keyring, hex: &mut [Slot]) {
    let (version, variant) = (hex[VERSION], hex[VARIANT]);
    let mut digits: Vec<Slot> =
        hex.iter().enumerate().filter(|(n, _)| *n != VERSION && *n != VARIANT).map(|(_, slot)| *slot).collect();
    let tweak = u64::from(version.value << 4 | variant.value);
    permute(&keyring.uuids, tweak, &mut digits, |_| true);
    let mut digits = digits.into_iter();
    for (n, slot) in hex.iter_mut().enumerate() {
        *slot = match n {
            VERSION => version,
            VARIANT => variant,
            _ => digits.next().unwrap_or(*slot),
        };
    }
}
