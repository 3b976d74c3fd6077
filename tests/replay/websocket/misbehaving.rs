//! Targets that answer too little, close early, or speak something else.

use super::*;
use standin::replay::Failure;

#[test]
fn a_target_that_answers_too_little_is_waited_for_once() {
    let mut wire = Wire::new().upgraded("");
    for n in 0..2 {
        wire = wire.client(asks(&format!("ask {n}"))).wait(1);
        for _ in 0..5 {
            wire = wire.server(says("told"));
        }
        wire = wire.wait(1);
    }
    let (url, heard) = target("", "", |n, _, stream| n > 0 || stream.write_all(&says("one")).is_ok());
    let profile = Profile { timeout: Span(Duration::from_millis(300)), ..profile(Mode::Sessions) };
    let result = replayed(&wire, &url, profile);
    assert_eq!(heard.lock().unwrap().len(), 2);
    assert_eq!(result.requests.failed.get(&Failure::Timeout), Some(&1), "{:?}", result.requests);
    assert_eq!((result.requests.answered, result.websocket.unwrap().unheard), (2, 9));
    assert!(result.seconds < 5.0, "not once for each: {}", result.seconds);
}

#[test]
fn a_target_that_closes_early_fails_what_is_left() {
    for close in [true, false] {
        let wire = Wire::new()
            .upgraded("")
            .client(asks("a"))
            .wait(1)
            .server(says("a"))
            .wait(1)
            .client(asks("b"))
            .wait(1)
            .server(says("b"))
            .wait(1)
            .client(asks("c"))
            .client(asks("d"));
        let (url, _) = target("", "", move |_, frame, stream| {
            stream.write_all(&frame_of(&frame.payload)).unwrap();
            if close {
                stream.write_all(&self::frame(0x80 | CLOSE, None, b"\x03\xe9")).unwrap();
                // The answer is read: a reset would take what was sent before with it.
                let _ = Frame::read(stream);
            }
            false
        });
        let result = replayed(&wire, &url, profile(Mode::Sessions));
        let failed: u64 = result.requests.failed.values().sum();
        assert_eq!((result.requests.answered, failed), (2, 1), "{:?}", result.requests);
        assert!(!result.requests.failed.contains_key(&Failure::Timeout));
        let messages = result.websocket.unwrap();
        assert!(messages.unsent >= 2, "{messages:?}");
    }
}

#[test]
fn endless_fragments_and_frames_that_are_none_are_failures_of_protocol() {
    let endless = [frame(TEXT, None, b"x"), frame(0, None, b"").repeat(1 << 17)].concat();
    let giant = [&[0x82, 127][..], &(1_u64 << 40).to_be_bytes()].concat();
    let masked = asks("a client's");
    let unasked = frame(0xc0 | TEXT, None, b"packed?");
    for hostile in [endless, giant, masked, unasked, vec![0x8f, 0x00], vec![0x80, 0x01, b'x']] {
        let hostile: &'static [u8] = hostile.leak();
        let wire = Wire::new().upgraded("").client(asks("a")).wait(1).server(says("a"));
        let (url, _) = target("", "", move |_, _, stream| {
            let _ = stream.write_all(hostile);
            thread::sleep(Duration::from_secs(1));
            true
        });
        let result = replayed(&wire, &url, profile(Mode::Captured));
        assert_eq!(result.requests.failed.get(&Failure::Protocol), Some(&1), "{:?}", result.requests);
    }
}

#[test]
fn pings_are_answered_and_floods_of_them_borne() {
    for pings in [1, 200_000] {
        let wire = Wire::new().upgraded("").client(asks("a")).wait(1).server(says("a")).wait(1).client(asks("b"));
        let (url, heard) = target("", "", move |n, frame, stream| {
            if n == 0 {
                stream.write_all(&self::frame(0x80 | PING, None, b"there?").repeat(pings)).unwrap();
                stream.write_all(&frame_of(&frame.payload)).unwrap();
            }
            true
        });
        let result = replayed(&wire, &url, profile(Mode::Sessions));
        let heard = frames(&heard, 3).into_iter().map(|frame| frame.shown());
        let pongs: Vec<_> = heard.filter(|(first, _)| *first == 0x80 | PONG).collect();
        assert!((1..=pings).contains(&pongs.len()) && pongs[0].1 == "there?", "{pongs:?}");
        assert_eq!(result.websocket.unwrap().pings, pings as u64);
        assert_eq!((result.requests.answered, result.websocket.unwrap().messages_sent), (2, 2));
    }
}

#[test]
fn what_the_server_says_unasked_is_no_answer() {
    let wire = Wire::new().upgraded("").client(asks("a")).wait(300).client(asks("b")).wait(1).server(says("b"));
    let (url, _) = target("", "", |n, frame, stream| {
        let told = if n == 0 { says("news").repeat(3) } else { frame_of(&frame.payload) };
        stream.write_all(&told).is_ok()
    });
    let result = replayed(&wire, &url, profile(Mode::Captured));
    let messages = result.websocket.unwrap();
    assert_eq!((messages.messages_received, messages.unsolicited, messages.unheard), (4, 3, 0));
    assert_eq!(result.requests.answered, 2);
}

#[test]
fn a_target_that_does_not_upgrade_gets_no_messages() {
    for (answer, failed) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned(), None),
        (switching("another key", ""), Some(&1)),
    ] {
        let url =
            format!("http://{}", super::super::server(move |_, _, stream| stream.write_all(answer.as_bytes()).is_ok()));
        let result = replayed(&conversation(), &url, profile(Mode::Sessions));
        assert_eq!(result.requests.failed.get(&Failure::Protocol), failed, "{:?}", result.requests);
        assert_eq!(result.requests.failed.get(&Failure::Connect), Some(&2), "{:?}", result.requests);
        let expected = WebSocket { unsent: 3, unheard: 2, ..WebSocket::default() };
        assert_eq!(result.websocket, Some(expected));
    }
}
