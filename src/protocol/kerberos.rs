//! Kerberos over TCP (RFC 4120 §7.2.2): the length before each message.

use super::emit::Emit;
use super::framed::{Framed, Framing, Header};
use super::{Conversation, Probe, Protocol, Side};

/// The protocol.
pub struct Kerberos;

impl Protocol for Kerberos {
    fn id(&self) -> &'static str {
        "kerberos"
    }

    fn about(&self) -> &'static str {
        "Kerberos over TCP: where messages begin; they are blanked"
    }

    /// A length, and a message of that length: an application tag of §5.10, a length in ASN.1 that agrees with the first.
    fn probe(&self, first_bytes: &[u8]) -> Probe {
        match *first_bytes {
            [0, 0, high, low, tag, 0x82, inner_high, inner_low, ..] => {
                let (outer, inner) = (u16::from_be_bytes([high, low]), u16::from_be_bytes([inner_high, inner_low]));
                match sender(tag) {
                    Some(side) if u32::from(outer) == u32::from(inner) + 4 => Probe::Certain(side),
                    _ => Probe::Decline,
                }
            }
            [0, 0, _, _, tag, 0x82] | [0, 0, _, _, tag, 0x82, _] | [0, 0, _, _, tag] if sender(tag).is_some() => {
                Probe::Undecided
            }
            [0, 0] | [0, 0, _] | [0, 0, _, _] => Probe::Undecided,
            _ => Probe::Decline,
        }
    }

    fn open(&self, _depth: u32) -> Box<dyn Conversation> {
        Box::new(Framed::<Messages>::default())
    }
}

/// Who sends the message of a tag: requests for tickets, their replies and errors.
fn sender(tag: u8) -> Option<Side> {
    match tag {
        0x6a | 0x6c => Some(Side::Client),
        0x6b | 0x6d | 0x7e => Some(Side::Server),
        _ => None,
    }
}

struct Messages;

impl Framing for Messages {
    const DATA: &'static str = "kerberos message";
    const LOST: &'static str = "kerberos out of step";

    fn header(emit: &mut Emit<'_>) -> Header {
        match *emit.rest() {
            // The highest bit is reserved.
            [high, ..] if high & 0x80 != 0 => Header::Damaged,
            [a, b, c, d, ..] => {
                emit.keep(4);
                Header::Data(u32::from_be_bytes([a, b, c, d]).into())
            }
            _ => Header::Cut,
        }
    }
}
