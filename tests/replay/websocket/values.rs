//! Values that go from answers to messages, and from copies of people.

use super::*;
use standin::replay::{Identities, dry_run};
use standin::rules::Policy;
use standin::sanitize;
use standin::workload::{Replacement, Request, pack};

#[test]
fn values_go_from_answers_to_messages() {
    let login = "POST /login HTTP/1.1\r\nHost: chat.example\r\nContent-Length: 0\r\n\r\n";
    let told = |token: &str| {
        let body = format!("{{\"token\":\"{token}\"}}");
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    let wire = Wire::new()
        .client(login)
        .wait(1)
        .server(told("tok-4f9a1c"))
        .wait(1)
        .upgraded("")
        .client(asks("{\"type\":\"auth\",\"token\":\"tok-4f9a1c\"}"))
        .wait(1)
        .server(says("{\"type\":\"ready\",\"room_id\":\"room-88121\"}"))
        .wait(1)
        .client(asks("{\"type\":\"join\",\"room_id\":\"room-88121\"}"))
        .wait(1)
        .server(says("{}"));
    let live = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"token\":\"a much longer token\"}";
    let live: &'static str = live.replace("29", "31").leak();
    let (url, heard) = target("", live, |n, _, stream| {
        let room = "x".repeat(300);
        let text = format!("{{\"type\":\"ready\",\"room_id\":\"{room}\"}}");
        stream.write_all(&if n == 0 { says(&text) } else { says("{}") }).is_ok()
    });
    let result = replayed(&wire, &url, profile(Mode::Sessions));
    let texts: Vec<String> = shown(&heard).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts[0], "{\"type\":\"auth\",\"token\":\"a much longer token\"}");
    assert_eq!(texts[1], format!("{{\"type\":\"join\",\"room_id\":\"{}\"}}", "x".repeat(300)));
    assert_eq!((result.correlation.edges, result.correlation.substituted, result.correlation.missed), (2, 2, 0));
    let plan = dry_run(wire.feed(), &profile(Mode::Sessions)).unwrap();
    let made: Vec<_> = plan.iter().flat_map(|one| &one.replacements).filter(|made| made.from_step.is_some()).collect();
    let places: Vec<_> = made.iter().map(|made| (made.at, made.len, made.with.as_str())).collect();
    let message = |at, len, with| (at, len, with);
    assert_eq!(
        places,
        [message(24, 10, "http.response.body.json.token[0]"), message(26, 10, "http.response.body.json.room_id[0]")]
    );
}

