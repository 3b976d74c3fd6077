//! A connection upgraded to WebSocket, whose messages may be compressed; see [`standin_fuzz::converse`].
#![no_main]

use libfuzzer_sys::fuzz_target;
use standin::protocol::websocket::WebSocket;
use standin::protocol::websocket::deflate::Agreed;
use standin::protocol::{Conversation, Probe, Protocol};

/// What was agreed on, and whether Engine.IO is spoken.
struct Upgraded(&'static [u8], bool);

impl Protocol for Upgraded {
    fn id(&self) -> &'static str {
        "websocket"
    }

    fn about(&self) -> &'static str {
        "what comes behind an upgrade"
    }

    fn probe(&self, _first_bytes: &[u8]) -> Probe {
        Probe::Decline
    }

    fn open(&self, _depth: u32) -> Box<dyn Conversation> {
        Box::new(WebSocket::new(Agreed::parse(self.0), self.1, 0))
    }
}

const AGREED: [&[u8]; 3] =
    [b"permessage-deflate", b"permessage-deflate; server_no_context_takeover; client_max_window_bits=9", b""];

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    standin_fuzz::converse(&Upgraded(AGREED[usize::from(first >> 1) % AGREED.len()], first & 1 != 0), rest);
});
