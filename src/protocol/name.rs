//! Is a name (of a header, a JSON member, a parameter) an identifier that a programmer wrote, or data?
//!
//! A map keyed by customers' addresses has values for names. What this file does not take for an identifier is
//! reported as a field in the role of a name, so that it can be masked; the price of doubt is small.

/// Longest name that is taken for an identifier.
const LEN_MAX: usize = 40;
/// Most runs of digits: `address_line_2`, `x-b3-id`, but no `a7f3e9`.
const DIGIT_RUNS_MAX: usize = 2;
/// Most digits in a row: a year is data.
const DIGITS_MAX: usize = 3;
/// Last labels that make a dotted name a host's.
const HOST_ENDINGS: &[&str] = &[
    "com", "net", "org", "edu", "gov", "mil", "int", "info", "biz", "io", "dev", "app", "cloud", "online", "shop",
    "local", "internal", "intranet", "lan", "corp", "home", "test", "example", "invalid", "arpa", "eu", "uk", "de",
    "fr", "it", "es", "nl", "be", "ch", "pl", "cz", "ru", "ua", "cn", "jp", "kr", "in", "au", "br", "us", "ca", "mx",
    "se", "fi", "dk", "ie", "pt", "gr", "tr", "za", "co", "me", "tv", "ai",
];

/// Whether `name`, decoded, looks like an identifier: at most 40 characters of a programmer's alphabet, few digits, no
/// host name, no address.
pub fn is_identifier(name: &[u8]) -> bool {
    let Some(&first) = name.first() else { return false };
    let starts = first.is_ascii_alphabetic() || matches!(first, b'_' | b'$' | b'@' | b'-' | b':');
    starts && name.len() <= LEN_MAX && few_digits(name) && name[1..].iter().all(|&b| inside(b)) && !is_host(name)
}

fn inside(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'$' | b'[' | b']')
}

fn few_digits(name: &[u8]) -> bool {
    let (mut runs, mut run) = (0, 0);
    for b in name {
        run = if b.is_ascii_digit() { run + 1 } else { 0 };
        runs += usize::from(run == 1);
        if run > DIGITS_MAX || runs > DIGIT_RUNS_MAX {
            return false;
        }
    }
    true
}

fn is_host(name: &[u8]) -> bool {
    let Some(dot) = memchr::memrchr(b'.', name) else { return false };
    HOST_ENDINGS.iter().any(|ending| name[dot + 1..].eq_ignore_ascii_case(ending.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::is_identifier;

    #[test]
    fn names_of_programmers() {
        for name in [
            "email",
            "X-Request-ID",
            "address_line_2",
            "$ref",
            "@type",
            "xsi:type",
            "items[0][name]",
            "user.email",
            "x-b3-traceid",
            "_csrf",
            "sha256",
            "utf8",
        ] {
            assert!(is_identifier(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn names_that_are_data() {
        for name in [
            "",
            "anna@example.com",
            "2024",
            "order-20240131",
            "a7f3e9c",
            "Anna Baker",
            "shop.example.com",
            "é",
            "averyveryveryverylongnamethatgoesonandonand",
            "42",
        ] {
            assert!(!is_identifier(name.as_bytes()), "{name}");
        }
    }
}
