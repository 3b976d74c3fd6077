//! MACsec (IEEE 802.1AE): what it carries is ciphertext, or plain with a check value that would need its key.

use super::walker::{Next, Walker};

/// In the first byte: the secure channel's identifier is there.
const CHANNEL: u8 = 0x20;

/// Tag control, short length, packet number, perhaps a channel (the sender's address and a port); the rest is not read.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("macsec");
    let &[control, ..] = w.keep::<6>()?;
    if control & CHANNEL != 0 {
        w.mac()?;
        w.keep::<2>()?;
    }
    w.stop("macsec payload")
}
