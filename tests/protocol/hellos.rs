//! TLS before anything is secret.

use super::talks;

/// A length of `width` bytes before `bytes`.
fn vector(width: usize, bytes: &[u8]) -> Vec<u8> {
    [&bytes.len().to_be_bytes()[8 - width..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(2, data)].concat()
}

fn hello(kind: u8, suites: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let random = *b"0123456789abcdef0123456789abcdef";
    let body =
        [&[3, 3][..], &random, &vector(1, b"a session of anna"), suites, &vector(2, &extensions.concat())].concat();
    [&[22, 3, 1][..], &vector(2, &[&[kind][..], &vector(3, &body)].concat())].concat()
}

pub fn client_hello() -> Vec<u8> {
    let names = vector(2, &[&[0][..], &vector(2, b"shop.example.com")].concat());
    let protocols = vector(2, &[vector(1, b"h2"), vector(1, b"anna/1")].concat());
    let shares = vector(2, &[&[0, 29][..], &vector(2, b"a public key")].concat());
    let extensions = [
        extension(0, &names),
        extension(16, &protocols),
        extension(51, &shares),
        extension(43, &[2, 3, 4]),
        extension(0x1234, b"unknown"),
    ];
    hello(1, &[&vector(2, &[0x13, 1, 0xc0, 0x2f])[..], &[1, 0]].concat(), &extensions)
}

/// With a certificate behind it that goes on in the next record.
pub fn server_hello() -> Vec<u8> {
    let hello = hello(2, &[0x13, 1, 0], &[extension(51, &[&[0, 29][..], &vector(2, b"a public key")].concat())]);
    [hello, b"\x16\x03\x03\x00\x08\x0b\x00\x00\x08cert\x16\x03\x03\x00\x08more\x0e\x00\x00\x00".to_vec()].concat()
}

#[test]
fn a_hello_tells_its_versions_and_hides_the_rest() {
    let talk = talks().into_iter().find(|(name, _)| *name == "tls").unwrap().1;
    let seen = talk.whole();
    assert_eq!(seen.fields, ["tls.server-name=shop.example.com", "tls.alpn=anna/1"]);
    let mut blank = [client_hello(), server_hello()];
    for (side, bytes) in blank.iter_mut().enumerate() {
        for (at, what) in &seen.events[side] {
            let at = at.start as usize..(at.end as usize).min(bytes.len());
            if what != "keep" && !at.is_empty() && at.start < bytes.len() {
                bytes[at].fill(b'_');
            }
        }
        for secret in [&b"0123456789"[..], b"session", b"public", b"unknown", b"shop", b"anna", b"cert", b"more"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", secret.escape_ascii());
        }
        for kept in [&b"\x13\x01"[..], b"\x00\x33\x00", b"\x03\x03"] {
            assert!(bytes.windows(kept.len()).any(|window| window == kept), "{}", kept.escape_ascii());
        }
    }
    assert!(blank[1].ends_with(b"\x0b\x00\x00\x08____\x16\x03\x03\x00\x08____\x0e\x00\x00\x00"));
}
