//! Ethernet II and IEEE 802.3 with LLC/SNAP, VLAN tags, and what EtherTypes stand for.

use std::ops::Range;

use super::walker::{Next, Walker};
use super::{Algorithm, Checksum, ChecksumState, Layers, Piece, What};
use super::{arp, macsec, mpls, nsh, ppp};

/// An Ethernet header; VLAN tags come as EtherTypes.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("eth");
    w.mac()?;
    w.mac()?;
    type_or_length(w)
}

/// An EtherType, or below 1536 the length of an LLC frame (IEEE 802.3 3.2.6).
pub(super) fn type_or_length(w: &mut Walker<'_>) -> Option<Next> {
    match w.keep_u16()? {
        length @ 0..1536 => {
            w.bound(w.at + usize::from(length));
            Some(Next::Llc)
        }
        ethertype => Some(Next::EtherType(ethertype)),
    }
}

/// What stands behind an EtherType.
pub(super) fn payload(w: &mut Walker<'_>, ethertype: u16) -> Option<Next> {
    match ethertype {
        0x0800 | 0x86dd => Some(Next::Ip),
        0x0806 | 0x8035 => arp::walk(w),
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => vlan(w),
        0x6558 => Some(Next::Link(1)),
        0x8847 | 0x8848 => mpls::walk(w),
        0x8864 => ppp::pppoe(w),
        0x8909 => metadata(w),
        0x880b => Some(Next::Link(9)),
        0x8137 => w.stop("ipx"),
        0x8863 => ppp::discovery(w),
        0x888e => w.stop("eapol"),
        0x88cc => w.stop("lldp"),
        0x88e5 => macsec::walk(w),
        0x88e7 => super::pbb::walk(w),
        0x894f => nsh::walk(w),
        0x9000 => w.stop("loopback test"),
        _ => w.stop("ethertype"),
    }
}

/// IEEE 802.1Q/802.1ad: priority and VLAN id, then the next type.
fn vlan(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("vlan");
    w.keep::<2>()?;
    type_or_length(w)
}

/// Cisco metadata: version, length, option, security group, then the next type.
fn metadata(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("cmd");
    w.keep::<6>()?;
    type_or_length(w)
}

/// IEEE 802.2: SNAP with an EtherType, or IP's own access point.
pub(super) fn llc(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("llc");
    match w.rest() {
        [0xaa, 0xaa, 3, 0, 0, 0 | 0xf8, ..] => {
            w.keep::<6>()?;
            w.keep_u16().map(Next::EtherType)
        }
        [6, 6, 3, ..] => w.keep::<3>().map(|_| Next::Ip),
        [0x42, 0x42, ..] => w.stop("spanning tree"),
        _ => w.stop("llc"),
    }
}

/// Some cards deliver the frame check sequence too: what would be a trailer is one if it is right.
pub(super) fn check_sequence(frame: &[u8], layers: &mut Layers) {
    let is_last = |(why, at): &&mut (&str, Range<usize>)| *why == "trailer" && at.end == frame.len() && at.len() >= 4;
    let Some((_, trailer)) = layers.not_understood.iter_mut().find(is_last) else { return };
    let at = frame.len() - 4;
    let mut checksum = Checksum {
        algorithm: Algorithm::Ethernet,
        at,
        covers: 0..at,
        pseudo: None,
        state: ChecksumState::Bad,
        zero_is_none: false,
    };
    // Padding of zeros is no sequence.
    if frame.get(at..) == Some(&[0; 4]) {
        return;
    }
    checksum.observe(frame);
    if checksum.state == ChecksumState::Good {
        trailer.end = at;
        layers.not_understood.retain(|(_, at)| at.start < at.end);
        layers.pieces.push(Piece { start: at as u32, len: 4, what: What::Checksum });
        layers.checksums.push(checksum);
    }
}
