//! JSON Web Tokens (RFC 7519): the header stays but for the key's id, the claims are masked value by value, the
//! signature, which is a function of the claims, is masked as a token.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Method;
use super::keyring::Keyring;
use super::number::is_number;

/// The method `jwt`.
pub(super) struct Jwt;

/// Parameters of the header that name algorithms and types; all others are values.
const HEADER_KEPT: [&[u8]; 5] = [b"alg", b"typ", b"cty", b"enc", b"zip"];

/// Base64url as tokens have it; bits left over are not looked at, since the text is written again anyway.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

impl Method for Jwt {
    fn id(&self) -> &'static str {
        "jwt"
    }

    fn about(&self) -> &'static str {
        "claims masked value by value inside a token that can still be decoded; algorithm and type stay"
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
        ]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        let mut parts = text.splitn(3, |byte| *byte == b'.');
        let (Some(header), Some(claims), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let start = out.len();
        let done = mask_part(header, &HEADER_KEPT, keyring, out).and_then(|()| {
            out.push(b'.');
            mask_part(claims, &[], keyring, out)
        });
        if done.is_none() {
            out.truncate(start);
            return false;
        }
        out.push(b'.');
        keyring.text(signature, &[], out);
        true
    }
}

fn mask_part(part: &[u8], kept: &[&[u8]], keyring: &Keyring, out: &mut Vec<u8>) -> Option<()> {
    let json = BASE64.decode(part).ok()?;
    let mut masked = Vec::with_capacity(json.len());
    mask_json(&json, kept, keyring, &mut masked);
    out.extend_from_slice(BASE64.encode(masked).as_bytes());
    Some(())
}

/// Masks the strings and numbers of a JSON text that are values; names, structure and constants stay. Of strings with
/// escapes, what stands between the escapes.
fn mask_json(json: &[u8], kept: &[&[u8]], keyring: &Keyring, out: &mut Vec<u8>) {
    let mut rest = json;
    let mut name: &[u8] = b"";
    while let Some(&byte) = rest.first() {
        let length = match byte {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => rest.iter().take_while(|byte| is_number_byte(**byte)).count(),
            b'a'..=b'z' => rest.iter().take_while(|byte| byte.is_ascii_lowercase()).count(),
            _ => 1,
        };
        let (token, behind) = rest.split_at(length.clamp(1, rest.len()));
        let colon = behind.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
        if byte == b'"' && colon {
            name = unquote(token).unwrap_or_default();
            out.extend_from_slice(token);
        } else if kept.contains(&name) || matches!(token, b"true" | b"false" | b"null") {
            out.extend_from_slice(token);
        } else if let Some(string) = unquote(token) {
            out.push(b'"');
            mask_string(string, keyring, out);
            out.push(b'"');
        } else if is_number(token) {
            super::number::Number.mask(token, keyring, out);
        } else {
            keyring.text(token, &[], out);
        }
        rest = behind;
    }
}

fn is_number_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Length of the string at the front, with its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    });
    end.map_or(text.len(), |end| end + 2)
}

fn unquote(token: &[u8]) -> Option<&[u8]> {
    token.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

fn mask_string(string: &[u8], keyring: &Keyring, out: &mut Vec<u8>) {
    if keyring.is_kept(string) {
        return out.extend_from_slice(string);
    }
    if !string.contains(&b'\\') {
        return keyring.inner(string, out);
    }
    let mut rest = string;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (before, escape) = rest.split_at(at);
        keyring.inner(before, out);
        let length = if escape.get(1) == Some(&b'u') { 6 } else { 2 };
        let (escape, behind) = escape.split_at(length.min(escape.len()));
        match length {
            // A letter for a letter: the escaped one could be any.
            6 if escape.len() == 6 => out.extend_from_slice(b"\\u0078"),
            _ => out.extend_from_slice(escape),
        }
        rest = behind;
    }
    keyring.inner(rest, out);
}
