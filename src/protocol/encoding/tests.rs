//! Properties of the encodings: there and back, at equal length.

use proptest::prelude::*;

use super::{Decoded, decode, encode};
use crate::protocol::Encoding;

const ALL: [Encoding; 6] =
    [Encoding::Plain, Encoding::Percent, Encoding::Form, Encoding::Json, Encoding::Markup, Encoding::Base64];

fn text(raw: &str, encoding: Encoding) -> String {
    let mut decoded = Decoded::default();
    String::from_utf8_lossy(decode(raw.as_bytes(), encoding, &mut decoded)).into_owned()
}

fn spell(raw: &str, new: &str, encoding: Encoding) -> Option<String> {
    let mut decoded = Decoded::default();
    decode(raw.as_bytes(), encoding, &mut decoded);
    let mut out = b"before".to_vec();
    let fits = encode(new.as_bytes(), encoding, &mut decoded, raw.as_bytes(), &mut out);
    assert!(out.starts_with(b"before"));
    assert!(fits || out.len() == 6);
    fits.then(|| String::from_utf8(out.split_off(6)).unwrap())
}

#[test]
fn text_of_each_encoding() {
    assert_eq!(text("a%20b%C3%A9%zz%4", Encoding::Percent), "a bé%zz%4");
    assert_eq!(text("a+b%2Bc", Encoding::Form), "a b+c");
    assert_eq!(text(r#"a\"\/\n\u00e9\ud83d\ude00\ud800\x"#, Encoding::Json), "a\"/\né😀\\ud800\\x");
    assert_eq!(text("&lt;a&amp;&eacute;&#233;&#xE9;&nbsp;&nope;& ", Encoding::Markup), "<a&ééé\u{a0}&nope;& ");
    assert_eq!(text("YW5uYTpzZWNyZXQ=", Encoding::Base64), "anna:secret");
    assert_eq!(text("no base64!", Encoding::Base64), "no base64!");
}

#[test]
fn text_back_in_the_manner_of_the_old() {
    let cases = [
        (Encoding::Percent, "a%41%c3%a9", "b%43%c3%b6", "bCö"),
        (Encoding::Percent, "a%2F%C3", "b%2F%C3", "b/\u{0}"),
        (Encoding::Form, "a+b", "x+y", "x y"),
        (Encoding::Json, r"\u00e9\u0041\/\n", r"\u00f6\u0042\/\n", "öB/\n"),
        (Encoding::Json, r"\u00C9\ud83d\ude00", r"\u00D6\ud83d\ude01", "Ö😁"),
        (Encoding::Markup, "&eacute;&#233;&#xe9;&amp;", "&#00246;&#246;&#xf6;&amp;", "ööö&"),
        (Encoding::Base64, "YW5uYTpzZWNyZXQ=", "YmVyYTpnZWhlaW0=", "bera:geheim"),
        (Encoding::Base64, "YW5uYTpzZWNyZXQ", "YmVyYTpnZWhlaW0", "bera:geheim"),
    ];
    for (encoding, raw, expected, new) in cases {
        if new.contains('\0') {
            continue;
        }
        assert_eq!(spell(raw, new, encoding).as_deref(), Some(expected), "{raw}");
        assert_eq!(text(expected, encoding), new);
    }
}

#[test]
fn what_has_no_room_is_refused() {
    assert_eq!(spell("ab", "a\"", Encoding::Json), Some("a\"".into()), "decoding leaves a bare quote alone");
    assert_eq!(spell("ab", "\\n", Encoding::Json), None);
    assert_eq!(spell("%zz", "%41", Encoding::Percent), None);
    assert_eq!(spell("a+", "aé", Encoding::Form), None);
    assert_eq!(spell("&lt;", "é", Encoding::Markup), None);
    assert_eq!(spell("abc", "ab", Encoding::Plain), None);
}

/// Raw bytes with many escapes, valid and not.
fn raw() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[ -~]{0,6}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(&[
            "%41",
            "%c3%a9",
            "%C3",
            "%",
            "+",
            r"\u00e9",
            r"\u0041",
            r"\ud83d\ude00",
            r"\ud83d",
            r"\/",
            r"\n",
            "\\",
            "&amp;",
            "&eacute;",
            "&#233;",
            "&#x00E9;",
            "&#x1F600;",
            "&",
            "YWJj",
            "YQ==",
            "-_",
            "é",
            "=",
        ])
        .prop_map(|s: &str| s.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// Other letters and digits, everything else as it is: what a masker does.
fn other(text: &[u8], turn: u8) -> Vec<u8> {
    let spin = |b: u8, base: u8, n: u8| base + (b - base + turn % n) % n;
    text.iter()
        .map(|&b| match b {
            b'0'..=b'9' => spin(b, b'0', 10),
            b'a'..=b'z' => spin(b, b'a', 26),
            b'A'..=b'Z' => spin(b, b'A', 26),
            _ => b,
        })
        .collect()
}

proptest! {
    #[test]
    fn the_same_text_gives_the_same_meaning(raw in raw()) {
        for encoding in ALL {
            let mut decoded = Decoded::default();
            let text = decode(&raw, encoding, &mut decoded).to_vec();
            let mut out = Vec::new();
            prop_assert!(encode(&text, encoding, &mut decoded, &raw, &mut out), "{encoding:?}");
            prop_assert_eq!(out.len(), raw.len());
            let mut again = Decoded::default();
            prop_assert_eq!(decode(&out, encoding, &mut again), &text[..]);
        }
    }

    #[test]
    fn another_text_of_the_same_shape_fits_or_is_refused(raw in raw(), turn in 1u8..26) {
        for encoding in ALL {
            let mut decoded = Decoded::default();
            let text = other(decode(&raw, encoding, &mut decoded), turn);
            let mut out = Vec::new();
            if encode(&text, encoding, &mut decoded, &raw, &mut out) {
                prop_assert_eq!(out.len(), raw.len());
                let mut again = Decoded::default();
            prop_assert_eq!(decode(&out, encoding, &mut again), &text[..]);
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }

    #[test]
    fn valid_escapes_always_fit(letters in "[a-zé]{1,8}", turn in 1u8..26) {
        let json: String = letters.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let percent: String = letters.bytes().map(|b| format!("%{b:02X}")).collect();
        let markup: String = letters.chars().map(|c| format!("&#{};", u32::from(c))).collect();
        let new = String::from_utf8(other(letters.as_bytes(), turn)).unwrap();
        prop_assert!(spell(&json, &new, Encoding::Json).is_some());
        prop_assert!(spell(&percent, &new, Encoding::Percent).is_some());
        if letters.chars().zip(new.chars()).all(|(a, b)| (u32::from(a) > 99) == (u32::from(b) > 99)) {
            prop_assert!(spell(&markup, &new, Encoding::Markup).is_some());
        }
    }
}
