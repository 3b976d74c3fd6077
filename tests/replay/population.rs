//! Copies of the captured people: as many as asked for, each with its own instants, connections, values and names.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use standin::measure::statistics::ks_distance;
use standin::replay::profile::{Arrivals, Shard, Span};
use standin::replay::{Identities, Mode, Options, PlannedRequest, Profile, dry_run, plan, run};
use standin::workload::hand::{self, Exchange};
use standin::workload::{Replacement, Request, Workload};

const COPIES: u32 = 3;
const LOGIN: &[u8] = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=a1B2c3D4\r\nContent-Length: 0\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// One client logs in and comes back twice with its cookie, on another connection the last time.
fn session() -> Workload {
    let exchange = |connection, at_ms, request, response| Exchange { connection, at_ms, request, response };
    hand::workload(&[
        exchange(0, 0, b"POST /c0/login HTTP/1.1\r\nContent-Length: 0\r\n\r\n", LOGIN),
        exchange(0, 20, b"GET /c0/a HTTP/1.1\r\nCookie: sid=a1B2c3D4\r\n\r\n", OK),
        exchange(1, 40, b"GET /c0/b HTTP/1.1\r\nCookie: sid=a1B2c3D4\r\n\r\n", OK),
    ])
}

/// `n` requests, unevenly apart, on three connections.
fn traffic(n: u64) -> Workload {
    let exchange = |i: u64| Exchange {
        connection: (i % 3) as u32,
        at_ms: 100 * i + 37 * (i * i % 7),
        request: b"GET /c0 HTTP/1.1\r\n\r\n",
        response: OK,
    };
    hand::workload(&(0..n).map(exchange).collect::<Vec<_>>())
}

/// The digit after `/c` is who somebody is.
fn digits() -> Identities {
    Identities::new(|copy, request: &Request| {
        let at = request.target.start + 2;
        vec![Replacement { at: at..at + 1, with: copy.to_string().into_bytes() }]
    })
}

fn planned(workload: &Workload, profile: &Profile) -> Vec<PlannedRequest> {
    let mut all = Vec::new();
    plan(workload, profile, Some(&digits()), &mut |request| {
        all.push(request);
        true
    })
    .unwrap();
    all
}

fn of(all: &[PlannedRequest], copy: u32) -> Vec<&PlannedRequest> {
    all.iter().filter(|request| request.copy == copy).collect()
}

fn population(mode: Mode) -> Profile {
    Profile { mode, population: COPIES, rate: Some(1000.0), arrivals: Arrivals::Constant, ..Profile::default() }
}

#[test]
fn each_copy_is_the_capture_some_time_later() {
    let workload = traffic(40);
    for rounds in [1, 4] {
        let profile = Profile { requests: Some(40 * rounds * u64::from(COPIES)), ..population(Mode::Captured) };
        let all = planned(&workload, &profile);
        assert_eq!(all.len() as u64, 40 * rounds * u64::from(COPIES));
        let instants = |copy| of(&all, copy).iter().map(|request| request.at_ms.unwrap()).collect::<Vec<f64>>();
        let span = dry_run(&workload, &Profile { population: 1, requests: None, ..profile.clone() }).unwrap()[39].at_ms;
        let mut before = 0.0;
        for copy in 1..COPIES {
            // The number of requests is kept exactly, so the last round of a late copy is cut short where others are ahead.
            let offsets: Vec<f64> = instants(copy).iter().zip(instants(0)).map(|(late, at)| late - at).collect();
            assert!(offsets.iter().all(|offset| (offset - offsets[0]).abs() < 0.001), "{offsets:?}");
            assert!(offsets[0] > before && offsets[0] <= span.unwrap() / 10.0, "{offsets:?}");
            before = offsets[0];
        }
        // In order of time over all copies, and three times the captured load in its captured shape.
        let whole: Vec<f64> = all.iter().map(|request| request.at_ms.unwrap()).collect();
        assert!(whole.windows(2).all(|pair| pair[0] <= pair[1]));
        let ks = ks_distance(whole, instants(0)).unwrap();
        assert!(ks <= 0.11, "{ks}");
    }
    let other = Profile { seed: 2, ..population(Mode::Captured) };
    assert_ne!(
        of(&planned(&workload, &other), 1)[0].at_ms,
        of(&planned(&workload, &population(Mode::Captured)), 1)[0].at_ms
    );
}

