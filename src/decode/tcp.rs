//! TCP (RFC 9293).

use super::Tcp;
use super::walker::{Next, Walker};

/// The header with its options; the rest is payload of the flow.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("tcp");
    let start = w.at;
    let head: &[u8; 16] = w.keep()?;
    w.checksum(start, w.pseudo(6, start))?;
    w.keep::<2>()?;
    let header = usize::from(head[12] >> 4) * 4;
    if header < 20 || start + header > w.stated() {
        return w.stop("malformed");
    }
    if w.within(header - 20, "padding", options).is_none() {
        w.stop::<()>("cut off");
    }
    let tcp = Tcp { seq: u32_at(head, 4), ack: u32_at(head, 8), flags: head[13] & 0x3f };
    w.payload(start + header, u16_at(head, 0), u16_at(head, 2), Some(tcp))
}

fn options(w: &mut Walker<'_>) -> Option<()> {
    while let [kind, rest @ ..] = w.rest() {
        match (kind, rest) {
            (0, _) => return w.keep::<1>().map(drop),
            (1, _) => drop(w.keep::<1>()?),
            (_, &[length, ..]) if (2..=w.rest().len()).contains(&length.into()) => {
                w.within(length.into(), "tcp option", |w| option(w, *kind, length))?;
            }
            _ => return w.stop("tcp option"),
        }
    }
    Some(())
}

/// One option. Sizes and sequence numbers are kept; digests (MD5, AO), fast-open cookies and what we do not know are not.
fn option(w: &mut Walker<'_>, kind: u8, length: u8) -> Option<()> {
    match (kind, length) {
        // Maximum segment size, window scale, selective acknowledgement permitted and done.
        (2, 4) | (3, 3) | (4, 2) | (5, 10 | 18 | 26 | 34) => w.keep_rest(),
        // Timestamps (RFC 7323): the sender's clock, and the echo of the receiver's.
        (8, 10) => {
            w.keep::<2>()?;
            w.clock(true)?;
            w.clock(false)
        }
        _ => w.keep::<2>().map(drop),
    }
}

fn u16_at(head: &[u8; 16], at: usize) -> u16 {
    u16::from_be_bytes([head[at], head[at + 1]])
}

fn u32_at(head: &[u8; 16], at: usize) -> u32 {
    u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}
