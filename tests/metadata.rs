//! What stands in a capture beside its packets: masked, blanked or kept as rules say, and always in its place.

use std::fs;
use std::io::Cursor;
use std::sync::Arc;

use standin::capture::{Batch, Reader};
use standin::mask::Key;
use standin::rules::Policy;
use standin::sanitize::{self, Manifest, Options};

const SECRETS: &[u8] = b"CLIENT_RANDOM 0102 0304 ";
const COMMENT: &[u8] = b"seen by Zelda at noon";
const CUSTOM: &[u8] = b"custom bytes 123";
const FILTER: &[u8] = b"host 93.184.177.201";

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = body.len() as u32 + 12;
    [words(&[kind, length]), body, words(&[length])].concat()
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = [&code.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat();
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

fn capture() -> Vec<u8> {
    let section = block(0x0a0d_0d0a, &[words(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]), option(1, COMMENT)].concat());
    let interface = block(1, &[words(&[1, 0]), option(11, &[&[0][..], FILTER].concat())].concat());
    let secrets = block(10, &[&words(&[0x544c_534b, SECRETS.len() as u32])[..], SECRETS].concat());
    let custom = block(0xbad, &[&words(&[32_473])[..], CUSTOM].concat());
    let packet = block(6, &[&words(&[0, 0, 1, 4, 4])[..], &[1, 2, 3, 4], &option(1, COMMENT)].concat());
    [section, interface, packet.clone(), secrets, custom, packet].concat()
}

fn mask(rules: &str) -> (Vec<u8>, Manifest) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    fs::write(&path, format!("version: 1\nextends: default\nrules:\n{rules}\n")).unwrap();
    let policy = Arc::new(Policy::load(&[path.display().to_string()]).unwrap());
    let reader = Reader::open(Box::new(Cursor::new(capture()))).unwrap();
    let mut masked = Vec::new();
    let key = Key::from_bytes([7; 32]);
    let manifest =
        sanitize::mask(reader, &mut masked, Options { policy, key: &key, ledger: None, format: None }, &|| false)
            .unwrap();
    (masked, manifest)
}

fn times(bytes: &[u8], text: &[u8]) -> usize {
    memchr::memmem::find_iter(bytes, text).count()
}

fn rule(id: &str, field: &str, method: &str) -> String {
    format!("  - id: {id}\n    fields: [{field}]\n    method: {method}\n")
}

/// Type and length of each block.
fn structure(file: &[u8]) -> Vec<[u8; 8]> {
    let mut reader = Reader::open(Box::new(Cursor::new(file.to_vec()))).unwrap();
    let (mut batch, mut blocks) = (Batch::default(), Vec::new());
    while reader.next_batch(&mut batch).unwrap() {
        blocks.extend(batch.records.iter().map(|record| *batch.bytes[record.start..].first_chunk().unwrap()));
    }
    blocks
}

#[test]
fn nothing_stays_without_a_rule_and_no_block_moves() {
    let (masked, _) = mask(&rule("unrelated", "http.request.query.q", "keep"));
    assert_eq!(structure(&masked), structure(&capture()));
    for secret in [SECRETS, COMMENT, CUSTOM, FILTER] {
        assert_eq!((times(&capture(), secret) > 0, times(&masked, secret)), (true, 0));
    }
}

#[test]
fn a_rule_keeps_what_it_names_and_nothing_else() {
    for (field, kept) in [
        ("pcapng.decryption_secrets", SECRETS),
        ("pcapng.comment", COMMENT),
        ("pcapng.custom_block", CUSTOM),
        ("pcapng.if_filter", FILTER),
    ] {
        let (masked, manifest) = mask(&rule("mine", field, "keep"));
        for secret in [SECRETS, COMMENT, CUSTOM, FILTER] {
            let expected = if secret == kept { times(&capture(), secret) } else { 0 };
            assert_eq!(times(&masked, secret), expected, "{field}: {}", String::from_utf8_lossy(secret));
        }
        let matched = manifest.rules.iter().find(|rule| rule.id == "mine").unwrap().matched;
        assert!(matched > 0 && manifest.warnings.is_empty(), "{field}: {:?}", manifest.warnings);
    }
}

#[test]
fn a_rule_can_blank_texts_and_give_pseudonyms_to_what_is_blanked_otherwise() {
    let (masked, _) = mask(&rule("mine", "pcapng.comment", "blank"));
    assert_eq!(times(&masked, &vec![b'x'; COMMENT.len()]), 3);
    let (masked, _) = mask(&rule("mine", "pcapng.custom_block", "pseudonym"));
    let at = memchr::memmem::find(&capture(), CUSTOM).unwrap();
    let text = &masked[at..at + CUSTOM.len()];
    assert!(text != CUSTOM && text[6] == b' ' && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' '));
}

/// The audit reads the rules as masking does.
#[test]
fn what_a_rule_keeps_is_no_residue() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("original.pcapng"), capture()).unwrap();
    let rules = format!("version: 1\nextends: default\nrules:\n{}", rule("mine", "pcapng.decryption_secrets", "keep"));
    fs::write(path("rules.yaml"), rules).unwrap();
    let standin = |arguments: &[&str]| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_standin"));
        program.args(arguments).current_dir(folder.path()).output().unwrap()
    };
    let said = standin(&["mask", "original.pcapng", "-o", "masked.pcapng", "--rules", "rules.yaml"]);
    assert!(said.status.success(), "{said:?}");
    let with = standin(&["audit", "original.pcapng", "masked.pcapng", "--rules", "rules.yaml"]);
    let without = standin(&["audit", "original.pcapng", "masked.pcapng"]);
    assert_eq!((with.status.code(), without.status.code()), (Some(0), Some(1)), "{with:?} {without:?}");
}

/// Every name by which rules can select what is blanked otherwise is in the rules' page.
#[test]
fn the_names_are_documented() {
    let page = include_str!("../rules/README.md");
    let source = include_str!("../src/capture/metadata.rs");
    let quoted = |marker: &str| -> Vec<String> {
        source
            .split(marker)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .map(|name| name.replace(' ', "_"))
            .collect()
    };
    let names = [quoted("Opaque(\""), quoted("Text(\""), quoted(".rest(at, \""), quoted(".rest(8, \"")].concat();
    assert!(names.len() > 20, "{names:?}");
    for name in names.iter().filter(|name| *name != "padding") {
        assert!(page.contains(&format!("`pcapng.{name}`")), "pcapng.{name} is not in rules/README.md");
    }
}
