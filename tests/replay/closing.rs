//! Connections are closed when the captured ones were.

use std::io::{Cursor, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use etherparse::PacketBuilder;

use super::{OK, replay};
use standin::replay::feed::Feed;
use standin::replay::{Mode, Options, Profile, run};
use standin::workload::hand::{self, Exchange};

const MS: u64 = 1_000_000;

/// What a service sees of its clients, in order: requests by their target, and ends of connections.
fn seen(profile: Profile, closed_ms: Option<u64>) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            thread::spawn(move || {
                let (mut head, mut byte, mut last) = (Vec::new(), [0], String::new());
                while stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        last = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap().to_owned();
                        tell.send(last.clone()).unwrap();
                        stream.write_all(OK).unwrap();
                        head.clear();
                    }
                }
                if !last.is_empty() {
                    tell.send(format!("end of {last}")).unwrap();
                }
            });
        }
    });
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes();
    let (a, b, c) = (request("/a"), request("/b"), request("/c"));
    let exchanges = [(0, 0, &a), (1, 500, &b), (2, 2500, &c)];
    let exchange = |(connection, at_ms, request): (u32, u64, &Vec<u8>)| Exchange {
        connection,
        at_ms,
        request: request.clone().leak(),
        response: OK,
    };
    let mut workload = hand::workload(&exchanges.map(exchange));
    workload.sessions[0].connections[0].closed = closed_ms.map(|ms| ms * MS);
    replay(workload, &format!("http://{addr}"), profile);
    (0..6).map_while(|_| told.recv_timeout(Duration::from_secs(20)).ok()).collect()
}

#[test]
fn a_connection_that_was_kept_open_is_kept_open_as_long() {
    for mode in [Mode::Captured, Mode::Sessions] {
        let kept = seen(Profile { mode, ..Profile::default() }, Some(1500));
        // The second second is its own, and no request's.
        assert_eq!(kept[..4], ["/a", "/b", "end of /b", "end of /a"], "{mode:?} {kept:?}");
        assert_eq!(kept[4..], ["/c", "end of /c"], "{mode:?} {kept:?}");
        let fast = seen(Profile { mode, speed: 10.0, ..Profile::default() }, Some(1_000_000));
        assert_eq!(fast.len(), 6, "a run does not wait for it: {fast:?}");
    }
}

#[test]
fn one_that_was_closed_after_its_answer_is() {
    let closed = seen(Profile { mode: Mode::Captured, ..Profile::default() }, None);
    assert_eq!(closed[..2], ["/a", "end of /a"], "{closed:?}");
}

/// Two connections that nobody closes, half a second apart.
fn left_open() -> Vec<u8> {
    let words = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0xffff, 1];
    let mut file: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (port, path) in [(1, "/a"), (2, "/b")] {
        let (client, server) = (([192, 0, 2, 7], port), ([192, 0, 2, 80], 80));
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        for (from, to, payload) in [(client, server, request.as_bytes()), (server, client, OK)] {
            let segment = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from.0, to.0, 64);
            let segment = segment.tcp(from.1, to.1, 1, u16::MAX).ack(1);
            let mut frame = Vec::new();
            segment.write(&mut frame, payload).unwrap();
            let (micros, length) = (u32::from(port) * 400_000, frame.len() as u32);
            file.extend([7, micros, length, length].iter().flat_map(|word| word.to_le_bytes()));
            file.extend(frame);
        }
    }
    file
}

/// To close what was not closed while others still wait for their answers would be a burst of work that no capture holds.
#[test]
fn what_is_open_at_the_captures_end_is_closed_when_the_run_is_over() {
    let (tell, told) = mpsc::channel();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, tell) = (stream.unwrap(), tell.clone());
            thread::spawn(move || {
                let mut request = [0; 256];
                while let Ok(read @ 1..) = stream.read(&mut request) {
                    if request[..read].starts_with(b"GET /b") {
                        thread::sleep(Duration::from_secs(1));
                    }
                    tell.send("answer").unwrap();
                    stream.write_all(OK).unwrap();
                }
                tell.send("end").unwrap();
            });
        }
    });
    for mode in [Mode::Captured, Mode::Sessions] {
        let file = left_open();
        let feed = Feed::capture(Box::new(move || Ok(Box::new(Cursor::new(file.clone())))));
        let profile = Profile { mode, ..Profile::default() };
        let result = run(feed, Options::new(&format!("http://{addr}"), profile)).unwrap();
        assert_eq!(result.requests.answered, 2, "{:?}", result.requests);
        let seen: Vec<_> = (0..4).map(|_| told.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
        assert_eq!(seen, ["answer", "answer", "end", "end"], "{mode:?}");
    }
}
