//! The text as it is: for rules that keep a kind.

use super::Method;
use super::keyring::Keyring;

/// The method `keep`.
pub(super) struct Keep;

impl Method for Keep {
    fn id(&self) -> &'static str {
        "keep"
    }

    fn about(&self) -> &'static str {
        "the text as it is"
    }

    fn examples(&self) -> &'static [&'static str] {
        &[]
    }

    fn mask(&self, text: &[u8], _: &Keyring, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(text);
        true
    }

    fn degrade(&self, text: &[u8], _: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(text);
    }
}
