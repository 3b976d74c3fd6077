//! Header fields: which name has which kind of value.

use std::ops::Range;

use super::{url, value};
use crate::protocol::emit::Emit;
use crate::protocol::name::is_identifier;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// How the values of a header are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Constants of the protocol and numbers are kept, other words are values.
    Tokens,
    /// Names of headers.
    Names,
    /// Tags of languages.
    Languages,
    /// A date in the one format that HTTP writes.
    Date,
    /// A host, perhaps with a port.
    Host,
    /// A list of hosts.
    Hosts,
    /// `1.1 host (comment)`, in a list.
    Via,
    /// A URL.
    Url,
    /// A scheme and credentials or a challenge.
    Credentials,
    /// `name=value; name=value`.
    Cookie,
    /// A cookie and its attributes.
    SetCookie,
    /// A media type with parameters.
    MediaType,
    /// A word with parameters: `form-data; name="a"`.
    Params,
    /// Forwarded, RFC 7239.
    Forwarded,
    /// Entity tags.
    Tags,
    /// `<url>; rel=next`.
    Link,
    /// A number and a unit of time.
    Timeout,
    /// A text in percent escapes.
    Percent,
    /// Sixteen bytes in base64, RFC 6455 §4.1.
    Nonce,
    /// What answers them.
    Proof,
    /// Anything.
    Plain,
}

/// Names in lower case, sorted; what is not here is [`Kind::Plain`].
pub const HEADERS: &[(&str, Kind)] = &[
    ("accept", Kind::Tokens),
    ("accept-charset", Kind::Tokens),
    ("accept-encoding", Kind::Tokens),
    ("accept-language", Kind::Languages),
    ("accept-patch", Kind::Tokens),
    ("accept-post", Kind::Tokens),
    ("accept-ranges", Kind::Tokens),
    ("access-control-allow-credentials", Kind::Tokens),
    ("access-control-allow-headers", Kind::Names),
    ("access-control-allow-methods", Kind::Tokens),
    ("access-control-allow-origin", Kind::Url),
    ("access-control-expose-headers", Kind::Names),
    ("access-control-max-age", Kind::Tokens),
    ("access-control-request-headers", Kind::Names),
    ("access-control-request-method", Kind::Tokens),
    ("age", Kind::Tokens),
    ("allow", Kind::Tokens),
    ("authorization", Kind::Credentials),
    ("cache-control", Kind::Tokens),
    ("cf-connecting-ip", Kind::Hosts),
    ("client-ip", Kind::Hosts),
    ("connection", Kind::Names),
    ("content-disposition", Kind::Params),
    ("content-encoding", Kind::Tokens),
    ("content-language", Kind::Languages),
    ("content-length", Kind::Tokens),
    ("content-location", Kind::Url),
    ("content-range", Kind::Tokens),
    ("content-transfer-encoding", Kind::Tokens),
    ("content-type", Kind::MediaType),
    ("cookie", Kind::Cookie),
    ("cross-origin-embedder-policy", Kind::Tokens),
    ("cross-origin-opener-policy", Kind::Tokens),
    ("cross-origin-resource-policy", Kind::Tokens),
    ("date", Kind::Date),
    ("destination", Kind::Url),
    ("dnt", Kind::Tokens),
    ("etag", Kind::Tags),
    ("expect", Kind::Tokens),
    ("expires", Kind::Date),
    ("forwarded", Kind::Forwarded),
    ("grpc-accept-encoding", Kind::Tokens),
    ("grpc-encoding", Kind::Tokens),
    ("grpc-message", Kind::Percent),
    ("grpc-previous-rpc-attempts", Kind::Tokens),
    ("grpc-status", Kind::Tokens),
    ("grpc-timeout", Kind::Timeout),
    ("host", Kind::Host),
    ("if-match", Kind::Tags),
    ("if-modified-since", Kind::Date),
    ("if-none-match", Kind::Tags),
    ("if-range", Kind::Tags),
    ("if-unmodified-since", Kind::Date),
    ("keep-alive", Kind::Tokens),
    ("last-modified", Kind::Date),
    ("link", Kind::Link),
    ("location", Kind::Url),
    ("max-forwards", Kind::Tokens),
    ("origin", Kind::Url),
    ("pragma", Kind::Tokens),
    ("priority", Kind::Tokens),
    ("proxy-authenticate", Kind::Credentials),
    ("proxy-authentication-info", Kind::Params),
    ("proxy-authorization", Kind::Credentials),
    ("proxy-connection", Kind::Names),
    ("range", Kind::Tokens),
    ("referer", Kind::Url),
    ("referrer-policy", Kind::Tokens),
    ("retry-after", Kind::Date),
    ("sec-fetch-dest", Kind::Tokens),
    ("sec-fetch-mode", Kind::Tokens),
    ("sec-fetch-site", Kind::Tokens),
    ("sec-fetch-user", Kind::Tokens),
    ("sec-gpc", Kind::Tokens),
    ("sec-websocket-accept", Kind::Proof),
    ("sec-websocket-extensions", Kind::Tokens),
    ("sec-websocket-key", Kind::Nonce),
    ("sec-websocket-protocol", Kind::Tokens),
    ("sec-websocket-version", Kind::Tokens),
    ("set-cookie", Kind::SetCookie),
    ("strict-transport-security", Kind::Tokens),
    ("te", Kind::Tokens),
    ("timing-allow-origin", Kind::Url),
    ("trailer", Kind::Names),
    ("transfer-encoding", Kind::Tokens),
    ("true-client-ip", Kind::Hosts),
    ("upgrade", Kind::Tokens),
    ("upgrade-insecure-requests", Kind::Tokens),
    ("vary", Kind::Names),
    ("via", Kind::Via),
    ("www-authenticate", Kind::Credentials),
    ("x-client-ip", Kind::Hosts),
    ("x-content-type-options", Kind::Tokens),
    ("x-dns-prefetch-control", Kind::Tokens),
    ("x-forwarded-for", Kind::Hosts),
    ("x-forwarded-host", Kind::Hosts),
    ("x-forwarded-port", Kind::Tokens),
    ("x-forwarded-proto", Kind::Tokens),
    ("x-forwarded-server", Kind::Hosts),
    ("x-frame-options", Kind::Tokens),
    ("x-http-method-override", Kind::Tokens),
    ("x-original-forwarded-for", Kind::Hosts),
    ("x-original-url", Kind::Url),
    ("x-real-ip", Kind::Hosts),
    ("x-requested-with", Kind::Tokens),
    ("x-rewrite-url", Kind::Url),
    ("x-xss-protection", Kind::Tokens),
];

