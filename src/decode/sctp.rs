//! SCTP (RFC 9260): chunks, among them user data of several streams.

use std::ops::Range;

use super::walker::{Next, Walker};

/// What an SCTP packet means to its association.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sctp {
    /// It asks for a new association.
    pub begins: bool,
    /// User data in it.
    pub data: Vec<Data>,
}

/// A DATA chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Transmission sequence number.
    pub tsn: u32,
    /// Stream identifier.
    pub stream: u16,
    /// The user data as captured.
    pub payload: Range<usize>,
    /// Bytes behind it that the chunk had and the capture has not (snaplen).
    pub missing: u32,
}

/// Ports, verification tag (it tells associations apart, as a tunnel's identifier does), checksum, then chunks padded to four bytes.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("sctp");
    let start = w.at;
    let src = w.keep_u16()?;
    let dst = w.keep_u16()?;
    w.tunnel_id(4)?;
    w.crc32c(start)?;
    let mut sctp = Sctp::default();
    while let &[kind, _, high, low, ..] = w.rest() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 4 {
            break;
        }
        sctp.begins |= kind == 1;
        if w.within(length, "sctp chunk", |w| chunk(w, kind, length, &mut sctp)).is_none() {
            break;
        }
        let padding = length.next_multiple_of(4) - length;
        w.skip(padding.min(w.rest().len()), "padding")?;
    }
    w.chunks(src, dst, sctp)
}

/// One chunk; it ends where the layer ends. What is left over is blanked: cookies, heartbeats, causes.
fn chunk(w: &mut Walker<'_>, kind: u8, length: usize, sctp: &mut Sctp) -> Option<()> {
    w.keep::<4>()?;
    match kind {
        0 => {
            let &[a, b, c, d, high, low, ..] = w.keep::<12>()?;
            let (tsn, stream) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low]));
            let payload = w.data()?;
            let missing = length.saturating_sub(16 + payload.len()) as u32;
            sctp.data.push(Data { tsn, stream, payload, missing });
            Some(())
        }
        // Initiation: tag, window, streams, first number, then parameters.
        1 | 2 => {
            w.tunnel_id(4)?;
            w.keep::<12>()?;
            while let &[a, b, high, low, ..] = w.rest() {
                let length = usize::from(u16::from_be_bytes([high, low]));
                let whole = length.next_multiple_of(4).min(w.rest().len());
                w.within(whole.max(4), "sctp parameter", |w| parameter(w, u16::from_be_bytes([a, b])))?;
            }
            Some(())
        }
        // Selective acknowledgement; shutdown; forward TSN (RFC 3758).
        3 | 7 | 192 => w.keep_rest(),
        _ => None,
    }
}

fn parameter(w: &mut Walker<'_>, kind: u16) -> Option<()> {
    w.keep::<4>()?;
    match kind {
        5 => w.ipv4().map(drop),
        6 => w.ipv6().map(drop),
        // Supported address types; supported extensions (RFC 5061).
        12 | 0x8008 => w.keep_rest(),
        _ => None,
    }
}
