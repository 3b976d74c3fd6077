//! Values of header fields, RFC 9110: what is constant is kept, everything else is a field.
//!
//! Every function reports the bytes at `at` and leaves the path as it was.

use std::ops::Range;

use super::media_types::chosen_of_media_type;
use super::url;
use super::words::{is_known, is_language};
use crate::protocol::emit::Emit;
use crate::protocol::name::is_identifier;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// Longest number that is kept among tokens: a length, an age, a quality.
const NUMBER_MAX: usize = 12;

/// Letters of sixteen bytes in base64 that stand for six bits of them …
pub const NONCE_FRONT: usize = 21;
/// … and the last one, for two.
pub const NONCE_ENDS: &[u8; 4] = b"AQgw";

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b >= 0x80 || b"!#$%&'*+-.^_`|~/@?".contains(&b)
}

/// Calls `read` with each run of token bytes; what is between them is kept.
fn each_token(emit: &mut Emit<'_>, at: Range<usize>, mut read: impl FnMut(&mut Emit<'_>, Range<usize>)) {
    let bytes = emit.bytes();
    let mut start = at.start;
    while start < at.end {
        let inside = is_token_byte(bytes[start]);
        let len = bytes[start..at.end].iter().take_while(|&&b| is_token_byte(b) == inside).count();
        if inside {
            read(emit, start..start + len);
        }
        start += len;
        emit.keep_to(start);
    }
}

/// Sixteen bytes in base64: the last letter, of which four bits must be zero, is kept, so that whatever stands before it
/// makes sixteen bytes again. Anything else is a value.
pub fn nonce(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let is_one = matches!(&emit.bytes()[at.clone()], [front @ .., last, b'=', b'=']
        if front.len() == NONCE_FRONT && NONCE_ENDS.contains(last) && front.iter().all(|b| b.is_ascii_alphanumeric() || b"+/".contains(b)));
    let end = if is_one { at.start + NONCE_FRONT } else { at.end };
    emit.field_at(at.start..end, path, Encoding::Plain, Role::Value);
    emit.keep_to(at.end);
}

/// Words of the protocol and numbers are kept, others are values.
pub fn tokens(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    each_token(emit, at, |emit, at| token(emit, at, path));
}

fn token(emit: &mut Emit<'_>, at: Range<usize>, path: &Path) {
    let bytes = &emit.bytes()[at.clone()];
    if is_known(bytes) || is_number(bytes) {
        emit.keep_to(at.end);
    } else {
        // Readers go by how a media type ends, so that what is masked is read as what was.
        let chosen = chosen_of_media_type(bytes).map(|chosen| at.start + chosen.start..at.start + chosen.end);
        emit.field_at(chosen.unwrap_or(at.clone()), path, Encoding::Plain, Role::Value);
        emit.keep_to(at.end);
    }
}

/// Digits, as in `0-1023/4096`, `0.8`, `*`.
fn is_number(bytes: &[u8]) -> bool {
    let mut parts = bytes.split(|b| matches!(b, b'-' | b'/' | b'.' | b'*' | b'?'));
    parts.all(|digits| digits.len() <= NUMBER_MAX && digits.iter().all(u8::is_ascii_digit))
}

/// Names of headers.
pub fn names(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    each_token(emit, at, |emit, at| {
        let bytes = &emit.bytes()[at.clone()];
        if is_identifier(bytes) || bytes == b"*" {
            emit.keep_to(at.end);
        } else {
            emit.field_at(at, path, Encoding::Plain, Role::Name);
        }
    });
}

/// `de-CH, de;q=0.8`.
pub fn languages(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    each_token(emit, at, |emit, at| {
        if is_language(&emit.bytes()[at.clone()]) { emit.keep_to(at.end) } else { token(emit, at, path) }
    });
}

