//! What bytes of a stated length are: nobody says so.

use super::wire::{Tagged, Wire, varint};
use crate::protocol::Encoding;

/// Field numbers that a guessed message may have: those of two bytes of tag.
const GUESSED_NUMBER_MAX: u64 = 2047;
/// Longest list of numbers that is taken for one. Random bytes read as numbers, too.
const PACKED_MAX: usize = 64;
/// Lengths of network addresses: a message only where a text in it says so.
const OF_ADDRESSES: &[usize] = &[4, 6, 16];
/// Lengths of ids, keys and hashes: no list of numbers.
const OF_SECRETS: &[usize] = &[8, 16, 20, 24, 28, 32, 48, 64];

/// What a field of stated length holds.
pub(super) enum Holds {
    Text,
    Message,
    Numbers,
    Bytes,
}

impl Holds {
    pub(super) fn of(bytes: &[u8]) -> Holds {
        let text = is_text(bytes);
        // The commonest tags of messages are white space, and so may begin what is a text otherwise.
        let spaced = bytes.first().is_some_and(|b| is_space(char::from(*b)));
        match () {
            () if bytes.is_empty() => Holds::Message,
            () if text && !spaced && !(is_announced(bytes) && is_message(bytes)) => Holds::Text,
            () if is_message(bytes) => Holds::Message,
            () if text => Holds::Text,
            () if is_packed(bytes) => Holds::Numbers,
            () => Holds::Bytes,
        }
    }
}

/// Whether the first field of a message states a length that is printable, as that of a longer text is, and what it covers ends
/// where `bytes` or a field of them do. Letters and digits state none: of a text, none is ever kept.
fn is_announced(bytes: &[u8]) -> bool {
    let states = matches!(bytes, [tag, len, ..] if tag & 7 == 2 && (len.is_ascii_punctuation() || *len == b' '));
    states && Tagged::read(bytes, 0).is_ok_and(|field| field.wire == Wire::Bytes)
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| !text.chars().any(|c| c.is_control() && !is_space(c)) && !text.chars().all(is_space))
}

/// Whether numbers, and what encloses them, are read as `old` was, which they take the place of. 0 and 1 are no numbers.
pub fn reads_like(new: &[u8], old: &[u8], encoding: Encoding) -> bool {
    match encoding {
        Encoding::Varints => matches!(Holds::of(new), Holds::Numbers),
        _ => is_text(new) == is_text(old) && !(encoding == Encoding::Varint && is_boolean(new)),
    }
}

pub(super) fn is_boolean(number: &[u8]) -> bool {
    matches!(number, [0 | 1])
}

fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r')
}

/// Whether bytes are fields from end to end, and something speaks for their being a message's: what has tags and booleans only
/// may be anything, and would be kept.
fn is_message(bytes: &[u8]) -> bool {
    let Some(fields) = all_fields(bytes) else { return false };
    if OF_ADDRESSES.contains(&bytes.len()) { fields.iter().any(|f| has_text(bytes, f)) } else { speaks(bytes, &fields) }
}

/// The fields that bytes are from end to end, those of a guessed message.
fn all_fields(bytes: &[u8]) -> Option<Vec<Tagged>> {
    let (mut at, mut fields) = (0, Vec::new());
    while at < bytes.len() {
        let mut field = Tagged::read(&bytes[at..], 0).ok().filter(|field| field.number <= GUESSED_NUMBER_MAX)?;
        field.value = at + field.value.start..at + field.value.end;
        at += field.end;
        fields.push(field);
    }
    Some(fields)
}

/// Whether one of the fields of `bytes` holds more than a byte. Masking changes no length, and so not what this says.
fn speaks(bytes: &[u8], fields: &[Tagged]) -> bool {
    fields.iter().any(|field| match field.wire {
        Wire::Fixed => true,
        Wire::Varint | Wire::Bytes => field.value.len() > 1,
        Wire::Group => {
            let inner = &bytes[field.value.clone()];
            all_fields(inner).is_some_and(|fields| speaks(inner, &fields))
        }
    })
}

/// Whether a field of `bytes`, which are few, is a text of more than a letter, or a message that has one.
fn has_text(bytes: &[u8], field: &Tagged) -> bool {
    let held = &bytes[field.value.clone()];
    let inside = || all_fields(held).is_some_and(|fields| fields.iter().any(|inner| has_text(held, inner)));
    match field.wire {
        Wire::Varint | Wire::Fixed => false,
        Wire::Group => inside(),
        Wire::Bytes => match Holds::of(held) {
            Holds::Text => held.len() > 1,
            Holds::Message => inside(),
            Holds::Numbers | Holds::Bytes => false,
        },
    }
}

/// Whether bytes are numbers, as likely as not. Zeros are what stands for bytes that nobody understands.
fn is_packed(bytes: &[u8]) -> bool {
    let fits = bytes.len() <= PACKED_MAX && bytes.iter().any(|byte| *byte != 0) && !OF_SECRETS.contains(&bytes.len());
    fits && {
        let mut rest = bytes;
        while let Ok((_, len)) = varint(rest) {
            rest = &rest[len..];
        }
        rest.is_empty()
    }
}
