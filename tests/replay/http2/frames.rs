//! Targets that say what no library says, frame by frame.

use super::*;
use standin::replay::profile::Span;
use std::io::Write;
use std::net::TcpStream;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    [&[a, b, c, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

/// What a hostile target sends at once, when it was asked, and then again and again until it is hung up on.
fn flood(once: Vec<u8>, asked: Vec<u8>, again: Vec<u8>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, once, asked, again) = (stream.unwrap(), once.clone(), asked.clone(), again.repeat(200));
            thread::spawn(move || {
                let (mut buffer, mut heard) = ([0; 4096], Vec::new());
                if stream.write_all(&once).is_err() {
                    return;
                }
                // The request comes when the settings are there: headers on stream 1.
                while !heard.windows(6).any(|head: &[u8]| head[0] == 1 && head[2..] == [0, 0, 0, 1]) {
                    match stream.read(&mut buffer) {
                        Ok(n) if n > 0 => heard.extend_from_slice(&buffer[..n]),
                        _ => return,
                    }
                }
                if stream.write_all(&asked).is_err() {
                    return;
                }
                while !again.is_empty() && stream.write_all(&again).is_ok() {}
            });
        }
    });
    url(addr)
}

/// A target that serves each of its connections so.
fn serving(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, serve) = (listener.local_addr().unwrap(), Arc::new(serve));
    thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let (mut stream, serve) = (stream.unwrap(), serve.clone());
            thread::spawn(move || {
                if stream.read_exact(&mut [0; 24]).is_ok() {
                    serve(connection, stream);
                }
            });
        }
    });
    url(addr)
}

/// The stream of the next request; none at the end.
fn asked(mut stream: &TcpStream) -> Option<u8> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; len as usize]).ok()?;
        if head[3] == 1 {
            return Some(head[8]);
        }
    }
}

/// Says these frames; whether that went.
fn say(mut stream: &TcpStream, frames: &[Vec<u8>]) -> bool {
    stream.write_all(&frames.concat()).is_ok()
}

/// Answers all that comes.
fn answer(stream: &TcpStream) {
    while asked(stream).is_some_and(|asked| say(stream, &[frame(1, 5, asked, &[0x88])])) {}
}

fn goaway(last: u8) -> Vec<u8> {
    frame(7, 0, 0, &[0, 0, 0, last, 0, 0, 0, 0])
}

#[test]
fn nothing_is_sent_to_who_greets_with_a_farewell() {
    let profile = Profile { timeout: Span(Duration::from_secs(10)), ..h2c(Mode::Captured) };
    for mode in [Mode::Captured, Mode::Closed] {
        let came = Arc::new(AtomicUsize::new(0));
        let kept = came.clone();
        let url = serving(move |connection, stream| {
            if connection > 0 {
                say(&stream, &[frame(4, 0, 0, &[])]);
                return answer(&stream);
            }
            say(&stream, &[frame(4, 0, 0, &[]), goaway(0)]);
            while asked(&stream).is_some() {
                kept.fetch_add(1, Ordering::Relaxed);
            }
        });
        let result = replay(gets(3, 5), &url, Profile { mode, connections: 1, ..profile.clone() });
        assert_eq!((result.requests.answered, came.load(Ordering::Relaxed)), (3, 0), "{:?}", result.requests);
        // The first one was a connection too.
        let connections = [result.connections.opened, result.connections.reopened];
        assert_eq!(connections, [2, 1], "{mode:?}");
    }
    // One that always does has no connection to offer; that is found out soon.
    let (opened, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (opened.clone(), counted.clone());
    let url = serving(move |_, stream| {
        counts.0.fetch_add(1, Ordering::Relaxed);
        say(&stream, &[frame(4, 0, 0, &[]), goaway(0)]);
        while asked(&stream).is_some() {
            counts.1.fetch_add(1, Ordering::Relaxed);
        }
    });
    let result = replay(gets(1, 0), &url, profile);
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Connect, 1)]));
    assert_eq!((result.requests.sent, counted.load(Ordering::Relaxed)), (0, 0));
    let opened = opened.load(Ordering::Relaxed) as u64;
    assert!(opened < 10 && result.connections.opened == opened, "{opened} {:?}", result.connections);
}

/// A request that was refused is sent again, and has no more time then than one that is sent once.
#[test]
fn a_request_that_is_sent_again_does_not_have_its_time_again() {
    const RESET: u8 = 3;
    let resets = Arc::new(Mutex::new(Vec::new()));
    let kept = resets.clone();
    let url = serving(move |_, mut stream| {
        say(&stream, &[frame(4, 0, 0, &[])]);
        let Some(first) = asked(&stream) else { return };
        thread::sleep(Duration::from_millis(1000));
        // REFUSED_STREAM.
        say(&stream, &[frame(RESET, 0, first, &[0, 0, 0, 7])]);
        let mut head = [0; 9];
        while stream.read_exact(&mut head).is_ok() {
            stream.read_exact(&mut vec![0; usize::from(head[2])]).unwrap();
            if head[3] == RESET {
                kept.lock().unwrap().push(head[8]);
            }
        }
    });
    let profile = Profile { timeout: Span(Duration::from_secs(2)), ..h2c(Mode::Captured) };
    let result = replay(gets(2, 600), &url, profile);
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Timeout, 2)]));
    // Stream 3 is the second request, 5 the first one again. It was there before the second one.
    assert_eq!(resets.lock().unwrap().first(), Some(&5), "{resets:?}");
}

