//! SOCKS 4, 4a (as deployed) and 5 (RFC 1928, RFC 1929): the handshake, then a [`Tunnel`].

use std::cmp::Ordering;

use super::emit::{Emit, Together};
use super::path::Path;
use super::tunnel::Tunnel;
use super::{Conversation, Encoding, Probe, Protocol, Role, Side, Sink};

/// The protocol.
pub struct Socks;

impl Protocol for Socks {
    fn id(&self) -> &'static str {
        "socks"
    }

    fn about(&self) -> &'static str {
        "SOCKS 4, 4a and 5: the handshake of a proxy, and what goes through it"
    }

    /// Only the client's first bytes tell: a connect or bind request, or a short list of methods.
    fn probe(&self, first_bytes: &[u8]) -> Probe {
        let is_method = |method: &u8| *method < 10 || *method >= 0x80;
        match first_bytes {
            [4, 1 | 2, _, _, _, _, _, _, user @ ..] if user.len() < STRING_MAX && is_text(user) => {
                Probe::Certain(Side::Client)
            }
            [5, count @ 1..=8, methods @ ..] if methods.iter().all(is_method) => {
                match methods.len().cmp(&usize::from(*count)) {
                    Ordering::Less => Probe::Undecided,
                    Ordering::Equal => Probe::Certain(Side::Client),
                    Ordering::Greater => Probe::Decline,
                }
            }
            [4] | [4, 1 | 2, ..] if first_bytes.len() < 8 => Probe::Undecided,
            [5] => Probe::Undecided,
            _ => Probe::Decline,
        }
    }

    fn open(&self, depth: u32) -> Box<dyn Conversation> {
        Box::new(Connection { client: State::Greeting, server: State::Greeting, tunnel: Tunnel::new(THROUGH, depth) })
    }
}

const THROUGH: &str = "socks tunnel";
const ADDRESS: &str = "socks address";
const DAMAGED: &str = "socks damaged";

/// Longest user or host name of version 4.
const STRING_MAX: usize = 255;

fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b == 0 || b.is_ascii_graphic())
}

/// Where a side is in the handshake.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Its first message.
    Greeting,
    /// User name and password, or the answer to them.
    Authentication,
    /// The request, or the reply.
    Request,
    /// Through.
    Open,
}

/// What a message was.
enum Message {
    /// Not whole yet.
    Cut,
    /// Whole; this comes next.
    Then(State),
    /// None.
    Damaged,
}

struct Connection {
    client: State,
    server: State,
    tunnel: Tunnel,
}

impl Conversation for Connection {
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize {
        let mut done = 0;
        while self.state(side) != State::Open && done < bytes.len() {
            let rest = &bytes[done..];
            let (len, message) = self.message(side, rest);
            match message {
                Message::Cut if !end => return done,
                Message::Then(next) => {
                    let mut out = Together { base: at + done as u64, sink };
                    report(&mut Emit::new(&rest[..len], &mut out), side, self.state(side));
                    self.turn_to(side, next);
                    done += len;
                }
                Message::Cut | Message::Damaged => {
                    sink.opaque(at + done as u64..at + bytes.len() as u64, DAMAGED);
                    self.turn_to(side, State::Open);
                    return bytes.len();
                }
            }
        }
        if self.state(side) != State::Open {
            return done;
        }
        done + self.tunnel.read(side, at + done as u64, &bytes[done..], end, sink)
    }

    fn gap(&mut self, side: Side, missing: u64) {
        self.turn_to(side, State::Open);
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
    fn state(&self, side: Side) -> State {
        if side == Side::Client { self.client } else { self.server }
    }

    fn turn_to(&mut self, side: Side, next: State) {
        *(if side == Side::Client { &mut self.client } else { &mut self.server }) = next;
    }

    /// The message that begins `bytes`: its length, and what follows it.
    fn message(&self, side: Side, bytes: &[u8]) -> (usize, Message) {
        let (len, next) = match (side, self.state(side), bytes) {
            (Side::Client, State::Greeting, [4, ..]) => (version_4_len(bytes), State::Open),
            (Side::Server, State::Greeting, [0, ..]) => (Some(8), State::Open),
            (Side::Client, State::Greeting, [5, count, ..]) => (Some(2 + usize::from(*count)), State::Authentication),
            (Side::Server, State::Greeting, [5, method]) => {
                (Some(2), if *method == 2 { State::Authentication } else { State::Request })
            }
            (Side::Client, State::Authentication, [1, ..]) => (credentials_len(bytes), State::Request),
            (Side::Server, State::Authentication, [1, ..]) => (Some(2), State::Request),
            // Without authentication the request follows at once.
            (_, State::Authentication | State::Request, [5, ..]) => (request_len(bytes), State::Open),
            (_, _, [] | [5]) => (None, State::Open),
            _ => return (0, Message::Damaged),
        };
        match len {
            Some(len) if len <= bytes.len() => (len, Message::Then(next)),
            _ => (0, Message::Cut),
        }
    }
}

/// Port, address, user name; where the address is 0.0.0.x, a host name.
fn version_4_len(bytes: &[u8]) -> Option<usize> {
    let user = 8 + memchr::memchr(0, bytes.get(8..)?)? + 1;
    match bytes.get(4..8)? {
        [0, 0, 0, last] if *last > 0 => Some(user + memchr::memchr(0, bytes.get(user..)?)? + 1),
        _ => Some(user),
    }
}

fn credentials_len(bytes: &[u8]) -> Option<usize> {
    let user = 2 + usize::from(*bytes.get(1)?);
    Some(user + 1 + usize::from(*bytes.get(user)?))
}

fn request_len(bytes: &[u8]) -> Option<usize> {
    let address = match bytes.get(3)? {
        1 => 4,
        4 => 16,
        3 => 1 + usize::from(*bytes.get(4)?),
        _ => return None,
    };
    Some(4 + address + 2)
}

/// Reports a whole message.
fn report(emit: &mut Emit<'_>, side: Side, state: State) {
    let end = emit.bytes().len();
    match (side, state, emit.bytes()[0]) {
        (Side::Client, State::Greeting, 4) => report_version_4(emit),
        (_, State::Greeting, 0) => {
            emit.keep_to(4);
            emit.opaque_to(8, ADDRESS);
        }
        (Side::Client, State::Authentication, 1) => {
            let user = 2 + usize::from(emit.bytes()[1]);
            emit.keep_to(2);
            text(emit, user, "user", Role::Value);
            emit.keep_to(user + 1);
            text(emit, end, "password", Role::Value);
        }
        (_, State::Authentication | State::Request, 5) => {
            emit.keep_to(4);
            match emit.bytes()[3] {
                3 => {
                    emit.keep_to(5);
                    text(emit, end - 2, "host", Role::Host);
                }
                _ => emit.opaque_to(end - 2, ADDRESS),
            }
            emit.keep_to(end);
        }
        _ => emit.keep_to(end),
    }
}

fn report_version_4(emit: &mut Emit<'_>) {
    emit.keep_to(4);
    match emit.bytes()[4..8] {
        [0, 0, 0, _] => emit.keep_to(8),
        _ => emit.opaque_to(8, ADDRESS),
    }
    for (name, role) in [("user", Role::Value), ("host", Role::Host)] {
        let len = memchr::memchr(0, emit.rest()).unwrap_or(0);
        text(emit, emit.done() + len, name, role);
        emit.keep(1);
    }
}

fn text(emit: &mut Emit<'_>, end: usize, name: &str, role: Role) {
    let mut path = Path::new("socks");
    path.push(name);
    emit.field_to(end, &path, Encoding::Plain, role);
}
