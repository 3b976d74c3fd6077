//! Host names: label lengths and the public suffix stay; alike in Host, SNI, DNS and URLs.

use super::keyring::Keyring;
use super::run::{self, Class};
use super::slots::{self, Alphabet, Slot};
use super::{Method, ip};

/// The method `host`.
pub(super) struct Host;

/// Suffixes that say nothing about whose host it is. The longest one that matches stays.
const SUFFIXES: &[&str] = &[
    "ac.uk",
    "co.jp",
    "co.nz",
    "co.uk",
    "co.za",
    "com.au",
    "com.br",
    "com.mx",
    "gov.uk",
    "ne.jp",
    "net.au",
    "or.jp",
    "org.au",
    "org.uk",
    "com",
    "net",
    "org",
    "edu",
    "gov",
    "mil",
    "int",
    "info",
    "biz",
    "name",
    "pro",
    "mobi",
    "io",
    "dev",
    "app",
    "cloud",
    "online",
    "shop",
    "site",
    "store",
    "tech",
    "ai",
    "co",
    "me",
    "tv",
    "cc",
    "ly",
    "gg",
    "to",
    "ar",
    "at",
    "au",
    "be",
    "br",
    "ca",
    "ch",
    "cl",
    "cn",
    "cz",
    "de",
    "dk",
    "es",
    "eu",
    "fi",
    "fr",
    "gr",
    "hk",
    "hu",
    "id",
    "ie",
    "il",
    "in",
    "is",
    "it",
    "jp",
    "kr",
    "lt",
    "lu",
    "lv",
    "mx",
    "my",
    "nl",
    "no",
    "nz",
    "ph",
    "pl",
    "pt",
    "ro",
    "rs",
    "ru",
    "se",
    "sg",
    "si",
    "sk",
    "th",
    "tr",
    "tw",
    "ua",
    "uk",
    "us",
    "vn",
    "za",
    "in-addr.arpa",
    "ip6.arpa",
    "arpa",
    "corp",
    "example",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "private",
    "test",
    "svc.cluster.local",
    "cluster.local",
];

impl Method for Host {
    fn id(&self) -> &'static str {
        "host"
    }

    fn about(&self) -> &'static str {
        "label by label, lengths and public suffix stay; addresses as in packet headers, ports stay"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["shop.acme-corp.co.uk", "Db01.internal", "api.acme.io:8443", "10.1.2.3:80", "[2a00:1450::8a]:443"]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        if ip::mask(text, keyring, out).is_some() {
            return true;
        }
        let (name, port) = text.split_at(port(text));
        let fits =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'*') || *byte >= 0x80;
        if name.is_empty() || !name.iter().all(fits) {
            return false;
        }
        let (labels, suffix) = name.split_at(name.len() - suffix(name));
        // The label before the suffix is a name that somebody registered, however common the word.
        let dots = labels.iter().filter(|&&byte| byte == b'.').count();
        let registered = if suffix.is_empty() { None } else { dots.checked_sub(1) };
        for (n, label) in labels.split(|byte| *byte == b'.').enumerate() {
            if n > 0 {
                out.push(b'.');
            }
            if Some(n) != registered && keyring.is_kept(label) {
                out.extend_from_slice(label);
            } else {
                mask_label(label, keyring, out);
            }
        }
        out.extend_from_slice(suffix);
        out.extend_from_slice(port);
        true
    }
}

/// Where the port with its colon begins.
fn port(text: &[u8]) -> usize {
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let colon = text.len() - digits;
    match text[..colon].last() {
        Some(b':') => colon - 1,
        _ => text.len(),
    }
}

/// Length of the public suffix that `name` ends in; with no label before it, only a name that is nobody's counts.
pub(crate) fn suffix(name: &[u8]) -> usize {
    let name_only = name.strip_suffix(b".").unwrap_or(name);
    let dot = name.len() - name_only.len();
    let matching = |suffix: &&&str| {
        let Some(at) = name_only.len().checked_sub(suffix.len()) else {
            return false;
        };
        let (before, end) = name_only.split_at(at);
        let whole = before.is_empty() && **suffix == "localhost";
        end.eq_ignore_ascii_case(suffix.as_bytes()) && (whole || before.ends_with(b"."))
    };
    let longest = SUFFIXES.iter().filter(matching).map(|suffix| suffix.len()).max();
    longest.map_or(0, |length| length + dot)
}

/// Maps a label: words and numbers are those of any text, mixed ones have their case folded.
fn mask_label(label: &[u8], keyring: &Keyring, out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(run) = run::next(label, at) {
        out.extend_from_slice(&label[at..run.start]);
        at = run.end;
        mask_run(&label[run], keyring, out);
    }
    out.extend_from_slice(&label[at..]);
}

fn mask_run(run: &[u8], keyring: &Keyring, out: &mut Vec<u8>) {
    let folded = run.to_ascii_lowercase();
    let class = Class::of(&folded);
    let start = out.len();
    if class != Class::Token {
        keyring.run(&folded, out);
    } else {
        let alphabet = Alphabet::AlphanumericLower;
        let mut slots: Vec<Slot> = folded.iter().filter_map(|byte| Slot::of(alphabet, *byte)).collect();
        keyring.through(&keyring.labels, &mut slots, |slots| {
            out.truncate(start);
            slots::write(slots, out);
            Class::of(&out[start..]) == Class::Token && !keyring.is_kept(&out[start..])
        });
        out.truncate(start);
        slots::write(&slots, out);
    }
    same_case(run, &mut out[start..]);
}

/// Puts upper case back where it was, as far as letters stand there again.
pub(super) fn same_case(like: &[u8], text: &mut [u8]) {
    for (byte, like) in text.iter_mut().zip(like) {
        if like.is_ascii_uppercase() {
            byte.make_ascii_uppercase();
        }
    }
}
