//! Shards of a run: together they are the whole, and so are their results.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use standin::measure::Histogram;
use standin::replay::merge::{MergeError, merge};
use standin::replay::profile::{Arrivals, Shard, Span};
use standin::replay::{Failure, Mode, Options, Profile, ReplayError, RunResult, run};
use standin::workload::Workload;
use standin::workload::hand::{self, Exchange};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that answers everything alike and keeps the requests' lines.
fn recorder() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = lines.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, seen) = (stream.unwrap(), seen.clone());
            thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        let line = String::from_utf8(head.split(|&b| b == b'\r').next().unwrap().to_vec()).unwrap();
                        seen.lock().unwrap().push(line);
                        head.clear();
                        if stream.write_all(OK).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (addr, lines)
}

/// 40 requests, each to its own place, over seven connections. Every fifth was answered otherwise when it was captured.
fn traffic() -> Workload {
    let requests: Vec<String> =
        (0..40).map(|n| format!("GET /{}/{n} HTTP/1.1\r\nHost: old\r\n\r\n", ["a", "b", "c"][n % 3])).collect();
    let exchanges: Vec<Exchange> = (0..)
        .zip(&requests)
        .map(|(n, request)| Exchange {
            connection: n % 7,
            at_ms: u64::from(n) * 2,
            request: request.as_bytes(),
            response: if n % 5 == 0 { b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n" } else { OK },
        })
        .collect();
    hand::workload(&exchanges)
}

fn profile(mode: Mode) -> Profile {
    Profile {
        mode,
        rate: Some(500.0),
        arrivals: Arrivals::Poisson,
        connections: 2,
        requests: Some(70),
        max_lateness: Span(Duration::from_secs(20)),
        ..Profile::default()
    }
}

fn replayed(addr: SocketAddr, profile: Profile) -> RunResult {
    run(Arc::new(traffic()), Options::new(&format!("http://{addr}"), profile)).unwrap()
}

/// The results of `of` shards, one after another.
fn shards(addr: SocketAddr, profile: &Profile, of: u64) -> Vec<(String, RunResult)> {
    let shard = |index| Profile { shard: Some(Shard { index, of }), ..profile.clone() };
    (0..of).map(|index| (format!("{index}.json"), replayed(addr, shard(index)))).collect()
}

#[test]
fn merge_ends_as_the_whole_run_would_have() {
    let (addr, _) = recorder();
    let folder = tempfile::TempDir::new().unwrap();
    // Of the captured statuses four of five come again.
    for (objective, expected) in [("status agreement >= 50 %", 0), ("status agreement >= 99 %", 1)] {
        let profile = Profile { slo: vec![objective.parse().unwrap()], ..profile(Mode::Captured) };
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_standin"));
        command.arg("merge").arg("-o").arg(folder.path().join("whole.json"));
        for (name, shard) in shards(addr, &profile, 2) {
            std::fs::write(folder.path().join(&name), serde_json::to_vec(&shard).unwrap()).unwrap();
            command.arg(folder.path().join(name));
        }
        let ended = command.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        let whole = std::fs::read(folder.path().join("whole.json")).unwrap();
        let whole: RunResult = serde_json::from_slice(&whole).unwrap();
        assert!(whole.valid, "{:?}", whole.invalid_because);
        assert_eq!(ended.status.code(), Some(expected), "{said}");
        assert_eq!(said.contains(&format!("objective not met: {objective}")), expected == 1, "{said}");
    }
}

#[test]
fn four_shards_merged_are_one_run() {
    for mode in [Mode::Sessions, Mode::Captured, Mode::Rate, Mode::Closed] {
        let (addr, lines) = recorder();
        let sent = || {
            let mut lines = std::mem::take(&mut *lines.lock().unwrap());
            lines.sort();
            lines
        };
        let whole = replayed(addr, profile(mode));
        let of_the_whole = sent();
        let parts = shards(addr, &profile(mode), 4);
        assert_eq!(sent(), of_the_whole, "{mode:?}");
        assert!(parts.iter().all(|(_, part)| part.requests.planned > 0 && part.requests.planned < 70), "{mode:?}");

        let merged = merge(&parts).unwrap();
        // A slow machine may make a part invalid; it must be told.
        assert_eq!(merged.valid, parts.iter().all(|(_, part)| part.valid), "{mode:?} {:?}", merged.invalid_because);
        assert_eq!(of_the_whole.len() as u64, merged.requests.answered);
        let figures = |run: &RunResult| {
            let r = &run.requests;
            let endpoints: Vec<_> = run
                .endpoints
                .iter()
                .map(|e| {
                    (e.endpoint.clone(), e.requests, e.answered, e.status.clone(), e.compared, e.agreed, e.captured)
                })
                .collect();
            (
                (r.planned, r.sent, r.answered, r.failed.clone()),
                (run.status.clone(), run.bytes.sent, run.bytes.received),
                (run.workload.compared, run.workload.agreed, run.workload.status_agreement, run.workload.endpoint_l1),
                (run.correlation.edges, endpoints, run.mode.clone(), run.profile.clone()),
            )
        };
        assert_eq!(figures(&merged), figures(&whole), "{mode:?}");
        assert!(merged.workload.agreed > 0 && merged.workload.agreed < merged.workload.compared);
        let count = |run: &RunResult| Histogram::from_base64(&run.histograms.response).unwrap().len();
        assert_eq!(count(&merged), whole.requests.answered);
        assert_eq!(merged.shards.iter().map(|shard| shard.answered).sum::<u64>(), whole.requests.answered);
        is_by_the_schema(&merged);
    }
}

fn is_by_the_schema(run: &RunResult) {
    let schema: serde_json::Value = serde_json::from_str(include_str!("schemas/run.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let json = serde_json::to_value(run).unwrap();
    let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let again: RunResult = serde_json::from_value(json).unwrap();
    assert_eq!(again.shards.len(), run.shards.len());
}

/// A result to take others from, without a run.
fn template() -> RunResult {
    static TEMPLATE: std::sync::OnceLock<RunResult> = std::sync::OnceLock::new();
    TEMPLATE.get_or_init(|| replayed(recorder().0, profile(Mode::Captured))).clone()
}

/// A shard that saw these times (nanoseconds): response, service, lateness.
fn with(index: u64, of: u64, times: &[(u64, u64, u64)]) -> (String, RunResult) {
    let histogram = |time: fn(&(u64, u64, u64)) -> u64| {
        let mut histogram = Histogram::new();
        times.iter().for_each(|times| histogram.record_ns(time(times)));
        histogram.to_base64()
    };
    let mut run = template();
    run.profile.shard = Some(Shard { index, of });
    run.histograms.response = histogram(|times| times.0);
    run.histograms.service = histogram(|times| times.1);
    run.histograms.lateness = histogram(|times| times.2);
    for endpoint in &mut run.endpoints {
        endpoint.histograms.response = run.histograms.response.clone();
        endpoint.histograms.service = run.histograms.service.clone();
    }
    run.requests.answered = times.len() as u64;
    (format!("{index}.json"), run)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn histograms_of_shards_merge_bit_for_bit(
        of in 1u64..6,
        records in prop::collection::vec((0u64..6, 0u64..8_000_000_000_000, 0u64..9_000_000_000, 0u64..2_000_000), 0..120),
    ) {
        let times = |index: Option<u64>| -> Vec<(u64, u64, u64)> {
            let mine = records.iter().filter(|record| index.is_none_or(|index| record.0 % of == index));
            mine.map(|record| (record.1, record.2, record.3)).collect()
        };
        let parts: Vec<_> = (0..of).map(|index| with(index, of, &times(Some(index)))).collect();
        let (_, whole) = with(0, 1, &times(None));
        let merged = merge(&parts).unwrap();
        prop_assert_eq!(&merged.histograms.response, &whole.histograms.response);
        prop_assert_eq!(&merged.histograms.service, &whole.histograms.service);
        prop_assert_eq!(&merged.histograms.lateness, &whole.histograms.lateness);
        let percentiles = |text: &str| Histogram::from_base64(text).unwrap().percentiles();
        prop_assert_eq!(merged.response_time_us, percentiles(&whole.histograms.response));
        prop_assert_eq!(merged.lateness_us, percentiles(&whole.histograms.lateness));
        for endpoint in &merged.endpoints {
            prop_assert_eq!(&endpoint.histograms.response, &whole.histograms.response);
            prop_assert_eq!(endpoint.service_time_us, percentiles(&whole.histograms.service));
        }
        prop_assert_eq!(merged.requests.answered, records.len() as u64);
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let refused = |change: fn(&mut RunResult), what: &str| {
        let mut other = with(1, 2, &[(2, 2, 2)]);
        change(&mut other.1);
        let error = merge(&[with(0, 2, &[(1, 1, 1)]), other]).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        error
    };
    refused(|run| run.mode = "closed".into(), "another mode");
    refused(|run| run.schema += 1, "another version");
    refused(|run| run.target = "http://127.0.0.1:1".into(), "another target");
    refused(|run| run.profile.speed = 2.0, "another profile");
    refused(|run| run.profile.shard = Some(Shard { index: 1, of: 3 }), "another number of shards");
    refused(|run| run.capture_digest = Some("0123456789abcdef".into()), "another capture");
    let twice = refused(|run| run.profile.shard = Some(Shard { index: 0, of: 2 }), "both shard 0/2");
    assert!(matches!(twice, MergeError::Twice { .. }));
    let damaged = refused(|run| run.histograms.lateness = "bm90aGluZw==".into(), "1.json");
    assert!(matches!(damaged, MergeError::Histogram(_)));
    let merged = merge(&[with(0, 1, &[])]).unwrap();
    assert!(matches!(merge(&[("all.json".into(), merged)]), Err(MergeError::Merged(_))));
    assert!(matches!(merge(&[]), Err(MergeError::Nothing)));
}

#[test]
fn verdicts_and_failures_of_all_shards_are_kept() {
    let (mut one, mut two) = (with(0, 3, &[(1, 1, 1)]), with(2, 3, &[]));
    one.1.requests.failed = BTreeMap::from([(Failure::Timeout, 2), (Failure::Reset, 1)]);
    two.1.requests.failed = BTreeMap::from([(Failure::Timeout, 5)]);
    two.1.invalid_because = vec!["it was late".into()];
    two.1.valid = false;
    one.1.warnings = vec!["mind the gap".into()];
    two.1.started_unix_us = one.1.started_unix_us + 3_000_000;
    let merged = merge(&[one, two]).unwrap();
    assert_eq!(merged.requests.failed, BTreeMap::from([(Failure::Timeout, 7), (Failure::Reset, 1)]));
    assert!(!merged.valid);
    assert_eq!(merged.invalid_because, ["shard 2/3: it was late", "1 of 3 shards are missing, 1/3 first"]);
    assert_eq!(merged.warnings[0], "shard 0/3: mind the gap");
    assert!(merged.warnings.iter().any(|warning| warning.contains("up to 3.000 s apart")), "{:?}", merged.warnings);
}

#[test]
fn a_run_begins_when_it_was_agreed() {
    let (addr, lines) = recorder();
    let at = SystemTime::now() + Duration::from_millis(700);
    let options = Options { start_at: Some(at), ..Options::new(&format!("http://{addr}"), profile(Mode::Captured)) };
    let result = run(Arc::new(traffic()), options.clone()).unwrap();
    let micros = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64;
    // A clock that is set while this runs moves it a little.
    assert!(result.started_unix_us.abs_diff(micros) < 20_000, "{} {micros}", result.started_unix_us);
    assert_eq!(result.intended_us.unwrap().first, 0);
    assert_eq!(lines.lock().unwrap().len(), 70);
    // Too late is too late: nothing is sent.
    let late = run(Arc::new(traffic()), options).unwrap_err();
    assert!(matches!(late, ReplayError::Start(_)) && late.exit_code() == 2, "{late}");
    assert_eq!(lines.lock().unwrap().len(), 70);
}
