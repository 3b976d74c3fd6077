//! What became of a request.

pub use crate::run::Failure;

/// One request, as it went. Times are nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// When it was meant to be sent.
    pub intended: u64,
    /// When nothing of the target's kept it from being sent any more: its connection was there and free, the values it needs were told.
    pub free: u64,
    /// When the generator turned to it: when it was about to have it connected or written, or found that it may not be sent.
    pub tried: u64,
    /// When its first byte was about to be written, if it came to that, whatever became of it then.
    pub written: Option<u64>,
    /// How it ended.
    pub end: End,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// With a final response.
    Answered {
        /// Status code.
        status: u16,
        /// A gRPC call's status.
        grpc: Option<u32>,
        /// Its first byte was about to be written.
        written: u64,
        /// The response's first byte was there.
        first_byte: u64,
        /// The response's last byte was there.
        last_byte: u64,
        /// Bytes of the request.
        sent: u64,
        /// Bytes of the response.
        received: u64,
    },
    /// Without one.
    Failed(Failure),
}

impl Outcome {
    /// From the intended instant to the last byte: what somebody would have waited.
    pub fn response_ns(&self) -> Option<u64> {
        match self.end {
            End::Answered { last_byte, .. } => Some(last_byte.saturating_sub(self.intended)),
            End::Failed(_) => None,
        }
    }

    /// From the write to the last byte: what the target took.
    pub fn service_ns(&self) -> Option<u64> {
        match self.end {
            End::Answered { written, last_byte, .. } => Some(last_byte.saturating_sub(written)),
            End::Failed(_) => None,
        }
    }

    /// The target said at some instant that it did nothing with the request: what has passed since that was written is not
    /// the generator's, and what it was late then stays.
    pub fn refused(&mut self, at: u64) {
        let since = self.written.map_or(0, |written| at.saturating_sub(written));
        self.free = self.free.max(self.intended) + since;
    }

    /// As `written`, as exactly as it is known.
    pub fn written(&self) -> Option<u64> {
        match self.end {
            End::Answered { written, .. } => Some(written),
            End::Failed(Failure::Unsendable) => None,
            End::Failed(_) => self.written,
        }
    }

    /// How much later than intended it was written, less the time that it waited for the target: the generator's own lateness.
    /// One that never was written is as late as it was tried, whatever the target did to it then.
    pub fn lateness_ns(&self) -> u64 {
        self.lateness_since(0)
    }

    /// The same, of one that could not be sent before an instant for a reason that is told elsewhere.
    pub fn lateness_since(&self, instant: u64) -> u64 {
        self.written().unwrap_or(self.tried).saturating_sub(self.intended.max(self.free).max(instant))
    }

    /// It waited for the target: an earlier answer, or the connection.
    pub fn was_held(&self) -> bool {
        self.free > self.intended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_late_is_as_late_when_it_is_sent_again() {
        let end = End::Failed(Failure::Reset);
        for free in [0, 100, 120] {
            let mut outcome = Outcome { intended: 100, free, tried: 150, written: Some(150), end };
            let late = outcome.lateness_ns();
            outcome.refused(1000);
            outcome.written = Some(1000);
            assert_eq!(outcome.lateness_ns(), late, "{free}");
            outcome.refused(1300);
            outcome.written = Some(1310);
            assert_eq!(outcome.lateness_ns(), late + 10, "{free}");
        }
    }
}
