//! mask: what every pseudonym promises, over all methods and over arbitrary texts.

use std::collections::{HashMap, HashSet};

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

#[test]
fn mail_goes_to_reserved_domains_only_and_people_stay_apart() {
    let mut masker = masker(1);
    let mut images = HashMap::new();
    for user in 0..2000 {
        for domain in ["gmail.com", "x.io", "mail.acme-corp.co.uk", "yahoo.com"] {
            let address = format!("u{user}@{domain}");
            let image = whole(&mut masker, &address, "email");
            assert_eq!(image.len(), address.len());
            let (_, domain) = image.split_once('@').unwrap();
            let (label, tld) = domain.rsplit_once('.').unwrap();
            assert!(!label.is_empty() && (tld.len() == 1 || ["example", "test"].contains(&tld)));
            assert_eq!(images.insert(image, address), None);
        }
    }
    assert_eq!(
        whole(&mut masker, "Anna@Gmail.com", "email").to_lowercase(),
        whole(&mut masker, "anna@gmail.com", "email")
    );
}

#[test]
fn hosts_keep_label_lengths_and_public_suffix() {
    let mut masker = masker(1);
    let image = whole(&mut masker, "shop.acme-corp.co.uk:8443", "host");
    let lengths = |host: &str| host.split(['.', '-']).map(str::len).collect::<Vec<_>>();
    assert_eq!(lengths(&image), lengths("shop.acme-corp.co.uk:8443"));
    assert!(image.ends_with(".co.uk:8443") && !image.contains("acme"));
    assert_eq!(whole(&mut masker, "SHOP.acme.io", "host").to_lowercase(), whole(&mut masker, "shop.acme.io", "host"));
    assert_eq!(whole(&mut masker, "localhost:80", "host"), "localhost:80");
    let mut out = [0; 4];
    let ip = whole(&mut masker, "10.1.2.3:80", "host");
    for (octet, digits) in out.iter_mut().zip(ip.split_once(':').unwrap().0.split('.')) {
        *octet = digits.parse().unwrap();
    }
    assert_eq!(masker.ipv4([10, 1, 2, 3]), out);
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

fn luhn(number: &str) -> bool {
    let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
    let doubled = |d: u32| if d * 2 > 9 { d * 2 - 9 } else { d * 2 };
    let sum: u32 = digits.iter().rev().enumerate().map(|(n, d)| if n % 2 == 1 { doubled(*d) } else { *d }).sum();
    sum.is_multiple_of(10)
}

#[test]
fn cards_keep_their_first_digit_and_whether_the_check_digit_is_right() {
    let mut masker = masker(1);
    let mut images = HashSet::new();
    for n in 0..5000 {
        let card = format!("411111{:010}", n * 7919);
        let image = whole(&mut masker, &card, "card");
        assert_eq!((image.starts_with('4'), luhn(&image)), (true, luhn(&card)), "{card}");
        assert_ne!(image, card);
        images.insert(image);
    }
    assert_eq!(images.len(), 5000);
    let joined = whole(&mut masker, "4111111111111111", "card");
    assert_eq!(whole(&mut masker, "4111 1111-1111 1111", "card").replace([' ', '-'], ""), joined);
}

fn mod_97(iban: &str) -> u32 {
    let joined: String = iban.chars().filter(|c| *c != ' ').collect();
    let turned = format!("{}{}", &joined[4..], &joined[..4]);
    turned
        .chars()
        .map(|c| c.to_digit(36).unwrap())
        .fold(0, |sum, v| (if v > 9 { sum * 100 } else { sum * 10 } + v) % 97)
}

#[test]
fn account_numbers_keep_country_and_whether_the_check_digits_are_right() {
    let mut masker = masker(1);
    let image = whole(&mut masker, "GB82 WEST 1234 5698 7654 32", "iban");
    assert!(image.starts_with("GB") && mod_97(&image) == 1, "{image}");
    for n in 0..97 {
        let iban = format!("DE{n:02}370400440532013000");
        let image = whole(&mut masker, &iban, "iban");
        assert_eq!(mod_97(&image) == 1, mod_97(&iban) == 1, "{iban} {image}");
        assert_eq!(&image[..2], "DE");
    }
}

#[test]
fn every_day_of_a_decade_becomes_another_one_of_it_in_every_form() {
    let mut masker = masker(1);
    let days_in = |year: u32, month: u32| match month {
        2 => {
            if year.is_multiple_of(4) {
                29
            } else {
                28
            }
        }
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let mut images = HashSet::new();
    let mut count = 0;
    for year in 1980..1990 {
        for month in 1..=12 {
            for day in 1..=days_in(year, month) {
                for date in [
                    format!("{year}-{month:02}-{day:02}"),
                    format!("{day}.{month}.{year}"),
                    format!("{month:02}/{day:02}/{year}"),
                    format!("{day:02}/{month:02}/{year}"),
                ] {
                    let image = whole(&mut masker, &date, "date");
                    assert_ne!(image, date);
                    assert_eq!(image.len(), date.len());
                    let fields: Vec<u32> = image.split(['-', '.', '/']).map(|f| f.parse().unwrap()).collect();
                    let valid = |y: u32, m: u32, d: u32| {
                        (1980..1990).contains(&y) && (1..=12).contains(&m) && d <= days_in(y, m)
                    };
                    assert!(
                        match date.as_bytes()[4] {
                            b'-' => valid(fields[0], fields[1], fields[2]),
                            _ if date.contains('.') => valid(fields[2], fields[1], fields[0]),
                            _ => valid(fields[2], fields[0], fields[1]) || valid(fields[2], fields[1], fields[0]),
                        },
                        "{date} {image}"
                    );
                    if date.contains('-') {
                        images.insert(image);
                        count += 1;
                    }
                }
            }
        }
    }
    assert_eq!(images.len(), count);
    let instant = whole(&mut masker, "1984-03-09T08:15:30.5+02:00", "date");
    assert_eq!(instant[..10], whole(&mut masker, "1984-03-09", "date"));
    assert!(instant.ends_with("+02:00"));
}

#[test]
fn tokens_of_json_stay_readable_and_their_claims_are_masked_as_anywhere() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let header = r#"{"alg":"HS256","kid":"key-4711"}"#;
    let claims = r#"{"sub":"4711","admin":true,"name":"Anna \"B\"","iat":1516239022,"mail":"anna@acme.io"}"#;
    let token = format!("{}.{}.c2lnbmF0dXJlIG9mIGNsYWltcw", BASE64.encode(header), BASE64.encode(claims));
    let finder = |text: &[u8], parts: &mut Vec<Part>| {
        if text.contains(&b'@') {
            parts.push(Part { at: 0..text.len(), method: MethodId::named("email").unwrap() });
        }
    };
    let mut masker = Masker::with_finder(&Key::from_bytes([1; 32]), Box::new(|_| false), Box::new(finder));
    let image = whole(&mut masker, &token, "jwt");
    let parts: Vec<Vec<u8>> = image.split('.').map(|part| BASE64.decode(part).unwrap_or_default()).collect();
    let header: serde_json::Value = serde_json::from_slice(&parts[0]).unwrap();
    let masked: serde_json::Value = serde_json::from_slice(&parts[1]).unwrap();
    assert_eq!(header["alg"], "HS256");
    assert_ne!(header["kid"], "key-4711");
    assert_eq!(masked["admin"], true);
    assert_eq!(masked["sub"], text(&mut masker, "4711"));
    assert_eq!(masked["iat"].to_string(), text(&mut masker, "1516239022"));
    assert_eq!(masked["mail"], whole(&mut masker, "anna@acme.io", "email"));
    assert!(!image.ends_with("c2lnbmF0dXJlIG9mIGNsYWltcw"));
}

#[test]
fn urls_keep_scheme_port_and_names_and_share_their_host() {
    let mut masker = masker(1);
    let url = "https://anna:secret@shop.acme.io:8443/orders/4711?token=abc%20def&x#top";
    let image = whole(&mut masker, url, "url");
    let host = whole(&mut masker, "shop.acme.io", "host");
    assert_eq!(image.len(), url.len());
    assert!(image.starts_with("https://") && image.contains(&format!("@{host}:8443/")));
    assert!(image.contains("?token=") && image.contains("%20"));
    let order = text(&mut masker, "4711");
    assert!(image.contains(&format!("/{order}?")));
    for secret in ["anna", "secret", "acme", "orders", "abc", "def", "top"] {
        assert!(!image.contains(secret), "{secret} in {image}");
    }
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

#[test]
fn ipv4_is_permuted_inside_each_class_with_its_text_length() {
    let mut masker = masker(1);
    let digits = |address: [u8; 4]| address.map(|octet| octet.to_string().len());
    for (a, b) in
        [(10, 1), (172, 16), (172, 31), (192, 168), (100, 64), (100, 127), (8, 8), (203, 0), (198, 51), (193, 99)]
    {
        let mut images = HashSet::new();
        for n in 0..=u16::MAX {
            let [c, d] = n.to_be_bytes();
            let address = [a, b, c, d];
            let image = masker.ipv4(address);
            assert_eq!(class(image), class(address), "{address:?}");
            assert_eq!(digits(image), digits(address));
            assert_eq!(image == address, class(address) == "fixed", "{address:?}");
            assert!(images.insert(image));
        }
    }
    for fixed in [
        [127, 0, 0, 1],
        [0, 0, 0, 0],
        [224, 0, 0, 251],
        [255; 4],
        [169, 254, 1, 2],
        [192, 0, 2, 1],
        [198, 18, 0, 1],
        [240, 0, 0, 1],
    ] {
        assert_eq!(masker.ipv4(fixed), fixed);
    }
}

/// By the standard library's words where it has any.
fn class(address: [u8; 4]) -> &'static str {
    let ip = std::net::Ipv4Addr::from(address);
    let [a, b, c, _] = address;
    let special = matches!([a, b, c], [192, 0, 0] | [192, 88, 99]) || a == 0 || a >= 240 || (a, b & 0xfe) == (198, 18);
    match a {
        _ if ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_documentation() || special => "fixed",
        10 => "10/8",
        172 if ip.is_private() => "172.16/12",
        192 if ip.is_private() => "192.168/16",
        100 if b & 0xc0 == 64 => "100.64/10",
        _ => "public",
    }
}

/// Leading zero nibbles of each group.
fn pattern(address: [u8; 16]) -> [u32; 8] {
    std::net::Ipv6Addr::from(address).segments().map(u16::leading_zeros).map(|bits| bits / 4)
}

fn v6(text: &str) -> [u8; 16] {
    text.parse::<std::net::Ipv6Addr>().unwrap().octets()
}

#[test]
fn ipv6_keeps_its_class_and_zero_pattern_and_its_parts_agree() {
    let mut masker = masker(1);
    for fixed in ["::", "::1", "ff02::1", "ff02::fb", "2001:db8::5", "fe80::1", "100::1"] {
        assert_eq!(masker.ipv6(v6(fixed)), v6(fixed), "{fixed}");
    }
    for (n, address) in [
        "2a00:1450:4001:82f::200e",
        "fd12:3456:789a::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "fec0::1:2:3",
        "64:ff9b:1::5",
    ]
    .iter()
    .enumerate()
    {
        let image = masker.ipv6(v6(address));
        assert_eq!(pattern(image), pattern(v6(address)), "{address}");
        assert_ne!(image, v6(address));
        let kept = [0, 1, 4, 2, 0][n];
        assert_eq!(image[..kept], v6(address)[..kept]);
    }
    let host = v6("2a00:1450::21a:2bff:fe3c:4d5e");
    let (image, mac) = (masker.ipv6(host), masker.mac([0x00, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e]));
    assert_eq!(image[8..], [mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]]);
    assert_eq!(masker.ipv6(v6("fe80::21a:2bff:fe3c:4d5e"))[8..], image[8..]);
    assert_eq!(masker.ipv6(v6("ff02::1:ff3c:4d5e"))[13..], image[13..]);
    assert_eq!(masker.mac([0x33, 0x33, 0xff, 0x3c, 0x4d, 0x5e])[3..], image[13..]);
    let v4 = masker.ipv4([192, 168, 7, 9]);
    assert_eq!(masker.ipv6(v6("::ffff:192.168.7.9"))[12..], v4);
    assert_eq!(masker.ipv6(v6("64:ff9b::c0a8:709"))[12..], v4);
    assert_eq!(masker.ipv6(v6("2002:c0a8:709::1"))[2..6], v4);
}

