//! HTTP/2, whose headers masking's reader and the audit's own one understand, each by itself.

use super::*;
use standin::audit::compare_with;
use standin::audit::headers::doubt::{Reading, masking};
use standin::capture::Reader;
use standin::mask::Key;
use standin::protocol::http2::huffman;
use standin::sanitize::{self, Options};

const SHOP: &[u8] = include_bytes!("../../fixtures/shop-http2.pcap");

fn masked() -> Vec<u8> {
    let reader = Reader::open(Box::new(SHOP)).unwrap();
    let policy = Arc::new(Policy::load(&["default".to_owned()]).unwrap());
    let options = Options { policy, key: &Key::from_bytes([7; 32]), ledger: None, format: None };
    let mut out = Vec::new();
    sanitize::mask(reader, &mut out, options, &|| false).unwrap();
    out
}

fn audited(masked: Vec<u8>, reading: fn() -> Reading) -> AuditReport {
    compare_with(&input(SHOP.to_vec()), &input(masked), &judge("default"), reading).unwrap()
}

#[test]
fn both_readers_agree_and_nothing_is_left() {
    let report = audited(masked(), masking);
    assert_eq!(report.verdict, Verdict::Pass, "{:?} {:?}", report.residue, report.fidelity);
}

/// As if a bug in its Huffman code let masking read other texts than the peer does.
#[test]
fn a_misreading_of_masking_is_told() {
    let double = || -> Reading {
        let mut right = masking();
        Box::new(move |block| {
            let mut headers = right(block)?;
            let bytes = headers.iter_mut().flat_map(|(_, value)| value);
            bytes.filter(|byte| **byte == b'7').for_each(|byte| *byte = b'8');
            Some(headers)
        })
    };
    let report = audited(masked(), double);
    assert_eq!((report.verdict, report.residue.len()), (Verdict::Fail, 0));
    let differences = &report.fidelity.differences;
    assert!(!differences.is_empty());
    assert!(differences.iter().all(|one| one.packet > 0 && one.what.contains("HTTP/2 headers")), "{differences:?}");
}

/// The first credentials that a client sends, seen through the doubted reader.
fn credentials() -> Vec<u8> {
    static FOUND: OnceLock<Vec<u8>> = OnceLock::new();
    audited(SHOP.to_vec(), || {
        let mut right = masking();
        Box::new(move |block| {
            let headers = right(block)?;
            let secret = headers.iter().find(|(name, _)| matches!(&name[..], b"authorization" | b"cookie"));
            secret.into_iter().for_each(|(_, value)| drop(FOUND.set(value.clone())));
            Some(headers)
        })
    });
    FOUND.get().expect("somebody logs in").clone()
}

#[test]
fn credentials_put_back_in_their_code_are_found_by_the_audits_own_reader() {
    let mut code = Vec::new();
    huffman::encode(&credentials(), &mut code);
    let at = memchr::memmem::find(SHOP, &code).expect("they stand in Huffman code");
    let mut file = masked();
    assert_ne!(file[at..at + code.len()], code, "masking took them out");
    masked_for_real::put(&mut file, at, &code);
    let report = audited(file, masking);
    assert_eq!(report.verdict, Verdict::Fail);
    assert!(report.residue.iter().any(|residue| residue.encoding.contains("hpack")), "{:?}", report.residue);
}
