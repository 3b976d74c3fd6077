//! Ways to the target other than one request after another over plain TCP.

use std::collections::BTreeMap;
use std::io::Write;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use std::time::{Duration, Instant};

use super::{OK, replay, server};
use standin::replay::profile::Span;
use standin::replay::{Failure, Mode, Options, Profile, run};
use standin::workload::Workload;
use standin::workload::hand::{self, Exchange};

/// Requests for `/0`, `/1` and so on. Each was sent at the same instant, so before any was answered.
fn at_once(count: u32, connections: u32) -> Workload {
    let requests: Vec<String> = (0..count).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n")).collect();
    let exchanges: Vec<Exchange> = (0..)
        .zip(&requests)
        .map(|(n, request)| Exchange {
            connection: n % connections,
            at_ms: 0,
            request: request.as_bytes(),
            response: OK,
        })
        .collect();
    hand::workload(&exchanges)
}

fn captured() -> Profile {
    Profile { mode: Mode::Captured, abort_error_rate: 1.0, ..Profile::default() }
}

/// A target that answers the requests of a connection when `wanted` of them are there; and when each of them was.
fn gathering(wanted: usize) -> (String, Arc<Mutex<Vec<Instant>>>) {
    let came = Arc::new(Mutex::new(Vec::new()));
    let kept = came.clone();
    let addr = server(move |_, _, stream| {
        let mut came = kept.lock().unwrap();
        came.push(Instant::now());
        came.len() != wanted || stream.write_all(&OK.repeat(wanted)).is_ok()
    });
    (format!("http://{addr}"), came)
}

#[test]
fn pipelined_requests_keep_to_the_greatest_rate() {
    const COUNT: u32 = 12;
    let (url, came) = gathering(COUNT as usize);
    let begun = Instant::now();
    let result = replay(at_once(COUNT, 1), &url, Profile { max_rate: 50.0, ..captured() });
    assert_eq!((result.requests.answered, result.connections.opened), (COUNT.into(), 1), "{:?}", result.requests);
    for (n, came) in (0..).zip(came.lock().unwrap().iter()) {
        let after = came.duration_since(begun);
        assert!(after >= Duration::from_millis(20) * n, "{n} after {after:?}");
    }
}

#[test]
fn pipelined_requests_count_as_in_flight() {
    let (url, came) = gathering(usize::MAX);
    let profile = Profile { max_in_flight: 2, timeout: Span(Duration::from_secs(1)), ..captured() };
    let result = replay(at_once(5, 1), &url, profile);
    assert_eq!(result.requests.failed, BTreeMap::from([(Failure::Timeout, 2), (Failure::Cap, 3)]));
    assert_eq!(came.lock().unwrap().len(), 2);
}

#[test]
fn who_waits_for_room_in_the_rate_is_not_sent_when_the_run_is_cancelled() {
    for connections in [1, 5] {
        let cancel = Arc::new(AtomicBool::new(false));
        let (heard, first) = (Arc::new(Mutex::new(0)), cancel.clone());
        let kept = heard.clone();
        let addr = server(move |_, _, _| {
            *kept.lock().unwrap() += 1;
            first.store(true, Ordering::Relaxed);
            true
        });
        // So far apart that no second one is due, however slow the machine.
        let profile = Profile { max_rate: 0.01, ..captured() };
        let options = Options { cancel, ..Options::new(&format!("http://{addr}"), profile) };
        run(Arc::new(at_once(5, connections)), options).unwrap();
        assert_eq!(*heard.lock().unwrap(), 1, "{connections} connections");
    }
}
