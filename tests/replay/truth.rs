//! What is told of misbehaving services is what the intended schedule and their behaviour make it, at a small scale.
//!
//! No figure depends on how fast the machine is: a service notes on the same clock when it is about to write each answer,
//! before which no client can have it, and when it hears of that client again (which hangs up, as the answer tells it to),
//! by which time it must have had it. Between these two, less the instant that the schedule means, lies each true response
//! time, and so every quantile of them. How late a request may leave is what a run's own verdict is about. `measure truth`
//! holds the same at real scale to 5 % of what the service ought to do.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::pathology::{ALL, Note, Notes, Pathology, RESPONSE, Service, quantile, request, truth, truth_of_sessions};
use super::replay;
use standin::measure::Percentiles;
use standin::replay::profile::Arrivals;
use standin::replay::{Failure, Mode, Profile, schedule};
use standin::workload::Workload;
use standin::workload::hand::{self, Exchange};

const MS: u64 = 1_000_000;
const CONNECTIONS: u64 = 48;
const REQUESTS: u64 = 400;
const GAP_MS: u64 = 5;
/// Share of a figure that the histogram's three digits and the reading of two clocks may hide, and nanoseconds.
const UNTOLD: (f64, f64) = (0.002, 0.1 * MS as f64);

fn service(pathology: Pathology) -> Service {
    Service { pathology, base: 60 * MS, stall: (500 * MS, 900 * MS), requests: REQUESTS, hangs_up: true }
}

fn profile(mode: Mode) -> Profile {
    Profile { mode, rate: Some(1000.0 / GAP_MS as f64), ..Profile::default() }
}

fn workload() -> Workload {
    let requests: Vec<Vec<u8>> = (0..REQUESTS).map(request).collect();
    let exchanges: Vec<Exchange> = (0..)
        .zip(&requests)
        .map(|(n, request)| Exchange {
            connection: (n % CONNECTIONS) as u32,
            at_ms: n * GAP_MS,
            request,
            response: RESPONSE,
        })
        .collect();
    hand::workload(&exchanges)
}

/// The intended instants, nanoseconds.
fn intended(mode: Mode) -> Vec<u64> {
    match mode {
        Mode::Rate => schedule::instants(Arrivals::Poisson, 1000.0 / GAP_MS as f64, Profile::default().seed)
            .take(REQUESTS as usize)
            .collect(),
        _ => (0..REQUESTS).map(|n| n * GAP_MS * MS).collect(),
    }
}

/// The notes of all requests that were answered; who sent them has hung up, or is about to.
fn complete(notes: &Notes) -> Vec<(u64, Note)> {
    loop {
        let all: Vec<(u64, Note)> = notes.lock().unwrap().iter().map(|(n, note)| (*n, *note)).collect();
        if all.iter().all(|(_, note)| note.next.is_some()) {
            return all;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A time since 1970 as one of the clock that the service reads.
fn instant(unix_us: u64) -> Instant {
    let (now, wall) = (Instant::now(), SystemTime::now());
    now - wall.duration_since(UNIX_EPOCH + Duration::from_micros(unix_us)).unwrap()
}

fn told(pathology: Pathology, mode: Mode) {
    let service = service(pathology);
    let resets = (0..REQUESTS).filter(|n| pathology == Pathology::Resets && n % 20 == 19).count() as u64;
    let (addr, notes) = service.start();
    let result = replay(workload(), &format!("http://{addr}"), profile(mode));
    let start = instant(result.started_unix_us);
    let failed: Vec<(Failure, u64)> = result.requests.failed.iter().map(|(failure, n)| (*failure, *n)).collect();
    let expected = if resets > 0 { vec![(Failure::Reset, resets)] } else { vec![] };
    assert_eq!(failed, expected, "{pathology:?} {mode:?}");
    assert_eq!((result.requests.sent, result.requests.answered), (REQUESTS, REQUESTS - resets), "{pathology:?}");

    let notes = complete(&notes);
    assert_eq!(notes.len() as u64, REQUESTS - resets);
    let intended = intended(mode);
    let sorted = |of: &dyn Fn(&(u64, Note)) -> Duration| {
        let mut times: Vec<u64> = notes.iter().map(|note| of(note).as_nanos() as u64).collect();
        times.sort_unstable();
        times
    };
    let meant = |n: u64| start + Duration::from_nanos(intended[n as usize]);
    let least = sorted(&|(n, note)| note.written.saturating_duration_since(meant(*n)));
    let most = sorted(&|(n, note)| note.next.unwrap().saturating_duration_since(meant(*n)));
    let served = sorted(&|(_, note)| note.written - note.came);
    let figures = |Percentiles { p50, p90, p99, p99_9, max, .. }: Percentiles| {
        [("p50", 0.5, p50), ("p90", 0.9, p90), ("p99", 0.99, p99), ("p99.9", 0.999, p99_9), ("max", 1.0, max)]
    };
    let (share, nanos) = UNTOLD;
    for (name, at, told) in figures(result.response_time_us) {
        let (told, least, most) = (told as f64 * 1000.0, quantile(&least, at) as f64, quantile(&most, at) as f64);
        let between = told * (1.0 + share) + nanos >= least && told <= most * (1.0 + share) + nanos;
        assert!(between, "{pathology:?} {mode:?} {name}: {told} ns told, true are {least} to {most}");
    }
    for (name, at, told) in figures(result.service_time_us) {
        let (told, served) = (told as f64 * 1000.0, quantile(&served, at) as f64);
        assert!(
            told * (1.0 + share) + nanos >= served,
            "{pathology:?} {mode:?} {name}: {told} ns of service, not {served}"
        );
    }
}

#[test]
fn on_the_captures_clock() {
    ALL.into_iter().for_each(|pathology| told(pathology, Mode::Captured));
}

#[test]
fn at_a_rate() {
    ALL.into_iter().for_each(|pathology| told(pathology, Mode::Rate));
}

#[test]
fn the_truth_of_simple_cases_is_plain() {
    let even: Vec<u64> = (0..100).map(|n| n * 10 * MS).collect();
    let constant = truth(&service(Pathology::Constant), 100, &even);
    assert!(constant.response.iter().all(|response| *response == 60 * MS));
    // One connection: each waits for all before it.
    let queued = truth(&service(Pathology::Constant), 1, &even);
    assert_eq!((queued.response[0], queued.response[99]), (60 * MS, 60 * MS + 99 * 50 * MS));
    let stall = truth(&service(Pathology::Stall), 100, &even);
    assert_eq!((stall.quantile(0.0), stall.quantile(1.0)), (60 * MS, 960 * MS));
    assert_eq!(truth(&service(Pathology::Resets), 7, &even).resets, 5);
    let slow = truth(&service(Pathology::Slow), 100, &even);
    assert_eq!(slow.response[98..], [60 * MS, 600 * MS]);
    // Who waits for answers sends nothing into a stall but the one request that each connection has under way.
    let patient = truth_of_sessions(&service(Pathology::Stall), 10, &even, MS);
    assert_eq!(patient.response.iter().filter(|response| **response > 60 * MS).count(), 10);
    assert_eq!(truth_of_sessions(&service(Pathology::Resets), 7, &even, MS).resets, 5);
}
