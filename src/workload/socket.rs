//! The messages of a connection that was upgraded to WebSocket, from its captured bytes.

use crate::limits::{RESPONSE_BYTES_KEPT, SOCKET_PAYLOAD_BYTES_MAX};
use crate::protocol::Side;
use crate::protocol::websocket::deflate::Unpacker;
use crate::protocol::websocket::frame::Opcode;
use crate::protocol::websocket::messages::{Event, Messages, Whole};

use super::message::Message;
use super::{Request, Response};

/// Both directions.
pub(super) struct Socket {
    path: Box<str>,
    client: Direction,
    server: Direction,
    /// The last message of the client that nothing was heard after.
    asked: Option<u64>,
    /// The server wants a pong, which is no message of its own: whoever replays answers pings as they come.
    pinged: bool,
}

#[derive(Default)]
struct Direction {
    messages: Messages,
    /// Number of the data message that is being read.
    number: Option<u64>,
    /// Stream offset of the next bytes.
    next: u64,
    /// It is not known where frames begin.
    lost: bool,
    unpacker: Unpacker,
}

/// What a connection tells of its messages, by number.
pub(super) enum Told {
    /// A message began at a time.
    Begins(u64, u64),
    /// It is complete.
    Is(u64, Request),
    /// It never will be.
    Lost(u64),
    /// This is what a client's message was answered.
    Answered(u64, Response),
    /// It was answered nothing.
    Unanswered(u64),
}

impl Socket {
    /// Upgraded by a request of this path; the first bytes of both sides are at these offsets.
    pub(super) fn new(path: Box<str>, client: u64, server: u64) -> Socket {
        let from = |next| Direction { next, ..Direction::default() };
        Socket { path, client: from(client), server: from(server), asked: None, pinged: false }
    }

    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        self.client.held() + self.server.held()
    }

    /// Reads the bytes of one side from a stream offset on. `numbers`: the next message's; `room`: bytes that may be kept.
    pub(super) fn read(
        &mut self,
        (side, at): (Side, u64),
        bytes: &[u8],
        now: u64,
        (numbers, room): (&mut u64, usize),
        tell: &mut dyn FnMut(Told),
    ) {
        let most = match side {
            Side::Client => SOCKET_PAYLOAD_BYTES_MAX.min(room),
            Side::Server => RESPONSE_BYTES_KEPT.min(room),
        };
        let mut events = Vec::new();
        let direction = self.direction(side);
        // Bytes of the message that did the upgrade.
        let known = usize::try_from(direction.next.saturating_sub(at)).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get(known..).filter(|_| !direction.lost) else { return };
        let missing = at.saturating_sub(direction.next);
        direction.next = direction.next.max(at) + bytes.len() as u64;
        let found = &mut |event| events.push(event);
        let gap = if missing > 0 { direction.messages.gap(missing, found) } else { Ok(()) };
        direction.lost = gap.and_then(|()| direction.messages.read(bytes, now, most, found)).is_err();
        for event in events {
            match event {
                Event::Begins { opcode, begun } => self.begins(side, opcode, begun, numbers, tell),
                Event::Ends { opcode, packed, whole } => self.ends((side, opcode, packed), whole, (now, numbers), tell),
            }
        }
        if self.direction(side).lost {
            self.direction(side).number.take().into_iter().for_each(|number| tell(Told::Lost(number)));
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&mut self, tell: &mut dyn FnMut(Told)) {
        for direction in [&mut self.client, &mut self.server] {
            direction.number.take().into_iter().for_each(|number| tell(Told::Lost(number)));
        }
        self.asked.take().into_iter().for_each(|number| tell(Told::Unanswered(number)));
    }

    fn direction(&mut self, side: Side) -> &mut Direction {
        if side == Side::Client { &mut self.client } else { &mut self.server }
    }

    fn begins(&mut self, side: Side, opcode: Opcode, begun: u64, numbers: &mut u64, tell: &mut dyn FnMut(Told)) {
        // Control frames are short: they begin when they are complete.
        if !opcode.is_control() {
            self.direction(side).number = Some(begin(begun, numbers, tell));
        }
    }

    fn ends(
        &mut self,
        (side, opcode, packed): (Side, Opcode, bool),
        whole: Whole,
        (now, numbers): (u64, &mut u64),
        tell: &mut dyn FnMut(Told),
    ) {
        let is_whole = !whole.torn && whole.payload.len() as u64 == whole.len;
        let message = Message { from: side, opcode, fragments: whole.fragments.into(), packed, last_byte: now };
        match (side, opcode) {
            (Side::Server, Opcode::Ping) => self.pinged = true,
            (Side::Server, Opcode::Pong | Opcode::Close) => {}
            (Side::Client, Opcode::Pong) if std::mem::take(&mut self.pinged) => {}
            _ if opcode.is_control() => {
                if let Some(request) = Request::of_message(&self.path, message, &whole.payload) {
                    let number = begin(whole.begun, numbers, tell);
                    tell(Told::Is(number, request));
                }
            }
            _ => {
                let direction = self.direction(side);
                let Some(number) = direction.number.take() else { return };
                // Packed bytes that cannot be unpacked (they were blanked, say) are a text as any other.
                let unpacked = match packed && is_whole {
                    true => direction.unpacker.message(&whole.payload, SOCKET_PAYLOAD_BYTES_MAX),
                    false => None,
                };
                let message = Message { packed: unpacked.is_some(), ..message };
                let text = unpacked.unwrap_or(whole.payload);
                match Request::of_message(&self.path, message, &text).filter(|_| is_whole || side == Side::Server) {
                    Some(request) => self.says((side, number), request, (whole.begun, now), tell),
                    None => tell(Told::Lost(number)),
                }
            }
        }
    }

    /// A data message is complete.
    fn says(
        &mut self,
        (side, number): (Side, u64),
        request: Request,
        (first_byte, last_byte): (u64, u64),
        tell: &mut dyn FnMut(Told),
    ) {
        tell(Told::Is(number, request));
        match side {
            Side::Client => {
                self.asked.replace(number).into_iter().for_each(|before| tell(Told::Unanswered(before)));
            }
            Side::Server => {
                let response =
                    || Response { status: 0, grpc: None, first_byte, last_byte, bytes: Vec::new(), facts: None };
                self.asked.take().into_iter().for_each(|asked| tell(Told::Answered(asked, response())));
            }
        }
    }
}

/// The next message's number.
fn begin(begun: u64, numbers: &mut u64, tell: &mut dyn FnMut(Told)) -> u64 {
    let number = *numbers;
    *numbers += 1;
    tell(Told::Begins(number, begun));
    number
}

impl Direction {
    fn held(&self) -> usize {
        self.messages.held() + self.unpacker.held()
    }
}
