//! GENEVE (RFC 8926).

use super::walker::{Next, Walker};

/// Whether a UDP payload is plainly GENEVE: version 0, reserved bits zero, a type that we go on from.
pub(super) fn fits(payload: &[u8]) -> bool {
    match *payload {
        [0..0x40, flags, high, low, _, _, _, 0, ..] if flags & 0x3f == 0 => {
            matches!(u16::from_be_bytes([high, low]), 0x6558 | 0x0800 | 0x86dd)
        }
        _ => false,
    }
}

/// Option length, flags, type, network id, options (class, type, length, data), then what the type says.
pub(super) fn walk(w: &mut Walker<'_>) -> Option<Next> {
    w.layer("geneve");
    let &[option_words, _, high, low] = w.keep()?;
    w.tunnel_id(3)?;
    w.keep::<1>()?;
    w.within(usize::from(option_words & 0x3f) * 4, "geneve option", |w| {
        loop {
            let &[_, _, _, words] = w.keep()?;
            w.skip(usize::from(words & 0x1f) * 4, "geneve option")?;
        }
    })?;
    Some(Next::EtherType(u16::from_be_bytes([high, low])))
}
