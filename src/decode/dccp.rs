//! DCCP (RFC 4340).

use super::walker::{Next, Walker};

/// The header with its options, then payload of a flow.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("dccp");
    let start = w.at;
    let src = w.keep_u16()?;
    let dst = w.keep_u16()?;
    let &[offset, coverage] = w.keep()?;
    let header = usize::from(offset) * 4;
    // Coverage 1 is the header alone, each step beyond it four bytes of payload, 0 everything.
    let covered = match coverage & 0x0f {
        0 => w.stated(),
        words => w.stated().min(start + header + (usize::from(words) - 1) * 4),
    };
    w.checksum_of(start..covered, w.pseudo(33, start), false)?;
    let &[kind] = w.keep()?;
    let long = kind & 1 != 0;
    if long {
        w.keep::<7>().map(drop)?
    } else {
        w.keep::<3>().map(drop)?
    }
    // All but requests and data acknowledge.
    match (kind >> 1 & 0x0f, long) {
        (0 | 2, _) => {}
        (_, true) => drop(w.keep::<8>()?),
        (_, false) => drop(w.keep::<4>()?),
    }
    let Some(options) = (start + header).checked_sub(w.at) else { return w.stop("malformed") };
    w.skip(options, "dccp options")?;
    w.payload(start + header, src, dst, None)
}
