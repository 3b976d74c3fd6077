//! Values of headers, each by its table.

use standin::protocol::Role;

use super::{C, S, Talk};

/// One header line's events: kept text as it is, fields as `<role path last-part>`.
fn header(line: &str) -> String {
    let side = if line.starts_with("Set-") || line.starts_with("WWW") || line.starts_with("Location") { S } else { C };
    let start = if side == C { "GET / HTTP/1.1\r\n" } else { "HTTP/1.1 200 OK\r\n" };
    let bytes = format!("{start}{line}\r\n\r\n");
    let seen = Talk::new(&[(side, bytes.as_bytes())]).whole();
    let mut out = String::new();
    for (at, what) in seen.story() {
        let raw = &bytes[at.start as usize..at.end as usize];
        match what.split_once(' ') {
            None => out.push_str(raw),
            Some((role, rest)) => {
                let path = rest.split_once(' ').map_or("", |(_, told)| told.split('=').next().unwrap_or(""));
                let short = path.trim_start_matches("http.request.").trim_start_matches("http.response.");
                let role = if role == format!("{:?}", Role::Value) { "" } else { role };
                out.push_str(&format!("<{short}{}{role}>", if role.is_empty() { "" } else { " " }));
            }
        }
    }
    out.trim_start_matches(start).trim_end().to_string()
}

#[test]
fn header_values_by_their_table() {
    let cases = [
        ("Host: shop.example.com:8080", "Host: <header.host Host>:8080"),
        ("Host: [2001:db8::1]:80", "Host: [<header.host Host>]:80"),
        (
            "Accept: text/html, application/x-secret;q=0.9, */*",
            "Accept: text/html, application/<header.accept>;q=0.9, */*",
        ),
        ("Accept-Language: de-CH, de;q=0.8", "Accept-Language: de-CH, de;q=0.8"),
        ("Authorization: Basic YTpi", "Authorization: Basic <header.authorization.basic>"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer <header.authorization.bearer>"),
        ("Authorization: secret", "Authorization: <header.authorization>"),
        (
            "Authorization: Digest username=\"a\", uri=\"/x/y\", qop=auth, nc=00000001",
            "Authorization: Digest username=\"<header.authorization.digest.username>\", uri=\"/<header.authorization.digest.uri.path Segment>/<header.authorization.digest.uri.path Segment>\", qop=auth, nc=00000001",
        ),
        ("Cookie: sid=\"a b\"; 2024=x; flag", "Cookie: sid=\"<cookie.sid>\"; <cookie.{} Name>=<cookie.{}>; <cookie>"),
        (
            "Referer: https://h.example/a?b=c#d",
            "Referer: https://<header.referer.host Host>/<header.referer.path Segment>?b=<header.referer.query.b>#<header.referer.fragment>",
        ),
        (
            "X-Forwarded-For: 10.0.0.1, 2001:db8::1",
            "X-Forwarded-For: <header.x-forwarded-for Host>, <header.x-forwarded-for Host>",
        ),
        ("Forwarded: for=\"[::1]:80\";proto=https", "Forwarded: for=\"[<header.forwarded.for Host>]:80\";proto=https"),
        ("Via: 1.1 proxy.example (squid)", "Via: 1.1 <header.via Host> <header.via>"),
        ("If-None-Match: W/\"abc\", \"d\"", "If-None-Match: W/\"<header.if-none-match>\", \"<header.if-none-match>\""),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"),
        ("If-Modified-Since: Sun, 06 Nov 1994", "If-Modified-Since: <header.if-modified-since>"),
        ("User-Agent: curl/8.0", "User-Agent: <header.user-agent>"),
        ("X-Order-20240131: a", "<header.{} Name>: <header.{}>"),
        (
            "Content-Type: multipart/form-data; boundary=\"xyz\"",
            "Content-Type: multipart/form-data; boundary=\"<header.content-type.boundary>\"",
        ),
        ("Content-Type: text/html; charset=UTF-8", "Content-Type: text/html; charset=UTF-8"),
        (
            "Content-Disposition: form-data; name=\"photo\"; filename=\"me.jpg\"",
            "Content-Disposition: form-data; name=\"photo\"; filename=\"<header.content-disposition.filename>\"",
        ),
        ("Cache-Control: max-age=3600, no-cache", "Cache-Control: max-age=3600, no-cache"),
        ("Connection: keep-alive, Upgrade", "Connection: keep-alive, Upgrade"),
        ("Range: bytes=0-1023", "Range: bytes=0-1023"),
        ("Link: </p?x=1>; rel=\"next\"", "Link: </<header.link.path Segment>?x=<header.link.query.x>>; rel=\"next\""),
        ("Location: javascript:0open(1)", "Location: javascript:<header.location.path>"),
        ("Location: shop:8080/a", "Location: <header.location.path Segment>/<header.location.path Segment>"),
        ("Location: /orders/42", "Location: /<header.location.path Segment>/<header.location.path Segment>"),
        (
            "WWW-Authenticate: Basic realm=\"shop\"",
            "WWW-Authenticate: Basic realm=\"<header.www-authenticate.basic.realm>\"",
        ),
        (
            "Set-Cookie: sid=abc%20d; Path=/a; Domain=.example.com; Expires=Wed, 21-Oct-2015 07:28:00 GMT; Max-Age=60; HttpOnly; SameSite=Lax",
            "Set-Cookie: sid=<set-cookie.sid>; Path=/<set-cookie.path.path Segment>; Domain=.<set-cookie.domain Host>; Expires=Wed, 21-Oct-2015 07:28:00 GMT; Max-Age=60; HttpOnly; SameSite=Lax",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(header(line), expected);
    }
}
