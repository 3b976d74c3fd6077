//! Header lines of a request, and its values by path: where they stand, so that they can be replaced.

use std::ops::Range;

use crate::protocol::{Encoding, Side};

use super::Request;
use super::values::read;

/// One header of a message; ranges of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderLine {
    /// The name.
    pub name: Range<usize>,
    /// The value, surrounding spaces left out; over all lines when it is folded (RFC 9112, 5.2).
    pub value: Range<usize>,
    /// All of it, the line end included.
    pub line: Range<usize>,
}

impl Request {
    /// The headers, in order.
    pub fn headers(&self) -> Vec<HeaderLine> {
        headers(&self.bytes)
    }

    /// Where the empty line begins that ends the head, and how the request's lines end.
    pub fn head_end(&self) -> Option<(usize, &'static str)> {
        let first = memchr::memchr(b'\n', &self.bytes)?;
        let ending = if first > 0 && self.bytes[first - 1] == b'\r' { "\r\n" } else { "\n" };
        let at = self.headers().last().map_or(first + 1, |header| header.line.end);
        self.bytes.get(at..).filter(|rest| rest.starts_with(b"\r\n") || rest.starts_with(b"\n"))?;
        Some((at, ending))
    }

    /// Where the values at a path stand (as [`crate::protocol::Field::path`]; `http.request.body.json.password`), and how
    /// they are encoded there. A value that is not one piece of the bytes is left out.
    pub fn fields(&self, path: &dyn Fn(&str) -> bool) -> Vec<(Range<usize>, Encoding)> {
        let mut found = Vec::new();
        read(&self.bytes, &[], &mut |side, value| {
            if side == Side::Client && path(value.path) {
                found.extend(value.at.map(|(start, end)| (start..end, value.encoding)));
            }
        });
        found
    }
}

/// The headers of a message, in order.
pub(super) fn headers(bytes: &[u8]) -> Vec<HeaderLine> {
    let mut found: Vec<HeaderLine> = Vec::new();
    let mut at = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    while let Some(end) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let raw = &bytes[at..at + end];
        let text = raw.trim_ascii_end();
        if text.is_empty() {
            break;
        }
        let line = at..at + end + 1;
        match found.last_mut() {
            Some(folded) if matches!(raw[0], b' ' | b'\t') => {
                folded.value.end = at + text.len();
                folded.line.end = line.end;
            }
            _ => {
                let colon = memchr::memchr(b':', text).unwrap_or(text.len());
                let value_end = at + text.len();
                let value = text.get(colon + 1..).unwrap_or_default().trim_ascii_start();
                found.push(HeaderLine { name: at..at + colon, value: value_end - value.len()..value_end, line });
            }
        }
        at += end + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        Request::new(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn headers_have_names_values_and_lines() {
        let request = request("GET / HTTP/1.1\r\nHost:  a \r\nX-Long: b\r\n  c\r\nEmpty:\r\nodd\r\n\r\nno: header\r\n");
        let text = |at: Range<usize>| std::str::from_utf8(&request.bytes[at]).unwrap();
        let all: Vec<_> = request.headers().into_iter().map(|h| (text(h.name), text(h.value), text(h.line))).collect();
        assert_eq!(
            all,
            [
                ("Host", "a", "Host:  a \r\n"),
                ("X-Long", "b\r\n  c", "X-Long: b\r\n  c\r\n"),
                ("Empty", "", "Empty:\r\n"),
                ("odd", "", "odd\r\n")
            ]
        );
        assert_eq!(request.head_end(), Some((request.bytes.len() - "\r\nno: header\r\n".len(), "\r\n")));
    }

    #[test]
    fn heads_of_all_kinds_end() {
        assert_eq!(request("GET /\n\nbody").head_end(), Some((6, "\n")));
        assert_eq!(request("GET /\nA: b\n\n").head_end(), Some((11, "\n")));
        assert_eq!(request("GET /\r\nA: b\r\n").head_end(), None);
        assert_eq!(request("GET /\r\n").head_end(), None);
    }

    #[test]
    fn fields_stand_where_their_path_says() {
        let request = request(
            "POST /a?key=q%20r HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{\"user\":{\"password\":\"x\\\"y\"}}",
        );
        let of = |path: &str| {
            let fields = request.fields(&|p| p.ends_with(path));
            fields
                .into_iter()
                .map(|(at, e)| (String::from_utf8_lossy(&request.bytes[at]).into_owned(), e))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("json.user.password"), [("x\\\"y".to_owned(), Encoding::Json)]);
        assert_eq!(of("query.key"), [("q%20r".to_owned(), Encoding::Form)]);
    }
}
