//! PPP (RFC 1661, in HDLC-like framing RFC 1662), PPPoE sessions (RFC 2516) and Cisco HDLC.

use super::walker::{Next, Walker};

/// PPP, with or without address and control bytes, with or without a compressed protocol field.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("ppp");
    if let [0xff, 3, ..] = w.rest() {
        w.keep::<2>()?;
    }
    let protocol = match w.rest().first()? & 1 {
        1 => u16::from(w.keep::<1>()?[0]),
        _ => w.keep_u16()?,
    };
    match protocol {
        0x0021 | 0x0057 => Some(Next::Ip),
        0x0281 => Some(Next::EtherType(0x8847)),
        0xc000.. => w.stop("ppp control"),
        _ => w.stop("ppp protocol"),
    }
}

/// A PPPoE session frame: version and type, code, session, length, then PPP.
pub(super) fn pppoe(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("pppoes");
    let &[_, code, _, _] = w.keep()?;
    let length = w.keep_u16()?;
    w.bound(w.at + usize::from(length));
    match code {
        0 => Some(Next::Link(9)),
        _ => w.stop("pppoe code"),
    }
}

/// A PPPoE discovery frame: as above, then tags, which name services and hold identifiers of hosts.
pub(super) fn discovery(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("pppoed");
    w.keep::<4>()?;
    let length = w.keep_u16()?;
    w.bound(w.at + usize::from(length));
    loop {
        w.keep::<2>()?;
        let length = w.keep_u16()?;
        w.skip(length.into(), "pppoe tag")?;
    }
}

/// Cisco HDLC: address, control, EtherType; 0x8035 is its own keep-alive there, not RARP.
pub(super) fn chdlc(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("chdlc");
    w.keep::<2>()?;
    match w.keep_u16()? {
        0x8035 => w.stop("slarp"),
        ethertype => Some(Next::EtherType(ethertype)),
    }
}