/// `20S`, `1500m`: how long the caller of a gRPC method waits.
pub fn timeout(emit: &mut Emit<'_>, at: Range<usize>, path: &Path) {
    let is_timeout = emit.bytes()[at.clone()].split_last().is_some_and(|(unit, digits)| {
        b"HMSmun".contains(unit) && (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
    });
    if is_timeout {
        emit.keep_to(at.end);
    } else {
        emit.field_to(at.end, path, Encoding::Plain, Role::Value);
    }
}

/// A date as HTTP writes it, or a short number; nothing else is kept.
pub fn date(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = &emit.bytes()[at.clone()];
    let is_short = bytes.len() <= 6 && bytes.strip_prefix(b"-").unwrap_or(bytes).iter().all(u8::is_ascii_digit);
    if is_short || is_http_date(bytes) {
        emit.keep_to(at.end);
    } else {
        emit.field_to(at.end, path, Encoding::Plain, Role::Value);
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7), cookies' dashes allowed.
fn is_http_date(bytes: &[u8]) -> bool {
    const PATTERN: &[u8; 29] = b"www, dd mmm dddd dd:dd:dd GMT";
    const DAYS: &[&[u8]] = &[b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    const MONTHS: &[&[u8]] =
        &[b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let fits = |(b, pattern): (&u8, &u8)| match pattern {
        b'w' | b'm' => b.is_ascii_alphabetic(),
        b'd' => b.is_ascii_digit(),
        b' ' => matches!(b, b' ' | b'-'),
        constant => b == constant,
    };
    bytes.len() == PATTERN.len()
        && bytes.iter().zip(PATTERN).all(fits)
        && DAYS.contains(&&bytes[..3])
        && MONTHS.contains(&&bytes[8..11])
}

/// Calls `read` with each item of a list (white space trimmed), commas inside quotes and angles left alone.
pub fn list(emit: &mut Emit<'_>, at: Range<usize>, mut read: impl FnMut(&mut Emit<'_>, Range<usize>)) {
    split_at(emit, at, b",", |emit, at| read(emit, at));
}

/// Calls `read` with each part between `separators` that stand outside quotes and angles.
fn split_at(
    emit: &mut Emit<'_>,
    at: Range<usize>,
    separators: &[u8],
    mut read: impl FnMut(&mut Emit<'_>, Range<usize>),
) {
    let bytes = emit.bytes();
    let mut start = at.start;
    while start < at.end {
        let end = start + unquoted_position(&bytes[start..at.end], separators);
        let part = &bytes[start..end];
        let inner = end - part.trim_ascii_start().len();
        let inner_end = start + part.trim_ascii_end().len();
        if inner < inner_end {
            emit.keep_to(inner);
            read(emit, inner..inner_end);
        }
        start = end + 1;
        emit.keep_to(start.min(at.end));
    }
}

/// The position of the first of `wanted` that stands outside quotes and angles, or the length.
fn unquoted_position(bytes: &[u8], wanted: &[u8]) -> usize {
    let mut closing = None;
    let mut escaped = false;
    for (at, &b) in bytes.iter().enumerate() {
        match closing {
            Some(_) if escaped => escaped = false,
            Some(b'"') if b == b'\\' => escaped = true,
            Some(close) if b == close => closing = None,
            Some(_) => {}
            None if wanted.contains(&b) => return at,
            None if b == b'"' => closing = Some(b'"'),
            None if b == b'<' => closing = Some(b'>'),
            None => {}
        }
    }
    bytes.len()
}

/// The inside of quotes, if there are any.
fn inside_quotes(bytes: &[u8], at: Range<usize>) -> Range<usize> {
    let inner = &bytes[at.clone()];
    match inner.strip_prefix(b"\"").map(|inner| inner.strip_suffix(b"\"").unwrap_or(inner)) {
        Some(inner) => at.start + 1..at.start + 1 + inner.len(),
        None => at,
    }
}

/// `1.1 proxy.example (comment)`.
pub fn via(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = &emit.bytes()[at.clone()];
    let word = |from: usize| from + bytes[from..].iter().position(|b| *b == b' ').unwrap_or(bytes.len() - from);
    let version = word(0);
    let host = (version + 1).min(bytes.len());
    let host_end = word(host);
    token(emit, at.start..at.start + version, path);
    emit.keep_to(at.start + host);
    url::host(emit, at.start + host..at.start + host_end, path);
    let comment = at.end - bytes[host_end..].trim_ascii_start().len();
    emit.field_at(comment..at.end, path, Encoding::Plain, Role::Value);
}

/// A URL, or a constant such as `*` and `null`.
pub fn url_or_word(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    if matches!(&emit.bytes()[at.clone()], b"*" | b"null" | b"about:client") {
        return emit.keep_to(at.end);
    }
    url::url(emit, at, path);
}

/// `Basic YTpi`, `Bearer abc`, `Digest a=b, c="d"`, and the challenges for them.
pub fn credentials(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = emit.bytes();
    let scheme_len = bytes[at.clone()].iter().take_while(|&&b| is_token_byte(b) && b != b'/').count();
    let scheme = &bytes[at.start..at.start + scheme_len];
    let rest = at.end - bytes[at.start + scheme_len..at.end].trim_ascii_start().len()..at.end;
    let Some(level) =
        known_scheme(scheme).filter(|_| rest.start > at.start + scheme_len || rest.is_empty()).map(|name| {
            let level = path.level();
            path.push_unnamed(name);
            level
        })
    else {
        return emit.field_to(at.end, path, Encoding::Plain, Role::Value);
    };
    emit.keep_to(rest.start);
    if has_params(&bytes[rest.clone()]) {
        params(emit, rest, path);
    } else if scheme.eq_ignore_ascii_case(b"basic") {
        emit.field_to(rest.end, path, Encoding::Base64, Role::Value);
    } else {
        emit.field_to(rest.end, path, Encoding::Plain, Role::Value);
    }
    path.back(level);
}

/// The path of an authentication scheme that is kept.
fn known_scheme(scheme: &[u8]) -> Option<&'static str> {
    const SCHEMES: &[&str] = &[
        ".basic",
        ".bearer",
        ".digest",
        ".negotiate",
        ".ntlm",
        ".token",
        ".hawk",
        ".apikey",
        ".oauth",
        ".mutual",
        ".dpop",
        ".aws4-hmac-sha256",
        ".aws",
        ".sharedkey",
        ".hmac",
        ".signature",
        ".jwt",
    ];
    SCHEMES.iter().find(|known| known.as_bytes()[1..].eq_ignore_ascii_case(scheme)).copied()
}

/// `name=value` follows, and not the padding of base64.
fn has_params(bytes: &[u8]) -> bool {
    let name = bytes.iter().take_while(|&&b| is_token_byte(b)).count();
    name > 0 && bytes.get(name) == Some(&b'=') && bytes.get(name + 1).is_some_and(|&b| b != b'=')
}

/// `a=b; c="d", e`: names that are identifiers are kept, and so are the protocol's own values.
pub fn params(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    split_at(emit, at, b",;", |emit, at| param(emit, at, path));
}

fn param(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = emit.bytes();
    let level = path.level();
    let Some(equals) = memchr::memchr(b'=', &bytes[at.clone()]) else {
        return token(emit, at, path);
    };
    let name_end = at.start + bytes[at.start..at.start + equals].trim_ascii_end().len();
    param_name(emit, at.start..name_end, path);
    let value = at.end - bytes[at.start + equals + 1..at.end].trim_ascii_start().len()..at.end;
    emit.keep_to(value.start);
    let inner = inside_quotes(bytes, value.clone());
    let name = &bytes[at.start..name_end];
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    emit.keep_to(inner.start);
    if is("for") || is("by") || is("host") {
        url::host(emit, inner.clone(), path);
    } else if is("uri") || is("domain") {
        url::url(emit, inner.clone(), path);
    } else if is("name") && is_identifier(&bytes[inner.clone()]) {
        // A field of a form: a name that a programmer gave.
        emit.keep_to(inner.end);
    } else if is("nc") {
        emit.keep_to(inner.end);
    } else if !is_known(&bytes[inner.clone()]) && !is("max") && !is("q") && !is("timeout") {
        let extended = name.ends_with(b"*");
        emit.field_to(inner.end, path, if extended { Encoding::Percent } else { Encoding::Plain }, Role::Value);
    }
    emit.keep_to(at.end);
    path.back(level);
}

fn param_name(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let name = &emit.bytes()[at.clone()];
    let plain = name.strip_suffix(b"*").unwrap_or(name);
    if is_identifier(plain) {
        path.push_lower(plain);
        emit.keep_to(at.end);
    } else {
        path.push_secret();
        emit.field_at(at, path, Encoding::Plain, Role::Name);
    }
}

/// `text/html; charset=utf-8`, `form-data; name="a"`: a word, then parameters.
pub fn word_and_params(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = &emit.bytes()[at.clone()];
    let end = at.start + unquoted_position(bytes, b";,");
    let word = at.start + emit.bytes()[at.start..end].trim_ascii_end().len();
    if !emit.bytes()[at.start..word].contains(&b'=') {
        token(emit, at.start..word, path);
        emit.keep_to((end + 1).min(at.end));
    }
    params(emit, emit.done().max(at.start)..at.end, path);
}

/// `a=b; c=d`.
pub fn cookies(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    split_at(emit, at, b";", |emit, at| cookie(emit, at, path));
}

fn cookie(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = emit.bytes();
    let level = path.level();
    let value = match memchr::memchr(b'=', &bytes[at.clone()]) {
        Some(equals) => {
            let name = at.start..at.start + equals;
            if is_identifier(bytes[name.clone()].trim_ascii()) {
                path.push(std::str::from_utf8(bytes[name.clone()].trim_ascii()).unwrap_or_default());
                emit.keep_to(name.end);
            } else {
                path.push_secret();
                emit.field_at(name, path, Encoding::Percent, Role::Name);
            }
            emit.keep_to(at.start + equals + 1);
            at.start + equals + 1..at.end
        }
        None => at.clone(),
    };
    emit.field_at(inside_quotes(bytes, value), path, Encoding::Percent, Role::Value);
    emit.keep_to(at.end);
    path.back(level);
}

/// A cookie and its attributes, RFC 6265 §4.1.
pub fn set_cookie(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let mut first = true;
    split_at(emit, at, b";", |emit, at| {
        if std::mem::take(&mut first) { cookie(emit, at, path) } else { attribute(emit, at, path) }
    });
}

fn attribute(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = emit.bytes();
    let equals = memchr::memchr(b'=', &bytes[at.clone()]).unwrap_or(at.len());
    let name = bytes[at.start..at.start + equals].trim_ascii();
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    if !is_known(name) {
        return cookie(emit, at, path);
    }
    let value = at.end - bytes[(at.start + equals + 1).min(at.end)..at.end].trim_ascii_start().len()..at.end;
    emit.keep_to(value.start);
    let level = path.level();
    path.push_lower(name);
    if is("path") {
        url::segments(emit, value, path);
    } else if is("domain") {
        let dot = usize::from(bytes[value.clone()].starts_with(b"."));
        url::host(emit, value.start + dot..value.end, path);
    } else if is("expires") {
        date(emit, value, path);
    } else {
        tokens(emit, value, path);
    }
    path.back(level);
}

/// `"abc"`, `W/"abc"`, in a list; a date in If-Range.
pub fn tags(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    if is_http_date(&emit.bytes()[at.clone()]) {
        return emit.keep_to(at.end);
    }
    list(emit, at, |emit, at| {
        let bytes = emit.bytes();
        let start = if bytes[at.clone()].starts_with(b"W/") { at.start + 2 } else { at.start };
        if &bytes[at.clone()] != b"*" {
            emit.field_at(inside_quotes(bytes, start..at.end), path, Encoding::Plain, Role::Value);
        }
        emit.keep_to(at.end);
    });
}

/// `<url>; rel="next"`.
pub fn link(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    let bytes = &emit.bytes()[at.clone()];
    let end = memchr::memchr(b'>', bytes).filter(|_| bytes.starts_with(b"<"));
    let Some(end) = end.map(|end| at.start + end) else {
        return params(emit, at, path);
    };
    emit.keep_to(at.start + 1);
    url::url(emit, at.start + 1..end, path);
    emit.keep_to(end + 1);
    params(emit, end + 1..at.end, path);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::content::{self, Media};
    use crate::protocol::emit::Written;
    use crate::protocol::{Part, PartKind};

    /// A media type with letters instead of what is masked.
    fn masked(essence: &str) -> String {
        let mut parts: Vec<Part> = Vec::new();
        let mut out = Written { parts: &mut parts, room: usize::MAX };
        let mut emit = Emit::new(essence.as_bytes(), &mut out);
        word_and_params(&mut emit, 0..essence.len(), &mut Path::new("p"));
        let told = |part: &Part| match &part.what {
            PartKind::Keep => essence[part.at.clone()].to_owned(),
            PartKind::Field { .. } | PartKind::Opaque(_) => "q".repeat(part.at.len()),
        };
        parts.iter().map(told).collect()
    }

    fn reader(essence: &str) -> Option<&'static str> {
        let media = Media { boundary: b"b".to_vec(), ..Media::parse(essence.as_bytes()) };
        content::ALL.iter().find(|kind| (kind.claims)(&media)).map(|kind| kind.id)
    }

    /// All that readers claim by name, and some of what they claim by its form.
    #[test]
    fn a_media_type_that_is_masked_is_read_by_the_same_reader() {
        for (id, essences) in [
            (
                "json",
                "application/json text/json application/x-json application/x-ndjson application/ndjson application/jsonl application/json-seq application/csp-report application/x-javascript-object-notation application/connect+json application/vnd.shop.v1+json text/x-json shop/json",
            ),
            ("form", "application/x-www-form-urlencoded"),
            ("multipart", "multipart/form-data multipart/x-shop"),
            (
                "markup",
                "text/html text/xml application/xml application/xhtml application/xhtml+xml application/soap+xml application/vnd.shop+xml application/xml-dtd text/xml-dtd image/svg+xml",
            ),
            ("events", "text/event-stream"),
            ("csv", "text/csv application/csv text/tab-separated-values"),
            (
                "protobuf",
                "application/proto application/protobuf application/x-protobuf application/x-google-protobuf application/vnd.google.protobuf application/vnd.google.octet-stream-compressible application/connect+proto application/vnd.shop.v1+proto application/x+protobuf application/grpc+proto",
            ),
            (
                "text",
                "text/plain text/x-shop application/javascript application/x-javascript application/ecmascript application/graphql application/yaml application/x-yaml application/sql application/jwt application/pem-certificate-chain application/x-pem-file",
            ),
        ] {
            for essence in essences.split(' ') {
                assert_eq!(reader(essence), Some(id), "{essence}");
                assert_eq!(reader(&masked(essence)), Some(id), "{essence} as {}", masked(essence));
                assert_eq!(masked(essence).len(), essence.len());
                assert!(!masked(essence).contains("shop"), "{}", masked(essence));
            }
        }
        assert!(content::ALL.len() == 8, "a reader that this table does not know");
    }
}
