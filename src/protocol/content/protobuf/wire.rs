//! Fields as they stand on the wire (protobuf.dev, Encoding).

use std::ops::Range;

use crate::limits::PROTOBUF_NESTING_MAX;

/// A field: its number, and what follows its tag.
pub(super) struct Tagged {
    pub(super) number: u64,
    pub(super) wire: Wire,
    /// The value, without the length or the group's end; within the bytes read.
    pub(super) value: Range<usize>,
    /// Behind the field.
    pub(super) end: usize,
}

/// How a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    /// 4 or 8 bytes.
    Fixed,
    Bytes,
    Group,
}

/// Why there is no field.
pub(super) enum NoField {
    /// Bytes are missing; so many, where that is known.
    Cut(Option<usize>),
    /// There can't be one.
    Malformed,
}

impl Tagged {
    /// The field that begins `bytes`, inside so many groups.
    pub(super) fn read(bytes: &[u8], depth: usize) -> Result<Tagged, NoField> {
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
