//! Values with rules of their own: mail, hosts, cards, accounts, days, tokens, URLs.

use std::collections::{HashMap, HashSet};

use standin::mask::{Key, Masker, MethodId, Part};

use super::{masker, text, whole};

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
