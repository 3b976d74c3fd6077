//! What the rules leave as it is, as the audit asks for it; and which addresses tell nothing about anybody.

use std::cell::RefCell;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::protocol::{Field, Role};
use crate::rules::{Action, Addresses, Decider, Payload, Policy, Ruling};

/// The rules that masking had.
pub struct Judge {
    policy: Arc<Policy>,
    decider: RefCell<Decider>,
}

impl Judge {
    /// With these rules.
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { decider: RefCell::new(Decider::new(policy.clone())), policy }
    }

    /// The rules.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The rule that keeps this field, whose decoded text is `text`.
    pub fn keeps(&self, field: &Field<'_>, text: &[u8]) -> Option<&str> {
        let mut decider = self.decider.borrow_mut();
        let decision = decider.decide(field.path, field.name);
        match decision.ruling(&self.policy, text, None) {
            Some(ruling) => self.kept_by(ruling),
            None => {
                let public = !decision.name_like() && field.role != Role::Name && self.policy.is_vocabulary(text);
                public.then_some("vocabulary")
            }
        }
    }

    /// The rule that keeps a part of a field in which a detector found this kind.
    pub fn keeps_part(&self, field: &Field<'_>, part: &[u8], kind: &str) -> Option<&str> {
        let mut decider = self.decider.borrow_mut();
        let ruling = decider.decide(field.path, field.name).ruling(&self.policy, part, Some(kind));
        ruling.and_then(|ruling| self.kept_by(ruling))
    }

    fn kept_by(&self, ruling: Ruling) -> Option<&str> {
        let rule = self.policy.rules().get(usize::from(ruling.rule.0))?;
        (ruling.action == Action::Keep).then_some(&*rule.id)
    }

    /// A name that may be shown and kept: an identifier, not somebody's data.
    pub fn is_public_name(&self, name: &str) -> bool {
        self.policy.keeps_name(name.as_bytes())
    }

    /// Addresses in headers stay.
    pub fn keeps_addresses(&self) -> bool {
        self.policy.addresses == Addresses::Keep
    }

    /// What happens to payload.
    pub fn payload(&self) -> Payload {
        self.policy.payload
    }
}

/// A field's path for people: names that may be values are left out.
pub fn public_path(judge: &Judge, path: &str) -> String {
    let show = |segment: &str| match judge.is_public_name(segment.trim_end_matches("[]")) {
        true => segment.to_owned(),
        false => "{}".to_owned(),
    };
    path.split('.').map(show).collect::<Vec<_>>().join(".")
}

/// Special-use IPv4 addresses (RFC 6890) that stay as they are.
pub fn is_special_ipv4(address: [u8; 4]) -> bool {
    let ip = Ipv4Addr::from(address);
    let [a, b, c, _] = address;
    let reserved = a == 0 || a >= 240 || (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    let benchmark = a == 198 && b & 0xfe == 18;
    reserved || benchmark || ip.is_loopback() || ip.is_multicast() || ip.is_link_local() || ip.is_documentation()
}

/// Special-use IPv6 addresses that stay. Solicited-node groups hold 24 bits of a host's address and do not.
pub fn is_special_ipv6(address: [u8; 16]) -> bool {
    let ip = Ipv6Addr::from(address);
    let number = u128::from(ip);
    let solicited = address.starts_with(&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff]);
    let anybody = number as u64 <= 0xffff && ip.segments()[..4] == [0xfe80, 0, 0, 0];
    let documentation = ip.segments()[..2] == [0x2001, 0xdb8] || address[..3] == [0x3f, 0xff, 0];
    ip.is_multicast() && (!solicited || address[13] == 0) || number <= 0xffff || documentation || anybody
}

/// MAC addresses that belong to no card: group addresses, virtual routers (RFC 5798), zero.
pub fn is_special_mac(address: [u8; 6]) -> bool {
    let solicited = address[..3] == [0x33, 0x33, 0xff] && address[3] != 0;
    let virtual_router = address[..4] == [0, 0, 0x5e, 0] && matches!(address[4], 1 | 2);
    (address[0] & 1 == 1 && !solicited) || virtual_router || address == [0; 6]
}

/// Whether a text says anything that blanking would have taken away.
pub fn tells_something(text: &[u8]) -> bool {
    text.iter().any(|b| (b.is_ascii_alphanumeric() && !b"xX01".contains(b)) || *b >= 0x80)
}
