//! A value and a key -> a pseudonym of the same shape. One file per method.
//!
//! A pseudonym depends on the key and the text alone, never on where the text stood or what was masked before. It has
//! the length of the text, and character for character the same encoded lengths, so that escapes can be put back by
//! position. Texts are masked run by run ("Anna" alone and in "Anna Baker"), free text of many words by a hash of the
//! whole; what a detector knows goes through the [`Method`] of its kind.

mod address;
mod degrade;
mod header;
mod key;
mod keyring;
mod masker;
pub mod memory;
mod permutation;
mod run;
mod slots;

mod blank;
mod card;
mod date;
mod digits;
mod email;
mod host;
mod iban;
mod ip;
mod jwt;
mod keep;
mod mac;
mod number;
mod token;
mod url;
mod uuid;

use std::ops::Range;

pub use address::Recognisable;
pub use degrade::Level;
pub use header::HeaderNumbers;
pub use key::{Key, KeyError};
pub use keyring::{Finder, Kept, Keyring};
pub use masker::Masker;

/// A way to replace a text of one kind. The catalogue is [`ALL`].
pub trait Method: Sync {
    /// The name in rules and manifests: "email", "card".
    fn id(&self) -> &'static str;
    /// One line for `standin rules list`.
    fn about(&self) -> &'static str;
    /// Texts that it understands; generic tests run them.
    fn examples(&self) -> &'static [&'static str];
    /// Appends what stands for `text`, of the same length. False, and nothing appended, when the text is not of this
    /// form.
    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool;
    /// Appends a stand-in that compresses well (see [`Masker::degraded`]) from `filler`, a text of the same shape.
    fn degrade(&self, _text: &[u8], filler: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(filler);
    }
}

/// Every method. A new one is a file and two lines here.
pub const ALL: &[&dyn Method] = &[
    &token::Token,
    &digits::Digits,
    &number::Number,
    &email::Email,
    &host::Host,
    &url::Url,
    &ip::Ip,
    &mac::Mac,
    &uuid::Uuid,
    &card::Card,
    &iban::Iban,
    &date::Date,
    &jwt::Jwt,
    &blank::Blank,
    &keep::Keep,
];

/// One of [`ALL`], by its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MethodId(u8);

impl MethodId {
    /// The method of this name.
    pub fn named(id: &str) -> Option<MethodId> {
        let place = ALL.iter().position(|method| method.id() == id)?;
        u8::try_from(place).ok().map(MethodId)
    }

    /// The method itself.
    pub fn method(self) -> &'static dyn Method {
        ALL[usize::from(self.0)]
    }
}

/// A part of a text that has a method of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where, in bytes of the text.
    pub at: Range<usize>,
    /// What is to be done there.
    pub method: MethodId,
}
