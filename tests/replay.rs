//! Replay against the embedded target and against targets that misbehave.

mod blame;
mod closing;
mod http2;
mod pathology;
mod population;
mod reordering;
mod starved;
mod taxonomy;
mod transports;
mod truth;
mod warmup;
mod websocket;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use standin::replay::profile::{Arrivals, Span};
use standin::replay::{
    Asked, Failure, Mode, Options, Outcomes, Profile, Reader, ReplayError, RunResult, Saturate, dry_run, run, target,
};
use standin::run::Ended;
use standin::workload::hand::{self, Exchange};
use standin::workload::{Collector, Workload, correlate};

/// A client that writes down what it says and hears.
pub struct Recorder {
    addr: SocketAddr,
    streams: Vec<TcpStream>,
    heard: Vec<(u32, Vec<u8>, Vec<u8>)>,
}

impl Recorder {
    pub fn new(addr: SocketAddr) -> Recorder {
        Recorder { addr, streams: Vec::new(), heard: Vec::new() }
    }

    /// Sends a request on the `n`th connection; gives the response as text, unpacked.
    pub fn say(&mut self, n: usize, request: &str) -> String {
        while self.streams.len() <= n {
            self.streams.push(TcpStream::connect(self.addr).unwrap());
        }
        let request = request.replace("\r\n", "\n").replace('\n', "\r\n");
        self.streams[n].write_all(request.as_bytes()).unwrap();
        let mut reader = Reader::new(Asked::by(request.split(' ').next().unwrap().as_bytes()), true);
        let mut buffer = [0; 4096];
        while !reader.is_done() {
            let read = self.streams[n].read(&mut buffer).unwrap();
            assert!(read > 0, "closed");
            reader.read(&buffer[..read]).unwrap();
        }
        let response = reader.into_bytes();
        self.heard.push((n as u32, request.into_bytes(), response.clone()));
        let head_end = response.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let (head, body) = response.split_at(head_end);
        let mut text = String::from_utf8(head.to_vec()).unwrap();
        match text.contains("content-encoding: gzip") {
            true => flate2::read::GzDecoder::new(body).read_to_string(&mut text).map(drop).unwrap(),
            false => text.push_str(&String::from_utf8_lossy(body)),
        }
        text
    }

    pub fn json(&mut self, n: usize, line: &str, headers: &str, body: &str) -> String {
        self.say(n, &format!("{line} HTTP/1.1\nHost: shop.example\n{headers}Content-Type: application/json\nContent-Length: {}\n\n{body}", body.len()))
    }

    pub fn get(&mut self, n: usize, path: &str, headers: &str) -> String {
        self.say(n, &format!("GET {path} HTTP/1.1\nhOst: shop.example\n{headers}\n"))
    }

    pub fn workload(&self, gap_ms: u64) -> Workload {
        let exchanges: Vec<Exchange> = (0..)
            .zip(&self.heard)
            .map(|(n, (connection, request, response))| Exchange {
                connection: *connection,
                at_ms: n * gap_ms,
                request,
                response,
            })
            .collect();
        hand::workload(&exchanges)
    }
}

/// What stands between `before` and `after`.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before} in {text}")) + before.len();
    &text[start..start + text[start..].find(after).unwrap()]
}

