//! Which endpoint a request goes to: its path with the values taken out.

use super::Request;
use crate::protocol::content::Media;
use crate::protocol::grpc;

/// Longest segment that is taken for a name.
const NAME_MAX: usize = 24;

/// `GET /api/v1/orders/{}`: method and path of a request, segments that look like values as `{}`, without the query.
pub fn endpoint(request: &Request) -> String {
    let mut name = String::from_utf8_lossy(request.method()).into_owned();
    name.push(' ');
    name.push_str(&endpoint_path(request));
    name
}

/// An `Upgrade` header's value asks for WebSocket, among others.
pub(super) fn is_websocket(value: &[u8]) -> bool {
    value.split(|b| matches!(b, b',' | b' ')).any(|word| word.eq_ignore_ascii_case(b"websocket"))
}

/// The path of an endpoint.
pub(super) fn endpoint_path(request: &Request) -> String {
    let target = request.target();
    let path = target.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
    let path = path
        .strip_prefix(b"http://".as_slice())
        .map_or(path, |rest| &rest[memchr::memchr(b'/', rest).unwrap_or(rest.len())..]);
    if grpc::names_a_method(path) && is_call(request) {
        return String::from_utf8_lossy(path).into_owned();
    }
    let mut name = String::new();
    for (n, segment) in path.split(|&b| b == b'/').enumerate() {
        if n > 0 {
            name.push('/');
        }
        match std::str::from_utf8(segment) {
            Ok(text) if is_name(text) => name.push_str(text),
            _ => name.push_str("{}"),
        }
    }
    name
}

fn is_call(request: &Request) -> bool {
    let media = request.header("content-type").and_then(|at| request.bytes.get(at));
    media.is_some_and(|media| grpc::is_call(&Media::parse(media)))
}

/// A word that a programmer wrote, `v1` among them, and no value.
pub(super) fn is_name(segment: &str) -> bool {
    let version = segment
        .strip_prefix('v')
        .is_some_and(|rest| !rest.is_empty() && rest.len() <= 2 && rest.bytes().all(|b| b.is_ascii_digit()));
    let word = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_' | b'.');
    version || segment.len() <= NAME_MAX && segment.bytes().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_out() {
        let asked = |head: &str| endpoint(&Request::new(format!("{head}\r\n\r\n").into_bytes()).unwrap());
        let of = |line: &str| asked(&format!("{line} HTTP/1.1"));
        assert_eq!(of("GET /api/v1/orders/18236?x=1"), "GET /api/v1/orders/{}");
        assert_eq!(of("POST http://h:1/cart/items"), "POST /cart/items");
        assert_eq!(of("GET /"), "GET /");
        assert_eq!(of("OPTIONS *"), "OPTIONS {}");
        assert_eq!(of("GET /u/a%40b/x"), "GET /u/{}/x");
        assert_eq!(
            asked("POST /v1.a.b.c.d.Parcels.Much.Longer/Get HTTP/1.1\r\ncontent-type: application/grpc"),
            "POST /v1.a.b.c.d.Parcels.Much.Longer/Get"
        );
        assert_eq!(of("POST /v1.a.b.c.d.Parcels.Much.Longer/Get"), "POST /{}/Get");
    }
}
