//! WebSocket (RFC 6455): frames. Headers are kept; masking keys and payloads are opaque.

use super::emit::{Emit, Together};
use super::{Conversation, Side, Sink};

const PAYLOAD: &str = "websocket payload";
const LOST: &str = "websocket out of step";

/// Both directions of an upgraded connection.
#[derive(Default)]
pub struct WebSocket {
    client: State,
    server: State,
}

/// Where a side is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Before a frame.
    #[default]
    Header,
    /// In a payload; so many bytes are left.
    Payload(u64),
    /// For good.
    Lost,
}

impl Conversation for WebSocket {
    fn read(&mut self, side: Side, at: u64, bytes: &[u8], end: bool, sink: &mut dyn Sink) -> usize {
        let state = self.state(side);
        let mut out = Together { base: at, sink };
        let mut emit = Emit::new(bytes, &mut out);
        while !emit.rest().is_empty() {
            match *state {
                State::Header => match header(&mut emit) {
                    Some(next) => *state = next,
                    None if end => *state = State::Lost,
                    None => break,
                },
                State::Payload(left) => {
                    let len = emit.rest().len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    emit.skip(len, PAYLOAD);
                    *state = match left - len as u64 {
                        0 => State::Header,
                        left => State::Payload(left),
                    };
                }
                State::Lost => emit.opaque_to(bytes.len(), LOST),
            }
        }
        emit.done()
    }

    fn gap(&mut self, side: Side, missing: u64) {
        let state = self.state(side);
        *state = match *state {
            State::Payload(left) if left > missing => State::Payload(left - missing),
            State::Payload(left) if left == missing => State::Header,
            _ => State::Lost,
        };
    }

    fn flush(&mut self, _side: Side, _sink: &mut dyn Sink) {}

    fn pending(&self, _side: Side) -> usize {
        0
    }
}

impl WebSocket {
    fn state(&mut self, side: Side) -> &mut State {
        if side == Side::Client { &mut self.client } else { &mut self.server }
    }
}

/// Reads a frame's header (§5.2); nothing when it is not whole yet.
fn header(emit: &mut Emit<'_>) -> Option<State> {
    let rest = emit.rest();
    let [flags, length, ..] = *rest else { return None };
    if !matches!(flags & 0x0f, 0..=2 | 8..=10) {
        return Some(State::Lost);
    }
    let extended = match length & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let key = if length & 0x80 == 0 { 0 } else { 4 };
    rest.get(..2 + extended + key)?;
    let payload = match extended {
        0 => u64::from(length & 0x7f),
        _ => rest[2..2 + extended].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    };
    if payload > i64::MAX as u64 {
        return Some(State::Lost);
    }
    emit.keep(2 + extended);
    // With the key blank too, a blank payload reads as zeros.
    emit.skip(key, PAYLOAD);
    Some(if payload == 0 { State::Header } else { State::Payload(payload) })
}
