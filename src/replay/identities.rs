//! Who the copies of a capture are: other people, who say the same things in the same places.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::workload::{Replacement, Request};

/// Gives a request to another person: what stands in it for them, by the number of the copy (from 1). The same text
/// becomes the same in all requests of a copy. Asked by the thread that reads ahead.
#[derive(Clone)]
pub struct Identities(Arc<Rename>);

type Rename = dyn Fn(u32, &Request) -> Vec<Replacement> + Send + Sync;

/// A request of another person.
pub struct Renamed {
    /// As long as what was captured, and laid out alike.
    pub request: Request,
    /// Where it differs.
    pub places: Box<[Range<usize>]>,
}

impl Identities {
    /// Those that a function knows. Replacements of another length than what they replace are passed over.
    pub fn new(rename: impl Fn(u32, &Request) -> Vec<Replacement> + Send + Sync + 'static) -> Identities {
        Identities(Arc::new(rename))
    }

    /// The request that a copy sends; none when it says nothing about anybody.
    pub(super) fn renamed(&self, copy: u32, request: &Request) -> Option<Box<Renamed>> {
        let mut bytes = request.bytes.clone();
        let mut places = Vec::new();
        for Replacement { at, with } in (self.0)(copy, request) {
            if let Some(old) = bytes.get_mut(at.clone()).filter(|old| old.len() == with.len() && **old != *with) {
                old.copy_from_slice(&with);
                places.push(at);
            }
        }
        match places.is_empty() {
            true => None,
            false => Some(Box::new(Renamed { request: request.with_bytes(bytes), places: places.into() })),
        }
    }
}

impl Renamed {
    /// Memory that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Renamed>() + self.request.bytes.len() + self.places.len() * size_of::<Range<usize>>()
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identities")
    }
}
