//! G5: equal stays equal across headers, bodies, paths and packets; distinct stays distinct.

use std::collections::BTreeSet;

use standin::protocol::http1::words::is_known;

use super::wire::{From, Wire, answer, payloads, post, said};
use super::{How, mask};

/// What stands between `before` and the first of `until`.
fn between<'a>(text: &'a str, before: &str, until: &[char]) -> &'a str {
    let from = text.find(before).unwrap_or_else(|| panic!("no {before} in {text}")) + before.len();
    let rest = &text[from..];
    &rest[..rest.find(until).unwrap_or(rest.len())]
}

fn text(file: &[u8], from: From) -> String {
    String::from_utf8(said(file, from)).unwrap()
}

#[test]
fn a_set_cookie_is_the_later_cookie() {
    let token = "f3b0c44298fc1c149afbf4c8996fb924";
    let mut wire = Wire::connected();
    wire.say(From::Client, post("/login", "", "application/json", br#"{"user":"anna"}"#));
    let cookie = format!("Set-Cookie: sid={token}; Path=/; HttpOnly\r\n");
    let body = format!(r#"{{"token":"{token}"}}"#);
    wire.say(From::Server, answer("200 OK", &cookie, "application/json", body.as_bytes()));
    wire.say(From::Client, format!("GET /cart HTTP/1.1\r\nHost: a.example\r\nCookie: lang=en; sid={token}\r\nAuthorization: Bearer {token}\r\n\r\n"));
    let masked = mask(&wire.close().file);
    let (client, server) = (text(&masked.bytes, From::Client), text(&masked.bytes, From::Server));
    let new = between(&server, "Set-Cookie: sid=", &[';']);
    assert_ne!(new, token);
    assert_eq!(between(&client, "; sid=", &['\r']), new);
    assert_eq!(between(&client, "Authorization: Bearer ", &['\r']), new);
    assert_eq!(between(&server, "\"token\":\"", &['"']), new);
    assert!(server.contains("; Path=/; HttpOnly\r\n"), "{server}");
}

#[test]
fn an_id_is_the_same_number_segment_and_location() {
    let mut wire = Wire::connected();
    wire.say(From::Client, post("/orders", "", "application/json", br#"{"sku":"AB-1","count":3}"#));
    let body = br#"{"id":83125977,"next":"/orders/83125977/items"}"#;
    wire.say(From::Server, answer("201 Created", "Location: /orders/83125977\r\n", "application/json", body));
    wire.say(From::Client, "GET /orders/83125977?after=83125977 HTTP/1.1\r\nHost: a.example\r\n\r\n");
    let masked = mask(&wire.close().file);
    let (client, server) = (text(&masked.bytes, From::Client), text(&masked.bytes, From::Server));
    let new = between(&server, "\"id\":", &[',']);
    assert_ne!(new, "83125977");
    assert_eq!(new.parse::<u64>().unwrap().to_string().len(), 8);
    assert_eq!(between(&server, "Location: /orders/", &['\r']), new);
    assert_eq!(between(&server, "\"next\":\"/", &['"']).split('/').nth(1), Some(new));
    assert_eq!(between(&client, "GET /orders/", &['?']), new);
    assert_eq!(between(&client, "?after=", &[' ']), new);
}

#[test]
fn an_address_in_a_header_is_the_packets_address() {
    let mut wire = Wire::connected();
    let get = "GET /cart HTTP/1.1\r\nHost: 192.168.77.5:8080\r\nX-Forwarded-For: 10.20.30.40\r\nForwarded: for=10.20.30.40\r\n\r\n";
    wire.say(From::Client, get);
    wire.say(From::Server, answer("200 OK", "", "application/json", br#"{"ip":"10.20.30.40"}"#));
    let masked = mask(&wire.close().file);
    let ends = &payloads(&masked.bytes)[0].ends;
    let (source, other) = ends.split_once(") (").unwrap();
    let source = between(source, "(", &[',']);
    let client = text(&masked.bytes, From::Client);
    assert_ne!(source, "10.20.30.40");
    assert!(source.starts_with("10."), "private stays private: {source}");
    assert_eq!(between(&client, "X-Forwarded-For: ", &['\r']), source);
    assert_eq!(between(&client, "Forwarded: for=", &['\r']), source);
    assert_eq!(between(&client, "Host: ", &[':']), between(other, "", &[',']));
    assert_eq!(between(&text(&masked.bytes, From::Server), "\"ip\":\"", &['"']), source);
}

#[test]
fn an_email_is_one_pseudonym_in_every_encoding() {
    let email = "anna.baker@brookfield-mills.com";
    let escaped = email.replace('@', "%40");
    let mut wire = Wire::connected();
    wire.say(From::Client, post("/people", "", "application/json", format!(r#"{{"email":"{email}"}}"#).as_bytes()));
    wire.say(
        From::Client,
        post("/people", "", "application/x-www-form-urlencoded", format!("email={escaped}").as_bytes()),
    );
    wire.say(
        From::Client,
        format!("GET /people?email={escaped} HTTP/1.1\r\nHost: a.example\r\nX-User: {email}\r\n\r\n"),
    );
    let masked = mask(&wire.close().file);
    let client = text(&masked.bytes, From::Client);
    let new = between(&client, "{\"email\":\"", &['"']);
    assert_ne!(new, email);
    assert!(new.contains('@') && new.len() == email.len(), "{new}");
    let new_escaped = new.replace('@', "%40");
    assert_eq!(between(&client, "\r\n\r\nemail=", &['G']).trim_end(), new_escaped);
    assert_eq!(between(&client, "?email=", &[' ']), new_escaped);
    assert_eq!(between(&client, "X-User: ", &['\r']), new);
}

/// A card is valid wherever it stands, and all are different.
#[test]
fn distinct_stays_distinct() {
    let ids: Vec<String> = (0..400).map(|n| format!("{}", 10_000 + n * 7)).collect();
    let mut wire = Wire::connected();
    wire.say(
        From::Client,
        post("/bulk", "", "application/json", format!(r#"{{"ids":[{}]}}"#, ids.join(",")).as_bytes()),
    );
    let masked = mask(&wire.close().file);
    let client = text(&masked.bytes, From::Client);
    let new: Vec<&str> = between(&client, "\"ids\":[", &[']']).split(',').collect();
    assert_eq!(new.len(), ids.len());
    assert_eq!(new.iter().collect::<BTreeSet<_>>().len(), ids.len(), "two became one");
    for (old, new) in ids.iter().zip(new) {
        assert!(old != new && new.len() == 5 && !new.starts_with('0'), "{old} -> {new}");
    }
}

/// Else a reader would take it for grammar, and the field would be gone.
#[test]
fn no_pseudonym_is_a_word_that_headers_are_made_of() {
    let letters: String = ('a'..='z').map(|letter| format!("X-{letter}: {letter}\r\n")).collect();
    let mut wire = Wire::connected();
    wire.say(From::Client, format!("GET /cart HTTP/1.1\r\nHost: a.example\r\nAccept: text/html;v=b3\r\n{letters}\r\n"));
    let file = wire.close().file.clone();
    for key in 0..40 {
        let masked = How { key, ..How::default() }.mask(&file);
        let client = text(&masked.bytes, From::Client);
        for letter in 'a'..='z' {
            let new = between(&client, &format!("X-{letter}: "), &['\r']);
            assert!(is_known(letter.to_string().as_bytes()) || !is_known(new.as_bytes()), "{letter}: {new}");
        }
    }
}
