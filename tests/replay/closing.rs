//! Connections are closed when the captured ones were.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{OK, replay};
use standin::replay::{Mode, Profile};
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
