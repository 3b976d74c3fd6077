//! Every way to fail, provoked a known number of times, is counted that often under its own name.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::{OK, replay};
use standin::measure::Histogram;
use standin::replay::profile::Span;
use standin::replay::{Failure, Mode, Profile, RunResult};
use standin::workload::hand::{self, Exchange};

/// What is asked for, how often, and how that ends.
const ASKED: [(&str, u64, Option<Failure>); 8] = [
    ("/good", 9, None),
    ("/reset", 5, Some(Failure::Reset)),
    ("/reset-in-body", 2, Some(Failure::Reset)),
    ("/hang", 3, Some(Failure::Timeout)),
    ("/garbage", 4, Some(Failure::Protocol)),
    ("/bad-chunk", 1, Some(Failure::Protocol)),
    ("/close", 6, Some(Failure::ClosedEarly)),
    ("/short", 2, Some(Failure::ClosedEarly)),
];

/// Of how many requests it is told how late they were.
fn lateness(result: &RunResult) -> u64 {
    Histogram::from_base64(&result.histograms.lateness).unwrap().len()
}

/// Serves each request as its target says.
fn service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || serve(stream));
        }
    });
    addr
}

fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        let seen = stream.peek(&mut buffer).unwrap_or(0);
        let text = String::from_utf8_lossy(&buffer[..seen]).into_owned();
        if seen == 0 {
            return;
        }
        if !text.ends_with("\r\n\r\n") {
            thread::yield_now();
            continue;
        }
        let target = text.split(' ').nth(1).unwrap();
        // What is left unread when it is closed makes the system reset the connection.
        if target == "/reset" {
            return;
        }
        if target == "/reset-in-body" {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab").unwrap();
            return;
        }
        stream.read_exact(&mut buffer[..seen]).unwrap();
        match target {
            "/good" => stream.write_all(OK).unwrap(),
            "/hang" => thread::sleep(Duration::from_secs(60)),
            "/garbage" => stream.write_all(b"220 mail.example ESMTP\r\n\r\n").unwrap(),
            "/bad-chunk" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n").unwrap();
            }
            "/close" => return,
            "/short" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab").unwrap();
                return;
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn each_reason_is_counted_exactly() {
    let requests: Vec<String> = ASKED
        .iter()
        .flat_map(|(target, times, _)| (0..*times).map(move |_| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")))
        .collect();
    // Each on a connection of its own: one that fails must not take another with it.
    let exchanges: Vec<Exchange> = (0..)
        .zip(&requests)
        .map(|(n, request)| Exchange {
            connection: n,
            at_ms: u64::from(n) * 5,
            request: request.as_bytes(),
            response: OK,
        })
        .collect();
    let profile = Profile {
        mode: Mode::Captured,
        // Long enough for all but those that hang, on a busy machine too.
        timeout: Span(Duration::from_secs(4)),
        abort_error_rate: 1.0,
        ..Profile::default()
    };
    let result = replay(hand::workload(&exchanges), &format!("http://{}", service()), profile);
    let mut expected = BTreeMap::new();
    for (_, times, failure) in ASKED {
        failure.into_iter().for_each(|failure| *expected.entry(failure).or_insert(0) += times);
    }
    assert_eq!(result.requests.failed, expected);
    assert_eq!((result.requests.answered, result.status.get("200")), (9, Some(&9)));
    assert_eq!(result.requests.planned, requests.len() as u64);
    // All of them were sent, whatever became of them, and how late is known of each.
    assert_eq!(result.requests.sent, requests.len() as u64);
    assert_eq!(result.series.iter().map(|point| point.sent).sum::<u64>(), requests.len() as u64);
    assert_eq!(lateness(&result), requests.len() as u64);
    let by_endpoint: u64 = result.endpoints.iter().map(|endpoint| endpoint.failed).sum();
    assert_eq!(by_endpoint, expected.values().sum::<u64>());
}

#[test]
fn who_cannot_connect_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Gone before the first answer: nobody can connect from then on.
        drop(listener);
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    });
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let exchanges: Vec<Exchange> =
        (0..8).map(|n| Exchange { connection: 0, at_ms: n, request, response: OK }).collect();
    let profile = Profile { mode: Mode::Closed, connections: 1, abort_error_rate: 1.0, ..Profile::default() };
    let result = replay(hand::workload(&exchanges), &format!("http://{addr}"), profile);
    assert_eq!(result.requests.failed, BTreeMap::from([(Failure::Connect, 7)]));
    // What could not be connected was not sent; when it was tried is known all the same.
    assert_eq!((result.requests.answered, result.requests.sent), (1, 1));
    assert_eq!((result.series.iter().map(|point| point.sent).sum::<u64>(), lateness(&result)), (1, 8));
}
