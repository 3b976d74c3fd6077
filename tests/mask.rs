//! mask: what every pseudonym promises, over all methods and over arbitrary texts.

mod addresses;
mod methods;

use std::collections::HashSet;

use proptest::prelude::*;
use standin::mask::{self, Key, Level, Masker, MethodId, Part};

fn masker(seed: u8) -> Masker {
    Masker::new(&Key::from_bytes([seed; 32]), Box::new(|_| false))
}

fn text(masker: &mut Masker, text: &str) -> String {
    let mut out = Vec::new();
    masker.text(text.as_bytes(), &[], &mut out);
    String::from_utf8(out).expect("UTF-8 stays UTF-8")
}

fn part(text: &str, value: &str, method: &str) -> Part {
    let start = text.find(value).unwrap();
    Part { at: start..start + value.len(), method: MethodId::named(method).unwrap() }
}

fn whole(masker: &mut Masker, text: &str, method: &str) -> String {
    let mut out = Vec::new();
    masker.whole(text.as_bytes(), MethodId::named(method).unwrap(), &mut out);
    String::from_utf8(out).unwrap()
}

/// Encoded length of every character, and the separators in their places.
fn shape(text: &str) -> Vec<(usize, Option<char>)> {
    text.chars()
        .map(|c| {
            let separator = c.is_ascii() && !c.is_ascii_alphanumeric();
            (c.len_utf8(), separator.then_some(c))
        })
        .collect()
}

#[test]
fn every_method_is_keyed_deterministic_and_keeps_lengths() {
    for method in mask::ALL.iter().filter(|m| !["keep", "blank"].contains(&m.id())) {
        for example in method.examples() {
            let one = whole(&mut masker(1), example, method.id());
            assert_eq!(one.len(), example.len(), "{}: {example}", method.id());
            assert_ne!(&one, example, "{}", method.id());
            assert_eq!(one, whole(&mut masker(1), example, method.id()));
            assert_ne!(one, whole(&mut masker(2), example, method.id()), "{}: {example}", method.id());
            let mut direct = Vec::new();
            let keyring = masker(1);
            assert!(
                method.mask(one.as_bytes(), keyring.keyring(), &mut direct),
                "{} does not understand its own {one}",
                method.id()
            );
        }
    }
}

#[test]
fn methods_have_names_of_their_own() {
    let names: HashSet<_> = mask::ALL.iter().map(|method| method.id()).collect();
    assert_eq!(names.len(), mask::ALL.len());
    for name in names {
        assert_eq!(MethodId::named(name).unwrap().method().id(), name);
    }
}

#[test]
fn words_are_mapped_alike_in_every_case_and_place() {
    let mut masker = masker(1);
    let anna = text(&mut masker, "anna");
    assert_eq!(text(&mut masker, "ANNA"), anna.to_uppercase());
    let both = text(&mut masker, "Anna Baker");
    assert!(both[..4].eq_ignore_ascii_case(&anna) && both.starts_with(char::is_uppercase));
    assert_eq!(text(&mut masker, "4711"), text(&mut masker, "order-4711")[6..]);
}

#[test]
fn free_text_is_no_cipher_of_words() {
    let mut masker = masker(1);
    let a = text(&mut masker, "please call anna about the order");
    let b = text(&mut masker, "please mail anna about the orders");
    for (a, b) in a.split(' ').zip(b.split(' ')) {
        assert_ne!(a, b);
    }
}

#[test]
fn a_part_is_masked_inside_a_text_as_it_is_alone() {
    let mut masker = masker(1);
    let sentence = "write to anna@gmail.com or call her at home today";
    let mut out = Vec::new();
    masker.text(sentence.as_bytes(), &[part(sentence, "anna@gmail.com", "email")], &mut out);
    let alone = whole(&mut masker, "anna@gmail.com", "email");
    assert_eq!(&out[9..23], alone.as_bytes());
    assert_eq!(out.len(), sentence.len());
}

