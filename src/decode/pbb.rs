//! Provider backbone bridging (IEEE 802.1ah): a customer's frame behind a service tag.

use super::walker::{Next, Walker};

/// Priority and flags, the service's identifier, then the customer's Ethernet frame.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("pbb");
    w.keep::<1>()?;
    w.tunnel_id(3)?;
    Some(Next::Link(1))
}
