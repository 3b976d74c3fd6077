//! Numbers in their bytes, as Protocol Buffers hold them: masked as their decimal texts would be, blanked as numbers.

use super::{Class, DEFAULT, How, Outcome, Values, blank as blank_of};
use crate::protocol::encoding::{self, Decoded};
use crate::protocol::{Encoding, Field};
use crate::sanitize::ledger::Label;

/// Steps of a walk to a number that fits: of those of seven digits every eighth takes three bytes.
const FITTING_MAX: usize = 128;

impl Values {
    /// As [`Values::compute_evenly`]; binary numbers as their decimal texts would be, wherever those stand, as long as that
    /// fits into their bytes. A small number may have no other one that is even: it goes without.
    pub(super) fn compute_as_it_stands(&mut self, field: &Field<'_>, how: How, out: &mut Vec<u8>) -> Outcome {
        if !field.encoding.is_binary() {
            return self.compute_evenly(field, how, out);
        }
        let even = self.even;
        let mut outcome = self.fit(field, how, out);
        if even && outcome.is_err() {
            self.even = false;
            outcome = self.fit(field, how, out);
            self.even = even;
        }
        outcome.unwrap_or_else(|stuck| {
            let start = out.len();
            blank_of(field, out);
            if stuck.label == Label::Pseudonym && out[start..] == *field.raw {
                other(&mut out[start..]);
            }
            Outcome { label: Label::Blanked, ..stuck }
        })
    }

    /// What stands for binary numbers. A pseudonym that does not fit into their bytes is masked again and again, until one
    /// does: among numbers of as many bytes that is a permutation, too. An error, and nothing appended, where nothing fits
    /// but the number itself.
    fn fit(&mut self, field: &Field<'_>, how: How, out: &mut Vec<u8>) -> Result<Outcome, Outcome> {
        let mut decoded = Decoded::default();
        let mut text = encoding::decode(field.raw, field.encoding, &mut decoded).to_vec();
        let mut first = None;
        for _ in 0..FITTING_MAX {
            let number = Field { raw: &text, encoding: Encoding::Plain, ..*field };
            let mut next = Vec::new();
            let outcome = self.compute_evenly(&number, how, &mut next);
            let first = *first.get_or_insert(outcome);
            match (first.label, outcome.label) {
                (Label::Kept, _) => {
                    out.extend_from_slice(field.raw);
                    return Ok(first);
                }
                (Label::Pseudonym, Label::Pseudonym) => {}
                _ => return Err(first),
            }
            let start = out.len();
            if encoding::encode(&next, field.encoding, &mut decoded, field.raw, out) {
                if out[start..] != *field.raw {
                    return Ok(first);
                }
                out.truncate(start);
                return Err(first);
            }
            text = next;
        }
        let nothing = Outcome { label: Label::Blanked, because: DEFAULT, kind: None, class: Class::Plain };
        Err(first.unwrap_or(nothing))
    }
}

/// Numbers in their bytes, of as many each, that nobody takes for a message or a text: their lowest bits are those of no
/// field's tag.
pub(super) fn blank(field: &Field<'_>, out: &mut Vec<u8>) {
    if field.encoding == Encoding::Fixed {
        return out.resize(out.len() + field.raw.len(), 0);
    }
    let goes_on = |byte: Option<&u8>| byte.is_some_and(|byte| byte & 0x80 != 0);
    for (n, byte) in field.raw.iter().enumerate() {
        let inside = n > 0 && goes_on(field.raw.get(n - 1));
        out.push(match (inside, goes_on(Some(byte))) {
            (false, false) => 2,
            (false, true) => 0x84,
            (true, true) => 0x80,
            (true, false) => 1,
        });
    }
}

/// Another one, for a number that a blank one is.
fn other(blank: &mut [u8]) {
    if let Some(byte) = blank.iter_mut().rfind(|byte| matches!(byte, 1 | 2)) {
        *byte += 1;
    }
}
