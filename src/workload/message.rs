//! WebSocket messages (RFC 6455) as part of a workload.
//!
//! A message is carried as a request of the method `WS`, whose path is the upgrade's with the values taken out and whose
//! body is the message's text, unmasked and unpacked. So whatever finds, follows and replaces values in requests does it in
//! messages. That head is never sent.

use crate::protocol::Side;

use super::Request;
use super::endpoint::{endpoint_path, is_websocket};

pub use crate::protocol::websocket::deflate::{Unpacker, pack};
pub use crate::protocol::websocket::frame::{Head as FrameHead, Malformed as NoFrame, Opcode, mask};
pub use crate::protocol::websocket::messages::{Event as FrameEvent, Messages, Whole};
pub use crate::protocol::websocket::proof::proof;

/// What a message is beside its text, which is the body of the [`Request`] that has this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// A server's message is not sent, but awaited.
    pub from: Side,
    /// What it is; no continuation.
    pub opcode: Opcode,
    /// Payload bytes of its frames, as captured (of compressed ones, compressed).
    pub fragments: Box<[u64]>,
    /// It was compressed (RFC 7692).
    pub packed: bool,
    /// When it was complete, nanoseconds from the capture's start.
    pub last_byte: u64,
}

impl Message {
    /// Its sender is the server.
    pub fn is_heard(&self) -> bool {
        self.from == Side::Server
    }
}

impl Request {
    /// A message on the connection that a request of this endpoint upgraded.
    pub(super) fn of_message(path: &str, message: Message, payload: &[u8]) -> Option<Request> {
        let text = with_head(&format!("WS {path} HTTP/1.1"), message.opcode, payload);
        Some(Request { message: Some(Box::new(message)), ..Request::new(text)? })
    }

    /// This message of a server as a response, for those who read responses.
    pub(super) fn as_answer(&self) -> Vec<u8> {
        let opcode = self.message.as_ref().map_or(Opcode::Binary, |message| message.opcode);
        heard(opcode, self.payload())
    }

    /// A message's text.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[Request::head_len(&self.bytes)..]
    }

    /// Drops the text of a message that is not sent.
    pub(super) fn forget_payload(&mut self) {
        self.bytes.truncate(Request::head_len(&self.bytes));
        self.bytes.shrink_to_fit();
    }

    /// What is asked for is a WebSocket connection.
    pub fn is_upgrade(&self) -> bool {
        self.message.is_none() && self.header("upgrade").is_some_and(|at| is_websocket(&self.bytes[at]))
    }

    /// The path of messages on the connection that this asks for.
    pub(super) fn message_path(&self) -> Box<str> {
        endpoint_path(self).into()
    }
}

/// A message of a server as a response, as its values are read: what a place in it is called does not depend on who
/// wrote it down.
pub fn heard(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    with_head("HTTP/1.1 200 OK", opcode, payload)
}

fn with_head(line: &str, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let is_json = matches!(payload.trim_ascii_start().first(), Some(b'{' | b'['));
    let media = match opcode {
        Opcode::Text if is_json => "application/json",
        Opcode::Text => "text/plain",
        _ => "application/octet-stream",
    };
    let head = format!("{line}\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n", payload.len());
    [head.as_bytes(), payload].concat()
}
