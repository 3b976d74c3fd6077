//! What a target did that the reasons of failures do not tell: for people who read a result.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Over all connections of a run.
#[derive(Default)]
pub struct Notes(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    no_http2: u64,
    /// Requests that it did nothing with, however often they were sent.
    refused: u64,
    /// Streams that were reset, by their error code.
    resets: BTreeMap<u32, u64>,
}

/// Names of error codes (RFC 9113 §7).
const CODES: &[&str] = &[
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// Codes told apart; a target may make up as many as it likes.
const CODES_TOLD: usize = 32;

impl Notes {
    /// It was to speak HTTP/2 on a connection, and did not.
    pub fn no_http2(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).no_http2 += 1;
    }

    /// It did nothing with a request, as often as that was sent.
    pub fn refused(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).refused += 1;
    }

    /// It reset a stream.
    pub fn reset(&self, code: u32) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.resets.len() < CODES_TOLD || noted.resets.contains_key(&code) {
            *noted.resets.entry(code).or_default() += 1;
        }
    }

    /// As sentences.
    pub fn tell(&self) -> Vec<String> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = Vec::new();
        if noted.no_http2 > 0 {
            told.push(format!(
                "the target did not speak HTTP/2 on {} connections (it has another protocol, or chose HTTP/1.1); replay with `protocol: http1`, or turn HTTP/2 on there",
                noted.no_http2
            ));
        }
        if noted.refused > 0 {
            told.push(format!(
                "the target said that it did nothing with {} requests each time they were sent (REFUSED_STREAM, or a GOAWAY that leaves them out); they count as `reset`",
                noted.refused
            ));
        }
        if !noted.resets.is_empty() {
            let name =
                |code: u32| CODES.get(code as usize).map_or_else(|| format!("code {code}"), |name| (*name).into());
            let counts: Vec<String> = noted.resets.iter().map(|(code, n)| format!("{n} {}", name(*code))).collect();
            told.push(format!("the target reset streams: {}", counts.join(", ")));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_are_bounded() {
        let notes = Notes::default();
        assert!(notes.tell().is_empty());
        [8, 8, 2, 77].into_iter().for_each(|code| notes.reset(code));
        notes.no_http2();
        let told = notes.tell();
        assert!(told[0].contains("on 1 connections") && told[0].contains("`protocol: http1`"), "{told:?}");
        assert_eq!(told[1], "the target reset streams: 1 INTERNAL_ERROR, 2 CANCEL, 1 code 77");
        (100..1000).for_each(|code| notes.reset(code));
        assert_eq!(notes.tell()[1].matches("code").count(), CODES_TOLD - 2);
    }
}