#[test]
fn a_pseudonym_is_never_a_kept_word_and_the_rest_stays_one_to_one() {
    let kept = |text: &[u8]| text.len() == 2 && text[0].is_ascii_lowercase() && text[0] < b'q';
    let mut masker = Masker::new(&Key::from_bytes([1; 32]), Box::new(kept));
    let mut images = HashSet::new();
    let mut count = 0;
    for a in b'a'..=b'z' {
        for b in b'a'..=b'z' {
            if !kept(&[a, b]) {
                let mut out = Vec::new();
                masker.text(&[a, b], &[], &mut out);
                assert!(!kept(&out) && out != [a, b]);
                images.insert(out);
                count += 1;
            }
        }
    }
    assert_eq!(images.len(), count);
}

#[test]
fn short_classes_are_permuted_without_fixed_points() {
    let mut masker = masker(1);
    let alphanumeric: Vec<char> = ('0'..='9').chain('a'..='z').chain('A'..='Z').collect();
    let mut texts: Vec<String> = alphanumeric.iter().map(char::to_string).collect();
    for a in &alphanumeric {
        texts.extend(alphanumeric.iter().map(|b| format!("{a}{b}")));
    }
    texts.extend((100..10_000).map(|n| n.to_string()));
    let images: HashSet<_> = texts
        .iter()
        .map(|original| {
            let image = text(&mut masker, original);
            // Zero is alone in its class: a digit that is not zero stays so.
            assert_eq!(&image == original, original == "0", "{original}");
            assert_eq!(kind(&image), kind(original), "{original}");
            image
        })
        .collect();
    assert_eq!(images.len(), texts.len());
}

/// Whether every run of the text is `0`, which has nothing else to become.
fn only_lone_zeros(text: &str) -> bool {
    text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()).all(|run| run.is_empty() || run == "0")
}

/// The class of a run, told independently.
fn kind(run: &str) -> &'static str {
    let all = |f: fn(&u8) -> bool| run.bytes().all(|b| f(&b));
    let hex = |b: &u8| b.is_ascii_hexdigit();
    if all(u8::is_ascii_digit) {
        return if run.len() > 1 && run.starts_with('0') { "zero-led" } else { "number" };
    }
    if all(u8::is_ascii_lowercase) {
        return "lower";
    }
    if all(u8::is_ascii_uppercase) {
        return "upper";
    }
    if all(u8::is_ascii_alphabetic)
        && run.as_bytes()[0].is_ascii_uppercase()
        && run[1..].bytes().all(|b| b.is_ascii_lowercase())
    {
        return "capitalised";
    }
    let cases = [u8::is_ascii_lowercase, u8::is_ascii_uppercase].map(|f| run.bytes().any(|b| f(&b)));
    let digits = run.bytes().any(|b| b.is_ascii_digit());
    if run.len() >= 8 && run.bytes().all(|b| hex(&b)) && digits && cases != [true, true] {
        return "hex";
    }
    "token"
}

