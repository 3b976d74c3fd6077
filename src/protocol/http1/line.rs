//! Start lines: is this one, and what stands in it. RFC 9112 §3 and §4, and what real peers send instead.

use std::ops::Range;

/// What a line that begins at a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A request line.
    Request,
    /// A status line.
    Status,
    /// Something else.
    Neither,
    /// More bytes will tell.
    Unclear,
}

/// Methods that are known at once, when a plausible target follows.
const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"HEAD",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"TRACE",
    b"CONNECT",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
    b"MKCALENDAR",
    b"PURGE",
    b"CHECKOUT",
    b"MERGE",
    b"MKACTIVITY",
    b"VERSION-CONTROL",
    b"RPC_IN_DATA",
    b"RPC_OUT_DATA",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"NOTIFY",
    b"M-SEARCH",
];
/// Longest method.
const METHOD_MAX: usize = 24;
/// Length of a version that sticks to the target.
const STUCK_VERSION: usize = "HTTP/1.1".len();
/// A line with an unknown method is one by its end; this far it is looked for.
const LINE_MAX: usize = 8 << 10;

/// Whether this is a method that is known.
pub fn is_method(word: &[u8]) -> bool {
    METHODS.contains(&word)
}

/// Looks at the line that begins `bytes`.
pub fn look(bytes: &[u8]) -> Look {
    let status = starts_like(bytes, b"HTTP/").or(starts_like(bytes, b"HTTP ")).or(starts_like(bytes, b"ICY "));
    if let Some(whole) = status {
        return if whole { Look::Status } else { Look::Unclear };
    }
    if bytes.starts_with(b"PRI * ") {
        // The preface of HTTP/2.
        return Look::Neither;
    }
    let method_len = bytes.iter().take_while(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_')).count();
    let (method, behind) = bytes.split_at(method_len);
    if method_len > METHOD_MAX || (method_len < 2 && !behind.is_empty()) {
        return Look::Neither;
    }
    let Some(&space) = behind.first() else { return Look::Unclear };
    if matches!(space, b'\r' | b'\n') && METHODS.contains(&method) {
        return Look::Request;
    }
    if space != b' ' && space != b'\t' {
        return Look::Neither;
    }
    let target = behind.trim_ascii_start();
    if METHODS.contains(&method) && is_target(target) {
        return Look::Request;
    }
    by_its_end(bytes)
}

/// Whether `bytes` begin with `word` in any case; `Some(false)` when they are too short to tell.
fn starts_like(bytes: &[u8], word: &[u8]) -> Option<bool> {
    let len = bytes.len().min(word.len());
    bytes[..len].eq_ignore_ascii_case(&word[..len]).then_some(len == word.len())
}

fn is_target(target: &[u8]) -> bool {
    target.starts_with(b"/") || target.starts_with(b"http://") || target.starts_with(b"* HTTP/")
}

fn by_its_end(bytes: &[u8]) -> Look {
    let line = match memchr::memchr(b'\n', &bytes[..bytes.len().min(LINE_MAX)]) {
        Some(end) => &bytes[..end],
        None if bytes.len() < LINE_MAX && !bytes.iter().any(is_binary) => return Look::Unclear,
        None => return Look::Neither,
    };
    if version_at(line.trim_ascii_end()).is_some() { Look::Request } else { Look::Neither }
}

fn is_binary(b: &u8) -> bool {
    b.is_ascii_control() && !b.is_ascii_whitespace()
}

/// Where the version begins: the last word, if it is one, or the end of the last word: a version may stick to the
/// target.
fn version_at(line: &[u8]) -> Option<usize> {
    let at = memchr::memrchr2(b' ', b'\t', line)? + 1;
    let sticks = line.ends_with(b"HTTP/1.1") || line.ends_with(b"HTTP/1.0");
    is_version(&line[at..]).then_some(at).or(sticks.then(|| line.len() - STUCK_VERSION))
}

/// `HTTP/` and a number; a text that ends with `HTTP/2.</p>` is no request.
fn is_version(word: &[u8]) -> bool {
    let number = word.split_at_checked(b"HTTP/".len()).filter(|(name, _)| name.eq_ignore_ascii_case(b"HTTP/"));
    number.is_some_and(|(_, number)| number.len() <= 8 && number.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
}

/// The parts of a request line, as positions in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestLine {
    /// The method.
    pub method: Range<usize>,
    /// The target.
    pub target: Range<usize>,
    /// The version; empty when there is none (HTTP/0.9).
    pub version: Range<usize>,
}

/// Reads a request line, its line end left out.
pub fn request_line(line: &[u8]) -> RequestLine {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let end = line.trim_ascii_end().len();
    let method = line.iter().position(is_space).unwrap_or(end).min(end);
    let target = method + line[method..end].iter().take_while(|b| is_space(b)).count();
    let version = version_or_word(&line[..end]).unwrap_or(end).max(target);
    let target_end = target + line[target..version].trim_ascii_end().len();
    RequestLine { method: 0..method, target: target..target_end, version: version..end }
}

/// A version, or what was to be one: a short last word that begins like it.
fn version_or_word(line: &[u8]) -> Option<usize> {
    version_at(line).or_else(|| {
        let at = memchr::memrchr2(b' ', b'\t', line)? + 1;
        (line[at..].len() <= 12 && starts_like(&line[at..], b"HTT") == Some(true)).then_some(at)
    })
}

/// The parts of a status line, as positions in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusLine {
    /// The version.
    pub version: Range<usize>,
    /// The status code.
    pub code: Range<usize>,
    /// The reason phrase; may be empty.
    pub reason: Range<usize>,
    /// The code's value, 0 when it is no number below 1000.
    pub status: u16,
}

