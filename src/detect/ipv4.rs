//! IPv4 addresses, dotted.

use std::ops::Range;

use super::{Detector, Examples, Signs, text};

/// The kind `ipv4`.
pub(super) struct Ipv4;

impl Detector for Ipv4 {
    fn id(&self) -> &'static str {
        "ipv4"
    }

    fn about(&self) -> &'static str {
        "IPv4 addresses in dotted form"
    }

    fn method(&self) -> &'static str {
        "ip"
    }

    fn needs(&self) -> &'static [Signs] {
        const { &[Signs::DOTS_2.and(Signs::DIGITS_4)] }
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("for=192.168.10.7:1234", "192.168.10.7"),
                ("10.0.0.1, proxy", "10.0.0.1"),
                ("net 10.1.2.0/24.", "10.1.2.0"),
            ],
            misses: &["1.2.3.256", "1.2.3", "1.2.3.4.5", "v1.22.33.44", "1.22.33.044"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        for run in text::runs(text, |byte| byte.is_ascii_digit() || byte == b'.') {
            // A sentence may end behind the address.
            let end = text::back(text, run.end, |byte| byte == b'.').max(run.start);
            let at = run.start..end;
            let address = std::str::from_utf8(&text[at.clone()]).unwrap_or_default();
            if address.parse::<std::net::Ipv4Addr>().is_ok() && text::stands_alone(text, &at) {
                found.push(at);
            }
        }
    }
}