#[test]
fn many_addresses_stay_distinct_and_nothing_stays_itself() {
    let mut masker = masker(1);
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        state >> 16
    };
    let (mut sources, mut images) = (HashSet::new(), HashSet::new());
    let (mut macs, mut mac_images) = (HashSet::new(), HashSet::new());
    for n in 0..1u32 << 15 {
        let mut v6 = [0u8; 16];
        // Crowded on purpose: few prefixes, small hosts, EUI-64 among them.
        v6[..2].copy_from_slice(
            &[[0x2a, 0x00], [0xfe, 0x80], [0xfd, 0x01], [0x20, 0x02], [0x20, 0x01], [0x5f, 0]][n as usize % 6],
        );
        v6[5] = next() as u8 % 4;
        v6[11] = [0, 0xff][next() as usize % 2];
        v6[12] = [0, 0xfe][next() as usize % 2];
        v6[8] = next() as u8 % 4;
        v6[13..].copy_from_slice(&(next() as u32).to_be_bytes()[1..]);
        if sources.insert(v6) {
            let image = masker.ipv6(v6);
            assert!(image != v6 && images.insert(image));
            assert_eq!(pattern(image), pattern(v6), "{v6:x?}");
        }
        let [a, b, c, d, e, f, ..] = next().to_le_bytes();
        let mac = [
            [0x00, 0x02, 0x01, 0x33, a][n as usize % 5],
            [0, 0x33, b][n as usize % 3],
            [0x5e, 0x5f, c][n as usize % 3],
            d % 2,
            e % 4,
            f,
        ];
        if macs.insert(mac) {
            let image = masker.mac(mac);
            assert!(mac_images.insert(image), "{mac:x?}");
            assert_eq!(image[0] & 3, mac[0] & 3);
        }
    }
    for fixed in [
        [0xff; 6],
        [0; 6],
        [0x01, 0, 0x5e, 1, 2, 3],
        [0x33, 0x33, 0, 0, 0, 1],
        [0x01, 0x80, 0xc2, 0, 0, 0],
        [0, 0, 0x5e, 0, 1, 7],
    ] {
        assert_eq!(masker.mac(fixed), fixed);
    }
}

