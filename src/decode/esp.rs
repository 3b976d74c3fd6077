//! Encapsulating security payload (RFC 4303): what it carries is ciphertext.

use super::walker::{Next, Walker};

/// Security parameters index and sequence number; the rest cannot be read.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("esp");
    w.tunnel_id(4)?;
    w.keep::<4>()?;
    w.stop("esp payload")
}
