//! Character references of XML and HTML: numbers, XML's five names and those of Latin-1.

use super::{Escape, hex_digit, is_upper_hex, single_char};

/// Longest reference looked at; numbers may have leading zeros.
const LEN_MAX: usize = 16;

const NAMES: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("hellip", '…'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("euro", '€'),
    ("bull", '•'),
    ("trade", '™'),
];

/// The names of U+00A0 to U+00FF, in order.
const LATIN_1: &[&str; 96] = &[
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo", "not", "shy",
    "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot", "cedil", "sup1", "ordm",
    "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc", "Atilde", "Auml", "Aring", "AElig",
    "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute", "Icirc", "Iuml", "ETH", "Ntilde", "Ograve",
    "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash", "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN",
    "szlig", "agrave", "aacute", "acirc", "atilde", "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc",
    "euml", "igrave", "iacute", "icirc", "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml",
    "divide", "oslash", "ugrave", "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

pub(super) fn escape_at(raw: &[u8]) -> Option<Escape> {
    let window = &raw[..raw.len().min(LEN_MAX)];
    let end = memchr::memchr(b';', window)?;
    let body = std::str::from_utf8(&window[1..end]).ok()?;
    let c = match body.strip_prefix('#') {
        Some(number) => numbered(number)?,
        None => named(body)?,
    };
    Some(Escape::char(end + 1, c))
}

fn numbered(number: &str) -> Option<char> {
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let all_digits = digits.chars().all(|c| c.is_digit(radix));
    all_digits.then(|| u32::from_str_radix(digits, radix).ok()).flatten().and_then(char::from_u32)
}

fn named(name: &str) -> Option<char> {
    if let Some((_, c)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*c);
    }
    let at = LATIN_1.iter().position(|known| *known == name)?;
    char::from_u32(0xA0 + at as u32)
}

pub(super) fn escape_like(old: &[u8], new: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(c) = single_char(new) else { return false };
    if escape_at(old).is_some_and(|escape| &escape.text[..escape.text_len] == new) {
        out.extend_from_slice(old);
        return true;
    }
    let hex = matches!(old.get(2), Some(b'x' | b'X')) && old.get(1) == Some(&b'#');
    if hex { write_hex(old, c, out) } else { write_decimal(old.len(), c, out) }
}

/// `&#00233;`, zeros filling it up to `len`.
fn write_decimal(len: usize, c: char, out: &mut Vec<u8>) -> bool {
    let mut digits = [0; LEN_MAX];
    let Some(digits) = len.checked_sub(3).and_then(|len| digits.get_mut(..len)) else { return false };
    let mut rest = u32::from(c);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(b"&#");
    out.extend_from_slice(digits);
    out.push(b';');
    rest == 0
}

/// `&#x00e9;`, in the case of `old`.
fn write_hex(old: &[u8], c: char, out: &mut Vec<u8>) -> bool {
    let (Some(prefix), Some(digits)) = (old.get(..3), old.len().checked_sub(4)) else { return false };
    let upper = old.get(3..).is_some_and(is_upper_hex);
    out.extend_from_slice(prefix);
    out.extend(
        (0..digits as u32).rev().map(|place| hex_digit(u32::from(c).checked_shr(4 * place).unwrap_or(0), upper)),
    );
    out.push(b';');
    u32::from(c).checked_shr(4 * digits as u32).unwrap_or(0) == 0
}