/// Somebody registers, logs in, looks around, buys, and looks at the order, on two connections.
pub fn shopping(addr: SocketAddr) -> Recorder {
    let mut client = Recorder::new(addr);
    client.json(
        0,
        "POST /api/v1/register",
        "",
        r#"{"name":"Zoe Quill","email":"zoe@quill.test","password":"correct horse"}"#,
    );
    let login = client.json(0, "POST /api/v1/login", "", r#"{"email":"zoe@quill.test","password":"correct horse"}"#);
    let cookie = format!("Cookie: theme=dark; session={}\n", between(&login, "session=", ";"));
    let bearer = format!("Authorization: Bearer {}\n", between(&login, r#""token":""#, "\""));
    let user = between(&login, r#""user_id":"#, "}").to_owned();
    client.get(1, &format!("/api/v1/users/{user}"), &bearer);
    let products = client.get(0, "/api/v1/products?page=2&limit=5", "Accept-Encoding: br, gzip\n");
    let etag = format!("If-None-Match: {}\n", between(&products, "etag: ", "\r\n"));
    client.get(0, "/api/v1/products?page=2&limit=5", &etag);
    let product = between(&products, r#""id":"#, ",").to_owned();
    let second = products.split(r#""id":"#).nth(2).unwrap().split(',').next().unwrap().to_owned();
    client.get(1, &format!("/api/v1/products/{product}"), "");
    client.json(0, "POST /api/v1/cart/items", &cookie, &format!(r#"{{"product_id": {product}, "quantity": 2}}"#));
    let form = format!("product_id={second}&quantity=1");
    let added = client.say(1, &format!("POST /api/v1/cart/items HTTP/1.1\nHost: x\n{cookie}Content-Type: application/x-www-form-urlencoded\nContent-Length: {}\n\n{form}", form.len()));
    let item = between(&added, "/cart/items/", "\r\n").to_owned();
    client.say(1, &format!("DELETE /api/v1/cart/items/{item} HTTP/1.1\nHost: x\n{bearer}\n"));
    let order =
        client.json(0, "POST /api/v1/orders", &bearer, r#"{"card":"4111111111111111","address":{"city":"Oslo"}}"#);
    let order = between(&order, "/api/v1/orders/", "\r\n").to_owned();
    client.get(1, &format!("/api/v1/orders/{order}"), &cookie);
    client.say(0, &format!("HEAD /api/v1/orders/{order} HTTP/1.1\nHost: x\n{bearer}\n"));
    client.get(0, "/api/v1/orders/1", &bearer);
    client.get(0, "/api/v1/export", &bearer);
    let page = client.get(0, "/login", "");
    let form = format!("csrf={}&email=zoe%40quill.test&password=correct+horse", between(&page, "value=\"", "\""));
    client.say(0, &format!("POST /login HTTP/1.1\nHost: x\nContent-Type: application/x-www-form-urlencoded\nContent-Length: {}\n\n{form}", form.len()));
    client.say(0, &format!("POST /api/v1/logout HTTP/1.1\nHost: x\nContent-Length: 0\n{bearer}\n"));
    client.get(0, "/api/v1/cart", &bearer);
    client
}

fn replay(workload: Workload, target: &str, profile: Profile) -> RunResult {
    run(Arc::new(workload), Options::new(target, Profile { max_lateness: Span(Duration::from_secs(2)), ..profile }))
        .unwrap()
}

fn fast(mode: Mode) -> Profile {
    Profile {
        mode,
        think_scale: 0.0,
        speed: 50.0,
        rate: Some(400.0),
        connections: 1,
        arrivals: Arrivals::Constant,
        ..Profile::default()
    }
}

#[test]
fn a_shop_is_replayed_with_ids_and_tokens_of_another_process() {
    let original = target::spawn().unwrap();
    let recorded = shopping(original.addr);
    let statuses: Vec<u16> = recorded
        .heard
        .iter()
        .map(|(.., response)| String::from_utf8_lossy(&response[9..12]).parse().unwrap())
        .collect();
    assert_eq!(statuses, [201, 200, 200, 200, 304, 200, 201, 201, 204, 201, 200, 200, 404, 200, 200, 303, 204, 401]);
    for mode in [Mode::Sessions, Mode::Captured, Mode::Closed, Mode::Rate] {
        // On a clock of its own a run must leave the target the time to answer: two connections share a cart.
        let speed = if mode == Mode::Captured { 1.0 } else { 50.0 };
        let result = replay(recorded.workload(20), "embedded", Profile { speed, rate: Some(50.0), ..fast(mode) });
        assert!(result.valid, "{mode:?} {:?}", result.invalid_because);
        assert_eq!(result.requests.answered, 18, "{mode:?}");
        assert_eq!(result.workload.status_agreement, Some(1.0), "{mode:?} {:#?}", result.endpoints);
        assert_eq!(result.workload.endpoint_l1, Some(0.0));
        assert!(result.correlation.missed == 0 && result.correlation.substituted >= 15, "{:?}", result.correlation);
    }
}

#[test]
fn a_closed_loop_sends_what_a_dry_run_tells_round_after_round() {
    let original = target::spawn().unwrap();
    let workload = shopping(original.addr).workload(20);
    // Whole rounds, and a part of one.
    let requests = Some(18 * 4 + 5);
    let profile = Profile { requests, connections: 3, abort_error_rate: 1.0, ..fast(Mode::Closed) };
    let (outcomes, lines) = Outcomes::new();
    let options = Options { outcomes: Some(outcomes), ..Options::new("embedded", profile.clone()) };
    let result = run(&workload, options).unwrap();
    assert!(result.correlation.substituted > 36, "in later rounds too: {:?}", result.correlation);
    let lines = String::from_utf8(lines.iter().flatten().collect()).unwrap();
    let pair = |line: &str| line.split(',').take(2).map(|n| n.parse().unwrap()).collect::<Vec<u64>>();
    let mut sent: Vec<Vec<u64>> = lines.lines().skip(1).map(pair).collect();
    let mut planned: Vec<_> =
        dry_run(&workload, &profile).unwrap().iter().map(|one| vec![one.number, one.round.into()]).collect();
    sent.sort();
    planned.sort();
    assert_eq!(sent, planned);
}

/// A closed loop has no schedule: what `max-rate` holds back was not meant to leave earlier, and nobody was late for it.
#[test]
fn a_closed_loop_under_a_greatest_rate_is_meant_for_when_it_may_go() {
    let addr = server(|_, _, stream| stream.write_all(OK).is_ok());
    let profile = Profile { max_rate: 100.0, rate: None, connections: 4, requests: Some(24), ..fast(Mode::Closed) };
    let (outcomes, lines) = Outcomes::new();
    let options = Options { outcomes: Some(outcomes), ..Options::new(&format!("http://{addr}"), profile) };
    let result = run(&plain(4, 5, 4), options).unwrap();
    assert_eq!(result.requests.answered, 24);
    let lines = String::from_utf8(lines.iter().flatten().collect()).unwrap();
    let mut meant: Vec<f64> = lines
        .lines()
        .skip(1)
        .map(|line| line.rsplit('"').next().unwrap().split(',').nth(1).unwrap().parse().unwrap())
        .collect();
    meant.sort_by(f64::total_cmp);
    assert!(meant.windows(2).all(|pair| pair[1] - pair[0] > 9_999.0), "{meant:?}");
}

#[test]
fn without_correlation_the_shop_refuses() {
    let original = target::spawn().unwrap();
    let mut workload = shopping(original.addr).workload(1);
    workload.sessions.iter_mut().flat_map(|session| &mut session.steps).for_each(|step| step.edges.clear());
    let result = replay(workload, "embedded", fast(Mode::Sessions));
    assert!(result.workload.status_agreement.unwrap() < 0.7, "{:?}", result.workload);
}

#[test]
fn run_json_is_what_its_schema_says() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("schemas/run.schema.json")).unwrap();
    let original = target::spawn().unwrap();
    let result = replay(shopping(original.addr).workload(1), "embedded", fast(Mode::Captured));
    let json = serde_json::to_value(&result).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&json).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let again: RunResult = serde_json::from_value(json).unwrap();
    assert_eq!(again.requests.answered, result.requests.answered);
    let mut broken = serde_json::to_value(&result).unwrap();
    broken["lateness_us"].as_object_mut().unwrap().remove("p99_9");
    assert!(!validator.is_valid(&broken));
}

#[test]
fn a_search_for_the_highest_rate_says_what_its_schema_says() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("schemas/run.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let addr = server(|_, _, stream| stream.write_all(OK).is_ok());
    // An objective that any target meets, and one that none meets.
    let search = |objective: &str| {
        let saturate =
            Saturate { from: 40.0, trial: Span(Duration::from_millis(250)), repeats: 1, ..Saturate::default() };
        let profile = Profile {
            saturate,
            max_rate: 80.0,
            rate: None,
            slo: vec![objective.parse().unwrap()],
            ..fast(Mode::Saturate)
        };
        replay(plain(20, 5, 2), &format!("http://{addr}"), profile)
    };
    let (top, low) = (search("p99 < 60s"), search("p50 < 1us"));
    for result in [&top, &low] {
        let json = serde_json::to_value(result).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&json).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let again: RunResult = serde_json::from_value(json.clone()).unwrap();
        assert_eq!((&*again.mode, &again.saturation), ("saturate", &result.saturation));
        let mut broken = json;
        broken["saturation"]["steps"][0].as_object_mut().unwrap().remove("kept");
        assert!(!validator.is_valid(&broken));
    }
    // Trials have one numbering of endpoints.
    assert!(top.endpoints.iter().all(|endpoint| endpoint.endpoint == "GET /a"), "{:#?}", top.endpoints);
    let (top, low) = (top.saturation.unwrap(), low.saturation.unwrap());
    // On a machine without time for it some trials are missed, or say nothing.
    let kept = top.steps.iter().any(|step| step.kept && !step.generator_late && Some(step.rps) == top.rps);
    assert!(kept, "{:?} {:#?}", top.rps, top.steps);
    assert!(top.steps.iter().all(|step| step.sent > 0 && step.rps <= 80.0), "{:#?}", top.steps);
    assert_eq!((low.ended, low.rps), (Ended::TooLow, None), "{:#?}", low.steps);
    // One miss would not have been enough to say so.
    assert!((2..8).contains(&low.steps.len()) && low.steps.iter().all(|step| !step.kept), "{:#?}", low.steps);
    assert_eq!(low.objectives, ["p50 < 1us"]);
}

/// A server that hands every request head it reads, with the connection's number, to `serve`.
fn server(serve: impl Fn(usize, &[u8], &mut TcpStream) -> bool + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let (mut stream, serve) = (stream.unwrap(), serve.clone());
            thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") && !serve(n, &std::mem::take(&mut head), &mut stream) {
                        return;
                    }
                }
            });
        }
    });
    addr
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// `n` plain requests `gap_ms` apart, over some connections in turn.
fn plain(n: u64, gap_ms: u64, connections: u64) -> Workload {
    let exchanges: Vec<Exchange> = (0..n)
        .map(|i| Exchange {
            connection: (i % connections) as u32,
            at_ms: i * gap_ms,
            request: b"GET /a HTTP/1.1\r\nHost: old\r\n\r\n",
            response: OK,
        })
        .collect();
    hand::workload(&exchanges)
}

