//! The whole way: a real capture, masked as `standin mask` does, then tampered with.

use super::*;
use memchr::memmem;
use standin::capture::Reader;
use standin::mask::Key;
use standin::sanitize::{self, Options};

const SHOP: &[u8] = include_bytes!("../../fixtures/shop-demo.pcap");

fn mask(rules: &str) -> Vec<u8> {
    let reader = Reader::open(Box::new(SHOP)).unwrap();
    let policy = Arc::new(Policy::load(&[rules.to_owned()]).unwrap());
    let options = Options { policy, key: &Key::from_bytes([7; 32]), ledger: None, format: None };
    let mut out = Vec::new();
    sanitize::mask(reader, &mut out, options, &|| false).unwrap();
    out
}

fn audit(masked: Vec<u8>, rules: &str) -> AuditReport {
    compare(&input(SHOP.to_vec()), &input(masked), &judge(rules)).unwrap()
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    memmem::find(bytes, what).unwrap()
}

/// Writes over bytes of a packet and puts its TCP checksum right.
pub fn put(file: &mut [u8], at: usize, new: &[u8]) {
    file[at..at + new.len()].copy_from_slice(new);
    let mut record = 24;
    loop {
        let len = u32::from_le_bytes(file[record + 8..record + 12].try_into().unwrap()) as usize;
        let frame = record + 16..record + 16 + len;
        record = frame.end;
        if frame.contains(&at) {
            let ip = frame.start + 14;
            let tcp = ip + usize::from(file[ip] & 15) * 4;
            let end = ip + usize::from(u16::from_be_bytes([file[ip + 2], file[ip + 3]]));
            file[tcp + 16..tcp + 18].fill(0);
            let mut pseudo = [&file[ip + 12..ip + 20], &[0, 6]].concat();
            pseudo.extend(((end - tcp) as u16).to_be_bytes());
            pseudo.extend(&file[tcp..end]);
            let sum = sum(&pseudo).to_be_bytes();
            file[tcp + 16..tcp + 18].copy_from_slice(&sum);
            return;
        }
    }
}

/// The first e-mail address in a request, and where it stands.
fn planted() -> (usize, &'static str) {
    let at = find(SHOP, br#""email":""#) + 9;
    let len = find(&SHOP[at..], b"\"");
    (at, str::from_utf8(&SHOP[at..at + len]).unwrap())
}

fn red(report: &AuditReport, encoding: &str) {
    assert_red(encoding, report, encoding);
    assert!(report.fidelity.differences.is_empty(), "the tampering itself shows: {:?}", report.fidelity);
}

#[test]
fn what_masking_makes_passes() {
    for rules in ["default", "blank", "headers-only", "addresses-only"] {
        let report = audit(mask(rules), rules);
        assert_eq!(report.verdict, Verdict::Pass, "{rules}: {:?} {:?}", report.residue, report.fidelity);
    }
}

#[test]
fn a_value_put_back_over_its_pseudonym_is_found() {
    let (mut file, (at, email)) = (mask("default"), planted());
    put(&mut file, at, email.as_bytes());
    red(&audit(file, "default"), "raw");
}

#[test]
fn a_value_put_back_in_base64_over_a_token_is_found() {
    let mut file = mask("default");
    let name = find(SHOP, br#""name":""#) + 8;
    let name = &SHOP[name..name + find(&SHOP[name..], b"\"")];
    let text = STANDARD.encode(name);
    let token = find(&file, b"Bearer ") + 7;
    let text = text.trim_end_matches('=').as_bytes();
    assert!(text.len() <= 32, "a token has 32 digits");
    put(&mut file, token, text);
    red(&audit(file, "default"), "base64");
}

#[test]
fn a_value_put_back_into_a_body_that_is_deflated_again_is_found() {
    let (mut file, (_, email)) = (mask("default"), planted());
    let head = find(&file, b"Content-Encoding: gzip\r\n");
    let at = head + find(&file[head..], b"\r\n\r\n") + 4;
    let digits = head + find(&file[head..], b"Content-Length: ") + 16;
    let length: usize = str::from_utf8(&file[digits..digits + 3]).unwrap().parse().unwrap();
    let text = format!(r#"{{"note":"{email}"}}"#);
    let plain = GzEncoder::new(Vec::new(), Compression::best());
    let packed = {
        let mut gzip = plain;
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    // a comment of the right length fills the room
    let mut body = [&packed[..3], &[16], &packed[4..10]].concat();
    body.resize(10 + length - packed.len() - 1, b'x');
    body.push(0);
    body.extend(&packed[10..]);
    assert_eq!(body.len(), length);
    put(&mut file, at, &body);
    red(&audit(file, "default"), "gzip");
}

/// The same text is kept part by part as a request's target, and masked as a value.
#[test]
fn a_value_put_back_that_is_kept_elsewhere_is_found() {
    let mut file = mask("default");
    let target = b"/api/v1/products?page=2&limit=6";
    assert!(memmem::find(&file, target).is_some(), "kept as a target");
    let token = find(&file, b"session=") + 8;
    put(&mut file, token, target);
    red(&audit(file, "default"), "raw");
}
