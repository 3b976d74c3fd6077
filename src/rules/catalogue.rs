//! What rules may name: the detectors' and mask methods' ids, each with a line about it.
//!
//! The only file that says where the two catalogues come from.

use crate::{detect, mask};

/// Every detector: (id, about).
pub fn detectors() -> impl Iterator<Item = (&'static str, &'static str)> {
    detect::ALL.iter().map(|detector| (detector.id(), detector.about()))
}

/// Every mask method that a rule may name: (id, about).
pub fn methods() -> impl Iterator<Item = (&'static str, &'static str)> {
    std::iter::once(PSEUDONYM).chain(mask::ALL.iter().map(|method| (method.id(), method.about())))
}

/// Not a method of its own: the one that fits what is found in the value.
const PSEUDONYM: (&str, &str) = ("pseudonym", "the method that fits the value: a pseudonym in its own format");
