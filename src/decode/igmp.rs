//! IGMP versions 1 to 3 (RFC 1112, RFC 2236, RFC 3376).

use super::walker::{Next, Walker};

/// Type, delay, checksum, then groups and sources.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("igmp");
    let start = w.at;
    let &[kind, _] = w.keep()?;
    w.checksum(start, None)?;
    match kind {
        0x11 => {
            w.ipv4()?;
            if !w.rest().is_empty() {
                w.keep::<2>()?;
                let sources = w.keep_u16()?;
                w.many(sources.into(), Walker::ipv4)?;
            }
        }
        0x12 | 0x16 | 0x17 => drop(w.ipv4()?),
        0x22 => report(w)?,
        _ => {}
    }
    w.stop("igmp data")
}

/// Version 3 reports: records of group, sources and auxiliary words.
fn report(w: &mut Walker<'_>) -> Option<()> {
    w.keep::<2>()?;
    for _ in 0..w.keep_u16()? {
        let &[_, auxiliary] = w.keep()?;
        let sources = w.keep_u16()?;
        w.ipv4()?;
        w.many(sources.into(), Walker::ipv4)?;
        w.skip(usize::from(auxiliary) * 4, "igmp data")?;
    }
    Some(())
}
