//! E-mail addresses: the domain becomes a reserved one of the same length, so that no mail ever reaches a stranger;
//! the local part is keyed by the whole address.

use super::Method;
use super::keyring::Keyring;

/// The method `email`.
pub(super) struct Email;

/// Longest label of a domain name (RFC 1035 §2.3.4), with some room.
const LABEL_MAX: usize = 50;

impl Method for Email {
    fn id(&self) -> &'static str {
        "email"
    }

    fn about(&self) -> &'static str {
        "an address of the same length in a domain that nobody can own (RFC 2606); equal domains stay equal"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["Anna.Baker+shop@mail.acme-corp.co.uk", "b@x.io", "anna@gmail.com", "anna.baker@example.com"]
    }

    fn mask(&self, text: &[u8], keyring: &Keyring, out: &mut Vec<u8>) -> bool {
        let Some(at) = text.iter().rposition(|byte| *byte == b'@') else {
            return false;
        };
        let (local, domain) = (&text[..at], &text[at + 1..]);
        if local.is_empty() || domain.len() < 3 || !domain.is_ascii() {
            return false;
        }
        let folded = domain.to_ascii_lowercase();
        keyring.shape(&keyring.emails.for_text(&folded), local, out);
        out.push(b'@');
        reserved(&folded, keyring, out);
        true
    }

    fn degrade(&self, text: &[u8], filler: &[u8], out: &mut Vec<u8>) {
        let at = text.iter().rposition(|byte| *byte == b'@').unwrap_or(0);
        let (local, domain) = filler.split_at(at);
        let label = domain.len().saturating_sub(3);
        out.extend_from_slice(local);
        out.extend_from_slice(&domain[..domain.len().min(1)]);
        out.extend(std::iter::repeat_n(b'x', label));
        out.extend_from_slice(&b".x"[..(domain.len() - domain.len().min(1)).min(2)]);
    }
}

/// Appends a domain of the same length that cannot be delegated: under `.example` or `.test` (RFC 2606) where a label
/// of enough letters fits before it, else under a top-level domain of one letter, which there is none of.
fn reserved(domain: &[u8], keyring: &Keyring, out: &mut Vec<u8>) {
    let suffix: &[u8] = match domain.len() {
        16.. => b".example",
        9.. => b".test",
        _ => b".",
    };
    let start = out.len();
    let mut stream = keyring.domains.stream(domain);
    loop {
        out.truncate(start);
        let mut letter = || b'a' + stream.below(26) as u8;
        for n in 1..=domain.len() - suffix.len() {
            let edge = n == 1 || n == domain.len() - suffix.len();
            out.push(if n % LABEL_MAX == 0 && !edge { b'.' } else { letter() });
        }
        if suffix == b"." {
            let tld = out.pop().unwrap_or(b'x');
            out.extend([b'.', tld]);
        } else {
            out.extend_from_slice(suffix);
        }
        if out[start..] != *domain {
            return;
        }
    }
}