#[test]
fn a_stall_is_in_the_response_times_and_not_in_the_service_times() {
    const STALL: Duration = Duration::from_millis(400);
    let served = AtomicUsize::new(0);
    let addr = server(move |_, _, stream| {
        if served.fetch_add(1, Ordering::Relaxed) == 20 {
            thread::sleep(STALL);
        }
        stream.write_all(OK).is_ok()
    });
    // One connection, a request every 5 ms: while one is stalled, 80 others wait their turn.
    let result =
        replay(plain(150, 5, 1), &format!("http://{addr}"), Profile { mode: Mode::Captured, ..Profile::default() });
    assert_eq!(result.requests.answered, 150);
    assert!(result.service_time_us.p95 < 100_000, "{:?}", result.service_time_us);
    assert!(result.response_time_us.p90 > 200_000, "{:?}", result.response_time_us);
    assert!(result.response_time_us.max >= 390_000);
    // The wait is the target's, not the generator's.
    assert!(
        result.lateness_us.p90 < 100_000 && result.requests.held > 50,
        "{:?} {:?}",
        result.lateness_us,
        result.requests
    );
    // In a closed loop the stall hits one request only; that is why it is not the default.
    let closed = replay(plain(150, 5, 1), &format!("http://{addr}"), fast(Mode::Closed));
    assert!(closed.response_time_us.p90 < 100_000);
}

