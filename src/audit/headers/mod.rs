//! A second pair of eyes for HTTP/2: the audit's own reading of its compressed headers.
//!
//! | file | |
//! |---|---|
//! | `tables`, [`hpack`] | RFC 7541 once more, with nothing of masking's reader |
//! | [`frames`] | where blocks of headers stand in a direction's bytes |
//! | [`doubt`] | whether masking's reader understands the same |
//!
//! If both used one parser, a misreading would leak unseen: what is found here is searched for beside everything else. What a
//! text's parts are is asked of [`http2::parts`]: that is about values, not about how they are compressed.

pub mod doubt;
pub mod frames;
pub mod hpack;
mod tables;

use super::judge::Judge;
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::http2::Whose;
use crate::protocol::{Field, PartKind, http2};
use hpack::Header;

/// The name of this view in reports.
pub const VIEW: &str = "hpack";

/// Whether a header's name is one that stays: an identifier, with the colon before it that the protocol's own ones have.
pub fn is_public_name(name: &[u8], judge: &Judge) -> bool {
    str::from_utf8(name).is_ok_and(|name| judge.is_public_name(name.strip_prefix(':').unwrap_or(name)))
}

/// Whose a block of headers is.
pub fn whose(headers: &[Header], is_request: bool) -> Whose {
    Whose::of(is_request, headers.iter().map(|header| (&*header.name, &*header.value)))
}

/// What the rules show of a header's value: the rest is zeros.
pub fn kept(header: &Header, whose: Whose, judge: &Judge, decoded: &mut Decoded) -> Vec<u8> {
    let mut shown = header.value.clone();
    for part in http2::parts(&header.name, &header.value, whose) {
        let (Some(raw), Some(hidden)) = (header.value.get(part.at.clone()), shown.get_mut(part.at)) else { continue };
        let kept = match &part.what {
            PartKind::Keep => true,
            PartKind::Opaque(_) => false,
            PartKind::Field { path, name, encoding, role } => {
                let field = Field { path, name, raw, encoding: *encoding, role: *role };
                judge.keeps(&field, decode(raw, *encoding, decoded)).is_some()
            }
        };
        if !kept {
            hidden.fill(0);
        }
    }
    shown
}
