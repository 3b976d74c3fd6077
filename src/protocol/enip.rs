//! EtherNet/IP (ODVA, "The CIP Networks Library", volume 2, chapter 2): the encapsulation of messages.

use super::emit::Emit;
use super::framed::{Framed, Framing, Header};
use super::{Conversation, Probe, Protocol, Side};

/// The protocol.
pub struct EtherNetIp;

impl Protocol for EtherNetIp {
    fn id(&self) -> &'static str {
        "enip"
    }

    fn about(&self) -> &'static str {
        "EtherNet/IP: the headers of its messages; data, session handles and contexts are blanked"
    }

    /// Both sides look alike. A header of zeros (NOP) says nothing by itself: one that stands first is looked past.
    fn probe(&self, first_bytes: &[u8]) -> Probe {
        let first = first_bytes.strip_prefix(&[0; HEADER]).unwrap_or(first_bytes);
        match first {
            _ if first.iter().all(|byte| *byte == 0) && first_bytes.len() < 2 * HEADER => Probe::Undecided,
            [low, 0, ..] if COMMANDS.contains(low) => match length(first) {
                Some(_) => Probe::Certain(Side::Client),
                None if first.len() < HEADER => Probe::Undecided,
                None => Probe::Decline,
            },
            _ => Probe::Decline,
        }
    }

    fn open(&self, _depth: u32) -> Box<dyn Conversation> {
        Box::new(Framed::<Messages>::default())
    }
}

/// List services, identity and interfaces; register and unregister a session; send data of both kinds; status, cancel.
const COMMANDS: [u8; 9] = [0x04, 0x63, 0x64, 0x65, 0x66, 0x6f, 0x70, 0x72, 0x73];
/// Command and length (2 bytes each), session handle, status (4 each), sender's context (8), options (4).
const HEADER: usize = 24;

/// Bytes of data behind a header; none when there is no such command, or options that must be zero are not.
fn length(bytes: &[u8]) -> Option<u16> {
    let header: &[u8; HEADER] = bytes.first_chunk()?;
    let [command, 0, low, high, ..] = *header else { return None };
    let known = command == 0 || COMMANDS.contains(&command);
    (known && header[20..] == [0; 4]).then(|| u16::from_le_bytes([low, high]))
}

struct Messages;

impl Framing for Messages {
    const DATA: &'static str = "enip data";
    const LOST: &'static str = "enip out of step";

    fn header(emit: &mut Emit<'_>) -> Header {
        match length(emit.rest()) {
            None if emit.rest().len() < HEADER => Header::Cut,
            None => Header::Damaged,
            Some(len) => {
                // The handle is a session's, the context a sender's.
                emit.keep(4);
                emit.skip(4, Self::DATA);
                emit.keep(4);
                emit.skip(8, Self::DATA);
                emit.keep(4);
                Header::Data(len.into())
            }
        }
    }
}
