//! URLs: the host and the target of a request in one text.

use crate::workload::Request;

/// The host of requests that name none.
pub(super) const NOWHERE: &str = "unknown.invalid";

/// Host (with port) and target of an http or https URL; the fragment is left out.
pub(super) fn split(url: &str) -> Option<(&str, String)> {
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = url.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })?;
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    let slash = if target.starts_with('/') { "" } else { "/" };
    (!host.is_empty()).then(|| (host, format!("{slash}{target}")))
}

/// The URL of a request: at `base`, or at the host that it names. None when it is no text, or no URL can say it.
pub(super) fn join(request: &Request, base: Option<&str>) -> Option<String> {
    let target = std::str::from_utf8(request.target()).ok()?.trim_matches(' ');
    let target = match split(target) {
        Some((_, path)) => path,
        None if target.starts_with('/') => target.to_owned(),
        // `OPTIONS *`, `CONNECT host:port`
        None => return None,
    };
    let host = match request.header("host").and_then(|at| request.bytes.get(at)) {
        Some(host) => std::str::from_utf8(host).ok()?,
        None => "",
    };
    match base {
        Some(base) => Some(format!("{}{target}", base.trim_end_matches('/'))),
        None => Some(format!("http://{}{target}", if host.is_empty() { NOWHERE } else { host })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart_and_together() {
        let of = |url| split(url).map(|(host, target)| format!("{host} {target}"));
        assert_eq!(of("https://a.example:8443/b?c#d").unwrap(), "a.example:8443 /b?c");
        assert_eq!(of("HTTP://me:pw@h?x").unwrap(), "h /?x");
        assert_eq!(of("http://[::1]:8").unwrap(), "[::1]:8 /");
        assert!(of("ws://h/").is_none() && of("http:///x").is_none() && of("/x").is_none());
        let url = |text: &str, base| join(&Request::new(format!("{text}\r\n\r\n").into_bytes()).unwrap(), base);
        assert_eq!(url("GET /a HTTP/1.1\r\nHost: h:1", None).unwrap(), "http://h:1/a");
        assert_eq!(url("GET http://p/a HTTP/1.1\r\nHost: h", Some("http://b/")).unwrap(), "http://b/a");
        assert!(url("OPTIONS * HTTP/1.1", None).is_none());
    }
}
