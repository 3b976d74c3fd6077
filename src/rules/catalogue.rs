//! What rules may name: the detectors' and mask methods' ids, each with a line about it.
//!
//! The only file that says where the two catalogues come from.

/// Every detector: (id, about).
pub fn detectors() -> impl Iterator<Item = (&'static str, &'static str)> {
    DETECTORS.iter().copied()
}

/// Every mask method that a rule may name: (id, about).
pub fn methods() -> impl Iterator<Item = (&'static str, &'static str)> {
    std::iter::once(PSEUDONYM).chain(METHODS.iter().copied())
}

/// Not a method of its own: the one that fits what is found in the value.
const PSEUDONYM: (&str, &str) = ("pseudonym", "the method that fits the value: a pseudonym in its own format");

// To be replaced by `crate::detect::ALL` and `crate::mask::ALL` as soon as these exist.
const DETECTORS: &[(&str, &str)] = &[
    ("email", "e-mail addresses"),
    ("card", "payment card numbers (Luhn)"),
    ("iban", "bank accounts (ISO 13616)"),
    ("phone", "telephone numbers"),
    ("ssn", "US social security numbers"),
    ("national_id", "national identity numbers with check digits"),
    ("ipv4", "IPv4 addresses"),
    ("ipv6", "IPv6 addresses"),
    ("mac", "MAC addresses"),
    ("uuid", "UUIDs"),
    ("jwt", "JSON web tokens"),
    ("api_key", "vendors' API keys"),
    ("private_key", "private keys in PEM"),
    ("url", "URLs"),
    ("host", "host names"),
    ("token", "long texts of high entropy"),
    ("date", "calendar dates"),
];

const METHODS: &[(&str, &str)] = &[
    ("keep", "leaves the value as it is"),
    ("blank", "overwrites the value, same length"),
    ("token", "a keyed token of the same length and alphabet"),
    ("plus", "words and numbers, shape kept"),
    ("email", "an address at a reserved domain"),
    ("host", "a host name, label lengths and public suffix kept"),
    ("url", "a URL, part by part"),
    ("ipv4", "an address of the same class"),
    ("ipv6", "an address of the same class"),
    ("mac", "an address of the same class"),
    ("uuid", "a UUID of the same version"),
    ("card", "a number that passes Luhn"),
    ("iban", "an account with right check digits"),
    ("phone", "a number of the same layout"),
    ("date", "a date of the same decade"),
    ("jwt", "a token with the same structure"),
    ("digits", "digits for digits"),
];
