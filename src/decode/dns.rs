//! DNS over UDP (RFC 1035), multicast DNS (RFC 6762), LLMNR (RFC 4795) and NetBIOS names (RFC 1002): addresses in
//! answers; names and other data are not understood here.

use super::walker::{Next, Walker};

/// What stands next in a message.
enum Part {
    /// Numbers, and how names are built.
    Grammar,
    /// A name's label.
    Label,
    Ipv4,
    Ipv6,
    /// A record's data.
    Data,
}

/// Labels of one name; a name has 255 bytes at most.
const LABELS_MAX: usize = 128;
const ADDRESS: u16 = 1;
const ADDRESS6: u16 = 28;
const NETBIOS_ADDRESS: u16 = 32;
const NEXT_SECURE: u16 = 47;
const SERVICE: u16 = 64;
const HTTPS: u16 = 65;

/// Whether a UDP payload is a whole message and nothing else.
pub(super) fn fits(payload: &[u8]) -> bool {
    message(payload, &mut |_, _| Some(())).is_some()
}

/// The message.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("dns");
    message(w.rest(), &mut |part, len| match part {
        Part::Grammar => w.within(len, "malformed", Walker::keep_rest),
        Part::Label => w.skip(len, "dns name"),
        Part::Ipv4 => w.ipv4().map(drop),
        Part::Ipv6 => w.ipv6().map(drop),
        Part::Data => w.skip(len, "dns data"),
    })?;
    None
}

/// Header, questions, and three sections of records; tells what follows what.
fn message(bytes: &[u8], tell: &mut impl FnMut(Part, usize) -> Option<()>) -> Option<()> {
    let &[_, _, flags, _, q0, q1, a0, a1, n0, n1, m0, m1] = bytes.first_chunk()?;
    // Query, inverse query, status, notify, update; NetBIOS registration, release, wait and refresh.
    if !matches!(flags >> 3 & 0x0f, 0..=2 | 4..=9) {
        return None;
    }
    tell(Part::Grammar, 12)?;
    let mut rest = bytes.get(12..)?;
    for _ in 0..u16::from_be_bytes([q0, q1]) {
        rest = name(rest, tell)?;
        tell(Part::Grammar, 4)?;
        rest = rest.get(4..)?;
    }
    let records = [[a0, a1], [n0, n1], [m0, m1]].map(|count| u32::from(u16::from_be_bytes(count)));
    for _ in 0..records.iter().sum::<u32>() {
        rest = name(rest, tell)?;
        rest = record(rest, tell)?;
    }
    rest.is_empty().then_some(())
}

/// Labels up to the root or a pointer; gives what is behind.
fn name<'a>(bytes: &'a [u8], tell: &mut impl FnMut(Part, usize) -> Option<()>) -> Option<&'a [u8]> {
    let mut rest = bytes;
    for _ in 0..LABELS_MAX {
        let len = usize::from(*rest.first()?);
        match len >> 6 {
            0 if len == 0 => {
                tell(Part::Grammar, 1)?;
                return rest.get(1..);
            }
            0 => {
                tell(Part::Grammar, 1)?;
                rest.get(1..=len)?;
                tell(Part::Label, len)?;
                rest = rest.get(1 + len..)?;
            }
            3 => {
                tell(Part::Grammar, 2)?;
                return rest.get(2..);
            }
            _ => return None,
        }
    }
    None
}

/// Type, class, time to live, length and data.
fn record<'a>(bytes: &'a [u8], tell: &mut impl FnMut(Part, usize) -> Option<()>) -> Option<&'a [u8]> {
    let &[t0, t1, _, _, _, _, _, _, l0, l1] = bytes.first_chunk()?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    tell(Part::Grammar, 10)?;
    let (mut data, rest) = bytes.get(10..)?.split_at_checked(len)?;
    match (u16::from_be_bytes([t0, t1]), len) {
        (_, 0) => {}
        (ADDRESS, 4) => tell(Part::Ipv4, 4)?,
        (ADDRESS6, 16) => tell(Part::Ipv6, 16)?,
        // Flags and an address, again and again.
        (NETBIOS_ADDRESS, _) if len.is_multiple_of(6) => {
            while !data.is_empty() {
                tell(Part::Grammar, 2)?;
                tell(Part::Ipv4, 4)?;
                data = data.get(6..)?;
            }
        }
        (NEXT_SECURE, _) => next_secure(data, tell)?,
        (SERVICE | HTTPS, _) => service(data, tell)?,
        _ => tell(Part::Data, len)?,
    }
    Some(rest)
}

/// The next name, then maps of the types that a name has (RFC 4034 §4.1).
fn next_secure(data: &[u8], tell: &mut impl FnMut(Part, usize) -> Option<()>) -> Option<()> {
    let mut rest = name(data, tell)?;
    while let [_, len, ..] = *rest {
        tell(Part::Grammar, 2)?;
        rest = rest.get(2 + usize::from(len)..)?;
        if len > 0 {
            tell(Part::Data, len.into())?;
        }
    }
    rest.is_empty().then_some(())
}

/// Priority, target, then parameters by key, among them addresses (RFC 9460 §2.2).
fn service(data: &[u8], tell: &mut impl FnMut(Part, usize) -> Option<()>) -> Option<()> {
    const HINT4: u16 = 4;
    const HINT6: u16 = 6;
    tell(Part::Grammar, 2)?;
    let mut rest = name(data.get(2..)?, tell)?;
    while let Some(&[k0, k1, l0, l1]) = rest.first_chunk() {
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        rest = rest.get(4 + len..)?;
        tell(Part::Grammar, 4)?;
        match (u16::from_be_bytes([k0, k1]), len) {
            (_, 0) => {}
            (HINT4, _) if len.is_multiple_of(4) => (0..len / 4).try_for_each(|_| tell(Part::Ipv4, 4))?,
            (HINT6, _) if len.is_multiple_of(16) => (0..len / 16).try_for_each(|_| tell(Part::Ipv6, 16))?,
            _ => tell(Part::Data, len)?,
        }
    }
    rest.is_empty().then_some(())
}
