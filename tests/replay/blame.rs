//! What keeps requests from being sent as intended: the target, which is a finding, or the generator, whose run is invalid.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{OK, plain, server};
use standin::replay::profile::{Arrivals, Span};
use standin::replay::{Failure, Mode, Options, Profile, RunResult, run};
use standin::workload::hand::{self, Exchange};

/// No figure here depends on how late a busy machine is.
fn profile(mode: Mode) -> Profile {
    Profile {
        mode,
        arrivals: Arrivals::Constant,
        max_lateness: Span(Duration::from_secs(20)),
        abort_error_rate: 1.0,
        ..Profile::default()
    }
}

fn said(result: &RunResult, what: &str) -> [bool; 2] {
    [&result.invalid_because, &result.warnings].map(|all| all.iter().any(|one| one.contains(what)))
}

#[test]
fn a_target_too_slow_for_its_connections_is_a_finding() {
    let addr = server(|_, _, stream| {
        thread::sleep(Duration::from_millis(20));
        stream.write_all(OK).is_ok()
    });
    let profile = Profile { rate: Some(500.0), ..profile(Mode::Rate) };
    let result = run(Arc::new(plain(60, 1, 2)), Options::new(&format!("http://{addr}"), profile)).unwrap();
    assert_eq!(said(&result, "the target did not keep up with the rate"), [false, true], "{:?}", result.warnings);
    assert!(result.valid, "{:?}", result.invalid_because);
    assert!(result.requests.held > 40 && result.offered_rps > 400.0, "{:?}", result.requests);
}

#[test]
fn a_target_that_lets_too_many_wait_is_a_finding() {
    let served = AtomicUsize::new(0);
    let addr = server(move |_, _, stream| {
        if served.fetch_add(1, Ordering::Relaxed) >= 5 {
            thread::sleep(Duration::from_secs(60));
        }
        stream.write_all(OK).is_ok()
    });
    let timeout = Span(Duration::from_secs(3));
    let profile = Profile { max_in_flight: 4, timeout, ..profile(Mode::Captured) };
    let result = run(Arc::new(plain(30, 20, 30)), Options::new(&format!("http://{addr}"), profile)).unwrap();
    let failed = |failure| result.requests.failed.get(&failure).copied().unwrap_or(0);
    assert_eq!((failed(Failure::Timeout), failed(Failure::Cap)), (4, 21), "{:?}", result.requests);
    assert_eq!(said(&result, "21 requests were not sent"), [false, true], "{:?}", result.warnings);
    assert!(result.valid, "{:?}", result.invalid_because);
}

#[test]
fn a_generator_that_is_held_back_by_its_own_bounds_is_at_fault() {
    let addr = server(|_, _, stream| stream.write_all(OK).is_ok());
    let profile = Profile { max_rate: 40.0, ..profile(Mode::Captured) };
    // What it sends late keeps whoever comes next on a connection waiting: that is not the target's doing either.
    for connections in [40, 4] {
        let options = Options::new(&format!("http://{addr}"), profile.clone());
        let result = run(Arc::new(plain(40, 1, connections)), options).unwrap();
        assert_eq!(result.requests.answered, 40);
        assert_eq!(said(&result, "the generator fell behind"), [true, false], "{:?}", result.invalid_because);
        assert_eq!(said(&result, "the target did not keep up"), [false, false], "{:?}", result.warnings);
        assert!(!result.valid && said(&result, "`max-rate`")[0]);
    }
}

/// What was pipelined behind a request is sent as late as any other, and no later.
#[test]
fn pipelined_requests_are_not_sent_long_after_the_runs_time() {
    let addr = server(|_, head, stream| {
        if head.starts_with(b"GET /hangs") {
            thread::sleep(Duration::from_secs(60));
        }
        stream.write_all(OK).is_ok()
    });
    const TOLD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 32\r\n\r\n{\"ticket\":\"f3b0c44298fc1c149afb\"}";
    let exchange = |connection, at_ms, request, response| Exchange { connection, at_ms, request, response };
    // The last one was sent before the one before it was answered; it takes what the third one's answer tells.
    let exchanges = [
        exchange(2, 0, b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(), OK),
        exchange(0, 900, b"GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n", OK),
        exchange(0, 910, b"GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n", OK),
        exchange(0, 940, b"GET /ticket HTTP/1.1\r\nHost: x\r\n\r\n", TOLD),
        exchange(1, 950, b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n", OK),
        exchange(1, 950, b"GET /next?ticket=f3b0c44298fc1c149afb HTTP/1.1\r\nHost: x\r\n\r\n", OK),
    ];
    let workload = hand::workload(&exchanges);
    assert_eq!(workload.edges(), 1);
    let span = |ms| Span(Duration::from_millis(ms));
    let profile = Profile { timeout: span(300), duration: Some(span(1000)), ..profile(Mode::Captured) };
    let result = run(Arc::new(workload), Options::new(&format!("http://{addr}"), profile)).unwrap();
    let unsent = result.requests.failed.get(&Failure::Unsent).copied().unwrap_or(0);
    assert!(result.requests.answered == 2 && unsent >= 2, "{:?}", result.requests);
}
