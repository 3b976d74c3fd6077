//! Protocol Buffers (the wire format), read without their schema: numbers, texts and messages as their form tells.
//!
//! What a field of stated length holds nobody says. It is a text when it reads as one; else a message when it is one from
//! end to end and something in it speaks for that; else a list of numbers when that is likely; all else is not understood. So
//! bytes that happen to look like a message have at most their tags kept. Paths are made of field numbers, and there are no names: `….protobuf.1.3`.

mod guess;
mod wire;

use std::ops::Range;

pub use guess::reads_like;
pub use wire::{NoVarint, varint};

use guess::{Holds, is_boolean};
use wire::{NoField, Tagged, Wire};

use super::{Content, Kind, Until};
use crate::limits::PROTOBUF_NESTING_MAX;
use crate::protocol::emit::Emit;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// The entry in [`super::ALL`].
pub const KIND: Kind = Kind {
    id: "protobuf",
    about: "Protocol Buffers without their schema",
    claims: |media| {
        let subtype = media.essence.strip_prefix("application/").unwrap_or_default();
        matches!(
            subtype,
            "proto"
                | "protobuf"
                | "x-protobuf"
                | "x-google-protobuf"
                | "vnd.google.protobuf"
                | "vnd.google.octet-stream-compressible"
        ) || subtype.ends_with("+proto")
            || subtype.ends_with("+protobuf")
    },
    sniffs: |_| false,
    open: |_, root| Box::new(Protobuf::new(Path::new(&format!("{root}.protobuf")))),
};

const DAMAGED: &str = "protobuf damaged";
const CUT: &str = "protobuf field cut";
const BYTES: &str = "protobuf bytes";
const TOO_DEEP: &str = "protobuf nested too deep";

/// Reader of one message.
pub struct Protobuf {
    path: Path,
    /// Bytes to come of a field that could not wait.
    skip: usize,
    /// Nothing more is understood.
    lost: bool,
}

impl Protobuf {
    /// Paths begin with `path`.
    pub fn new(path: Path) -> Self {
        Protobuf { path, skip: 0, lost: false }
    }
}

impl Content for Protobuf {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        loop {
            let rest = emit.rest();
            if rest.is_empty() {
                return;
            }
            if self.lost {
                return emit.opaque_to(emit.bytes().len(), DAMAGED);
            }
            if self.skip > 0 {
                let here = self.skip.min(rest.len());
                self.skip -= here;
                emit.opaque_to(emit.done() + here, CUT);
                continue;
            }
            match Tagged::read(rest, 0) {
                Ok(field) => put(emit, &field, emit.done(), &mut self.path, 0),
                Err(NoField::Cut(_)) if until == Until::More => return,
                Err(NoField::Cut(missing)) => {
                    self.skip = missing.unwrap_or(0);
                    // Where a tag or number is cut, or a group, nobody knows what comes next.
                    self.lost = missing.is_none();
                    return emit.opaque_to(emit.bytes().len(), CUT);
                }
                Err(NoField::Malformed) => self.lost = true,
            }
        }
    }
}

/// Reports a field whose bytes stand at `base` of what is read.
fn put(emit: &mut Emit<'_>, field: &Tagged, base: usize, path: &mut Path, depth: usize) {
    let level = path.level();
    path.push_unnamed(&format!(".{}", field.number));
    let at = base + field.value.start..base + field.value.end;
    match field.wire {
        Wire::Varint => number(emit, at, path),
        Wire::Fixed => emit.field_at(at, path, Encoding::Fixed, Role::Number),
        Wire::Group => fields(emit, at, path, depth + 1),
        Wire::Bytes => bytes(emit, at, path, depth + 1),
    }
    emit.keep_to(base + field.end);
    path.back(level);
}

/// 0 and 1 are kept: so stand `false` and `true`, which JSON's reader keeps.
fn number(emit: &mut Emit<'_>, at: Range<usize>, path: &Path) {
    if is_boolean(&emit.bytes()[at.clone()]) {
        emit.keep_to(at.end);
    } else {
        emit.field_at(at, path, Encoding::Varint, Role::Number);
    }
}

/// Reports what a field of stated length holds.
fn bytes(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path, depth: usize) {
    emit.keep_to(at.start);
    let held = &emit.bytes()[at.clone()];
    match Holds::of(held) {
        _ if depth > PROTOBUF_NESTING_MAX => emit.opaque_to(at.end, TOO_DEEP),
        Holds::Text => emit.field_to(at.end, path, Encoding::Plain, Role::Value),
        Holds::Message => fields(emit, at, path, depth),
        Holds::Numbers => emit.field_to(at.end, path, Encoding::Varints, Role::Number),
        Holds::Bytes => emit.opaque_to(at.end, BYTES),
    }
}

