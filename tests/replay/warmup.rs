//! A warm-up is measured apart: in counts and distributions of its own, and in no judgement.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use standin::measure::Histogram;
use standin::replay::merge::merge;
use standin::replay::profile::{Shard, Span};
use standin::replay::{Failure, Mode, Options, Profile, ReplayError, RunResult, dry_run, run};
use standin::workload::Workload;
use standin::workload::hand::{self, Exchange};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const COLD: u64 = 20;

/// 60 requests 20 ms apart, on four connections; the first ones to another place.
fn traffic() -> Workload {
    let requests: Vec<String> =
        (0..60).map(|n| format!("GET /{} HTTP/1.1\r\n\r\n", if n < COLD { "cold" } else { "warm" })).collect();
    let exchanges: Vec<Exchange> = (0..)
        .zip(&requests)
        .map(|(n, request)| Exchange {
            connection: n % 4,
            at_ms: u64::from(n) * 20,
            request: request.as_bytes(),
            response: OK,
        })
        .collect();
    hand::workload(&exchanges)
}

/// A service that cannot answer what is asked for cold.
fn service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        let cold = head.starts_with(b"GET /cold");
                        let answer = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".as_slice();
                        if stream.write_all(if cold { answer } else { OK }).is_err() {
                            return;
                        }
                        head.clear();
                    }
                }
            });
        }
    });
    addr
}

fn profile() -> Profile {
    let yaml = "mode: captured\nwarmup: 400ms\nmax-lateness: 20s\nchecks: [{status: captured}]\nslo: ['error rate < 1 %', 'status agreement >= 100 %', 'error rate < 1 % for GET /*']\n";
    Profile::parse("test", yaml).unwrap()
}

fn replayed(profile: Profile) -> RunResult {
    replayed_at(service(), profile)
}

fn replayed_at(addr: SocketAddr, profile: Profile) -> RunResult {
    run(Arc::new(traffic()), Options::new(&format!("http://{addr}"), profile)).unwrap()
}

/// What checks and objectives say. Whether the generator kept its rate is not asked: that the machine decides.
fn is_judged_good(result: &RunResult) -> bool {
    result.slo.iter().all(|one| one.met) && result.checks.iter().all(|one| one.met)
}

fn counted(text: &str) -> u64 {
    Histogram::from_base64(text).unwrap().len()
}

