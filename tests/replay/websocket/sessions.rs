//! What goes out of a recorded conversation, and when.

use super::*;
use standin::replay::{dry_run, plan};

#[test]
fn messages_go_out_as_captured() {
    for mode in [Mode::Captured, Mode::Sessions] {
        let (url, heard) = target("", "", echo);
        let result = replayed(&conversation(), &url, profile(mode));
        let all = shown(&heard);
        let expected = [
            (0x80 | TEXT, "hello"),
            (TEXT, "two "),
            (0x80, "parts"),
            (0x80 | PING, "alive?"),
            (0x80 | TEXT, "unanswered"),
        ];
        let texts: Vec<(u8, &str)> = all.iter().map(|(first, text)| (*first, text.as_str())).collect();
        assert_eq!(texts[..5], expected, "{mode:?}");
        assert_eq!(heard.lock().unwrap()[5].payload, b"\x03\xe8bye", "{mode:?}");
        let keys: std::collections::BTreeSet<[u8; 4]> = heard.lock().unwrap().iter().map(|frame| frame.key).collect();
        assert_eq!(keys.len(), all.len(), "a key for each frame");
        assert!(result.valid, "{mode:?}: {:?}", result.invalid_because);
        assert_eq!((result.requests.planned, result.requests.answered), (3, 3), "{mode:?}: {:?}", result.requests);
        assert_eq!(result.status.iter().collect::<Vec<_>>(), [(&"101".to_owned(), &1)]);
        let messages = result.websocket.unwrap();
        assert_eq!((messages.connections, messages.messages_sent, messages.unheard, messages.unsent), (1, 3, 0, 0));
        let endpoints: Vec<(&str, u64)> = result.endpoints.iter().map(|e| (e.endpoint.as_str(), e.answered)).collect();
        assert_eq!(endpoints, [("GET /rooms/{}", 1), ("WS /rooms/{}", 2)]);
    }
}

#[test]
fn the_same_seed_gives_the_same_masks() {
    let masks = |seed| {
        let (url, heard) = target("", "", echo);
        replayed(&conversation(), &url, Profile { seed, ..profile(Mode::Sessions) });
        let heard = heard.lock().unwrap();
        heard.iter().map(|frame| frame.key).collect::<Vec<_>>()
    };
    assert_eq!(masks(7), masks(7));
    assert_ne!(masks(7), masks(8));
}

#[test]
fn a_stream_of_messages_is_what_is_gathered() {
    let wire = conversation();
    let workload = wire.gathered();
    assert_eq!(workload.requests(), 6);
    for mode in [Mode::Captured, Mode::Sessions] {
        let shown = |feed: Feed| {
            let plan = dry_run(feed, &profile(mode)).unwrap();
            plan.iter().map(|one| format!("{} {:?} {:?}", one.line, one.at_ms, one.after_ms)).collect::<Vec<_>>()
        };
        let streamed = shown(wire.feed());
        assert_eq!(streamed, shown(Feed::from(&workload)));
        assert_eq!(streamed.len(), 6);
        assert!(streamed[1].starts_with("WS /rooms/{} "), "{streamed:?}");
    }
}

/// In sessions, the next message is not sent before the target has said what came before it when it was captured.
#[test]
fn a_session_waits_for_the_messages_that_its_client_had_heard() {
    let wire = Wire::new()
        .upgraded("")
        .client(asks("first"))
        .wait(1)
        .server(says("a"))
        .server(says("b"))
        .wait(1)
        .client(asks("second"))
        .wait(1)
        .server(says("c"));
    let order = Arc::new(Mutex::new(Vec::new()));
    let told = order.clone();
    let (url, _) = target("", "", move |n, frame, stream| {
        told.lock().unwrap().push(frame.shown().1);
        for text in [&["a", "b"][..], &["c"]][n] {
            thread::sleep(Duration::from_millis(150));
            told.lock().unwrap().push((*text).to_owned());
            stream.write_all(&says(text)).unwrap();
        }
        true
    });
    let result = replayed(&wire, &url, profile(Mode::Sessions));
    assert_eq!(*order.lock().unwrap(), ["first", "a", "b", "second", "c"]);
    assert_eq!(result.requests.answered, 3);
    let response = result.endpoints.iter().find(|one| one.endpoint.starts_with("WS")).unwrap().response_time_us;
    assert!(response.max >= 150_000, "{response:?}");
    let expected = WebSocket { connections: 1, messages_sent: 2, messages_received: 3, ..WebSocket::default() };
    assert_eq!(result.websocket, Some(expected));
}

#[test]
fn compressed_messages_are_compressed_where_the_target_agrees() {
    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    const AGREED: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=9\r\n";
    // `Hello` as RFC 7692 §7.2.3.1 packs it, and again within the same window.
    let packed = [&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..], &[0xf2, 0x00, 0x11, 0x00, 0x00]];
    let key = Some([5, 6, 7, 8]);
    let wire = Wire::new()
        .upgraded(OFFER)
        .client(frame(0xc0 | TEXT, key, packed[0]))
        .client(frame(0xc0 | TEXT, key, packed[1]))
        .server(frame(0xc0 | TEXT, None, packed[0]));
    for more in [AGREED, ""] {
        let (url, heard) = target(more, "", |_, frame, stream| {
            stream.write_all(&self::frame(frame.first, None, &frame.payload)).is_ok()
        });
        let result = replayed(&wire, &url, profile(Mode::Sessions));
        assert_eq!(result.requests.answered, 2, "{:?}", result.requests);
        let heard = frames(&heard, 2);
        for frame in &heard {
            let mut text = Vec::new();
            let packed = [frame.payload.as_slice(), &[0, 0, 0xff, 0xff]].concat();
            match more {
                "" => text.clone_from(&frame.payload),
                _ => drop(flate2::read::DeflateDecoder::new(packed.as_slice()).read_to_end(&mut text)),
            }
            let first = if more.is_empty() { 0x80 | TEXT } else { 0xc0 | TEXT };
            assert_eq!((frame.first, text.as_slice()), (first, b"Hello".as_slice()));
        }
        assert_eq!(heard.len(), 2);
    }
}

#[test]
fn a_closed_loop_says_how_many_messages_it_leaves_out() {
    let closed = profile(Mode::Closed);
    let (mut planned, mut messages) = (0, 0);
    let left_out = plan(conversation().feed(), &closed, None, &mut |one| {
        planned += 1;
        messages += u64::from(one.endpoint.starts_with("WS "));
        true
    });
    // Two that were answered, one that was not, a ping and a close.
    assert_eq!((left_out.unwrap(), planned, messages), (5, 1, 0));
    assert_eq!(plan(conversation().feed(), &profile(Mode::Sessions), None, &mut |_| true).unwrap(), 0);
}