/// Reports fields that are whole.
fn fields(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path, depth: usize) {
    if depth > PROTOBUF_NESTING_MAX {
        return emit.opaque_to(at.end, TOO_DEEP);
    }
    let mut start = at.start;
    emit.keep_to(start);
    while start < at.end {
        let Ok(field) = Tagged::read(&emit.bytes()[start..at.end], depth) else { break };
        put(emit, &field, start, path, depth);
        start += field.end;
    }
    emit.opaque_to(at.end, DAMAGED);
}

/// A length that a message states of a field, and what it covers: in the message's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Length {
    /// The varint.
    pub at: Range<usize>,
    /// What it counts.
    pub covers: Range<usize>,
}

/// The lengths of all fields that enclose `position` of a message, outermost first.
pub fn lengths_around(message: &[u8], position: usize) -> Vec<Length> {
    let mut found = Vec::new();
    descend(message, 0..message.len(), position, 0, &mut found);
    found
}

fn descend(message: &[u8], at: Range<usize>, position: usize, depth: usize, found: &mut Vec<Length>) {
    let mut start = at.start;
    while start <= position && depth <= PROTOBUF_NESTING_MAX {
        let Ok(field) = Tagged::read(&message[start..at.end], 0) else { return };
        let value = start + field.value.start..start + field.value.end;
        if value.contains(&position) {
            match field.wire {
                Wire::Varint | Wire::Fixed => {}
                Wire::Group => descend(message, value, position, depth + 1, found),
                Wire::Bytes => {
                    let tag = varint(&message[start..]).map_or(0, |(_, len)| len);
                    found.push(Length { at: start + tag..value.start, covers: value.clone() });
                    if let Holds::Message = Holds::of(&message[value.clone()]) {
                        descend(message, value, position, depth + 1, found);
                    }
                }
            }
            return;
        }
        start += field.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::emit::Written;
    use crate::protocol::{Part, PartKind};
    use proptest::prelude::*;

    fn parts(message: &[u8]) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let mut out = Written { parts: &mut parts, room: usize::MAX };
        let mut emit = Emit::new(message, &mut out);
        super::super::read(&mut Protobuf::new(Path::new("p")), &mut emit, Until::End);
        assert_eq!(parts.iter().map(|part| part.at.len()).sum::<usize>(), message.len());
        parts
    }

    /// What is read of a message shown at once: path, encoding and bytes of each field; `!` for what is not understood.
    fn read(message: &[u8]) -> Vec<String> {
        parts(message)
            .iter()
            .filter_map(|part| {
                let raw = String::from_utf8_lossy(&message[part.at.clone()]).into_owned();
                match &part.what {
                    PartKind::Keep => None,
                    PartKind::Field { path, encoding: Encoding::Plain, .. } => Some(format!("{path} {raw}")),
                    PartKind::Field { path, encoding, .. } => Some(format!("{path} {encoding:?} {}", part.at.len())),
                    PartKind::Opaque(what) => Some(format!("! {what} {}", part.at.len())),
                }
            })
            .collect()
    }

    #[test]
    fn fields_are_told_by_their_form() {
        let message = [
            &b"\x0a\x04Anna"[..],                     // a text
            b"\x10\x01\x10\x00",                      // booleans
            b"\x18\xd2\x85\xd8\xcc\x04",              // 1234567890
            b"\x22\x0b\x0a\x03Bob\x12\x04\x0a\x02xy", // messages in messages
            b"\x2a\x04\x78\xd4\x02\x50",              // 120, 340, 80
            b"\x31\x00\x00\x00\x00\x00\x00\x29\x40",  // 12.5
            b"\x3a\x04\xff\xff\xff\xff",              // bytes
            b"\x43\x0a\x02ab\x44",                    // a group
        ]
        .concat();
        assert_eq!(
            read(&message),
            [
                "p.1 Anna",
                "p.3 Varint 5",
                "p.4.1 Bob",
                "p.4.2.1 xy",
                "p.5 Varints 4",
                "p.6 Fixed 8",
                "! protobuf bytes 4",
                "p.8.1 ab",
            ]
        );
    }

    #[test]
    fn texts_are_texts() {
        for text in ["hi", "x", "Bob", "two\nlines", " \"$", "J\u{fc}rgen", "0811", "a\tb"] {
            let message = [&[0x0a, text.len() as u8], text.as_bytes()].concat();
            assert_eq!(read(&message), [format!("p.1 {text}")]);
        }
    }

    #[test]
    fn what_is_no_message_is_not_understood() {
        assert_eq!(read(b"\x0a\x02ab\x07\x01"), ["p.1 ab", "! protobuf damaged 2"]);
        assert_eq!(read(b"\x00\x01"), ["! protobuf damaged 2"]);
        assert_eq!(read(b"\x0a\x05ab"), ["! protobuf field cut 4"]);
        // A number, and a tag, of more bytes than needed: somebody may hide something there.
        assert_eq!(read(b"\x10\x81\x00"), ["! protobuf damaged 3"]);
        assert_eq!(read(b"\x90\x00\x01"), ["! protobuf damaged 3"]);
        let deep = (0..60).fold(b"\x0a\x01a".to_vec(), |inner, _| [&[0x0a, inner.len() as u8][..], &inner].concat());
        assert!(deep.len() > 127 || read(&deep)[0].starts_with("! protobuf nested too deep"), "{:?}", read(&deep));
    }

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    #[test]
    fn what_speaks_for_no_message_is_none() {
        // Addresses that read as tags and booleans: 10.0.8.1, and one of version 6.
        let six = [0x20, 1, 0x10, 0, 0x18, 1, 0x28, 0, 0x30, 1, 0x38, 0, 0x40, 1, 0x48, 1];
        assert_eq!(read(&field(1, &[10, 0, 8, 1])), ["p.1 Varints 4"]);
        assert_eq!(read(&field(1, &six)), ["! protobuf bytes 16"]);
        assert_eq!(read(&field(1, &[8, 1, 16, 0])), ["p.1 Varints 4"]);
        assert_eq!(read(&field(1, &[8, 0x96, 1, 16, 1, 24])), ["p.1 Varints 6"]);
        // Six bytes that would be a message in any other length.
        assert_eq!(read(&field(1, &[8, 0x96, 1, 16, 0x97, 1])), ["p.1 Varints 6"]);
        assert_eq!(read(&field(1, &[8, 0x96, 1, 16, 0x97, 2, 24])), ["p.1 Varints 7"]);
        assert_eq!(read(&field(1, &[8, 0x96, 1, 16, 1])), ["p.1.1 Varint 2"]);
        // Empty texts and booleans in any number say nothing, in groups neither.
        assert_eq!(read(&field(1, &[0x0b, 8, 1, 0x0c, 0x12, 0, 0x18, 1, 0x20, 1])), ["p.1 Varints 10"]);
        // A text speaks for a message, however deep.
        assert_eq!(read(&field(1, b"\x08\x01\x12\x02hi")), ["p.1.2 hi"]);
        let sixteen = [&[8, 1][..], &field(2, &field(3, b"hi there ."))].concat();
        assert_eq!((sixteen.len(), read(&field(1, &sixteen))), (16, vec!["p.1.2.3 hi there .".to_owned()]));
        assert!(read(&field(1, b"")).is_empty());
    }

    #[test]
    fn a_message_of_letters_is_one_where_its_first_length_says_so() {
        let id = b"550e8400-e29b-41d4-a716-446655440000";
        assert_eq!(read(&field(2, &field(8, id))), ["p.2.8 550e8400-e29b-41d4-a716-446655440000"]);
        let two = [field(6, id), field(7, id)].concat();
        assert_eq!(read(&field(2, &two)).len(), 2);
        // No letter or digit of a text is taken for a length.
        let text = [&b"b0"[..], &[b'7'; 48]].concat();
        assert_eq!(read(&field(2, &text)).len(), 1);
        assert_eq!(read(&field(2, &text))[0], format!("p.2 {}", String::from_utf8_lossy(&text)));
        let longer = [field(8, id), b"x".to_vec()].concat();
        assert_eq!(read(&field(2, &longer))[0].len(), "p.2 ".len() + longer.len());
    }

    proptest! {
        /// What is not understood is blanked with zeros, and not understood again.
        #[test]
        fn what_is_blank_is_opaque_again(bytes in prop::collection::vec(any::<u8>(), 0..90)) {
            let message = field(1, &bytes);
            let mut blank = message.clone();
            for part in parts(&message) {
                if let PartKind::Opaque(_) = part.what {
                    blank[part.at].fill(0);
                }
            }
            let opaque = |message: &[u8]| -> Vec<Range<usize>> {
                parts(message).into_iter().filter(|part| matches!(part.what, PartKind::Opaque(_))).map(|part| part.at).collect()
            };
            prop_assert_eq!(opaque(&message), opaque(&blank));
        }
    }

    #[test]
    fn zeros_are_no_list() {
        for len in [1, 2, 5, 12, 40] {
            assert_eq!(read(&field(1, &vec![0; len])), [format!("! protobuf bytes {len}")]);
        }
    }

    #[test]
    fn enclosing_lengths_are_found() {
        let message = b"\x08\x05\x22\x0b\x0a\x03Bob\x12\x04\x0a\x02xy";
        let at = message.iter().position(|b| *b == b'x').unwrap();
        let around: Vec<Range<usize>> = lengths_around(message, at).into_iter().map(|length| length.at).collect();
        assert_eq!(around, [3..4, 10..11, 12..13]);
        assert!(lengths_around(message, 1).is_empty());
    }
}