#[test]
fn what_is_cold_is_told_apart_and_judged_by_nobody() {
    let result = replayed(profile());
    let warm = result.warmup.as_ref().unwrap();
    assert!(is_judged_good(&result), "{:?} {:?} {:?}", result.invalid_because, result.slo, result.checks);
    assert_eq!((result.requests.planned, result.requests.errors, result.status["500"]), (60, COLD, COLD));
    assert_eq!((warm.requests.planned, warm.requests.sent, warm.requests.answered), (COLD, COLD, COLD));
    assert_eq!((warm.requests.errors, warm.status["500"], warm.compared, warm.agreed), (COLD, COLD, COLD, 0));
    assert_eq!((warm.seconds, warm.status.len()), (0.4, 1));
    assert_eq!((counted(&warm.histograms.response), counted(&warm.histograms.lateness)), (COLD, COLD));
    assert_eq!(counted(&result.histograms.response), 60 - COLD);
    assert_eq!(warm.response_time_us, Histogram::from_base64(&warm.histograms.response).unwrap().percentiles());
    assert_eq!(result.checks[0].passed, 60 - COLD);
    for endpoint in &result.endpoints {
        let cold = if endpoint.endpoint == "GET /cold" { COLD } else { 0 };
        let warm = endpoint.warmup.unwrap();
        assert_eq!((warm.requests, warm.errors, warm.answered), (cold, cold, cold), "{}", endpoint.endpoint);
    }
    let begins: Vec<(bool, bool)> = result.series.iter().map(|point| (point.warmup, point.at_s < 0.4)).collect();
    assert!(begins.iter().all(|(marked, before)| marked == before) && begins[0].0 && !begins.last().unwrap().0);
    // Without it, the same is a failure.
    let all = replayed(Profile { warmup: Span(Duration::ZERO), ..profile() });
    assert!(
        !is_judged_good(&all) && all.warmup.is_none() && all.endpoints.iter().all(|endpoint| endpoint.warmup.is_none())
    );
    // And nothing but a warm-up is no measurement.
    let never = replayed(Profile { warmup: Span(Duration::from_secs(u64::MAX)), ..profile() });
    assert!(!never.valid && never.invalid_because[0].contains("after the warm-up"), "{:?}", never.invalid_because);
    let schema: serde_json::Value = serde_json::from_str(include_str!("../schemas/run.schema.json")).unwrap();
    let json = serde_json::to_value(&result).unwrap();
    let errors: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn warm_ups_of_shards_are_one() {
    let addr = service();
    let shard = |index| replayed_at(addr, Profile { shard: Some(Shard { index, of: 2 }), ..profile() });
    let parts = [0, 1].map(|index| (index.to_string(), shard(index)));
    let merged = merge(&parts).unwrap();
    let warm = merged.warmup.as_ref().unwrap();
    assert!(is_judged_good(&merged), "{:?} {:?} {:?}", merged.invalid_because, merged.slo, merged.checks);
    assert_eq!((warm.requests.planned, warm.requests.errors, warm.status["500"]), (COLD, COLD, COLD));
    assert_eq!((counted(&warm.histograms.response), counted(&merged.histograms.response)), (COLD, 60 - COLD));
    assert_eq!(
        merged.endpoints.iter().filter_map(|endpoint| endpoint.warmup).map(|warm| warm.errors).sum::<u64>(),
        COLD
    );
}

#[test]
fn a_plan_tells_what_is_warm_up() {
    let marked: Vec<bool> = dry_run(&traffic(), &profile()).unwrap().iter().map(|one| one.warmup.unwrap()).collect();
    assert_eq!(marked, [vec![true; COLD as usize], vec![false; 60 - COLD as usize]].concat());
    let sessions = dry_run(&traffic(), &Profile { mode: Mode::Sessions, ..profile() }).unwrap();
    assert!(sessions.iter().all(|one| one.warmup.is_none() == one.after_ms.is_some()));
}

/// A target that answers nothing: a backlog is worked off for as long as an answer may take, and what is left over is told.
#[test]
fn a_run_ends_though_its_target_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || listener.incoming().map(|stream| stream.unwrap()).collect::<Vec<_>>());
    let span = |ms| Span(Duration::from_millis(ms));
    let profile = Profile {
        mode: Mode::Captured,
        timeout: span(300),
        duration: Some(span(1000)),
        abort_error_rate: 1.0,
        max_lateness: span(20_000),
        ..Profile::default()
    };
    let result = run(Arc::new(traffic()), Options::new(&target, profile)).unwrap();
    let failed = |failure| result.requests.failed.get(&failure).copied().unwrap_or(0);
    assert_eq!((result.requests.planned, failed(Failure::Timeout) + failed(Failure::Unsent)), (51, 51));
    assert!(failed(Failure::Unsent) > 10 && result.requests.sent == failed(Failure::Timeout), "{:?}", result.requests);
    assert!(result.warnings.iter().any(|what| what.contains("not sent")), "{:?}", result.warnings);
}

/// Everybody at once, and again and again, would never end.
#[test]
fn a_run_ends_where_no_round_is_later_than_the_one_before() {
    let duration = Some(Span(Duration::from_secs(2)));
    for mode in [Mode::Captured, Mode::Sessions] {
        let profile = Profile { mode, connect_scale: 0.0, duration, ..Profile::default() };
        let mut planned = 0;
        standin::replay::plan(&traffic(), &profile, None, &mut |_| {
            planned += 1;
            planned < 1000
        })
        .unwrap();
        assert_eq!(planned, 60, "{mode:?}");
    }
}

/// Instants that no clock tells are as late as can be, not early.
#[test]
fn times_out_of_all_bounds_are_not_now() {
    for profile in [
        Profile { mode: Mode::Captured, speed: 1e-300, ..Profile::default() },
        Profile { mode: Mode::Captured, max_rate: 1e-300, ..Profile::default() },
    ] {
        let span = |ms| Span(Duration::from_millis(ms));
        let cancel = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let options = Options {
            cancel: cancel.clone(),
            ..Options::new(&format!("http://{}", service()), Profile { max_lateness: span(20_000), ..profile })
        };
        let ended = thread::spawn(move || run(Arc::new(traffic()), options));
        thread::sleep(Duration::from_millis(500));
        cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        // The first one is due at once, however slow the clock.
        match ended.join().unwrap() {
            Ok(result) => assert!(result.requests.sent <= 1),
            Err(error) => assert!(matches!(error, ReplayError::Cancelled), "{error}"),
        }
    }
}
