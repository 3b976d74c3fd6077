//! TLS (RFC 5246, RFC 8446) without its keys: records and the clear part of the handshake. What is encrypted is opaque.

mod hello;

use super::emit::{Emit, Together};
use super::{Conversation, Probe, Protocol, Side, Sink};

/// The protocol.
pub struct Tls;

impl Protocol for Tls {
    fn id(&self) -> &'static str {
        "tls"
    }

    fn about(&self) -> &'static str {
        "TLS: record headers and hellos (server names, versions, ciphers); what is encrypted is blanked"
    }

    fn probe(&self, first_bytes: &[u8]) -> Probe {
        match first_bytes {
            [HANDSHAKE, 3, 0..=4, _, _, 1, 0, ..] if Record::read(first_bytes).is_some() => {
                Probe::Certain(Side::Client)
            }
            [HANDSHAKE, 3, 0..=4, _, _, 2, 0, ..] if Record::read(first_bytes).is_some() => {
                Probe::Certain(Side::Server)
            }
            // In the middle: both sides look alike.
            [APPLICATION_DATA, 3, 1..=3, _, _, ..] if Record::read(first_bytes).is_some() => {
                Probe::Certain(Side::Client)
            }
            [HANDSHAKE] | [HANDSHAKE, 3] => Probe::Undecided,
            [HANDSHAKE, 3, 0..=4, rest @ ..] if rest.len() < 4 => Probe::Undecided,
            _ => Probe::Decline,
        }
    }

    fn open(&self, _depth: u32) -> Box<dyn Conversation> {
        Box::new(Connection::default())
    }
}

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

const ENCRYPTED: &str = "tls ciphertext";
const MESSAGE: &str = "tls handshake message";
const LOST: &str = "tls out of step";

/// Longest record: 2^14 bytes and what a cipher adds (RFC 5246 §6.2.3).
const RECORD_MAX: usize = (1 << 14) + 2048;
const HEADER: usize = 5;

#[derive(Default)]
struct Connection {
    client: Half,
    server: Half,
}

/// One direction.
#[derive(Default)]
struct Half {
    state: State,
    /// Bytes of a handshake message that the next records hold.
    message_left: usize,
    /// A handshake message's header could not be read: where the next one begins is unknown.
    blind: bool,
    /// The cipher has changed: handshake records are ciphertext.
    encrypted: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Before a record.
    #[default]
    Header,
    /// In a record; so many bytes are left.
    Data(usize),
    /// Up to the next record at the beginning of a segment.
    Lost,
}

/// A record's header.
#[derive(Clone, Copy)]
struct Record {
    kind: u8,
    len: usize,
}

impl Record {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [kind @ CHANGE_CIPHER_SPEC..=HEARTBEAT, 3, 0..=4, high, low, ..] = *bytes else { return None };
        let len = usize::from(u16::from_be_bytes([high, low]));
        (1..=RECORD_MAX).contains(&len).then_some(Record { kind, len })
    }
}

impl Conversation for Connection {
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize {
        let half = self.half(side);
        let mut out = Together { base: at, sink };
        let mut emit = Emit::new(bytes, &mut out);
        while !emit.rest().is_empty() && half.step(&mut emit, end) {}
        emit.done()
    }

    fn gap(&mut self, side: Side, missing: u64) {
        let half = self.half(side);
        half.blind = true;
        half.state = match half.state {
            State::Data(left) if left as u64 > missing => State::Data(left - missing as usize),
            State::Data(left) if left as u64 == missing => State::Header,
            _ => State::Lost,
        };
    }

    fn flush(&mut self, _side: Side, _sink: &mut dyn Sink) {}

    fn pending(&self, _side: Side) -> usize {
        0
    }
}

impl Connection {
    fn half(&mut self, side: Side) -> &mut Half {
        if side == Side::Client { &mut self.client } else { &mut self.server }
    }
}

impl Half {
    /// False when more bytes are needed.
    fn step(&mut self, emit: &mut Emit<'_>, end: bool) -> bool {
        let rest = emit.rest();
        match self.state {
            State::Data(left) => {
                let len = rest.len().min(left);
                emit.skip(len, ENCRYPTED);
                self.state = if len == left { State::Header } else { State::Data(left - len) };
            }
            State::Lost if emit.done() == 0 && Record::read(rest).is_some() => self.state = State::Header,
            State::Lost => emit.opaque_to(emit.bytes().len(), LOST),
            State::Header if rest.len() < HEADER && !end => return false,
            State::Header => match Record::read(rest) {
                Some(record) if self.is_clear(record) => return self.clear(record, emit, end),
                Some(record) => {
                    emit.keep(HEADER);
                    self.state = State::Data(record.len);
                }
                None => self.state = State::Lost,
            },
        }
        true
    }

    fn is_clear(&self, record: Record) -> bool {
        match record.kind {
            CHANGE_CIPHER_SPEC => record.len == 1,
            ALERT => record.len == 2 && !self.encrypted,
            HANDSHAKE => !self.encrypted && !self.blind,
            _ => false,
        }
    }

    /// A record in the clear, read as a whole.
    fn clear(&mut self, record: Record, emit: &mut Emit<'_>, end: bool) -> bool {
        let Some(bytes) = emit.rest().get(HEADER..HEADER + record.len) else {
            if end {
                emit.keep(HEADER);
                self.blind = true;
                self.state = State::Data(record.len);
            }
            return end;
        };
        emit.keep(HEADER);
        let behind = emit.done() + record.len;
        match (record.kind, bytes) {
            (CHANGE_CIPHER_SPEC, [1]) => {
                self.encrypted = true;
                emit.keep(1);
            }
            (ALERT, [1 | 2, _]) => drop(emit.keep(2)),
            (HANDSHAKE, _) => emit.within(behind, |emit| self.messages(emit)),
            _ => {}
        }
        emit.opaque_to(behind, MESSAGE);
        self.state = State::Header;
        true
    }

    /// The handshake messages of a record (RFC 8446 §4).
    fn messages(&mut self, emit: &mut Emit<'_>) {
        let len = emit.rest().len().min(self.message_left);
        emit.skip(len, MESSAGE);
        self.message_left -= len;
        while !emit.rest().is_empty() {
            let &[kind, high, middle, low, ..] = emit.rest() else { break };
            if !is_message(kind) {
                break;
            }
            let len = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            emit.keep(4);
            let here = len.min(emit.rest().len());
            self.message_left = len - here;
            let whole = self.message_left == 0;
            emit.within(emit.done() + here, |emit| {
                match kind {
                    1 if whole => drop(hello::client(emit)),
                    2 if whole => drop(hello::server(emit)),
                    _ => {}
                }
                emit.opaque_to(emit.bytes().len(), MESSAGE);
            });
        }
        self.blind |= !emit.rest().is_empty();
        emit.opaque_to(emit.bytes().len(), MESSAGE);
    }
}

/// Messages that are sent in the clear.
fn is_message(kind: u8) -> bool {
    matches!(kind, 0..=4 | 8 | 11..=16 | 20..=24)
}