#[test]
fn copies_are_counted_in_every_mode_and_share_out() {
    let workload = traffic(20);
    for mode in [Mode::Captured, Mode::Sessions, Mode::Rate, Mode::Closed] {
        let all = planned(&workload, &population(mode));
        assert!((0..COPIES).all(|copy| of(&all, copy).len() == 20), "{mode:?}");
        assert!(all.iter().all(|request| request.line.starts_with(&format!("GET /c{} ", request.copy))), "{mode:?}");
        if matches!(mode, Mode::Rate | Mode::Closed) {
            let turns: Vec<u32> = all.iter().map(|request| request.copy).collect();
            assert_eq!(turns, [0, 1, 2].repeat(20), "{mode:?}");
        }
        let some = Profile { requests: Some(31), ..population(mode) };
        assert_eq!(planned(&workload, &some).len(), 31, "{mode:?}");
        let key = |request: &PlannedRequest| (request.copy, request.round, request.number);
        let shard = |index| {
            let shard = Some(Shard { index, of: 4 });
            let mut part = Vec::new();
            // A shard may have nothing to do.
            let _ = plan(&workload, &Profile { shard, ..some.clone() }, None, &mut |request| {
                part.push(key(&request));
                true
            });
            part
        };
        let mut whole: Vec<_> = planned(&workload, &some).iter().map(key).collect();
        let mut parts: Vec<_> = (0..4).flat_map(shard).collect();
        whole.sort_unstable();
        parts.sort_unstable();
        assert_eq!(parts, whole, "{mode:?}");
    }
    let second = Profile { duration: Some(Span(Duration::from_secs(1))), ..population(Mode::Captured) };
    let all = planned(&workload, &second);
    assert!(all.iter().all(|request| request.at_ms.unwrap() <= 1000.0));
    assert!((0..COPIES).all(|copy| (5..=11).contains(&of(&all, copy).len())));
}

#[test]
fn what_is_personal_is_named_in_a_plan_unless_it_is_followed() {
    let all = planned(&session(), &population(Mode::Sessions));
    for request in &all {
        let with: Vec<&str> = request.replacements.iter().map(|replacement| replacement.with.as_str()).collect();
        assert_eq!(with.contains(&"identity"), request.copy > 0, "{request:?}");
    }
    // Whoever a copy is, its cookie is what it was told: the name that it would have gives way.
    let cookies = Identities::new(|_, request: &Request| {
        let at = request.header("cookie");
        at.map(|at| Replacement { with: vec![b'x'; at.len()], at }).into_iter().collect()
    });
    let mut places = BTreeSet::new();
    plan(&session(), &population(Mode::Sessions), Some(&cookies), &mut |request| {
        let listed = request.replacements.iter().map(|one| (one.with.clone(), one.len));
        places.extend(listed.filter(|_| request.copy > 0));
        true
    })
    .unwrap();
    let sid = places.iter().find(|(with, _)| with.contains("set-cookie")).unwrap();
    assert_eq!(sid.1, 8);
    assert_eq!(places.iter().find(|(with, _)| with == "identity").unwrap().1, "sid=".len());
    let same = Profile { identities: standin::replay::Who::Same, ..population(Mode::Sessions) };
    assert!(planned(&session(), &same).iter().all(|request| request.line.contains("/c0/")));
}

/// What a service saw, and who may have an answer.
#[derive(Default)]
struct Seen {
    /// By copy: path and cookie of each request.
    requests: Mutex<BTreeMap<char, Vec<(String, String)>>>,
    changed: Condvar,
}

