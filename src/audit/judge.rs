//! What the rules leave as it is, as the audit asks for it; and which addresses tell nothing about anybody.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

use crate::capture::Meta;
use crate::decode::What;
use crate::detect::{self, DetectorId, Enabled, Finding, UserDetector};
use crate::protocol::{Encoding, Field, Role};
use crate::rules::{Action, Addresses, Decider, Pattern, Payload, Policy, Ruling};

/// The rules that masking had.
pub struct Judge {
    policy: Arc<Policy>,
    decider: RefCell<Decider>,
    enabled: Enabled,
    patterns: Vec<UserDetector>,
    findings: RefCell<Vec<Finding>>,
}

impl Judge {
    /// With these rules.
    pub fn new(policy: Arc<Policy>) -> Self {
        let ids = policy.enabled_detectors().filter_map(DetectorId::named);
        let enabled = ids.fold(Enabled::NONE, Enabled::with);
        let pattern = |p: &Pattern| UserDetector { id: p.id.as_str().into(), regex: p.regex.clone() };
        let patterns = policy.patterns.iter().map(pattern).collect();
        let decider = RefCell::new(Decider::new(policy.clone()));
        Self { policy, decider, enabled, patterns, findings: RefCell::default() }
    }

    /// Calls `found` with the kind and the range of each sensitive value in `text`.
    pub fn scan<'a>(&'a self, text: &[u8], mut found: impl FnMut(&'a str, Range<usize>)) {
        let mut findings = self.findings.take();
        findings.clear();
        detect::scan(text, self.enabled, &self.patterns, &mut findings);
        for finding in &findings {
            found(self.kind(finding.detector), finding.at.clone());
        }
        self.findings.replace(findings);
    }

    fn kind(&self, detector: DetectorId) -> &str {
        let user = detector.user_place().and_then(|place| self.patterns.get(place)).map(|user| &*user.id);
        user.or_else(|| detector.detector().map(|built_in| built_in.id())).unwrap_or("value")
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
                let whole = field.role == Role::Host && self.is_public_host(text) || self.is_public_url(text);
                (public || whole).then_some("vocabulary")
            }
        }
    }

    /// The rule that keeps a part of a field in which a detector found this kind.
    pub fn keeps_part(&self, field: &Field<'_>, part: &[u8], kind: &str) -> Option<&str> {
        let mut decider = self.decider.borrow_mut();
        match decider.decide(field.path, field.name).ruling(&self.policy, part, Some(kind)) {
            Some(ruling) => self.kept_by(ruling),
            None => self.is_public_kind(part, kind).then_some("vocabulary"),
        }
    }

    /// Host names and URLs are masked part by part, and vocabulary stays there as it does elsewhere.
    fn is_public_kind(&self, text: &[u8], kind: &str) -> bool {
        match kind {
            "host" => self.is_public_host(text),
            "url" => self.is_public_url(text),
            _ => false,
        }
    }

    /// Every label but the top-level ones is vocabulary.
    fn is_public_host(&self, text: &[u8]) -> bool {
        let host = match text.iter().rposition(|b| *b == b':') {
            Some(colon) if text[colon + 1..].iter().all(u8::is_ascii_digit) => &text[..colon],
            _ => text,
        };
        let host = host.strip_suffix(b".").unwrap_or(host);
        let labels: Vec<&[u8]> = host.split(|b| *b == b'.').collect();
        let Some(([first, inner @ ..], top)) = labels.split_last().map(|(top, below)| (below, top)) else {
            return false;
        };
        let country = top.len() == 2;
        let public = |label: &&[u8]| self.policy.is_vocabulary(label);
        let second_level =
            |label: &&[u8]| country && [&b"co"[..], b"com", b"ac", b"org", b"net", b"gov"].contains(label);
        top.iter().all(u8::is_ascii_alphabetic)
            && public(first)
            && inner.iter().enumerate().all(|(n, label)| public(label) || n + 1 == inner.len() && second_level(label))
    }

    /// Host, segments, names and values of parameters are public, each of them.
    fn is_public_url(&self, text: &[u8]) -> bool {
        let Some(colon) = text.windows(3).position(|three| three == b"://") else { return false };
        let (host, rest) = text[colon + 3..]
            .split_at(text[colon + 3..].iter().position(|b| b"/?#".contains(b)).unwrap_or(text.len() - colon - 3));
        let (path, query) = rest.split_at(rest.iter().position(|b| b"?#".contains(b)).unwrap_or(rest.len()));
        let public = |part: &[u8]| part.is_empty() || self.policy.is_vocabulary(part);
        let pair = |pair: &[u8]| match pair.iter().position(|b| *b == b'=') {
            Some(equals) => self.policy.keeps_name(&pair[..equals]) && public(&pair[equals + 1..]),
            None => public(pair),
        };
        (self.is_public_host(host) || !tells_something(host))
            && path.split(|b| b"/;".contains(b)).all(public)
            && query.split(|b| b"?&#".contains(b)).all(pair)
    }

    /// Whether a word is public by itself.
    pub fn is_public_word(&self, word: &[u8]) -> bool {
        self.policy.is_vocabulary(word)
    }

    /// Calls `found` with the names of a URL's parameters that stay.
    pub fn url_names(&self, url: &[u8], mut found: impl FnMut(Range<usize>)) {
        let mut from = url.iter().position(|b| *b == b'?').map_or(url.len(), |n| n + 1);
        while from < url.len() {
            let end = url[from..].iter().position(|b| b"&#?".contains(b)).map_or(url.len(), |n| from + n);
            let name = from..from + url[from..end].iter().position(|b| *b == b'=').unwrap_or(0);
            if self.policy.keeps_name(&url[name.clone()]) {
                found(name);
            }
            from = end + 1;
        }
    }

    /// Whether something that stands beside packets stays as it is.
    pub fn keeps_region(&self, what: Meta, bytes: &[u8]) -> bool {
        let path = what.path().unwrap_or_default();
        let text = |role| {
            let name = path.rsplit('.').next().unwrap_or(&path);
            let field = Field { path: &path, name, raw: bytes, encoding: Encoding::Plain, role };
            self.keeps(&field, bytes).is_some()
        };
        match what {
            Meta::Text(_) => text(Role::Text),
            Meta::Host => text(Role::Host),
            Meta::Ipv4 => self.keeps_address(What::Ipv4, bytes),
            Meta::Ipv6 => self.keeps_address(What::Ipv6, bytes),
            Meta::Mac => self.keeps_address(What::Mac, bytes),
            Meta::Opaque("padding") => false,
            Meta::Opaque(_) => {
                let ruling = self.decider.borrow_mut().ruling(&path, bytes);
                ruling.is_some_and(|ruling| ruling.action == Action::Keep)
            }
        }
    }

    /// Whether an address stays as it is.
    pub fn keeps_address(&self, what: What, bytes: &[u8]) -> bool {
        self.keeps_addresses() || sensitive(what, bytes).is_none()
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

/// The kind of an address that must not stay.
pub fn sensitive(what: What, bytes: &[u8]) -> Option<&'static str> {
    match what {
        What::Ipv4 => bytes.try_into().ok().filter(|a| !is_special_ipv4(*a)).map(|_| "ipv4"),
        What::Ipv6 => bytes.try_into().ok().filter(|a| !is_special_ipv6(*a)).map(|_| "ipv6"),
        What::Mac => bytes.try_into().ok().filter(|a| !is_special_mac(*a)).map(|_| "mac"),
        What::TunnelId | What::Structural | What::Checksum | What::Clock { .. } | What::FlowLabel => None,
    }
}