/// Somebody logs in, says who they are and enters a room: as masked, whatever the key, each message takes what the target
/// said to this run, in frames as captured, compressed or not.
#[test]
fn a_masked_conversation_is_replayed_message_by_message() {
    const AGREED: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let told = |token: &str| {
        let body = format!("{{\"token\":\"{token}\"}}");
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    for (key, is_packed) in [(1, false), (2, false), (3, true)] {
        let text = |text: &str| if is_packed { pack(text.as_bytes(), 15) } else { text.as_bytes().to_vec() };
        let first = if is_packed { 0xc0 | TEXT } else { 0x80 | TEXT };
        let asks = |said: &str| frame(first, Some([1, 2, 3, 4]), &text(said));
        let says = |said: &str| frame(first, None, &text(said));
        let note = text("{\"type\":\"message\",\"text\":\"Marta Quellwasser waits\",\"room_id\":\"88121-wq7\"}");
        let (front, back) = note.split_at(20);
        let mut wire = Wire::new()
            .client("POST /api/v1/login HTTP/1.1\r\nHost: chat.example\r\nContent-Length: 0\r\n\r\n")
            .wait(1)
            .server(told("9f-4f2a1c0d"))
            .wait(1)
            .upgraded(if is_packed { AGREED } else { "" })
            .client(asks("{\"type\":\"auth\",\"token\":\"9f-4f2a1c0d\"}"))
            .wait(1)
            .server(says("{\"type\":\"ready\",\"room_id\":\"88121-wq7\"}"))
            .wait(1)
            .client(frame(first & 0x7f, Some([5, 6, 7, 8]), front))
            .client(frame(0x80 | PING, Some([5, 6, 7, 8]), b"alive?"))
            .client(frame(0x80, Some([9, 9, 9, 9]), back))
            .wait(1)
            .server(says("{\"type\":\"ready\"}"));
        let policy = Arc::new(Policy::load(&[]).unwrap());
        let options = sanitize::Options { policy, key: &Key::from_bytes([key; 32]), ledger: None, format: None };
        let reader = standin::capture::Reader::open(Box::new(Cursor::new(wire.file.clone()))).unwrap();
        let mut masked = Vec::new();
        let manifest = sanitize::mask(reader, &mut masked, options, &|| false).unwrap();
        assert!(manifest.not_understood.is_empty(), "{:?}", manifest.not_understood);
        wire.file = masked;
        let live: &'static str = told("a token of this run").leak();
        let (url, heard) = target("", live, |n, frame, stream| match frame.first & 0x0f {
            PING => true,
            _ if n == 0 => stream.write_all(&self::says("{\"type\":\"ready\",\"room_id\":\"this room\"}")).is_ok(),
            _ => frame.first & 0x80 == 0 || stream.write_all(&self::says("{}")).is_ok(),
        });
        let result = replayed(&wire, &url, profile(Mode::Sessions));
        let messages = result.websocket.unwrap();
        assert_eq!((messages.messages_sent, messages.unsent, messages.unheard), (2, 0, 0), "key {key}");
        assert_eq!((result.correlation.substituted, result.correlation.missed), (2, 0), "key {key}");
        let texts: Vec<(u8, String)> = shown(&heard).into_iter().filter(|(first, _)| first & 0x0f != PING).collect();
        assert_eq!(texts[0].1, "{\"type\":\"auth\",\"token\":\"a token of this run\"}", "key {key}");
        assert_eq!((texts[1].0, texts[2].0), (TEXT, 0x80), "two fragments");
        let note = format!("{}{}", texts[1].1, texts[2].1);
        let (begins, ends) = ("{\"type\":\"message\",\"text\":\"", "\",\"room_id\":\"this room\"}");
        assert!(note.starts_with(begins) && note.ends_with(ends), "key {key}: {note}");
        let said = &note[begins.len()..note.len() - ends.len()];
        assert!(said.len() == "Marta Quellwasser waits".len() && !said.contains("Quellwasser"), "key {key}: {said}");
    }
}

/// Copies of the captured people say other things than they did, in messages as in requests.
#[test]
fn what_copies_say_in_messages_is_theirs() {
    let wire = Wire::new().upgraded("").client(asks("I am anna0")).wait(2).server(says("hello")).wait(2);
    let wire = wire.client(asks("{\"who\":\"anna0\"}")).wait(2).server(says("hello")).wait(2);
    let identities = Identities::new(|copy, request: &Request| {
        let at = memchr::memmem::find(&request.bytes, b"anna0").map(|at| at + 4);
        at.into_iter().map(|at| Replacement { at: at..at + 1, with: copy.to_string().into_bytes() }).collect()
    });
    for mode in [Mode::Sessions, Mode::Captured] {
        let (url, heard) = target("", "", echo);
        let profile = Profile { population: 3, ..profile(mode) };
        let options = Options { identities: Some(identities.clone()), ..Options::new(&url, profile) };
        let result = run(wire.feed(), options).unwrap();
        assert_eq!(result.websocket.unwrap().messages_sent, 6, "{:?}", result.requests);
        let mut texts: Vec<String> = shown(&heard).into_iter().map(|(_, text)| text).collect();
        texts.sort();
        let all = ["anna0", "anna1", "anna2"];
        let expected =
            all.map(|who| format!("I am {who}")).into_iter().chain(all.map(|who| format!("{{\"who\":\"{who}\"}}")));
        assert_eq!(texts, expected.collect::<Vec<_>>(), "{mode:?}");
    }
}

/// What members of the recorded chat say takes tokens, tickets and ids from what they were told, over HTTP and in messages.
#[test]
fn values_of_the_recorded_chat_are_followed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/chat.pcap");
    let feed = Feed::capture(Box::new(move || Ok(Box::new(std::fs::File::open(path)?))));
    let plan = dry_run(feed, &profile(Mode::Sessions)).unwrap();
    let messages: Vec<_> = plan.iter().filter(|one| one.endpoint == "WS /api/v1/rooms/{}/live").collect();
    let takes = |what: &str| {
        let from = format!("http.response.body.json.{what}[0]");
        messages.iter().filter(|one| one.replacements.iter().any(|made| made.with == from)).count()
    };
    // Of each of four members: one token; five messages with a ticket, two of them with an id; and a close.
    assert_eq!((plan.len(), messages.len()), (12 + 28, 28));
    assert_eq!((takes("token"), takes("ticket"), takes("message_id")), (4, 20, 8));
    assert!(messages.iter().all(|one| one.after_ms.is_some()));
}