#[test]
fn captured_instants_are_kept() {
    let addr = server(|_, _, stream| stream.write_all(OK).is_ok());
    let begun = Instant::now();
    let result = replay(
        plain(60, 10, 4),
        &format!("http://{addr}"),
        Profile { mode: Mode::Captured, speed: 2.0, ..Profile::default() },
    );
    assert!(begun.elapsed() >= Duration::from_millis(295));
    assert!((result.offered_rps - 200.0).abs() < 1.0, "{}", result.offered_rps);
    assert_eq!(result.connections.opened, 4);
    assert!(result.workload.interarrival_ks.is_some());
}

/// Serves a request in a bad way; says whether the connection stays open.
struct Misbehave(fn(&mut TcpStream) -> bool);

#[test]
fn failures_are_told_apart() {
    let cases: [(Failure, Misbehave); 4] = [
        (Failure::Protocol, Misbehave(|stream| stream.write_all(b"SSH-2.0-x\r\n\r\n").is_ok())),
        (
            Failure::ClosedEarly,
            Misbehave(|stream| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab").is_err()),
        ),
        (Failure::ClosedEarly, Misbehave(|_| false)),
        (Failure::Timeout, Misbehave(|_| true)),
    ];
    for (failure, Misbehave(serve)) in cases {
        let addr = server(move |_, _, stream| serve(stream));
        let profile = Profile { timeout: Span(Duration::from_millis(100)), ..fast(Mode::Sessions) };
        let result = replay(plain(2, 1, 1), &format!("http://{addr}"), profile);
        assert_eq!(result.requests.failed.get(&failure), Some(&2), "{failure:?}: {:?}", result.requests);
        assert!(!result.valid && result.requests.answered == 0);
    }
}

#[test]
fn a_connection_closed_between_requests_is_opened_again_and_counted() {
    let addr = server(|_, _, stream| stream.write_all(OK).is_err());
    let result =
        replay(plain(3, 100, 1), &format!("http://{addr}"), Profile { mode: Mode::Captured, ..Profile::default() });
    assert_eq!((result.requests.answered, result.connections.reopened), (3, 2), "{:?}", result.requests);
}

#[test]
fn too_many_failures_end_the_run() {
    let addr = server(|_, _, _| false);
    let result = replay(plain(400, 1, 1), &format!("http://{addr}"), fast(Mode::Closed));
    assert!(result.requests.sent < 100, "{:?}", result.requests);
    assert!(result.invalid_because.iter().any(|why| why.starts_with("aborted")), "{:?}", result.invalid_because);
}

#[test]
fn no_more_in_flight_than_allowed() {
    let addr = server(|_, _, stream| {
        thread::sleep(Duration::from_millis(100));
        stream.write_all(OK).is_ok()
    });
    let profile = Profile { max_in_flight: 2, ..fast(Mode::Captured) };
    let result = replay(plain(5, 1, 5), &format!("http://{addr}"), profile);
    assert_eq!((result.requests.answered, result.requests.failed.get(&Failure::Cap)), (2, Some(&3)));
    assert!(result.warnings.iter().any(|what| what.starts_with("3 requests were not sent")), "{:?}", result.warnings);
}

#[test]
fn a_run_can_be_cancelled() {
    let addr = server(|_, _, stream| stream.write_all(OK).is_ok());
    let options = Options::new(&format!("http://{addr}"), Profile { mode: Mode::Captured, ..Profile::default() });
    let cancel = options.cancel.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        cancel.store(true, Ordering::Relaxed);
    });
    let begun = Instant::now();
    let result = run(Arc::new(plain(100, 1000, 1)), options).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5) && !result.valid);
    assert!(result.requests.answered >= 1);
}

