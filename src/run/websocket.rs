//! What a run did with WebSocket messages.

use serde::{Deserialize, Serialize};

/// WebSocket messages of a run. A client's message that was answered when it was captured is a request as well: it is
/// counted, timed and judged among them. The others are counted here only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebSocket {
    /// Connections that the target upgraded as RFC 6455 asks for.
    pub connections: u64,
    /// Text and binary messages that were written.
    pub messages_sent: u64,
    /// Text and binary messages that the target sent.
    pub messages_received: u64,
    /// Those of them that the capture has none for.
    pub unsolicited: u64,
    /// Messages of the capture's server that the target did not send, or not in time.
    pub unheard: u64,
    /// Messages that were not sent, for their connection was not upgraded, or gone.
    pub unsent: u64,
    /// Pings of the target.
    pub pings: u64,
}

impl WebSocket {
    /// Adds what another thread, or shard, counted.
    pub fn merge(&mut self, other: WebSocket) {
        let WebSocket { connections, messages_sent, messages_received, unsolicited, unheard, unsent, pings } = other;
        self.connections += connections;
        self.messages_sent += messages_sent;
        self.messages_received += messages_received;
        self.unsolicited += unsolicited;
        self.unheard += unheard;
        self.unsent += unsent;
        self.pings += pings;
    }

    /// Both together.
    pub fn and(mut self, other: WebSocket) -> WebSocket {
        self.merge(other);
        self
    }

    /// As it stands in results: none where there were no messages.
    pub fn result(self) -> Option<WebSocket> {
        (self != WebSocket::default()).then_some(self)
    }
}
