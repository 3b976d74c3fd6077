//! IPv6 addresses (RFC 4291 §2.2).

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `ipv6`.
pub(super) struct Ipv6;

impl Detector for Ipv6 {
    fn id(&self) -> &'static str {
        "ipv6"
    }

    fn about(&self) -> &'static str {
        "IPv6 addresses in any spelling"
    }

    fn method(&self) -> &'static str {
        "ip"
    }

    fn needs(&self) -> &'static [Signs] {
        &[Signs::COLONS_2]
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
                ("from fe80::1%eth0", "fe80::1"),
                ("::ffff:10.1.2.3", "::ffff:10.1.2.3"),
                ("2A00:1450:4001:82F:0:0:0:200E.", "2A00:1450:4001:82F:0:0:0:200E"),
            ],
            misses: &["12:34:56", "std::io", "::", "a::", "1:2:3:4:5:6:7:8:9"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let belongs = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.';
        for run in text::runs(text, belongs) {
            let end = text::back(text, run.end, |byte| byte == b'.').max(run.start);
            let at = run.start..end;
            let digits = text[at.clone()].iter().filter(|byte| byte.is_ascii_hexdigit()).count();
            let address = std::str::from_utf8(&text[at.clone()]).unwrap_or_default();
            if digits > 1 && address.parse::<std::net::Ipv6Addr>().is_ok() && text::stands_alone(text, &at) {
                found.push(at);
            }
        }
    }
}
