//! What stands in headers and tells hosts apart: addresses, clocks, flow labels.

use super::ledger::{Because, Label};
use super::values::{ADDRESS, SPECIAL_USE};
use crate::decode::What;
use crate::mask::{HeaderNumbers, Key, Masker};
use crate::rules::Addresses;

/// Masks such pieces.
pub(super) struct Headers {
    rule: Addresses,
    numbers: HeaderNumbers,
}

impl Headers {
    pub(super) fn new(rule: Addresses, key: &Key) -> Headers {
        Headers { rule, numbers: HeaderNumbers::new(key) }
    }

    /// Masks a piece where it stands. `frame` is as it was. Special-use addresses stay, and are said to.
    pub(super) fn mask(&mut self, what: What, bytes: &mut [u8], frame: &[u8], masker: &mut Masker) -> (Label, Because) {
        match self.rule {
            Addresses::Keep => return (Label::Kept, ADDRESS),
            Addresses::Blank => return blank(what, bytes),
            Addresses::Pseudonym => {}
        }
        let numbers = &mut self.numbers;
        let changed = match what {
            What::Mac => replace(bytes, |mac| masker.mac(mac)),
            What::Ipv4 => replace(bytes, |address| masker.ipv4(address)),
            What::Ipv6 => replace(bytes, |address| masker.ipv6(address)),
            What::Clock { host, len } => {
                let host = frame.get(host as usize..host as usize + usize::from(len)).unwrap_or_default();
                replace(bytes, |ticks| numbers.clock(host, u32::from_be_bytes(ticks)).to_be_bytes())
            }
            What::FlowLabel => replace(bytes, |[class, b, c]| {
                let [_, top, b, c] = numbers.flow_label(u32::from_be_bytes([0, class & 0x0f, b, c])).to_be_bytes();
                [class & 0xf0 | top, b, c]
            }),
            What::TunnelId => {
                let old = bytes.to_vec();
                masker.tunnel_id(bytes);
                *bytes != old
            }
            What::Structural | What::Checksum => false,
        };
        if changed { (Label::Pseudonym, ADDRESS) } else { (Label::Kept, SPECIAL_USE) }
    }
}

fn blank(what: What, bytes: &mut [u8]) -> (Label, Because) {
    match (what, bytes) {
        // The traffic class stays, so this byte is not blank.
        (What::FlowLabel, [class, low @ ..]) if *class & 0xf0 != 0 => {
            *class &= 0xf0;
            low.fill(0);
            (Label::Pseudonym, ADDRESS)
        }
        (_, bytes) => {
            bytes.fill(0);
            (Label::Blanked, ADDRESS)
        }
    }
}

/// Puts what `map` makes of `N` bytes in their place; false if that changed nothing.
fn replace<const N: usize>(bytes: &mut [u8], map: impl FnOnce([u8; N]) -> [u8; N]) -> bool {
    let Ok(old) = <[u8; N]>::try_from(&*bytes) else { return false };
    let new = map(old);
    bytes.copy_from_slice(&new);
    new != old
}
