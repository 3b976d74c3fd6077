//! A request's HTTP/1 bytes as what HTTP/2 carries (RFC 9113 §8.3.1): pseudo headers, headers, content, trailers.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{Method, Uri, Version};

use crate::workload::Request;

/// Headers that speak of a connection, or of how HTTP/1 frames a message: HTTP/2 has none of them (RFC 9113 §8.2.2).
const OF_THE_CONNECTION: &[&str] =
    &["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings"];

/// A request that HTTP/2 can carry.
#[derive(Debug)]
pub struct Message {
    /// Method, scheme, authority, path and headers.
    pub head: http::Request<()>,
    /// The content, without chunks.
    pub body: Bytes,
    /// What came behind a chunked content.
    pub trailers: Option<HeaderMap>,
}

impl Message {
    /// The request in `bytes`, to a target that is called `authority` where it names no host; none when HTTP/2 has no way
    /// to say what stands there (a line that is no header, a byte that no value may hold, a transfer coding, HTTP/0.9).
    pub fn of(bytes: &[u8], secure: bool, authority: &str) -> Option<Message> {
        let (mut at, mut rest) = bytes.split_at(Request::head_len(bytes));
        let (method, target) = request_line(line(&mut at)?)?;
        let lines = Lines::of(at)?;
        let coding = lines.value("transfer-encoding");
        let chunked = coding.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
        if coding.is_some() && !chunked {
            return None;
        }
        let method = Method::from_bytes(method).ok()?;
        let host = lines.value("host").filter(|host| !host.is_empty());
        let mut head = http::Request::new(());
        *head.uri_mut() = uri(&method, target, host, secure, authority)?;
        *head.method_mut() = method;
        *head.version_mut() = Version::HTTP_2;
        *head.headers_mut() = lines.headers(chunked)?;
        let (body, trailers) = match chunked {
            true => chunks(&mut rest)?,
            false => (Bytes::copy_from_slice(rest), None),
        };
        Some(Message { head, body, trailers })
    }
}

/// Takes the first line off, without its end.
fn line<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..end];
    *bytes = &bytes[end + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Method and target; none without a version.
fn request_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = memchr::memchr(b' ', line)?;
    let last = memchr::memrchr(b' ', line).filter(|last| *last > first)?;
    line[last + 1..].starts_with(b"HTTP/").then_some((&line[..first], &line[first + 1..last]))
}

/// What is asked of whom. The target may name the host itself (RFC 9112 §3.2.2); `CONNECT` names nothing else.
fn uri(method: &Method, target: &[u8], host: Option<&[u8]>, secure: bool, authority: &str) -> Option<Uri> {
    let mut parts = Parts::default();
    let (named, path) = match memchr::memmem::find(target, b"://").filter(|_| !target.starts_with(b"/")) {
        _ if method == Method::CONNECT => (Some(target), None),
        Some(scheme) => {
            let rest = &target[scheme + 3..];
            let end = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
            (Some(&rest[..end]), Some(&rest[end..]))
        }
        None => (None, Some(target)),
    };
    let named = host.filter(|_| method != Method::CONNECT).or(named).unwrap_or(authority.as_bytes());
    parts.authority = Some(Authority::try_from(named).ok()?);
    if let Some(path) = path {
        let asterisk = path.is_empty() && method == Method::OPTIONS;
        let path = if asterisk { b"*" } else { path };
        // What stands behind `#` would be left out.
        let whole = !path.contains(&b'#');
        parts.path_and_query = Some(PathAndQuery::try_from(path).ok().filter(|_| whole)?);
        parts.scheme = Some(if secure { Scheme::HTTPS } else { Scheme::HTTP });
    }
    Uri::from_parts(parts).ok()
}

/// Header lines, folded ones put together (RFC 9112 §5.2).
struct Lines<'a>(Vec<(&'a [u8], std::borrow::Cow<'a, [u8]>)>);

impl<'a> Lines<'a> {
    /// Up to an empty line, or the end.
    fn of(mut bytes: &'a [u8]) -> Option<Lines<'a>> {
        let mut lines: Vec<(&[u8], std::borrow::Cow<'_, [u8]>)> = Vec::new();
        while let Some(line) = line(&mut bytes).filter(|line| !line.is_empty()) {
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                let value = lines.last_mut()?.1.to_mut();
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
                continue;
            }
            let colon = memchr::memchr(b':', line)?;
            lines.push((&line[..colon], line[colon + 1..].trim_ascii().into()));
        }
        Some(Lines(lines))
    }

    /// Of the first one of this name.
    fn value(&self, name: &str) -> Option<&[u8]> {
        let mine = |(known, _): &&(&[u8], _)| known.eq_ignore_ascii_case(name.as_bytes());
        self.0.iter().find(mine).map(|(_, value)| &**value)
    }

    /// Those that HTTP/2 has, in their order. A content that was `chunked` has no length of its own.
    fn headers(&self, chunked: bool) -> Option<HeaderMap> {
        let named = self.value("connection").unwrap_or_default();
        let named: Vec<&[u8]> = named.split(|&b| b == b',').map(<[u8]>::trim_ascii).collect();
        let mut headers = HeaderMap::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            let trailers = is("te") && value.eq_ignore_ascii_case(b"trailers");
            let left_out = is("host")
                || is("te") && !trailers
                || is("content-length") && chunked
                || OF_THE_CONNECTION.iter().any(|other| is(other))
                || !trailers && named.iter().any(|other| name.eq_ignore_ascii_case(other));
            if !left_out {
                headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
            }
        }
        Some(headers)
    }
}

