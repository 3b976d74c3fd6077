//! What is told of misbehaving services is what the intended schedule and their behaviour make it.
//!
//! Services take long against the noise of a busy machine, which can only add: no figure may be below the truth, and none
//! far above. `measure truth` holds the same at real scale to 5 %.

use super::pathology::{ALL, Pathology, Service, truth};
use super::{plain, replay};
use standin::measure::Percentiles;
use standin::replay::profile::Arrivals;
use standin::replay::{Failure, Mode, Profile, schedule};

const MS: u64 = 1_000_000;
const CONNECTIONS: u64 = 48;
const REQUESTS: u64 = 400;
const GAP_MS: u64 = 5;
/// Share of a figure that may be missing, for timers and the histogram's rounding.
const UNDER: f64 = 0.05;
/// What a busy machine may add.
const NOISE_US: f64 = 2_000_000.0;

fn service(pathology: Pathology) -> Service {
    Service { pathology, base: 60 * MS, stall: (500 * MS, 900 * MS), requests: REQUESTS }
}

fn profile(mode: Mode) -> Profile {
    Profile { mode, rate: Some(1000.0 / GAP_MS as f64), ..Profile::default() }
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

fn told(pathology: Pathology, mode: Mode) {
    let service = service(pathology);
    let truth = truth(&service, CONNECTIONS as usize, &intended(mode));
    let result = replay(plain(REQUESTS, GAP_MS, CONNECTIONS), &format!("http://{}", service.start()), profile(mode));
    let failed: Vec<(Failure, u64)> = result.requests.failed.iter().map(|(failure, n)| (*failure, *n)).collect();
    let expected = if truth.resets > 0 { vec![(Failure::Reset, truth.resets)] } else { vec![] };
    assert_eq!(failed, expected, "{pathology:?} {mode:?}");
    assert_eq!(result.requests.answered, truth.response.len() as u64);
    let Percentiles { p50, p90, p99, p99_9, max, .. } = result.response_time_us;
    for (name, share, told) in
        [("p50", 0.5, p50), ("p90", 0.9, p90), ("p99", 0.99, p99), ("p99.9", 0.999, p99_9), ("max", 1.0, max)]
    {
        let is = truth.quantile(share) as f64 / 1000.0;
        let told = told as f64;
        assert!(told >= is * (1.0 - UNDER), "{pathology:?} {mode:?} {name}: {told} us told, {is} are true");
        assert!(told <= is * 1.5 + NOISE_US, "{pathology:?} {mode:?} {name}: {told} us told, {is} are true");
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
}