/// A service that keeps the captured people waiting until it has seen all requests of their copies, and gives each copy a
/// cookie of its own.
fn service(seen: Arc<Seen>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, seen) = (stream.unwrap(), seen.clone());
            thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                    if !head.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    let text = String::from_utf8(std::mem::take(&mut head)).unwrap();
                    let path = text.split(' ').nth(1).unwrap().to_owned();
                    let cookie = text.split("Cookie: sid=").nth(1).map_or("", |rest| rest.split('\r').next().unwrap());
                    let who = path.chars().nth(2).unwrap();
                    let mut requests = seen.requests.lock().unwrap();
                    requests.entry(who).or_default().push((path, cookie.to_owned()));
                    seen.changed.notify_all();
                    let late = |all: &mut BTreeMap<char, Vec<(String, String)>>| {
                        who == '0' && !['1', '2'].iter().all(|copy| all.get(copy).is_some_and(|seen| seen.len() == 3))
                    };
                    drop(seen.changed.wait_while(requests, late).unwrap());
                    let answer = format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid=own-{who}\r\nContent-Length: 0\r\n\r\n");
                    let answer = if text.starts_with("POST") { answer.as_bytes() } else { OK };
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    addr
}

#[test]
fn copies_wait_for_nobody_and_follow_their_own_answers() {
    for mode in [Mode::Sessions, Mode::Captured, Mode::Rate] {
        let seen = Arc::new(Seen::default());
        let target = format!("http://{}", service(seen.clone()));
        // Slow enough for a value to be there before it is needed, whatever the mode.
        let profile = Profile { rate: Some(20.0), max_lateness: Span(Duration::from_secs(20)), ..population(mode) };
        let options = Options { identities: Some(digits()), ..Options::new(&target, profile) };
        let result = run(Arc::new(session()), options).unwrap();
        assert!(result.valid, "{mode:?} {:?}", result.invalid_because);
        assert_eq!((result.requests.planned, result.requests.answered), (9, 9), "{mode:?}");
        let correlation = result.correlation;
        assert_eq!((correlation.edges, correlation.substituted, correlation.missed), (6, 6, 0), "{mode:?}");
        assert_eq!(result.endpoints.iter().map(|endpoint| endpoint.captured).sum::<u64>(), 9);
        let requests = seen.requests.lock().unwrap();
        for who in ['0', '1', '2'] {
            let own = format!("own-{who}");
            let expected = [("login", ""), ("a", own.as_str()), ("b", own.as_str())];
            let expected = expected.map(|(path, cookie)| (format!("/c{who}/{path}"), cookie.to_owned()));
            // On two connections, the second and the third may overtake each other.
            let mut requests = requests[&who].clone();
            requests[1..].sort();
            assert_eq!(requests, expected, "{mode:?}");
        }
    }
}

/// Three times the shop's customers, each with an account, a cart and orders of their own.
#[test]
fn copies_of_the_shops_customers_are_answered_as_captured() {
    let folder = tempfile::tempdir().unwrap();
    let outcomes = folder.path().join("all.csv");
    let capture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop-demo.pcap");
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_standin"))
        .args([
            "-q",
            "replay",
            "--allow-unmasked",
            "--json",
            "--target",
            "embedded",
            "--population",
            "3",
            "--speed",
            "4",
        ])
        .arg("--outcomes")
        .args([&outcomes, &capture])
        .output()
        .unwrap();
    let run: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let planned = run["requests"]["planned"].as_u64().unwrap();
    assert_eq!(run["requests"]["answered"].as_u64(), Some(planned), "{}", run["requests"]);
    let text = std::fs::read_to_string(&outcomes).unwrap();
    let mut copies = [(0, 0); 3];
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [.., status, _, captured, _, _, _, copy] = fields[..] else { panic!("{line}") };
        let (compared, agreed) = &mut copies[copy.parse::<usize>().unwrap()];
        *compared += u64::from(!captured.is_empty());
        *agreed += u64::from(!captured.is_empty() && status == captured);
    }
    assert_eq!(copies.iter().map(|(compared, _)| compared).sum::<u64>(), planned);
    assert!(
        copies.iter().all(|(compared, agreed)| compared == &copies[0].0 && *agreed as f64 >= 0.98 * *compared as f64),
        "{copies:?}"
    );
}
