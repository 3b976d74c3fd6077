//! What a word of a service looks like, and what is withheld though many said it.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::protocol::Role;
use crate::protocol::name::is_identifier;
use crate::rules;

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A word that a programmer chose: `sku-family`, `en-US`, `application/vnd.shop.v2`.
    Word,
    /// A number of one or two digits: a size, a choice.
    Figure,
    /// An id, a text, a number.
    Other,
}

const WORD_BYTES_MAX: usize = 40;
const FIGURE_BYTES_MAX: usize = 2;
/// Shorter runs of letters and digits are no codes.
const CODE_BYTES_MIN: usize = 7;
/// So many consonants in a row are in no word but a compound or two.
const CONSONANTS_MAX: usize = 6;

pub(super) fn shape(text: &[u8], role: Role) -> Shape {
    if text.iter().all(u8::is_ascii_digit) {
        let figure = (1..=FIGURE_BYTES_MAX).contains(&text.len()) && role != Role::Segment;
        return if figure { Shape::Figure } else { Shape::Other };
    }
    // A media type is words with signs between them.
    let mut pieces = text.split(|b| matches!(b, b'/' | b'+'));
    let is_word = |piece: &[u8]| is_identifier(piece) && rules::is_identifier(piece) && !is_drawn(piece);
    match text.len() <= WORD_BYTES_MAX && pieces.all(is_word) {
        true => Shape::Word,
        false => Shape::Other,
    }
}

/// Whether a part of an identifier looks drawn at random, by a stricter measure than that for fields' names: a code that many
/// clients share must not pass for a word.
fn is_drawn(identifier: &[u8]) -> bool {
    let parts = identifier.split(|b| !b.is_ascii_alphanumeric());
    parts.into_iter().filter(|part| part.len() >= CODE_BYTES_MIN).any(|part| {
        let is_vowel = |b: &u8| matches!(b.to_ascii_lowercase(), b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
        let vowels = part.iter().filter(|b| is_vowel(b)).count();
        let inner_digit = part.windows(2).any(|two| two[0].is_ascii_digit() && two[1].is_ascii_alphabetic());
        let consonants = part.split(|b| is_vowel(b) || b.is_ascii_digit()).map(<[u8]>::len).max().unwrap_or(0);
        inner_digit || vowels * 5 < part.len() || consonants >= CONSONANTS_MAX
    })
}

/// Whether a field's name says that ids stand there.
pub(super) fn is_an_id(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    ["id", "ids", "key", "uuid", "guid", "ref", "slug", "code", "slot", "number", "token", "cursor", "etag"].iter().any(
        |ending| {
            lower.strip_suffix(ending).is_some_and(|rest| {
                rest.is_empty()
                    || rest.ends_with(['_', '-'])
                    || name.len() > rest.len() && name.as_bytes()[rest.len()].is_ascii_uppercase()
            })
        },
    )
}

/// Whether a word is made like the name of a person or a place: `Miller`, `Anna-Maria`, `Anna.miller`.
pub(super) fn looks_like_a_name(word: &str) -> bool {
    let capitalised = |part: &str| {
        let mut letters = part.chars();
        letters.next().is_some_and(char::is_uppercase) && part.len() > 2 && letters.all(char::is_lowercase)
    };
    let mut parts = word.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    let alone = parts.clone().count() == 1;
    parts.all(|part| capitalised(part) || (!alone && is_a_name(part)))
}

/// Whether a word is on a list of common names of people and places, many of which are words as well: `miller`, `sessions`.
pub(super) fn is_a_name(word: &str) -> bool {
    static NAMES: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let lists = [
            include_str!("../../rules/people/given.txt"),
            include_str!("../../rules/people/surnames.txt"),
            include_str!("../../rules/people/cities.txt"),
        ];
        let names = lists.iter().flat_map(|list| rules::words(list));
        names.map(plain).collect()
    });
    NAMES.contains(&plain(word))
}

/// Last words of path segments behind which people and places stand by name.
const KINDS_OF_PEOPLE: &str = "
    people persons names usernames nicknames nicks handles aliases users owners authors customers clients contacts members
    patients employees students guests friends senders recipients doctors practitioners physicians nurses therapists
    teachers lawyers agents drivers couriers staff managers artists players profiles accounts by u emails mails phones
    companies organisations organizations orgs employers schools cities towns villages suburbs counties districts places
    countries locations streets addresses
";

/// Whether the segment behind this one may be somebody's name: `/users/…`, `/doctors/…`, `/cities/…`.
pub(super) fn names_follow(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    let last = lower.rsplit(['-', '_', '.']).next().unwrap_or_default();
    let singular = |kind: &str| {
        kind.strip_suffix("ies").is_some_and(|stem| last.strip_suffix('y') == Some(stem))
            || kind.strip_suffix("es") == Some(last)
            || kind.strip_suffix('s') == Some(last)
    };
    KINDS_OF_PEOPLE.split_whitespace().any(|kind| kind == last || singular(kind))
}

/// Letters alone, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_figures_and_the_rest() {
        for word in ["sku-family", "redeem", "en-US", "first_visit", "application/vnd.clinic.v2+json", "createdAt"] {
            assert_eq!(shape(word.as_bytes(), Role::Value), Shape::Word, "{word}");
        }
        for other in [
            "",
            "18236",
            "anna@example.com",
            "9f86d081884c7d65",
            "two words",
            "k3j9x0q2m4",
            "é",
            "cl_9xbq2mok",
            "cl_kqrwvbtz",
        ] {
            assert_eq!(shape(other.as_bytes(), Role::Value), Shape::Other, "{other}");
        }
        assert_eq!(shape(b"20", Role::Number), Shape::Figure);
        assert_eq!(shape(b"20", Role::Segment), Shape::Other);
    }

    #[test]
    fn names_of_ids() {
        for name in ["id", "clinic_id", "productId", "ID", "slug", "checkin_code", "x-idempotency-key"] {
            assert!(is_an_id(name), "{name}");
        }
        for name in ["kind", "paid", "barcode", "turkey", "valid"] {
            assert!(!is_an_id(name), "{name}");
        }
    }

    #[test]
    fn names_of_people_and_places() {
        for name in ["miller", "Anna", "berlin", "sessions"] {
            assert!(is_a_name(name), "{name}");
        }
        for name in ["Anna", "anna-miller", "Quellwasser", "Anna.Quellwasser"] {
            assert!(looks_like_a_name(name), "{name}");
        }
        for word in ["dermatology", "first-visit", "XMLHttpRequest", "SMS", "patient-portal"] {
            assert!(!is_a_name(word) && !looks_like_a_name(word), "{word}");
        }
        assert!(!looks_like_a_name("sessions"));
        for segment in ["users", "user", "doctors", "Customers", "cities", "city", "address", "blog-authors"] {
            assert!(names_follow(segment), "{segment}");
        }
        for segment in ["v2", "orders", "products", "search", "sku-family"] {
            assert!(!names_follow(segment), "{segment}");
        }
    }
}
