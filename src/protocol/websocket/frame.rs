//! One frame's header (RFC 6455 §5.2), read and written, and the mask over its payload (§5.3).

/// What stands where a header is due is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no WebSocket frame stands here")]
pub struct Malformed;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// A further part of the message that was begun.
    Continuation,
    /// Text, or its first part.
    Text,
    /// Binary data, or its first part.
    Binary,
    /// The connection is to be closed.
    Close,
    /// The peer is to answer.
    Ping,
    /// An answer to a ping, or a sign of life.
    Pong,
}

impl Opcode {
    /// No part of a message, may stand between parts of one (§5.5).
    pub fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    fn of(bits: u8) -> Result<Opcode, Malformed> {
        Ok(match bits & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Malformed),
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }
}

/// Longest payload of a control frame (§5.5).
pub const CONTROL_MAX: u64 = 125;
/// Longest header: two bytes, a length of eight, a key of four.
pub const HEAD_MAX: usize = 14;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last frame of its message.
    pub last: bool,
    /// RSV1: the message is compressed, where that was agreed (RFC 7692 §6).
    pub packed: bool,
    /// What it is.
    pub opcode: Opcode,
    /// What the payload is masked with.
    pub key: Option<[u8; 4]>,
    /// Bytes of the payload.
    pub len: u64,
}

impl Head {
    /// The header at the front of `bytes`, and its length; none when it is cut.
    pub fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
        let [first, second, ..] = *bytes else { return Ok(None) };
        let opcode = Opcode::of(first)?;
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = second & 0x80 != 0;
        let whole = 2 + extended + if masked { 4 } else { 0 };
        let Some(rest) = bytes.get(2..whole) else { return Ok(None) };
        let (length, key) = rest.split_at(extended);
        let len = match extended {
            0 => u64::from(second & 0x7f),
            _ => length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let last = first & 0x80 != 0;
        let is_wrong = opcode.is_control() && (len > CONTROL_MAX || !last);
        if is_wrong || len > i64::MAX as u64 || first & 0x30 != 0 {
            return Err(Malformed);
        }
        let key = key.try_into().ok();
        Ok(Some((Head { last, packed: first & 0x40 != 0, opcode, key, len }, whole)))
    }

    /// Appends the header, its length in as few bytes as it takes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.last) << 7 | u8::from(self.packed) << 6 | self.opcode.bits());
        let masked = u8::from(self.key.is_some()) << 7;
        match self.len {
            0..=125 => out.push(masked | self.len as u8),
            126..=0xffff => {
                out.push(masked | 126);
                out.extend_from_slice(&(self.len as u16).to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend_from_slice(&self.len.to_be_bytes());
            }
        }
        out.extend(self.key.iter().flatten());
    }
}

/// Masks or unmasks a piece of a payload that begins at its byte `at`.
pub fn mask(key: [u8; 4], at: u64, bytes: &mut [u8]) {
    let first = (at % 4) as usize;
    for (byte, n) in bytes.iter_mut().zip(first..) {
        *byte ^= key[n % 4];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(last: bool, packed: bool, opcode in 0usize..6, key: Option<[u8; 4]>, len in prop_oneof![0u64..130, 65_530u64..65_540, 0..=i64::MAX as u64]) {
            use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
            let opcode = [Continuation, Text, Binary, Close, Ping, Pong][opcode];
            let head = Head { last: last || opcode.is_control(), packed, opcode, key, len: if opcode.is_control() { len % 126 } else { len } };
            let mut bytes = Vec::new();
            head.write(&mut bytes);
            prop_assert!(bytes.len() <= HEAD_MAX);
            for cut in 0..bytes.len() {
                prop_assert_eq!(Head::read(&bytes[..cut]), Ok(None));
            }
            prop_assert_eq!(Head::read(&bytes), Ok(Some((head, bytes.len()))));
        }

        #[test]
        fn masks_go_on_over_pieces(key: [u8; 4], text in prop::collection::vec(any::<u8>(), 0..40), cut in 0usize..40) {
            let mut whole = text.clone();
            mask(key, 0, &mut whole);
            let (a, b) = whole.split_at_mut(cut.min(text.len()));
            let at = a.len() as u64;
            mask(key, 0, a);
            mask(key, at, b);
            prop_assert_eq!(whole, text);
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [[0x83, 0], [0x8b, 0], [0x09, 0], [0x89, 126], [0x91, 0], [0xa1, 0]] {
            let padded = [&bytes[..], &[0; 12]].concat();
            assert_eq!(Head::read(&padded).is_err(), bytes != [0x89, 126], "{bytes:x?}");
        }
        assert_eq!(Head::read(&[&[0x89, 126, 0, 126][..], &[0; 12]].concat()), Err(Malformed));
        assert_eq!(Head::read(&[&[0x82, 127][..], &[255; 12]].concat()), Err(Malformed));
    }
}
