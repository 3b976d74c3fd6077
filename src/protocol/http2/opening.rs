//! How a connection begins, by which it is recognised.

use super::frame::{self, HEAD, Head};
use crate::protocol::{Probe, Side};

/// How a client begins (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Settings of one frame that are looked at; nobody has that many.
pub const SETTINGS_MAX: usize = 32;

/// Whether a connection begins so: its client with the preface, its server with settings that are known.
pub fn probe(bytes: &[u8]) -> Probe {
    if bytes.starts_with(PREFACE) {
        return Probe::Certain(Side::Client);
    }
    if PREFACE.starts_with(bytes) {
        return Probe::Undecided;
    }
    let begins = [0, 0].iter().zip(bytes).all(|(a, b)| a == b);
    if !begins || bytes.get(3..HEAD.min(bytes.len())).is_some_and(|rest| !b"\x04\0\0\0\0\0".starts_with(rest)) {
        return Probe::Decline;
    }
    let Ok(Some(head)) = Head::read(bytes) else { return Probe::Undecided };
    if !head.len.is_multiple_of(SETTING) || head.len > SETTINGS_MAX * SETTING {
        return Probe::Decline;
    }
    let settings = &bytes[HEAD..bytes.len().min(HEAD + head.len)];
    if !settings.chunks_exact(SETTING).all(is_known_setting) {
        return Probe::Decline;
    }
    if settings.len() == head.len { Probe::Certain(Side::Server) } else { Probe::Undecided }
}

/// Length of a setting.
pub const SETTING: usize = 6;

/// Whether it is one that has a name.
pub fn is_known_setting(setting: &[u8]) -> bool {
    matches!(setting, [a, b, ..] if frame::is_known_setting(u16::from_be_bytes([*a, *b])))
}