/// Longest name in [`HEADERS`], and of an identifier.
const NAME_MAX: usize = 40;

/// The kind of the header `name`, in any case.
pub fn kind(name: &[u8]) -> Kind {
    let mut lower = [0; NAME_MAX];
    let Some(lower) = lower.get_mut(..name.len()) else { return Kind::Plain };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let found = HEADERS.binary_search_by(|(known, _)| known.as_bytes().cmp(lower));
    found.map_or(Kind::Plain, |at| HEADERS[at].1)
}

/// The name of a header line and where its value stands: in the line, white space trimmed.
pub fn split(line: &[u8]) -> Option<(&[u8], Range<usize>)> {
    let colon = memchr::memchr(b':', line)?;
    let rest = &line[colon + 1..];
    let start = line.len() - rest.trim_ascii_start().len();
    let end = (colon + 1 + rest.trim_ascii_end().len()).max(start);
    Some((line[..colon].trim_ascii_end(), start..end))
}

/// Reports the header line at `at` (its line end left out); `path` is its message's (`http.request`).
pub fn line(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let level = path.level();
    match split(&emit.bytes()[at.clone()]) {
        Some((name, value)) => {
            let value = at.start + value.start..at.start + value.end;
            let kind = kind(name);
            let name = at.start..at.start + name.len();
            header_name(emit, name, kind, path);
            emit.keep_to(value.start);
            read_value(emit, kind, value.clone(), path);
            // No reader leaves bytes; should one, they are not understood.
            emit.opaque_to(value.end, "http header value");
        }
        None => {
            path.push_unnamed(".header");
            emit.field_to(at.end, path, Encoding::Plain, Role::Text);
        }
    }
    path.back(level);
    emit.keep_to(at.end);
}

