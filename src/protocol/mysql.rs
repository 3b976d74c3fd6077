//! MySQL and MariaDB (MySQL internals, "Connection Phase"): the handshake, and TLS that follows it. Commands and rows are opaque.

use super::emit::{Emit, Together};
use super::path::Path;
use super::tunnel::Tunnel;
use super::{Conversation, Encoding, Probe, Protocol, Role, Side, Sink};

/// The protocol.
pub struct MySql;

impl Protocol for MySql {
    fn id(&self) -> &'static str {
        "mysql"
    }

    fn about(&self) -> &'static str {
        "MySQL: the handshake, and the TLS that it leads to; commands and results are blanked"
    }

    /// The server speaks first: a packet of number 0, protocol version 10, a text, and behind thread and scramble a zero. A
    /// client's answer is known by the zeros that it is filled up with.
    fn probe(&self, first_bytes: &[u8]) -> Probe {
        match first_bytes {
            [_, 0, 0, 0, VERSION, greeting @ ..] => {
                let text = greeting.iter().take(TEXT_MAX + 1).take_while(|byte| byte.is_ascii_graphic()).count();
                match (greeting.get(text), greeting.get(text + 1 + 4 + 8)) {
                    _ if text > TEXT_MAX => Probe::Decline,
                    (Some(0), Some(0)) if text > 0 => Probe::Certain(Side::Server),
                    (Some(0), None) | (None, None) => Probe::Undecided,
                    _ => Probe::Decline,
                }
            }
            [low, high, 0, 1, answer @ ..] if usize::from(u16::from_le_bytes([*low, *high])) >= ANSWER => {
                match answer.get(..ANSWER) {
                    Some(answer) if answer[9..28] == [0; 19] && answer[1] & TO_4_1 != 0 => Probe::Certain(Side::Client),
                    Some(_) => Probe::Decline,
                    None => Probe::Undecided,
                }
            }
            [_, 0, 0, 0] | [_, 0, 0] | [_, 0] => Probe::Undecided,
            _ => Probe::Decline,
        }
    }

    fn open(&self, depth: u32) -> Box<dyn Conversation> {
        Box::new(Connection { client: State::Handshake, server: State::Handshake, tunnel: Tunnel::new(BEHIND, depth) })
    }
}

/// Of the handshake.
const VERSION: u8 = 10;
/// A packet's length (3 bytes) and number.
const HEADER: usize = 4;
/// Capabilities, longest packet, character set, filler: all that a client says before it asks for TLS.
const ANSWER: usize = 32;
/// In the second byte of capabilities: protocol 4.1, and TLS is to follow.
const TO_4_1: u8 = 0x02;
const TO_TLS: u8 = 0x08;
/// Longest version of a server.
const TEXT_MAX: usize = 100;
/// Longest handshake packet that is read.
const HANDSHAKE_MAX: usize = 4096;

const SECRET: &str = "mysql authentication";
const DAMAGED: &str = "mysql damaged";
const BEHIND: &str = "mysql commands";

/// Where a side is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before its first packet.
    Handshake,
    /// Behind it.
    Open,
}

struct Connection {
    client: State,
    server: State,
    tunnel: Tunnel,
}

impl Conversation for Connection {
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize {
        let mut done = 0;
        if *self.state(side) == State::Handshake {
            let len = match packet_len(bytes) {
                Some(len) if len <= bytes.len() && len <= HANDSHAKE_MAX => len,
                Some(len) if len <= HANDSHAKE_MAX && !end => return 0,
                None if !end => return 0,
                _ => 0,
            };
            let mut out = Together { base: at, sink };
            let mut emit = Emit::new(&bytes[..len], &mut out);
            match side {
                Side::Server => greeting(&mut emit),
                Side::Client => answer(&mut emit),
            };
            emit.opaque_to(len, DAMAGED);
            *self.state(side) = State::Open;
            done = len;
        }
        done + self.tunnel.read(side, at + done as u64, &bytes[done..], end, sink)
    }

    fn gap(&mut self, side: Side, missing: u64) {
        *self.state(side) = State::Open;
        self.tunnel.gap(side, missing);
    }

    fn flush(&mut self, side: Side, sink: &mut dyn Sink) {
        self.tunnel.flush(side, sink);
    }

    fn pending(&self, side: Side) -> usize {
        self.tunnel.pending(side)
    }

    fn memory(&self) -> usize {
        self.tunnel.memory()
    }
}

impl Connection {
    fn state(&mut self, side: Side) -> &mut State {
        if side == Side::Client { &mut self.client } else { &mut self.server }
    }
}

/// Of the packet that begins `bytes`, its header included.
fn packet_len(bytes: &[u8]) -> Option<usize> {
    let [a, b, c, _] = *bytes.first_chunk()?;
    Some(HEADER + u32::from_le_bytes([a, b, c, 0]) as usize)
}

/// Protocol and server version, thread, scramble, capabilities, character set, status, the scramble's rest, its method.
fn greeting(emit: &mut Emit<'_>) -> Option<()> {
    emit.keep(HEADER + 1)?;
    text(emit, "version")?;
    emit.skip(4 + 8, SECRET)?;
    let fixed = emit.keep(1 + 2 + 1 + 2 + 2 + 1 + 10)?;
    // The scramble's rest has 12 bytes at least, and a zero behind it.
    let rest = usize::from(fixed[8]).saturating_sub(8).max(13) - 1;
    emit.skip(rest, SECRET)?;
    emit.keep(1)?;
    text(emit, "method")
}

/// Capabilities, longest packet, character set, filler; then, unless TLS comes first, who it is.
fn answer(emit: &mut Emit<'_>) -> Option<()> {
    let fixed = emit.keep(HEADER + ANSWER)?;
    if fixed[HEADER + 1] & TO_TLS != 0 && emit.rest().is_empty() {
        return Some(());
    }
    text(emit, "user")?;
    let secret = usize::from(*emit.keep(1)?.first()?);
    emit.skip(secret, SECRET)?;
    text(emit, "database")
}

/// A text and the zero behind it.
fn text(emit: &mut Emit<'_>, name: &str) -> Option<()> {
    let len = memchr::memchr(0, emit.rest())?;
    let mut path = Path::new("mysql");
    path.push(name);
    emit.field_to(emit.done() + len, &path, Encoding::Plain, Role::Value);
    emit.keep(1).map(drop)
}