#[test]
fn what_waits_behind_others_and_never_goes_out_is_not_sent() {
    let url = serving(|_, stream| {
        let most = [0x7f, 0xff, 0xff, 0xff];
        let windows = [frame(4, 0, 0, &[&[0, 4][..], &most].concat()), frame(8, 0, 0, &[0x7f, 0, 0, 0])];
        say(&stream, &windows);
        // It takes anything, and reads nothing.
        thread::sleep(Duration::from_secs(60));
    });
    // More than sockets hold, and less than is dealt ahead.
    let large = "x".repeat(7 << 20);
    let large = format!("POST /0 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{large}", large.len());
    let profile = Profile { timeout: Span(Duration::from_secs(2)), ..h2c(Mode::Captured) };
    let result = replay(sent(&[&large, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"], 300), &url, profile);
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Timeout, 2)]));
    assert_eq!((result.requests.sent, result.requests.planned), (1, 2), "{:?}", result.requests);
}

#[test]
fn who_waits_for_room_goes_elsewhere_when_the_target_goes_away() {
    let elsewhere = Arc::new(AtomicUsize::new(0));
    let url = serving(move |connection, stream| {
        // One stream at a time.
        say(&stream, &[frame(4, 0, 0, &[0, 3, 0, 0, 0, 1])]);
        if connection == 0 {
            let Some(first) = asked(&stream) else { return };
            // The others wait by now.
            thread::sleep(Duration::from_millis(100));
            say(&stream, &[goaway(first)]);
            while elsewhere.load(Ordering::Relaxed) == 0 {
                thread::sleep(Duration::from_millis(2));
            }
            say(&stream, &[frame(1, 5, first, &[0x88])]);
        }
        while asked(&stream).is_some_and(|asked| {
            elsewhere.fetch_add(1, Ordering::Relaxed);
            say(&stream, &[frame(1, 5, asked, &[0x88])])
        }) {}
    });
    let profile = Profile { timeout: Span(Duration::from_secs(10)), ..h2c(Mode::Captured) };
    let result = replay(gets(3, 0), &url, profile);
    assert_eq!((result.requests.answered, result.connections.opened), (3, 2), "{:?}", result.requests);
}

#[test]
fn a_connection_that_has_fallen_silent_is_given_up() {
    let url = serving(|connection, stream| {
        say(&stream, &[frame(4, 0, 0, &[])]);
        if connection > 0 {
            return answer(&stream);
        }
        if let Some(first) = asked(&stream) {
            say(&stream, &[frame(1, 5, first, &[0x88])]);
        }
        while asked(&stream).is_some() {}
    });
    let profile = Profile {
        timeout: Span(Duration::from_secs(2)),
        connections: 1,
        streams: 1,
        requests: Some(5),
        ..h2c(Mode::Closed)
    };
    let result = replay(gets(5, 1), &url, profile);
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Timeout, 1)]));
    assert_eq!((result.requests.answered, result.connections.opened), (4, 2), "{:?}", result.connections);
}

#[test]
fn who_floods_or_speaks_something_else_has_failed_the_protocol() {
    let settings = frame(4, 0, 0, &[]);
    let continued = frame(9, 0, 1, &[b'x'; 4000]);
    let endless = frame(1, 0, 1, &[0x88]);
    let informational = frame(1, 4, 1, &[0x08, 3, b'1', b'0', b'3']);
    let large = [&[0x88, 0x00, 1, b'a', 0x7f, 0x81, 0xff, 0x03][..], &[b'v'; 65_536]].concat();
    let large =
        [frame(1, 0, 1, &large[..16_000]), frame(9, 0, 1, &large[16_000..32_000]), frame(9, 4, 1, &large[32_000..])];
    for (what, once, asked, again) in [
        ("pings", settings.clone(), Vec::new(), frame(6, 0, 0, &[0; 8])),
        ("settings", settings.clone(), Vec::new(), settings.clone()),
        ("unknown", settings.clone(), Vec::new(), frame(77, 0, 0, &[])),
        ("endless headers", settings.clone(), endless, continued),
        ("informational", settings.clone(), Vec::new(), informational),
        ("large headers", settings.clone(), Vec::new(), large.concat()),
        ("http1", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec(), Vec::new(), Vec::new()),
    ] {
        let profile = Profile { timeout: Span(Duration::from_secs(20)), ..h2c(Mode::Captured) };
        let result = replay(gets(1, 0), &flood(once, asked, again), profile);
        assert_eq!(failed(&result), BTreeMap::from([(Failure::Protocol, 1)]), "{what}");
        let told = result.warnings.iter().any(|told| told.contains("did not speak HTTP/2"));
        assert_eq!(told, what == "http1", "{what} {:?}", result.warnings);
    }
}
