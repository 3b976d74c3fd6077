//! IP addresses in text, perhaps with brackets, port, prefix length or zone: 10.0.0.1:80, [2001:db8::1]:443, fe80::1%eth0.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Method;
use super::keyring::Keyring;

/// The method `ip`.
pub(super) struct Ip;

impl Method for Ip {
    fn id(&self) -> &'static str {
        "ip"
    }

    fn about(&self) -> &'static str {
        "the IP address's pseudonym, as in packet headers, written in the same style"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["192.168.10.7", "8.8.4.4:53", "[2A00:1450::8a]:443", "fe80::21a:2bff:fe3c:4d5e", "10.1.0.0/16"]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        mask(text, keyring, out).is_some()
    }
}

/// Appends the pseudonym of an address with what may stand around it; None, and nothing appended, when it is none.
pub(super) fn mask(text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> Option<()> {
    let text = std::str::from_utf8(text).ok()?;
    let start = out.len();
    let masked = match text.strip_prefix('[') {
        Some(inner) => {
            let (address, behind) = inner.split_once(']')?;
            out.push(b'[');
            ipv6(address, keyring, out).map(|()| {
                out.push(b']');
                out.extend_from_slice(behind.as_bytes());
            })
        }
        None => bare(text, keyring, out),
    };
    if masked.is_none() {
        out.truncate(start);
    }
    masked
}

fn bare(text: &str, keyring: &Keyring, out: &mut Vec<u8>) -> Option<()> {
    let colons = text.bytes().filter(|byte| *byte == b':').count();
    let end = match colons {
        0 => text.find('/'),
        1 => text.find(':'),
        _ => text.find(['/', '%']),
    };
    let (address, behind) = text.split_at(end.unwrap_or(text.len()));
    match colons {
        0 | 1 => ipv4(address, keyring, out)?,
        _ => ipv6(address, keyring, out)?,
    }
    match behind.strip_prefix('%') {
        Some(zone) => {
            out.push(b'%');
            keyring.text(zone.as_bytes(), &[], out);
        }
        None => out.extend_from_slice(behind.as_bytes()),
    }
    Some(())
}

fn ipv4(text: &str, keyring: &Keyring, out: &mut Vec<u8>) -> Option<()> {
    let address: Ipv4Addr = text.parse().ok()?;
    let image = Ipv4Addr::from(keyring.addresses.ipv4(address.octets()));
    out.extend_from_slice(image.to_string().as_bytes());
    Some(())
}

/// Writes the groups of the image where the groups of the address stood, each as wide as it was.
fn ipv6(text: &str, keyring: &Keyring, out: &mut Vec<u8>) -> Option<()> {
    let address: Ipv6Addr = text.parse().ok()?;
    let image = Ipv6Addr::from(keyring.addresses.ipv6(address.octets()));
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    let dotted = text.contains('.');
    let (left, right) = text.split_once("::").unwrap_or((text, ""));
    let groups = |part: &str| part.split(':').filter(|group| !group.is_empty()).count();
    let behind = groups(right) + usize::from(dotted && !right.is_empty());
    let mut index = 0;
    for (n, part) in text.split(':').enumerate() {
        if n > 0 {
            out.push(b':');
        }
        if part.is_empty() {
            // The gap of `::`, or the edge beside it.
            index = if n == 0 && groups(left) == 0 { 0 } else { 8usize.checked_sub(behind)? };
            continue;
        }
        if part.contains('.') {
            let [.., a, b, c, d] = image.octets();
            out.extend_from_slice(Ipv4Addr::from([a, b, c, d]).to_string().as_bytes());
            continue;
        }
        let group = *image.segments().get(index)?;
        let width = part.len();
        let hex = match upper {
            true => format!("{group:0width$X}"),
            false => format!("{group:0width$x}"),
        };
        if hex.len() != width {
            return None;
        }
        out.extend_from_slice(hex.as_bytes());
        index += 1;
    }
    Some(())
}
