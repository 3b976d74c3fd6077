//! Which requests of a capture a rule of the profile is about, and which are sent at all.

use serde::{Deserialize, Serialize};

use crate::workload::Request;

use super::pattern::Pattern;

/// Some requests, by what they ask for. What is left out does not matter; an empty one names them all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Which {
    /// One of these methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub method: Vec<String>,
    /// The path as captured, without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Pattern>,
    /// The `Host` header as captured, without the port; letters alike in either case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Pattern>,
}

/// Which requests are sent: those that one of `only` names (all, without any), less those that one of `never` names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Nothing else is sent.
    pub only: Vec<Which>,
    /// These are not, whatever `only` says.
    pub never: Vec<Which>,
}

impl Filter {
    /// Whether a request may be sent.
    pub fn lets(&self, request: &Request) -> bool {
        let named = |which: &Which| which.names(request);
        (self.only.is_empty() || self.only.iter().any(named)) && !self.never.iter().any(named)
    }
}

impl Which {
    /// Whether it is about this request.
    pub fn names(&self, request: &Request) -> bool {
        let method = || self.method.iter().any(|method| method.as_bytes() == request.method());
        (self.method.is_empty() || method())
            && self.path.as_ref().is_none_or(|path| path.matches(path_of(request)))
            && self.host.as_ref().is_none_or(|host| host.matches_any_case(host_of(request)))
    }
}

/// The path of a request's target, without the query; of an absolute one, what follows the host.
pub fn path_of(request: &Request) -> &[u8] {
    request.bytes.get(path_range(request)).unwrap_or_default()
}

/// Where that stands.
pub fn path_range(request: &Request) -> std::ops::Range<usize> {
    let target = request.target();
    let start = match memchr::memmem::find(target, b"://") {
        Some(at) if !target.starts_with(b"/") => {
            at + 3 + memchr::memchr(b'/', &target[at + 3..]).unwrap_or(target.len() - at - 3)
        }
        _ => 0,
    };
    let len = memchr::memchr2(b'?', b'#', &target[start..]).unwrap_or(target.len() - start);
    request.target.start + start..request.target.start + start + len
}

fn host_of(request: &Request) -> &[u8] {
    let host = request.header("host").and_then(|at| request.bytes.get(at)).unwrap_or_default();
    match memchr::memrchr(b':', host) {
        // Not a colon inside `[::1]`.
        Some(at) if host[at + 1..].iter().all(u8::is_ascii_digit) => &host[..at],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str, host: &str) -> Request {
        Request::new(format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()).unwrap()
    }

    fn which(yaml: &str) -> Which {
        crate::yaml::parse("test", yaml).unwrap()
    }

    #[test]
    fn requests_are_named_by_method_path_and_host() {
        let order = request("GET /api/orders/7?x=/admin", "Shop.example:8080");
        for (yaml, named) in [
            ("{}", true),
            ("method: [GET, HEAD]", true),
            ("method: [POST]", false),
            ("path: /api/orders/*", true),
            ("path: /api/orders", false),
            ("path: '*admin*'", false),
            ("host: shop.EXAMPLE", true),
            ("host: '*.example'", true),
            ("{method: [GET], path: /api/*, host: other}", false),
        ] {
            assert_eq!(which(yaml).names(&order), named, "{yaml}");
        }
        assert!(crate::yaml::parse::<Which>("test", "pfad: /").is_err());
    }

    #[test]
    fn the_path_of_every_form_of_target() {
        for (line, path) in [
            ("GET /a/b?c#d", "/a/b"),
            ("GET http://h:1/a?b", "/a"),
            ("GET http://h", ""),
            ("GET /a://b/c", "/a://b/c"),
            ("OPTIONS *", "*"),
            ("GET ", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(path_of(&request(line, "h"))), path, "{line}");
        }
        assert_eq!(host_of(&request("GET /", "[::1]:80")), b"[::1]");
        assert_eq!(host_of(&request("GET /", "[::1]")), b"[::1]");
    }

    #[test]
    fn never_wins_over_only() {
        let filter: Filter =
            crate::yaml::parse("test", "{only: [{path: /api/*}], never: [{path: /api/admin*}]}").unwrap();
        let lets = |line: &str| filter.lets(&request(line, "h"));
        assert!(lets("GET /api/x") && !lets("GET /api/admin/x") && !lets("GET /x"));
        assert!(Filter::default().lets(&request("GET /x", "h")));
    }
}
