//! Protocol Buffers (the wire format), read without their schema: numbers, texts and messages as their form tells.
//!
//! What a field of stated length holds nobody says. It is a text when it reads as one; else a message when it is one from
//! end to end and something in it speaks for that; else a list of numbers when that is likely; all else is not understood. So
//! bytes that happen to look like a message have at most their tags kept. Paths are made of field numbers, and there are no names: `….protobuf.1.3`.

use std::ops::Range;

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

/// Field numbers that a guessed message may have: those of two bytes of tag.
const GUESSED_NUMBER_MAX: u64 = 2047;
/// Longest list of numbers that is taken for one. Random bytes read as numbers, too.
const PACKED_MAX: usize = 64;
/// Lengths of network addresses: a message only where a text in it says so.
const OF_ADDRESSES: &[usize] = &[4, 6, 16];
/// Lengths of ids, keys and hashes: no list of numbers.
const OF_SECRETS: &[usize] = &[8, 16, 20, 24, 28, 32, 48, 64];

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

/// A field: its number, and what follows its tag.
struct Tagged {
    number: u64,
    wire: Wire,
    /// The value, without the length or the group's end; within the bytes read.
    value: Range<usize>,
    /// Behind the field.
    end: usize,
}

/// How a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Varint,
    /// 4 or 8 bytes.
    Fixed,
    Bytes,
    Group,
}

/// Why there is no field.
enum NoField {
    /// Bytes are missing; so many, where that is known.
    Cut(Option<usize>),
    /// There can't be one.
    Malformed,
}

impl Tagged {
    /// The field that begins `bytes`, inside so many groups.
    fn read(bytes: &[u8], depth: usize) -> Result<Tagged, NoField> {
        let (tag, start) = varint(bytes)?;
        let (number, wire) = (tag >> 3, tag & 7);
        if number == 0 || tag > u64::from(u32::MAX) || depth > PROTOBUF_NESTING_MAX {
            return Err(NoField::Malformed);
        }
        let rest = &bytes[start..];
        let (wire, value, end) = match wire {
            0 => {
                let end = start + varint(rest)?.1;
                (Wire::Varint, start..end, end)
            }
            1 => (Wire::Fixed, start..start + 8, start + 8),
            5 => (Wire::Fixed, start..start + 4, start + 4),
            2 => {
                let (len, head) = varint(rest)?;
                let len =
                    usize::try_from(len).ok().filter(|len| *len <= i32::MAX as usize).ok_or(NoField::Malformed)?;
                (Wire::Bytes, start + head..start + head + len, start + head + len)
            }
            3 => {
                let mut at = start;
                loop {
                    let (tag, len) = varint(&bytes[at..])?;
                    if tag & 7 == 4 && tag >> 3 == number {
                        break (Wire::Group, start..at, at + len);
                    }
                    at += match Tagged::read(&bytes[at..], depth + 1) {
                        Ok(field) => field.end,
                        Err(NoField::Cut(_)) => return Err(NoField::Cut(None)),
                        Err(malformed) => return Err(malformed),
                    };
                }
            }
            _ => return Err(NoField::Malformed),
        };
        if end > bytes.len() {
            return Err(NoField::Cut(Some(end - bytes.len())));
        }
        Ok(Tagged { number, wire, value, end })
    }
}

/// The number that begins `bytes`, and how many bytes it takes: no more than it needs.
pub fn varint(bytes: &[u8]) -> Result<(u64, usize), NoVarint> {
    let mut number = 0;
    for (n, byte) in bytes.iter().take(VARINT_MAX).enumerate() {
        let bits = u64::from(byte & 0x7F);
        if n == VARINT_MAX - 1 && *byte > 1 {
            return Err(NoVarint::Malformed);
        }
        number |= bits << (7 * n);
        if byte & 0x80 == 0 {
            let padded = *byte == 0 && n > 0;
            return if padded { Err(NoVarint::Malformed) } else { Ok((number, n + 1)) };
        }
    }
    Err(if bytes.len() < VARINT_MAX { NoVarint::Cut } else { NoVarint::Malformed })
}

/// Bytes of the longest number.
const VARINT_MAX: usize = 10;

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoVarint {
    /// Bytes are missing.
    Cut,
    /// It is longer than it needs to be, or than it can be.
    Malformed,
}

impl From<NoVarint> for NoField {
    fn from(no: NoVarint) -> NoField {
        match no {
            NoVarint::Cut => NoField::Cut(None),
            NoVarint::Malformed => NoField::Malformed,
        }
    }
}

/// What a field of stated length holds.
enum Holds {
    Text,
    Message,
    Numbers,
    Bytes,
}

impl Holds {
    fn of(bytes: &[u8]) -> Holds {
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

fn is_boolean(number: &[u8]) -> bool {
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
