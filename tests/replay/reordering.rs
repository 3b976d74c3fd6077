//! Scales that differ between connections and inside them: requests are due that stand far back in the capture.

use std::sync::Arc;
use std::time::Duration;

use standin::replay::profile::Span;
use standin::replay::{Mode, Options, Profile, RunResult, run, target};
use standin::workload::hand::{self, Exchange};

use super::OK;

/// One connection sends so large requests, 64 of them, and one that was opened long after they began is due at once.
fn late_comer(bytes: usize) -> RunResult {
    let large = format!("POST /large HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes));
    let exchange = |connection, at_ms, request| Exchange { connection, at_ms, request, response: OK };
    let mut exchanges: Vec<Exchange> = (0..64).map(|n| exchange(0, n * 1000, large.as_bytes())).collect();
    exchanges.push(exchange(1, 64_000, b"GET /late-comer HTTP/1.1\r\nHost: x\r\n\r\n"));
    let shop = target::spawn().unwrap();
    let profile = Profile {
        mode: Mode::Captured,
        connect_scale: 0.0,
        speed: 20.0,
        // A busy machine makes it later by a tenth of a second; who is dealt last is late by more than a second.
        max_lateness: Span(Duration::from_millis(700)),
        ..Profile::default()
    };
    run(Arc::new(hand::workload(&exchanges)), Options::new(&format!("http://{}", shop.addr), profile)).unwrap()
}

const UNREAD: &str = "the capture was not read fast enough";

#[test]
fn what_is_due_first_and_read_last_is_read_before_the_run_begins() {
    // 12 MiB: more than is ahead where the order stays.
    let result = late_comer(192 << 10);
    assert_eq!(result.requests.answered, 65, "{:?}", result.requests);
    let said = result.invalid_because.join("\n");
    assert!(!said.contains(UNREAD), "{said}");
}

#[test]
fn what_is_too_far_back_is_told_with_its_cause() {
    // 24 MiB. At a twentieth of a second each, those before it must have gone first.
    let result = late_comer(384 << 10);
    assert_eq!(result.requests.answered, 65, "{:?}", result.requests);
    let said = result.invalid_because.join("\n");
    assert!(!result.valid && said.contains(UNREAD) && said.contains("`connect-scale`"), "{said}");
}
