//! sFlow version 5 (<https://sflow.org/sflow_version_5.txt>): samples of other packets, and counters.

use super::walk as walk_layers;
use super::walker::{Next, Walker};

/// Whether a UDP payload is plainly sFlow: the version, and an agent with an IPv4 or IPv6 address.
pub(super) fn fits(payload: &[u8]) -> bool {
    payload.len() >= 28 && matches!(payload, [0, 0, 0, 5, 0, 0, 0, 1 | 2, ..])
}

/// Version, agent, sequence number, the agent's clock, and samples.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("sflow");
    w.keep::<4>()?;
    address(w)?;
    w.keep::<8>()?;
    w.skip(4, "sflow clock")?;
    let samples = number(w)?;
    (0..samples).try_for_each(|_| record(w, "sflow sample", sample))?;
    w.stop("malformed")
}

/// A format, a length, and so many bytes that `walk` reads.
fn record(w: &mut Walker<'_>, what: &'static str, walk: fn(&mut Walker<'_>, u32) -> Option<()>) -> Option<()> {
    let format = number(w)?;
    let len = number(w)?;
    w.within(len as usize, what, |w| walk(w, format))
}

/// Formats of enterprise 0 (§5.3): flow samples hold records; of counters only the frame is read.
fn sample(w: &mut Walker<'_>, format: u32) -> Option<()> {
    match format {
        // Sequence number, source, rate, pool, drops, input, output.
        1 => w.keep::<28>().map(drop)?,
        3 => w.keep::<36>().map(drop)?,
        // Sequence number, source.
        2 => w.keep::<8>().map(drop)?,
        4 => w.keep::<12>().map(drop)?,
        _ => return None,
    }
    let read = if format & 1 == 1 { flow_record } else { counters };
    let records = number(w)?;
    (0..records).try_for_each(|_| record(w, "sflow record", read))
}

fn counters(_: &mut Walker<'_>, _format: u32) -> Option<()> {
    None
}

/// What a sample tells of one packet: the header itself, or its addresses.
fn flow_record(w: &mut Walker<'_>, format: u32) -> Option<()> {
    match format {
        1 => sampled_header(w),
        // Length, both addresses, type.
        2 => {
            w.keep::<4>()?;
            w.mac()?;
            w.keep::<2>()?;
            w.mac()?;
            w.keep::<2>()?;
            w.keep_rest()
        }
        // Length, protocol, both addresses, ports, flags, priority.
        3 => {
            w.keep::<8>()?;
            w.many(2, Walker::ipv4)?;
            w.keep_rest()
        }
        4 => {
            w.keep::<8>()?;
            w.many(2, Walker::ipv6)?;
            w.keep_rest()
        }
        // VLANs and priorities before and after.
        1001 => w.keep_rest(),
        // The next hop, and the lengths of both prefixes.
        1002 => {
            address(w)?;
            w.keep_rest()
        }
        _ => None,
    }
}

/// Protocol, the frame's length, bytes stripped from it, and its first bytes, filled up to a multiple of 4.
fn sampled_header(w: &mut Walker<'_>) -> Option<()> {
    let protocol = number(w)?;
    let wire = number(w)? as usize;
    let stripped = number(w)? as usize;
    let len = number(w)? as usize;
    let first = match protocol {
        1 => Next::Link(1),
        7 => Next::Link(9),
        11 | 12 => Next::Ip,
        13 => Next::Link(219),
        _ => return None,
    };
    w.copy(len, wire.saturating_sub(stripped), |w| {
        walk_layers(w, first);
    })
}

/// An address and its type before it.
fn address(w: &mut Walker<'_>) -> Option<()> {
    match number(w)? {
        0 => Some(()),
        1 => w.ipv4().map(drop),
        2 => w.ipv6().map(drop),
        _ => None,
    }
}

fn number(w: &mut Walker<'_>) -> Option<u32> {
    w.keep().map(|bytes| u32::from_be_bytes(*bytes))
}