fn header_name(emit: &mut Emit<'_>, at: Range<usize>, kind: Kind, path: &mut Path) {
    let name = &emit.bytes()[at.clone()];
    if go_down(name, kind, path) {
        emit.keep_to(at.end);
    } else {
        emit.field_to(at.end, path, Encoding::Plain, Role::Name);
    }
}

/// Goes down to the header `name`; whether the name may be told.
fn go_down(name: &[u8], kind: Kind, path: &mut Path) -> bool {
    match kind {
        Kind::Cookie => path.push_unnamed(".cookie"),
        Kind::SetCookie => path.push_unnamed(".set-cookie"),
        _ => path.push_unnamed(".header"),
    }
    let cookies = matches!(kind, Kind::Cookie | Kind::SetCookie);
    let told = cookies || is_identifier(name);
    match told {
        true if cookies => {}
        true => path.push_lower(name),
        false => path.push_secret(),
    }
    told
}

/// Reports a name that stands alone: all of the bytes. `path` is its message's.
pub fn name(emit: &mut Emit<'_>, path: &mut Path) {
    let (level, name) = (path.level(), emit.bytes());
    header_name(emit, 0..name.len(), kind(name), path);
    path.back(level);
}

/// Reports the value of the header `name`, which stands alone: all of the bytes. `path` is its message's.
pub fn value(emit: &mut Emit<'_>, name: &[u8], path: &mut Path) {
    let (level, kind, bytes) = (path.level(), kind(name), emit.bytes());
    go_down(name, kind, path);
    let start = bytes.len() - bytes.trim_ascii_start().len();
    let end = bytes.trim_ascii_end().len().max(start);
    emit.keep_to(start);
    read_value(emit, kind, start..end, path);
    // No reader leaves bytes; should one, they are not understood.
    emit.opaque_to(end, "http header value");
    emit.keep_to(bytes.len());
    path.back(level);
}

/// Goes on with a folded line (RFC 9112 §5.2): more of a value, whatever its kind.
pub fn folded(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = &emit.bytes()[at.clone()];
    let start = at.end - bytes.trim_ascii_start().len();
    let end = at.start + bytes.trim_ascii_end().len();
    if start < end {
        let level = path.level();
        path.push_unnamed(".header");
        emit.field_at(start..end, path, Encoding::Plain, Role::Value);
        path.back(level);
    }
    emit.keep_to(at.end);
}

fn read_value(emit: &mut Emit<'_>, kind: Kind, at: Range<usize>, path: &mut Path) {
    match kind {
        Kind::Tokens => value::tokens(emit, at, path),
        Kind::Names => value::names(emit, at, path),
        Kind::Languages => value::languages(emit, at, path),
        Kind::Date => value::date(emit, at, path),
        Kind::Host => url::host(emit, at, path),
        Kind::Hosts => value::list(emit, at, |emit, at| url::host(emit, at, path)),
        Kind::Via => value::list(emit, at, |emit, at| value::via(emit, at, path)),
        Kind::Url => value::url_or_word(emit, at, path),
        Kind::Credentials => value::credentials(emit, at, path),
        Kind::Cookie => value::cookies(emit, at, path),
        Kind::SetCookie => value::set_cookie(emit, at, path),
        Kind::MediaType | Kind::Params => value::word_and_params(emit, at, path),
        Kind::Forwarded => value::params(emit, at, path),
        Kind::Tags => value::tags(emit, at, path),
        Kind::Link => value::list(emit, at, |emit, at| value::link(emit, at, path)),
        Kind::Timeout => value::timeout(emit, at, path),
        Kind::Percent => emit.field_to(at.end, path, Encoding::Percent, Role::Text),
        Kind::Nonce => value::nonce(emit, at, path),
        Kind::Proof | Kind::Plain => emit.field_to(at.end, path, Encoding::Plain, Role::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_found() {
        assert!(HEADERS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, expected) in HEADERS {
            assert!(name.len() <= NAME_MAX && is_identifier(name.as_bytes()), "{name}");
            assert_eq!(kind(name.to_ascii_uppercase().as_bytes()), *expected);
        }
        assert_eq!(kind(b"x-unknown"), Kind::Plain);
    }
}
