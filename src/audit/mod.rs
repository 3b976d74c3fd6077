//! Original and masked capture -> residue and fidelity, by other means than masking's.
//!
//! | file | |
//! |---|---|
//! | [`value`], [`collect`] | what is looked for: the original's values that the policy does not keep |
//! | [`disguise`], [`search`] | in which forms, and how all of them are found in one pass |
//! | [`views`], [`gather`] | where: files, streams and bodies, decoded every way an attacker would try |
//! | [`headers`] | HTTP/2's compressed headers, read once more by a reader of the audit's own |
//! | [`probe`], [`frames`], [`hits`] | the search of the masked capture, less what the original shows where rules keep it |
//! | [`place`] | short values, which chance would find anywhere: unchanged in their own place? |
//! | [`fidelity`] | packets, side by side: framing, times, lengths, layers, checksum states |
//! | [`inspect`] | what is in a capture, without any value |
//!
//! Nothing here knows a key, a pseudonym or how an edit is made. Reports say where something is, never what.

pub mod collect;
pub mod disguise;
pub mod fidelity;
pub mod frames;
pub mod gather;
pub mod headers;
pub mod hits;
pub mod inspect;
pub mod judge;
pub mod place;
pub mod probe;
pub mod result;
pub mod search;
pub mod value;
pub mod views;

mod compare;
mod single;

pub use compare::{compare, compare_with};
pub use result::{AuditError, AuditReport, Input};
pub use single::single;