/// Reads a status line, its line end left out.
pub fn status_line(line: &[u8]) -> StatusLine {
    let end = line.trim_ascii_end().len();
    let word = |from: usize| {
        let start = from + line[from..end].iter().take_while(|b| b.is_ascii_whitespace()).count();
        let len = line[start..end].iter().take_while(|b| !b.is_ascii_whitespace()).count();
        start..start + len
    };
    let version = word(0);
    let code = word(version.end);
    let reason = word(code.end).start..end;
    let digits = std::str::from_utf8(&line[code.clone()]).unwrap_or_default();
    let status = digits.parse().ok().filter(|status| *status < 1000).unwrap_or(0);
    StatusLine { version, code, reason, status }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_lines_by_their_bytes() {
        let cases: &[(&[u8], Look)] = &[
            (b"GET / HTTP/1.1\r\n", Look::Request),
            (b"GET /", Look::Request),
            (b"GET  /a", Look::Request),
            (b"OPTIONS * HTTP/1.1", Look::Request),
            (b"CONNECT a:443", Look::Unclear),
            (b"CONNECT a:443 HTTP/1.1\r\n", Look::Request),
            (b"FOO bar HTTP/1.0\r\n", Look::Request),
            (b"get / HTTP/1.1\n", Look::Request),
            (b"OPTIONS\r\n", Look::Request),
            (b"CCM_POST /HTTP/1.1\n", Look::Request),
            (b"HTTP/1.1 200 OK", Look::Status),
            (b"HTTP/9", Look::Status),
            (b"HTT", Look::Unclear),
            (b"", Look::Unclear),
            (b"GE", Look::Unclear),
            (b"GET key\r\n", Look::Neither),
            (b"USER anna\r\n", Look::Neither),
            (b"OPTIONS sip:a@b SIP/2.0\r\n", Look::Neither),
            (b"\x16\x03\x01", Look::Neither),
            (b"{\"a\":1}", Look::Neither),
            (b"PRI * HTTP/2.0\r\n", Look::Neither),
            (b"ng tool</a> for HTTP/2.</p>\n", Look::Neither),
        ];
        for (bytes, expected) in cases {
            assert_eq!(look(bytes), *expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn parts_of_odd_lines() {
        let line = b"GET  /a b  HTT";
        let parts = request_line(line);
        assert_eq!(&line[parts.target], b"/a b");
        assert_eq!(&line[parts.version], b"HTT");
        let line = b"GET /HTTP/1.1";
        let parts = request_line(line);
        assert_eq!((&line[parts.target], &line[parts.version]), (&b"/"[..], &b"HTTP/1.1"[..]));
        assert_eq!(request_line(b"GET /").version.len(), 0);
        assert_eq!(request_line(b"GET").target.len(), 0);
        let line = b"HTTP/1.1  200   All well ";
        let parts = status_line(line);
        assert_eq!((parts.status, &line[parts.reason]), (200, &b"All well"[..]));
        assert_eq!(status_line(b"HTTP/1.1").status, 0);
        assert_eq!(status_line(b"HTTP/1.1 0200").status, 200);
    }
}
