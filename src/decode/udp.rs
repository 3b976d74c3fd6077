//! UDP (RFC 768), the tunnels and address books that are known by their ports, and UDP-Lite (RFC 3828).

use super::walker::{Next, Walker};
use super::{dhcp, dns, geneve, gre, gtp, l2tp, sflow, teredo, vxlan};

/// The header; the rest is a tunnel or payload of the flow.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("udp");
    let start = w.at;
    let src = w.keep_u16()?;
    let dst = w.keep_u16()?;
    match w.keep_u16()? {
        // A jumbogram (RFC 2675) or segmentation offload.
        0 => {}
        1..8 => return w.stop("malformed"),
        length => w.bound(start + usize::from(length)),
    }
    w.checksum_of(start..w.stated(), w.pseudo(17, start), true)?;
    match (src, dst) {
        (_, 4789 | 8472) if vxlan::fits(w.rest()) => vxlan::walk(w),
        (_, 4790) if vxlan::fits_generic(w.rest()) => vxlan::generic(w),
        (_, 6081) if geneve::fits(w.rest()) => geneve::walk(w),
        (_, 4754) if gre::fits(w.rest()) => gre::walk(w),
        (1701, _) | (_, 1701) if l2tp::fits(w.rest()) => l2tp::over_udp(w),
        (2152, _) | (_, 2152) if gtp::fits(w.rest()) => gtp::walk(w),
        (3544, _) | (_, 3544) if teredo::fits(w.rest()) => teredo::walk(w),
        (53 | 137 | 5353 | 5355, _) | (_, 53 | 137 | 5353 | 5355) if dns::fits(w.rest()) => dns::walk(w),
        (_, 6343) if !w.quoted && sflow::fits(w.rest()) => sflow::walk(w),
        (67 | 68, _) | (_, 67 | 68) if dhcp::fits(w.rest()) => dhcp::walk(w),
        _ => w.payload(w.at, src, dst, None),
    }
}

/// UDP-Lite: instead of the length how much the checksum covers, 0 for everything.
pub(super) fn lite(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("udplite");
    let start = w.at;
    let src = w.keep_u16()?;
    let dst = w.keep_u16()?;
    let covered = match w.keep_u16()? {
        0 => w.stated(),
        coverage => w.stated().min(start + usize::from(coverage)),
    };
    w.checksum_of(start..covered.max(start), w.pseudo(136, start), false)?;
    w.payload(w.at, src, dst, None)
}
