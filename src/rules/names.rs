//! What a field's name tells: that a person's data may stand there, or that the name is itself a value.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Words in a field's name under which no word counts as public, though it stand in the vocabulary.
const PERSONAL: &str = "
    name firstname lastname fullname middlename nickname username surname forename givenname familyname
    displayname first last middle given family maiden user login logon nick handle alias author authors owner
    customer client contact member person patient employee student guest friend sender recipient to cc bcc email
    mail phone mobile fax tel street address addr city town village suburb county district company organisation
    organization org employer school password passwd passphrase pass pwd pw secret token credential credentials
    auth authorization apikey pin otp cvv cvc answer signature birth birthday birthplace dob bio religion
    ethnicity diagnosis disease gender sex salary
";

/// Whether one of the words that `name` is made of says that personal data may stand there.
pub fn is_personal(name: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| PERSONAL.split_whitespace().collect());
    let mut lower = [0; 16];
    words(name.as_bytes()).any(|word| {
        let Some(buffer) = lower.get_mut(..word.len()) else { return false };
        buffer.copy_from_slice(word);
        buffer.make_ascii_lowercase();
        std::str::from_utf8(buffer).is_ok_and(|word| WORDS.contains(word))
    })
}

/// Longest name that may be an identifier.
const IDENTIFIER_BYTES_MAX: usize = 40;

/// Whether `name` looks like one that a programmer chose: letters and a few signs, no number in it, not random.
pub fn is_identifier(name: &[u8]) -> bool {
    let starts_well = name.first().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'$' | b'@'));
    let plain =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'$' | b'@' | b'[' | b']');
    starts_well
        && name.len() <= IDENTIFIER_BYTES_MAX
        && name.iter().all(plain)
        && !name.windows(4).any(|four| four.iter().all(u8::is_ascii_digit))
        && !name.split(|b| !b.is_ascii_alphanumeric()).any(looks_random)
}

/// Whether a piece of letters and digits looks drawn rather than written: a hex string, base64, a generated id.
fn looks_random(piece: &[u8]) -> bool {
    if piece.len() < 8 {
        return false;
    }
    let digits = piece.iter().any(u8::is_ascii_digit);
    let letters = piece.iter().any(u8::is_ascii_alphabetic);
    let hex = digits && letters && piece.iter().all(u8::is_ascii_hexdigit);
    let class = |b: u8| (b.is_ascii_digit(), b.is_ascii_uppercase());
    let pairs = || piece.windows(2).map(|pair| (class(pair[0]), class(pair[1])));
    let digit_runs = pairs().filter(|(a, b)| !a.0 && b.0).count();
    // "Word" goes from upper to lower case and is no change; "aGVsbG8" changes all the time.
    let changes = pairs().filter(|(a, b)| a != b && (!a.1 || b.0)).count();
    hex || digit_runs >= 3 || piece.len() >= 12 && changes * 3 > piece.len() || unspeakable(piece)
}

/// Long, and without a vowel where each word of a language has one.
fn unspeakable(piece: &[u8]) -> bool {
    let vowels =
        piece.iter().filter(|b| matches!(b.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y')).count();
    piece.len() >= 16 && vowels * 6 < piece.len()
}

/// The words of a name in camelCase, snake_case, kebab-case, dotted or bracketed.
fn words(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|b| !b.is_ascii_alphabetic()).flat_map(|piece| {
        piece.chunk_by(|a, b| !(a.is_ascii_lowercase() && b.is_ascii_uppercase())).filter(|word| !word.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_names_are_found_by_whole_words() {
        for name in
            ["name", "first_name", "firstName", "user[address][city]", "X-Auth-Token", "Password2", "owner.id", "PIN"]
        {
            assert!(is_personal(name), "{name}");
        }
        for name in ["", "status", "filename", "capacity", "spinner", "keyboard", "x-request-id", "sort_by", "tokenize"]
        {
            assert!(!is_personal(name), "{name}");
        }
    }

    #[test]
    fn identifiers_are_what_programmers_write() {
        for name in [
            "id",
            "created_at",
            "X-Request-ID",
            "addressLine2",
            "items[0][sku]",
            "@type",
            "$ref",
            "utf8_to_utf16",
            "soap:Body",
            "sha256",
            "line_items.unit_price",
            "__typename",
            "xRequestIdV2",
            "strengths",
        ] {
            assert!(is_identifier(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            "42",
            "anna baker",
            "a@b.c d",
            "jörg",
            "user12345",
            "deadbeef01",
            "aGVsbG8gd29ybGQ",
            "k3j9x0q2m4z1",
            "thisNameIsFarTooLongToBeTheNameOfOneField",
            "xkcdwqrtplmnbvzsd",
        ] {
            assert!(!is_identifier(name.as_bytes()), "{name}");
        }
    }
}
