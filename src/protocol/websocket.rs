//! WebSocket (RFC 6455): frames. Headers are kept; masking keys and payloads are opaque.

pub mod deflate;
pub mod frame;
pub mod messages;

use super::emit::Emit;
use super::framed::{Framed, Framing, Header};

/// Both directions of an upgraded connection.
pub type WebSocket = Framed<Frames>;

/// The frames of §5.2.
pub struct Frames;

impl Framing for Frames {
    const DATA: &'static str = "websocket payload";
    const LOST: &'static str = "websocket out of step";

    fn header(emit: &mut Emit<'_>) -> Header {
        let rest = emit.rest();
        let [flags, length, ..] = *rest else { return Header::Cut };
        if !matches!(flags & 0x0f, 0..=2 | 8..=10) {
            return Header::Damaged;
        }
        let extended = match length & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let key = if length & 0x80 == 0 { 0 } else { 4 };
        if rest.len() < 2 + extended + key {
            return Header::Cut;
        }
        let payload = match extended {
            0 => u64::from(length & 0x7f),
            _ => rest[2..2 + extended].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        if payload > i64::MAX as u64 {
            return Header::Damaged;
        }
        emit.keep(2 + extended);
        // With the key blank too, a blank payload reads as zeros.
        emit.skip(key, Self::DATA);
        Header::Data(payload)
    }
}