/// A chunked content, and the trailers behind it.
fn chunks(rest: &mut &[u8]) -> Option<(Bytes, Option<HeaderMap>)> {
    let mut body = Vec::with_capacity(rest.len());
    loop {
        // Content that is one byte short must not end with the first half of its line end.
        let ending: &[u8] = match memchr::memchr(b'\n', rest)? {
            end if rest[..end].ends_with(b"\r") => b"\r\n",
            _ => b"\n",
        };
        let size = line(rest)?.split(|b| matches!(b, b';' | b' ' | b'\t')).next().unwrap_or_default();
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        *rest = rest[size..].strip_prefix(ending)?;
    }
    let trailers = Lines::of(rest)?.headers(true)?;
    Some((body.into(), Some(trailers).filter(|trailers| !trailers.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Method, URI, headers, content, trailers, as text.
    fn carried(text: &str) -> Option<(String, Vec<String>, String, Vec<String>)> {
        let message = Message::of(text.as_bytes(), false, "target:1")?;
        let lines = |headers: &HeaderMap| {
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect::<Vec<_>>()
        };
        let asked = format!("{} {}", message.head.method(), message.head.uri());
        let body = String::from_utf8(message.body.to_vec()).unwrap();
        let trailers = message.trailers.as_ref().map(lines).unwrap_or_default();
        Some((asked, lines(message.head.headers()), body, trailers))
    }

    #[test]
    fn what_speaks_of_the_connection_is_left_out_and_the_rest_keeps_its_order() {
        let (asked, headers, body, trailers) = carried(
            "PATCH /a?b=%20c HTTP/1.1\r\nX-Zed: 1\r\nHost: h:8\r\nConnection: Keep-Alive, X-Hop\r\nKeep-Alive: 5\r\nx-hop: 1\r\nAccept: */*\r\nTE: trailers\r\nUpgrade: x\r\nHTTP2-Settings: AA\r\nCookie: a=1; b=2\r\nContent-Length: 3\r\nX-Long: a\r\n  b\r\n\r\nabc",
        )
        .unwrap();
        assert_eq!(asked, "PATCH http://h:8/a?b=%20c");
        assert_eq!(
            headers,
            ["x-zed: 1", "accept: */*", "te: trailers", "cookie: a=1; b=2", "content-length: 3", "x-long: a b"]
        );
        assert_eq!((body.as_str(), trailers.len()), ("abc", 0));
    }

    #[test]
    fn chunks_become_content_and_trailers() {
        let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nContent-Length: 9\r\nTE: gzip\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX-Sum: 7\r\nConnection: x\r\n\r\n";
        let (_, headers, body, trailers) = carried(chunked).unwrap();
        assert_eq!((headers.len(), body.as_str()), (0, "abc0123456789"));
        assert_eq!(trailers, ["x-sum: 7"]);
        for broken in [
            chunked.replace("3\r\nabc", "4\r\nabc"),
            chunked.replace("A;x", "-A;x"),
            chunked.replace("456789\r\n0\r\nX-Sum: 7\r\nConnection: x\r\n\r\n", ""),
        ] {
            assert_eq!(carried(&broken), None, "{broken}");
        }
    }

    #[test]
    fn targets_of_all_forms_are_asked_for() {
        for (line, host, expected) in [
            ("GET /", "Host: h\r\n", "GET http://h/"),
            ("GET /", "", "GET http://target:1/"),
            ("GET http://other/x?y", "", "GET http://other/x?y"),
            ("GET http://other?y", "Host: h\r\n", "GET http://h/?y"),
            ("GET /a?u=http://b", "Host: h\r\n", "GET http://h/a?u=http://b"),
            ("OPTIONS *", "Host: h\r\n", "OPTIONS http://h*"),
            ("OPTIONS http://other", "", "OPTIONS http://other*"),
            ("CONNECT a:443", "Host: h\r\n", "CONNECT a:443"),
        ] {
            let (asked, ..) = carried(&format!("{line} HTTP/1.1\r\n{host}\r\n")).unwrap();
            assert_eq!(asked, expected);
        }
    }

    #[test]
    fn what_http2_cannot_say_is_none() {
        for odd in [
            "GET /\r\n",
            "GET /a b HTTP/1.1\r\n\r\n",
            "GET /a#b HTTP/1.1\r\n\r\n",
            "G\u{7f}T / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nodd\r\n\r\n",
            "GET / HTTP/1.1\r\na b: c\r\n\r\n",
            "GET / HTTP/1.1\r\na: \u{1}\r\n\r\n",
            "GET / HTTP/1.1\r\n folded: first\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "",
        ] {
            assert_eq!(carried(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), line in "GET /[ -~]{0,9} HTTP/1.1\r\n") {
            let _ = Message::of(&bytes, true, "t");
            let _ = Message::of(&[line.as_bytes(), &bytes].concat(), true, "t");
        }
    }
}
