//! Why a request has no response.

use serde::{Deserialize, Serialize};

/// Why a request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No connection to the target.
    Connect,
    /// The target reset the connection.
    Reset,
    /// Not answered in time.
    Timeout,
    /// The answer was not the HTTP that is spoken.
    Protocol,
    /// The target closed the connection before the response was complete.
    ClosedEarly,
    /// Not sent: too many requests were in flight.
    Cap,
    /// Not sent: its connection was not free until long after the run's time was over.
    Unsent,
    /// Not sent: HTTP/2 has no way to say what stands in it.
    Unsendable,
}

impl Failure {
    /// As it stands in results.
    pub fn name(self) -> &'static str {
        match self {
            Failure::Connect => "connect",
            Failure::Reset => "reset",
            Failure::Timeout => "timeout",
            Failure::Protocol => "protocol",
            Failure::ClosedEarly => "closed_early",
            Failure::Cap => "cap",
            Failure::Unsent => "unsent",
            Failure::Unsendable => "unsendable",
        }
    }
}