proptest! {
    #[test]
    fn texts_keep_their_shape_and_change(original in "\\PC{0,60}") {
        let image = text(&mut masker(1), &original);
        prop_assert_eq!(shape(&image), shape(&original));
        let separators = shape(&original).iter().all(|(_, separator)| separator.is_some());
        prop_assert!(separators || image != original || only_lone_zeros(&original));
        prop_assert_eq!(image, text(&mut masker(1), &original));
    }

    #[test]
    fn runs_stay_in_their_class(original in "[0-9a-fA-Z]{1,40}") {
        let image = text(&mut masker(1), &original);
        prop_assert_eq!(kind(&image), kind(&original));
        prop_assert!(image != original || original == "0");
    }

    #[test]
    fn distinct_stays_distinct(a in "[0-9a-z]{3,5}", b in "[0-9a-z]{3,5}") {
        let mut masker = masker(1);
        prop_assert_eq!(a == b, text(&mut masker, &a) == text(&mut masker, &b));
    }

    #[test]
    fn any_bytes_keep_their_length_and_ascii_its_places(
        original in proptest::collection::vec(any::<u8>(), 0..80),
        from in 0..90usize, length in 0..90usize, method in 0..mask::ALL.len(),
    ) {
        let method = MethodId::named(mask::ALL[method].id()).unwrap();
        let part = Part { at: from..from + length, method };
        for level in [Level::Full, Level::Tag, Level::Filler] {
            let mut out = Vec::new();
            masker(1).degraded(&original, std::slice::from_ref(&part), level, &mut out);
            prop_assert_eq!(out.len(), original.len());
        }
        let mut out = Vec::new();
        masker(1).text(&original, &[], &mut out);
        for (a, b) in original.iter().zip(&out) {
            prop_assert_eq!(a.is_ascii(), b.is_ascii());
            prop_assert!(a.is_ascii_alphanumeric() || !a.is_ascii() || a == b);
        }
    }

    #[test]
    fn remembering_changes_nothing(texts in proptest::collection::vec("[a-c]{1,2}( [0-9]{1,2}){0,6}", 1..40)) {
        let mut one = masker(1);
        for original in &texts {
            prop_assert_eq!(text(&mut one, original), text(&mut masker(1), original));
        }
    }

    #[test]
    fn uuids_keep_version_and_variant(a in "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}") {
        let mut masker = masker(1);
        let image = whole(&mut masker, &a, "uuid");
        prop_assert_ne!(&image, &a);
        prop_assert_eq!(&image[14..15], &a[14..15]);
        prop_assert_eq!(&image[19..20], &a[19..20]);
        let joined = text(&mut masker, &a.replace('-', ""));
        prop_assert_eq!(joined, image.replace('-', ""));
        prop_assert_eq!(whole(&mut masker, &a.to_uppercase(), "uuid"), image.to_uppercase());
    }
}

/// An outsider knows the method but not the key: an unkeyed hash falls to enumeration, this does not.
#[test]
fn enumeration_recovers_an_unkeyed_hash_but_not_a_pseudonym() {
    let secret = "4711";
    let candidates = || (1000..10_000).map(|n| n.to_string());
    let unkeyed = |text: &str| blake3::hash(text.as_bytes());
    let recovered = candidates().find(|guess| unkeyed(guess) == unkeyed(secret));
    assert_eq!(recovered.as_deref(), Some(secret), "the attack works where it should");

    let published = text(&mut masker(9), secret);
    let hits: Vec<_> = (10..60)
        .filter(|&seed| {
            let mut guess_key = masker(seed);
            candidates().find(|guess| text(&mut guess_key, guess) == published).as_deref() == Some(secret)
        })
        .collect();
    assert!(hits.len() <= 1, "{hits:?}: keys of the attacker's own say nothing");
}

#[test]
fn degraded_texts_keep_their_shape_and_mail_stays_undeliverable() {
    let sentence = "Zoë Müller, 日本: order 4711 for zoe@acme.io at 2024-02-29";
    let parts = [part(sentence, "zoe@acme.io", "email")];
    let mut filler = Vec::new();
    masker(1).degraded(sentence.as_bytes(), &parts, Level::Filler, &mut filler);
    let filler = String::from_utf8(filler).unwrap();
    assert_eq!(filler, "xxā xāxxxx, 가가: xxxxx 1111 xxx xxx@xxxxx.x xx 1111-11-11");
    let tags: HashSet<_> = (0..500)
        .map(|n| {
            let mut out = Vec::new();
            masker(1).degraded(format!("value {n:05}").as_bytes(), &[], Level::Tag, &mut out);
            assert!(out.ends_with(b"11") && out.len() == 11);
            out
        })
        .collect();
    assert!(tags.len() > 400, "{} of 500 differ", tags.len());
}

#[test]
fn what_a_detector_knows_is_known_again_after_masking() {
    for kind in ["email", "card", "iban", "mac", "ipv4", "ipv6", "uuid", "jwt", "date", "url", "host"] {
        let id = standin::detect::DetectorId::named(kind).unwrap();
        let detector = id.detector().unwrap();
        for (_, value) in detector.examples().hits {
            let image = whole(&mut masker(1), value, detector.method());
            let mut found = Vec::new();
            detector.find(image.as_bytes(), &mut found);
            assert!(matches!(&found[..], [at] if *at == (0..value.len())), "{kind}: {value} became {image}");
        }
    }
}