#[test]
fn requests_arrive_byte_for_byte_but_for_the_host() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = seen.clone();
    let addr = server(move |n, head, stream| {
        notes.lock().unwrap().push((n, head.to_vec()));
        stream.write_all(OK).is_ok()
    });
    let odd = "GET /a%2fb?x=1&&y HTTP/1.1\r\nX-Zed: 1\r\nHOST:   old.example:99 \r\nx-zed:  2\r\nAccept: */*\r\n\r\n";
    let exchange = Exchange { connection: 0, at_ms: 0, request: odd.as_bytes(), response: OK };
    replay(hand::workload(&[exchange]), &format!("http://{addr}"), fast(Mode::Sessions));
    let expected = odd.replace("old.example:99", &addr.to_string());
    // The look whether anybody listens is the first connection: no other one is made.
    assert_eq!(*seen.lock().unwrap(), [(0, expected.into_bytes())]);
}

#[test]
fn the_whole_methods_filter_and_the_dry_run_agree() {
    let original = target::spawn().unwrap();
    let workload = shopping(original.addr).workload(10);
    let profile = Profile { methods: vec!["GET".into()], ..fast(Mode::Captured) };
    let planned = dry_run(&workload, &profile).unwrap();
    assert!(planned.len() == 9 && planned.iter().all(|request| request.line.starts_with("GET ")));
    let whole = dry_run(&workload, &fast(Mode::Captured)).unwrap();
    let order = whole.iter().find(|request| request.endpoint == "GET /api/v1/orders/{}").unwrap();
    assert!(order.replacements.iter().any(|replacement| replacement.from_step.is_some()), "{order:?}");
    assert!(matches!(
        dry_run(&workload, &Profile { methods: vec!["PURGE".into()], ..profile }),
        Err(ReplayError::Nothing(true))
    ));
}

