//! Media types: which of their letters somebody chose, and which say how to read what they name (RFC 6838).

use std::ops::Range;

/// Registered types (RFC 6838 §4.2), and an old one of bytes.
const TYPES: &[&[u8]] =
    &[b"application", b"audio", b"binary", b"font", b"image", b"message", b"model", b"multipart", b"text", b"video"];

/// Suffixes of media types that say how they are written: registered (RFC 6839) or common.
const SUFFIXES: &[&[u8]] = &[
    b"ber",
    b"cbor",
    b"der",
    b"gzip",
    b"json",
    b"json-seq",
    b"proto",
    b"protobuf",
    b"thrift",
    b"wbxml",
    b"xml",
    b"yaml",
    b"zip",
    b"zstd",
];

/// Subtypes that say how a body is written, whatever type stands before.
const SUBTYPES: &[&[u8]] = &[
    b"csp-report",
    b"html",
    b"json",
    b"json-seq",
    b"jsonl",
    b"ndjson",
    b"x-javascript-object-notation",
    b"x-json",
    b"x-ndjson",
    b"xhtml",
    b"xml",
    b"xml-dtd",
];

/// Subtypes of gRPC; what follows one and a plus says how its messages are written.
const CALLS: &[&[u8]] = &[b"grpc", b"grpc-web", b"grpc-web-text"];

/// Of a media type that is not [known](is_known), what somebody chose: `vnd.shop.v1` of `application/vnd.shop.v1+proto`. None
/// if it is no media type. What is left says how it is written, and little else.
pub fn chosen_of_media_type(essence: &[u8]) -> Option<Range<usize>> {
    let slash = memchr::memchr(b'/', essence)?;
    let one_of = |list: &[&[u8]], word: &[u8]| list.iter().any(|known| known.eq_ignore_ascii_case(word));
    let subtype = &essence[slash + 1..];
    if subtype.contains(&b'/') {
        return None;
    }
    let start = if one_of(TYPES, &essence[..slash]) { slash + 1 } else { 0 };
    if one_of(SUBTYPES, subtype) {
        return (start == 0).then_some(0..slash);
    }
    // gRPC is told by the front.
    if let Some(plus) = memchr::memchr(b'+', subtype).filter(|plus| one_of(CALLS, &subtype[..*plus])) {
        return (start > 0).then_some(start + plus + 1..essence.len());
    }
    let suffix = memchr::memrchr(b'+', subtype).filter(|plus| one_of(SUFFIXES, &subtype[plus + 1..]));
    match suffix {
        Some(plus) => Some(start..slash + 1 + plus),
        None => (start > 0).then_some(start..essence.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_media_types_the_vendors_part_was_chosen() {
        let chosen = |essence: &str| chosen_of_media_type(essence.as_bytes()).map(|at| essence[at].to_owned());
        assert_eq!(chosen("application/vnd.shop.v1+proto").as_deref(), Some("vnd.shop.v1"));
        assert_eq!(chosen("Application/Anna+JSON").as_deref(), Some("Anna"));
        assert_eq!(chosen("text/x-anna").as_deref(), Some("x-anna"));
        assert_eq!(chosen("application/a+anna").as_deref(), Some("a+anna"));
        assert_eq!(chosen("anna/json").as_deref(), Some("anna"));
        assert_eq!(chosen("anna/baker+xml").as_deref(), Some("anna/baker"));
        assert_eq!(chosen("application/grpc+anna").as_deref(), Some("anna"));
        assert_eq!(chosen("text/xml-dtd"), None);
        for other in ["anna", "anna/baker", "text/anna/json", "/"] {
            assert_eq!(chosen(other), None, "{other}");
        }
    }
}
