//! A request's HTTP/1 bytes as what HTTP/2 carries (RFC 9113 §8.3.1): pseudo headers, headers, content, trailers.

use std::borrow::Cow;

use super::packing::Packer;
use crate::workload::Request;

/// Headers that speak of a connection, or of how HTTP/1 frames a message: HTTP/2 has none of them (RFC 9113 §8.2.2).
const OF_THE_CONNECTION: &[&str] =
    &["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade", "http2-settings"];

/// A request that HTTP/2 can carry.
pub struct Message<'a> {
    method: &'a [u8],
    scheme: &'static [u8],
    authority: &'a [u8],
    /// None for `CONNECT`.
    path: Option<Cow<'a, [u8]>>,
    headers: Lines<'a>,
    /// The content, without chunks.
    pub content: Cow<'a, [u8]>,
    /// What came behind a chunked content.
    pub trailers: Option<Lines<'a>>,
}

impl<'a> Message<'a> {
    /// The request in `bytes`, to a target that is called `authority` where it names no host; none when HTTP/2 has no way
    /// to say what stands there (a line that is no header, a byte that no value may hold, a transfer coding, HTTP/0.9).
    pub fn of(bytes: &'a [u8], secure: bool, authority: &'a str) -> Option<Message<'a>> {
        let (mut at, rest) = bytes.split_at(Request::head_len(bytes));
        let (method, target) = request_line(line(&mut at)?)?;
        let lines = Lines::of(at)?;
        let coding = lines.value("transfer-encoding");
        let chunked = coding.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
        if coding.is_some() && !chunked || !is_name(method) {
            return None;
        }
        let (named, path) = asked(method, target)?;
        let host = lines.host().filter(|host| !host.is_empty() && path.is_some());
        let authority = host.or(named).unwrap_or(authority.as_bytes());
        if !authority.iter().all(|byte| byte.is_ascii_graphic() && !b"/?#\\".contains(byte)) || authority.is_empty() {
            return None;
        }
        let headers = lines.carried(chunked)?;
        let (content, trailers) = match chunked {
            true => chunks(rest)?,
            false => (rest.into(), None),
        };
        let scheme = if secure { b"https".as_slice() } else { b"http" };
        Some(Message { method, scheme, authority, path, headers, content, trailers })
    }

    /// Appends the head as a header block.
    pub fn pack(&self, packer: &mut Packer, out: &mut Vec<u8>) {
        packer.begin(out);
        packer.header(b":method", self.method, out);
        if self.path.is_some() {
            packer.header(b":scheme", self.scheme, out);
        }
        packer.header(b":authority", self.authority, out);
        if let Some(path) = &self.path {
            packer.header(b":path", path, out);
        }
        self.headers.pack(packer, out);
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

/// A host that the target names itself, and a path.
type Target<'a> = (Option<&'a [u8]>, Option<Cow<'a, [u8]>>);

/// What is asked of whom. The target may name the host itself (RFC 9112 §3.2.2); `CONNECT` names nothing else.
fn asked<'a>(method: &[u8], target: &'a [u8]) -> Option<Target<'a>> {
    if method == b"CONNECT" {
        return Some((Some(target), None));
    }
    let (named, path) = match memchr::memmem::find(target, b"://").filter(|_| !target.starts_with(b"/")) {
        Some(scheme) => {
            let rest = &target[scheme + 3..];
            let end = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, target),
    };
    let path: Cow<'_, [u8]> = match path {
        b"" | b"*" if method == b"OPTIONS" => b"*".into(),
        [] => b"/".into(),
        [b'/', ..] => path.into(),
        [b'?', ..] => [b"/", path].concat().into(),
        _ => return None,
    };
    // What stands behind `#` is nobody's but the client's.
    path.iter().all(|byte| *byte > b' ' && *byte != 0x7f && *byte != b'#').then_some((named, Some(path)))
}

/// Header lines, folded ones put together (RFC 9112 §5.2).
pub struct Lines<'a>(Vec<(&'a [u8], Cow<'a, [u8]>)>);

impl<'a> Lines<'a> {
    /// Up to an empty line, or the end.
    fn of(mut bytes: &'a [u8]) -> Option<Lines<'a>> {
        let mut lines: Vec<(&[u8], Cow<'_, [u8]>)> = Vec::with_capacity(16);
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

    fn first(&self, name: &str) -> Option<&Cow<'a, [u8]>> {
        let mine = |(known, _): &&(&[u8], _)| known.eq_ignore_ascii_case(name.as_bytes());
        self.0.iter().find(mine).map(|(_, value)| value)
    }

    /// Of the first one of this name.
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.first(name).map(|value| &**value)
    }

    /// The one that is asked. (No host is folded.)
    fn host(&self) -> Option<&'a [u8]> {
        match self.first("host")? {
            Cow::Borrowed(host) => Some(host),
            Cow::Owned(_) => None,
        }
    }

