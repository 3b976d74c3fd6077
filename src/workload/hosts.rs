//! The hosts that requests name, by the name under which each is known again.

use std::net::{IpAddr, SocketAddr};

use super::Request;

/// The hosts that a request names, lower case, without port: in `Host`, and in the target of a request to a proxy
/// (RFC 9112 §3.2.2, §3.2.3).
pub fn hosts(request: &Request) -> impl Iterator<Item = String> {
    let header = request.header("host").and_then(|at| request.bytes.get(at));
    let target = request.target();
    let authority = match request.method() {
        b"CONNECT" => Some(target),
        _ => absolute(target),
    };
    [header, authority].map(|text| text.and_then(known_name)).into_iter().flatten()
}

/// The name by which a host is known again, however it is written: with a dot at its end it is the same name, with other
/// zeros the same address.
fn known_name(text: &[u8]) -> Option<String> {
    let name = host_name(std::str::from_utf8(text).ok()?).to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let address = name.parse().map(|address: IpAddr| address.to_canonical().to_string());
    Some(address.unwrap_or_else(|_| name.to_owned())).filter(|host| !host.is_empty())
}

/// Host and port of a target in absolute form.
fn absolute(target: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memmem::find(target, b"://").filter(|colon| !target[..*colon].contains(&b'/'))?;
    let rest = &target[colon + 3..];
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    // What may stand before the host is a name and a password.
    rest[..end].rsplit(|b| *b == b'@').next()
}

/// `[::1]:80`, `::1`, `a.example:80` without port and brackets.
fn host_name(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match text.parse::<SocketAddr>().is_ok() || text.matches(':').count() == 1 {
        true => text.split(':').next().unwrap_or(text),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_the_same_however_it_is_written() {
        for (written, read) in [
            ("Shop.Example", Some("shop.example")),
            ("shop.example.:8080", Some("shop.example")),
            ("[2001:DB8:0::0:7]:80", Some("2001:db8::7")),
            ("2001:db8:0:0:0:0:0:7", Some("2001:db8::7")),
            ("[::ffff:10.0.0.5]", Some("10.0.0.5")),
            ("10.0.0.5:80", Some("10.0.0.5")),
            ("", None),
            (".", None),
        ] {
            let request = Request::new(format!("GET / HTTP/1.1\r\nHost: {written}\r\n\r\n").into_bytes()).unwrap();
            assert_eq!(hosts(&request).next().as_deref(), read, "{written}");
        }
    }
}