/// Whether a text says anything that must change: not what blanking leaves, nor an address or host that is everybody's.
pub fn tells_something(text: &[u8]) -> bool {
    let says = |b: &u8| (b.is_ascii_alphanumeric() && !b"xX01".contains(b)) || *b >= 0x80;
    let parts = text.split(|b| !b.is_ascii_alphanumeric() && !b".:-_%".contains(b) && *b < 0x80);
    parts.into_iter().any(|part| part.iter().any(says) && !is_everybodys(part))
}

/// `localhost`, special-use addresses, with or without a port; the scheme of a URL.
fn is_everybodys(part: &[u8]) -> bool {
    let Ok(part) = str::from_utf8(part) else { return false };
    let host = part.rsplit_once(':').map_or(part, |(host, port)| {
        let port = port.bytes().all(|b| b.is_ascii_digit());
        if port && !host.contains(':') { host } else { part }
    });
    let special = |address: IpAddr| match address {
        IpAddr::V4(ip) => is_special_ipv4(ip.octets()),
        IpAddr::V6(ip) => is_special_ipv6(ip.octets()),
    };
    let scheme = matches!(part, "http:" | "https:" | "ws:" | "wss:");
    scheme || host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(special) || is_mac_of_nobody(part)
}

fn is_mac_of_nobody(text: &str) -> bool {
    let mut mac = [0; 6];
    let octets = text.split([':', '-']).map(|octet| u8::from_str_radix(octet, 16).ok().filter(|_| octet.len() == 2));
    let mut count = 0;
    for (n, octet) in octets.enumerate() {
        let (Some(octet), Some(place)) = (octet, mac.get_mut(n)) else { return false };
        *place = octet;
        count = n + 1;
    }
    count == 6 && is_special_mac(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_everybodys_tells_nothing() {
        for text in [
            "http://127.0.0.1:8080/",
            "localhost:80",
            "192.0.2.7, ::1",
            "xxxx-10010",
            "[2001:db8::7]",
            "ff:ff:ff:ff:ff:ff",
        ] {
            assert!(!tells_something(text.as_bytes()), "{text}");
        }
        for text in
            ["http://127.0.0.1:8080/a", "10.1.2.3", "fe80::1234:5678:9abc:def0", "9c:1c:42:8a:9b:7c", "Bäcker", "7"]
        {
            assert!(tells_something(text.as_bytes()), "{text}");
        }
    }
}