#[test]
fn nothing_goes_where_it_must_not() {
    let refused =
        |target: &str, profile: Profile| run(Arc::new(plain(1, 1, 1)), Options::new(target, profile)).unwrap_err();
    assert_eq!(refused("http://192.0.2.7:80", Profile::default()).exit_code(), 2);
    assert_eq!(refused("https://192.0.2.7", Profile::default()).exit_code(), 2);
    assert_eq!(refused("ftp://127.0.0.1", Profile::default()).exit_code(), 2);
    assert_eq!(refused("embedded", Profile { speed: 0.0, ..Profile::default() }).exit_code(), 2);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(refused(&format!("http://127.0.0.1:{port}"), Profile::default()).exit_code(), 3);
}

#[test]
fn profiles_and_the_examples_of_their_page_fit_schema_and_program() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../replay-profiles/profile.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let page = include_str!("../replay-profiles/README.md");
    let examples = page.split("```yaml\n").skip(1).map(|rest| ("README.md", rest.split("```").next().unwrap()));
    let texts: Vec<_> = standin::replay::profile::BUILT_IN.iter().copied().chain(examples).collect();
    assert!(texts.len() >= 7);
    for (name, text) in texts {
        Profile::parse(name, text).unwrap();
        let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
        assert!(validator.is_valid(&value), "{name}: {text}");
    }
    assert!(validator.is_valid(&serde_json::to_value(Profile::default()).unwrap()));
    // The page, the schema and the program know the same knobs.
    let knobs = serde_json::to_value(Profile::default()).unwrap();
    for knob in knobs.as_object().unwrap().keys() {
        assert!(page.contains(&format!("\n| `{knob}` |")), "{knob} is not on the page");
        assert!(schema["properties"].get(knob).is_some(), "{knob} is not in the schema");
    }
    assert_eq!(schema["properties"].as_object().unwrap().len(), knobs.as_object().unwrap().len());
    for (text, fits) in [
        ("mode: rate", false),
        ("{mode: rate, rate: 5}", true),
        ("streams: 1", true),
        ("streams: 2", false),
        ("{streams: 2, protocol: auto}", false),
        ("{streams: 2, protocol: h2c}", true),
    ] {
        assert_eq!(Profile::parse("test", text).is_ok(), fits, "{text}");
        assert_eq!(validator.is_valid(&serde_yaml::from_str(text).unwrap()), fits, "{text}");
    }
}

/// The workload of a capture in `fixtures/`.
fn captured(name: &str) -> Workload {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let mut collector = Collector::new();
    standin::dissect::run(Box::new(std::fs::File::open(path).unwrap()), &mut collector).unwrap();
    let mut workload = collector.finish().unwrap();
    correlate(&mut workload);
    workload
}

#[test]
fn captures_of_the_shop_are_answered_as_they_were() {
    for (name, requests) in [
        ("shop-demo.pcap", 186),
        ("shop-keepalive.pcap", 388),
        ("shop-ipv6.pcapng", 130),
        ("shop-lossy.pcap", 132),
        ("shop-ns.pcap", 67),
    ] {
        let workload = captured(name);
        assert_eq!(workload.requests(), requests, "{name} {:?}", workload.left_out);
        let sessions = workload.sessions.len();
        let profile = Profile { think_scale: 0.05, speed: 4.0, ..Profile::default() };
        let result = replay(workload, "embedded", profile);
        let wrong: Vec<String> = result
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.status_agreement != Some(1.0))
            .map(|endpoint| format!("{} {:?} {:?}", endpoint.endpoint, endpoint.status_agreement, endpoint.status))
            .collect();
        let agreement = result.workload.status_agreement.unwrap();
        println!(
            "{name}: {sessions} sessions, {agreement:.3} {:?} {:.1} s {:?}\n  {}",
            result.correlation,
            result.seconds,
            result.requests,
            wrong.join("\n  ")
        );
        assert!(agreement >= 0.95, "{name}: {agreement} {wrong:#?} {:?}", result.correlation);
    }
}
