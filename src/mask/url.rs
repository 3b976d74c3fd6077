//! URLs: scheme, ports and names of query values stay; host, credentials, path and values are masked as they are
//! anywhere else.

use super::Method;
use super::host::Host;
use super::keyring::Keyring;

/// The method `url`.
pub(super) struct Url;

/// Longest name of a query value that is taken for an identifier.
const NAME_MAX: usize = 40;

impl Method for Url {
    fn id(&self) -> &'static str {
        "url"
    }

    fn about(&self) -> &'static str {
        "part by part: host as a host, path segments and query values as texts; scheme, port and names stay"
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "https://anna:secret@shop.acme.io:8443/orders/4711?token=abc%20def#top",
            "postgres://db.internal/x",
            "http://10.1.2.3/",
        ]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        let Some(colon) = text.windows(3).position(|window| window == b"://") else {
            return false;
        };
        let (scheme, rest) = text.split_at(colon + 3);
        let end = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        out.extend_from_slice(scheme);
        mask_authority(authority, keyring, out);
        mask_path(path, keyring, out);
        true
    }
}

fn mask_authority(authority: &[u8], keyring: &Keyring, out: &mut Vec<u8>) {
    let host = authority.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    let (user, host) = authority.split_at(host);
    mask_list(user, b":@", keyring, out, mask_piece);
    if !Host.mask(host, keyring, out) {
        mask_piece(host, keyring, out);
    }
}

fn mask_path(path: &[u8], keyring: &Keyring, out: &mut Vec<u8>) {
    let query = path.iter().position(|byte| b"?#".contains(byte)).unwrap_or(path.len());
    let (path, query) = path.split_at(query);
    mask_list(path, b"/;", keyring, out, mask_piece);
    mask_list(query, b"?&#", keyring, out, |pair, keyring, out| {
        let value = pair.iter().position(|byte| *byte == b'=').map_or(0, |equals| equals + 1);
        let (name, value) = pair.split_at(value);
        match name.strip_suffix(b"=") {
            Some(name) if is_name(name) => out.extend_from_slice(name),
            Some(name) => mask_piece(name, keyring, out),
            None => {}
        }
        out.extend_from_slice(&name[name.len() - usize::from(!name.is_empty())..]);
        mask_piece(value, keyring, out);
    });
}

/// Masks what stands between separators.
fn mask_list(
    text: &[u8],
    separators: &[u8],
    keyring: &Keyring,
    out: &mut Vec<u8>,
    mask: fn(&[u8], &Keyring, &mut Vec<u8>),
) {
    for piece in text.split_inclusive(|byte| separators.contains(byte)) {
        let (piece, separator) = match piece.split_last() {
            Some((last, before)) if separators.contains(last) => (before, &piece[before.len()..]),
            _ => (piece, &[][..]),
        };
        mask(piece, keyring, out);
        out.extend_from_slice(separator);
    }
}

/// Looks like an identifier, and holds no long number.
fn is_name(name: &[u8]) -> bool {
    let identifier = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte);
    let numbered = name.windows(4).any(|four| four.iter().all(u8::is_ascii_digit));
    (1..=NAME_MAX).contains(&name.len()) && name.iter().all(identifier) && !numbered
}

/// Masks one segment or value: percent escapes are taken off and put back by position.
fn mask_piece(piece: &[u8], keyring: &Keyring, out: &mut Vec<u8>) {
    let mut text = Vec::with_capacity(piece.len());
    let mut escaped = Vec::with_capacity(piece.len());
    let mut rest = piece;
    while let Some((&byte, behind)) = rest.split_first() {
        let escape = behind.split_at_checked(2).and_then(|(hex, behind)| Some((unescape(byte, hex)?, behind)));
        let (byte, behind) = escape.unwrap_or((byte, behind));
        text.push(byte);
        escaped.push(escape.is_some());
        rest = behind;
    }
    if keyring.is_kept(&text) {
        return out.extend_from_slice(piece);
    }
    let mut image = Vec::with_capacity(text.len());
    keyring.inner(&text, &mut image);
    for (byte, escaped) in image.iter().zip(escaped) {
        match escaped {
            true => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            false => out.push(*byte),
        }
    }
}

fn unescape(percent: u8, hex: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digit(hex[0])? << 4 | digit(hex[1])?;
    (percent == b'%').then_some(value as u8)
}
