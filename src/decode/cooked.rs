//! Linux cooked captures: LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2.

use super::walker::{Next, Walker};

/// ARPHRD_NETLINK: the protocol field is a netlink family there.
const NETLINK: u16 = 824;

/// SLL: packet type, hardware type, address length, address (8), protocol.
pub(super) fn v1(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("sll");
    w.keep::<2>()?;
    let hardware = w.keep_u16()?;
    let length = w.keep_u16()?;
    address(w, length)?;
    let protocol = w.keep_u16()?;
    payload(w, hardware, protocol)
}

/// SLL2: protocol, reserved, interface, hardware type, packet type, address length, address (8).
pub(super) fn v2(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("sll2");
    let protocol = w.keep_u16()?;
    w.keep::<6>()?;
    let hardware = w.keep_u16()?;
    let [_, length] = *w.keep::<2>()?;
    address(w, length.into())?;
    payload(w, hardware, protocol)
}

/// Eight bytes, of which the first `length` are an address.
fn address(w: &mut Walker<'_>, length: u16) -> Option<()> {
    if length != 6 {
        return w.skip(8, "link address");
    }
    w.mac()?;
    w.skip(2, "padding")
}

fn payload(w: &mut Walker<'_>, hardware: u16, protocol: u16) -> Option<Next> {
    match (hardware, protocol) {
        (NETLINK, _) => w.stop("netlink"),
        (_, 4) => Some(Next::Llc),
        (_, 0..1536) => w.stop("ethertype"),
        _ => Some(Next::EtherType(protocol)),
    }
}
