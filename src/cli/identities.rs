//! Who the copies of a population are: what masking would make of the captured people, under a key for each copy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Failure;
use super::text::Talk;
use crate::limits::COPIES_KNOWN_BYTES_MAX;
use crate::mask::Key;
use crate::replay::provenance::Provenance;
use crate::replay::{Identities, Profile, Who};
use crate::rules::{Policy, Values};
use crate::sanitize::Mapper;
use crate::workload::{Opcode, Replacement, Request};

/// The identities of a run's copies, when it has any that are other people. `masked` is how the capture was masked.
pub(super) fn of(
    profile: &Profile,
    rules: &[String],
    masked: Option<&Provenance>,
    talk: &Talk,
) -> Result<Option<Identities>, Failure> {
    if profile.population == 1 || profile.identities == Who::Same {
        return Ok(None);
    }
    let policy = Arc::new(Policy::load(rules)?);
    if policy.values == Values::Blank {
        let what = "rules that blank values make nobody of a copy: all copies would say the same";
        return Err(Failure::usage(what).hint("give rules with pseudonyms, or --identities same"));
    }
    let digest = masked.and_then(|masked| masked.rules_digest.as_ref());
    if digest.is_some_and(|digest| digest != policy.digest()) {
        talk.warn(
            "the capture was masked with other rules than these: what those kept becomes other words in the copies of the people; give the same --rules",
        );
    }
    let (seed, memory) = (profile.seed, COPIES_KNOWN_BYTES_MAX / profile.population as usize);
    let mappers = Mutex::new(HashMap::<u32, Mapper>::new());
    Ok(Some(Identities::new(move |copy, request: &Request| {
        let mut mappers = mappers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Mapper::new(&Key::of_copy(seed, copy), policy.clone()).remembering(memory);
        let mapper = mappers.entry(copy).or_insert_with(new);
        let mut replacements = Vec::new();
        let Some(message) = &request.message else {
            mapper.request(&request.bytes, &mut |at, with| replacements.push(Replacement { at, with: with.to_vec() }));
            return replacements;
        };
        // What control frames say is about the connection.
        if !message.opcode.is_control() {
            let (begins, is_text) = (Request::head_len(&request.bytes), message.opcode == Opcode::Text);
            mapper.message(request.payload(), is_text, &mut |at, with| {
                replacements.push(Replacement { at: begins + at.start..begins + at.end, with: with.to_vec() });
            });
        }
        replacements
    })))
}
