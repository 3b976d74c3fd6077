//! Tags that switch chips put into Ethernet frames for their host: Marvell DSA and EDSA, Broadcom.

use super::walker::{Next, Walker};

/// LINKTYPE_DSA_TAG_DSA: four bytes between addresses and type. LINKTYPE_DSA_TAG_BRCM is alike.
pub(super) fn short(w: &mut Walker<'_>) -> Option<Next> {
    tagged::<4>(w)
}

/// LINKTYPE_DSA_TAG_EDSA: an EtherType and two reserved bytes before the four.
pub(super) fn long(w: &mut Walker<'_>) -> Option<Next> {
    tagged::<8>(w)
}

/// LINKTYPE_DSA_TAG_BRCM_PREPEND: four bytes before an Ethernet frame.
pub(super) fn prepended(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("dsa");
    w.keep::<4>()?;
    Some(Next::Link(1))
}

fn tagged<const N: usize>(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("eth");
    w.mac()?;
    w.mac()?;
    w.layer("dsa");
    w.keep::<N>()?;
    super::ethernet::type_or_length(w)
}