#[test]
fn addresses_in_text_follow_those_in_headers_in_their_own_style() {
    let mut masker = masker(1);
    let image = std::net::Ipv6Addr::from(masker.ipv6(v6("2a00:1450:4001:82f::200e")));
    let plain = whole(&mut masker, "2a00:1450:4001:82f::200e", "ip");
    assert_eq!(plain, image.to_string());
    let padded = whole(&mut masker, "[2A00:1450:4001:082F:0000:0:0:200E]:443", "ip");
    assert_eq!(padded.len(), "[2A00:1450:4001:082F:0000:0:0:200E]:443".len());
    let inner = padded.trim_start_matches('[').split(']').next().unwrap();
    assert_eq!(inner.parse(), Ok(image));
    assert_eq!(inner, inner.to_uppercase());
    let mapped = whole(&mut masker, "::ffff:192.168.7.9", "ip");
    assert_eq!(
        mapped.trim_start_matches("::ffff:"),
        std::net::Ipv4Addr::from(masker.ipv4([192, 168, 7, 9])).to_string()
    );
    for text in ["::8:9", "1::", "2a00::5:6:7:8", "2a00:1:2:3:4:5:6::"] {
        let image = std::net::Ipv6Addr::from(masker.ipv6(v6(text)));
        assert_eq!(whole(&mut masker, text, "ip").parse(), Ok(image), "{text}");
    }
    let mac = masker.mac([0xa0, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e]);
    let dotted = whole(&mut masker, "a01a.2b3c.4d5e", "mac");
    assert_eq!(dotted.replace('.', ""), mac.map(|octet| format!("{octet:02x}")).concat());
}

/// The label before the public suffix names an owner, even where the word alone is public.
#[test]
fn a_registered_name_never_stays() {
    let kept = |text: &[u8]| matches!(text, b"www" | b"shop" | b"wallet");
    let key = Key::from_bytes([7; 32]);
    let mut masker = Masker::new(&key, Box::new(kept));
    let host = MethodId::named("host").expect("in the catalogue");
    let mut mask = |text: &str| {
        let mut out = Vec::new();
        masker.whole(text.as_bytes(), host, &mut out);
        String::from_utf8(out).expect("still text")
    };
    let masked = mask("www.shop.com");
    assert!(masked.starts_with("www.") && masked.ends_with(".com") && !masked.contains("shop"), "{masked}");
    let masked = mask("wallet.shop.co.uk");
    assert!(masked.starts_with("wallet.") && masked.ends_with(".co.uk") && !masked.contains("shop"), "{masked}");
}