    /// Those that HTTP/2 has, in their order. A content that was `chunked` has no length of its own.
    fn carried(mut self, chunked: bool) -> Option<Lines<'a>> {
        let named = self.first("connection").cloned().unwrap_or_default();
        let named: Vec<&[u8]> = named.split(|&b| b == b',').map(<[u8]>::trim_ascii).collect();
        self.0.retain(|(name, value)| {
            let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
            let trailers = is("te") && value.eq_ignore_ascii_case(b"trailers");
            let left_out = is("host")
                || is("te") && !trailers
                || is("content-length") && chunked
                || OF_THE_CONNECTION.iter().any(|other| is(other))
                || !trailers && named.iter().any(|other| name.eq_ignore_ascii_case(other));
            !left_out
        });
        self.0.iter().all(|(name, value)| is_name(name) && is_value(value)).then_some(self)
    }

    /// Appends them to a header block.
    pub fn pack(&self, packer: &mut Packer, out: &mut Vec<u8>) {
        let mut lower = [0; 64];
        for (name, value) in &self.0 {
            match lower.get_mut(..name.len()) {
                Some(lower) => {
                    lower.copy_from_slice(name);
                    lower.make_ascii_lowercase();
                    packer.header(lower, value, out);
                }
                None => packer.header(&name.to_ascii_lowercase(), value, out),
            }
        }
    }

    /// With bytes of their own.
    pub fn owned(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect()
    }
}

/// The characters of a name, or a method (RFC 9110 §5.6.2).
const fn token() -> [bool; 256] {
    let mut token = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        token[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut n = 0;
    while n < others.len() {
        token[others[n] as usize] = true;
        n += 1;
    }
    token
}

static TOKEN: [bool; 256] = token();

/// Whether this may be a header's name.
pub fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| TOKEN[usize::from(*byte)])
}

/// Whether this may be a header's value (RFC 9110 §5.5).
pub fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte >= b' ' && *byte != 0x7f || *byte == b'\t')
}

/// A content, and the trailers behind it.
type Content<'a> = (Cow<'a, [u8]>, Option<Lines<'a>>);

/// A chunked content.
fn chunks(mut rest: &[u8]) -> Option<Content<'_>> {
    let mut body = Vec::with_capacity(rest.len());
    loop {
        // Content that is one byte short must not end with the first half of its line end.
        let ending: &[u8] = match memchr::memchr(b'\n', rest)? {
            end if rest[..end].ends_with(b"\r") => b"\r\n",
            _ => b"\n",
        };
        let size = line(&mut rest)?.split(|b| matches!(b, b';' | b' ' | b'\t')).next().unwrap_or_default();
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(ending)?;
    }
    let trailers = Lines::of(rest)?.carried(true)?;
    Some((body.into(), Some(trailers).filter(|trailers| !trailers.0.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http2::hpack::Decoder;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Method, URI, headers, content, trailers, as text: what a peer reads.
    fn carried(text: &str) -> Option<(String, Vec<String>, String, Vec<String>)> {
        let message = Message::of(text.as_bytes(), false, "target:1")?;
        let (mut packer, mut decoder) = (Packer::default(), Decoder::strict());
        let mut lines = |pack: &dyn Fn(&mut Packer, &mut Vec<u8>)| {
            let mut block = Vec::new();
            pack(&mut packer, &mut block);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let headers = decoder.read(&block).unwrap();
            headers.iter().map(|one| (text(&one.name), text(&one.value))).collect::<Vec<_>>()
        };
        let (mut asked, mut headers) = (BTreeMap::new(), Vec::new());
        for (name, value) in lines(&|packer, out| message.pack(packer, out)) {
            match name.strip_prefix(':') {
                Some(name) => assert!(headers.is_empty() && asked.insert(name.to_owned(), value).is_none()),
                None => headers.push(format!("{name}: {value}")),
            }
        }
        let part = |name: &str| asked.get(name).map_or("", String::as_str);
        let scheme = asked.get("scheme").map_or(String::new(), |scheme| format!("{scheme}://"));
        let asked = format!("{} {scheme}{}{}", part("method"), part("authority"), part("path"));
        let trailers = message.trailers.as_ref().map(|trailers| lines(&|packer, out| trailers.pack(packer, out)));
        let trailers = trailers.unwrap_or_default().iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let body = String::from_utf8(message.content.to_vec()).unwrap();
        Some((asked, headers, body, trailers))
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
    fn headers_of_one_name_stay_where_they_stand() {
        let (_, headers, ..) = carried("GET / HTTP/1.1\r\nA: 1\r\nb: 2\r\na: 3\r\nA: 1\r\n\r\n").unwrap();
        assert_eq!(headers, ["a: 1", "b: 2", "a: 3", "a: 1"]);
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
            ("GET /a<b>|{\"c\"}^`\\", "Host: h\r\n", "GET http://h/a<b>|{\"c\"}^`\\"),
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
            "GET a HTTP/1.1\r\n\r\n",
            "GET * HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
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
