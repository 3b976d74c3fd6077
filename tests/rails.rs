//! The rails of a replay, each shown by a socket that receives nothing or by the exit code; and targets that do their
//! worst.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use standin::replay::{EnvSecret, Options, Profile, ReplayError, run};
use standin::workload::hand::{self, Exchange};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A socket that counts who connects and keeps what they say.
struct Ears {
    addr: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Ears {
    /// Answers everything with `answer`; nothing when that is empty.
    fn new(answer: &'static [u8]) -> Ears {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (addr, heard) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, kept) = (stream.unwrap(), kept.clone());
                let number = kept.lock().unwrap().len();
                kept.lock().unwrap().push(Vec::new());
                thread::spawn(move || {
                    let mut piece = [0; 4096];
                    while let Ok(read @ 1..) = stream.read(&mut piece) {
                        let heads = piece[..read].windows(4).filter(|w| w == b"\r\n\r\n").count();
                        kept.lock().unwrap()[number].extend_from_slice(&piece[..read]);
                        for _ in 0..heads {
                            let _ = stream.write_all(answer);
                        }
                    }
                });
            }
        });
        Ears { addr, heard }
    }

    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap().clone()
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A folder, with a profile in it.
struct Place(TempDir);

impl Place {
    fn new(profile: &str) -> Place {
        let place = Place(TempDir::new().unwrap());
        fs::write(place.path("p.yaml"), profile).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn replay(&self, url: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_standin"));
        command.arg("replay").arg(fixture("shop-demo.pcap")).args(["--target", url, "--profile"]);
        command.arg(self.path("p.yaml")).arg("-o").arg(self.path("run.json")).args(flags);
        command.env("NO_COLOR", "1").env("STAGING_TOKEN", "tok-5f3a-zz").env_remove("NOT_SET").stdin(Stdio::null());
        command
    }

    fn result(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("run.json")).unwrap()).unwrap()
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by a signal")
}

/// Name, profile, target (none: the socket), flags, exit code, what is said.
type Rail = (&'static str, &'static str, Option<&'static str>, &'static [&'static str], i32, &'static str);

#[test]
fn no_rail_lets_anything_through() {
    const LOOSE: &[&str] = &["--allow-unmasked"];
    let table: &[Rail] = &[
        ("unmasked capture", "", None, &[], 2, "was not masked by standin"),
        ("denied by flag", "", None, &["--allow-unmasked", "--deny-host", "127.0.0.1"], 2, "denies it"),
        ("denied by profile", "deny-host: ['*.0.0.1']", None, LOOSE, 2, "denies it"),
        ("far", "", Some("http://192.0.2.7:80"), LOOSE, 2, "--allow-host 192.0.2.7"),
        (
            "far, another allowed",
            "",
            Some("http://192.0.2.7"),
            &["--allow-unmasked", "--allow-host", "192.0.2.8"],
            2,
            "neither",
        ),
        ("methods", "", None, &["--allow-unmasked", "--methods", "PURGE,BREW"], 2, "leave none over"),
        ("filter: only", "filter: {only: [{path: /nowhere/*}]}", None, LOOSE, 2, "leave none over"),
        ("filter: never", "filter: {never: [{}]}", None, LOOSE, 2, "leave none over"),
        ("filter: host", "filter: {only: [{host: other.example}]}", None, LOOSE, 2, "leave none over"),
        ("secret not set", "secrets: [{env: NOT_SET, header: authorization}]", None, LOOSE, 2, "NOT_SET"),
        (
            "rate over its bound",
            "",
            None,
            &["--allow-unmasked", "--mode", "rate", "--rate", "90", "--max-rate", "10"],
            2,
            "max-rate",
        ),
        ("dry run", "", None, &["--allow-unmasked", "--dry-run", "--json"], 0, ""),
        ("explanation", "", None, &["--allow-unmasked", "--explain-correlation"], 0, ""),
        ("objective", "slo: [p99 < 80]", None, LOOSE, 2, "p.yaml:1:"),
        ("check", "checks: [{status: 20}]", None, LOOSE, 2, "p.yaml:1:"),
        ("rewriting the framing", "rewrite: [{set: {content-length: '1'}}]", None, LOOSE, 2, "p.yaml:1:"),
        (
            "HTTP/2 under TLS, to a target without",
            "",
            None,
            &["--allow-unmasked", "--protocol", "h2"],
            2,
            "it is `h2c`",
        ),
        (
            "HTTP/2 without TLS, to a target under it",
            "protocol: h2c",
            Some("https://127.0.0.1:9"),
            LOOSE,
            2,
            "it is `h2`",
        ),
        (
            "several streams of HTTP/1",
            "",
            None,
            &["--allow-unmasked", "--mode", "closed", "--streams", "4"],
            2,
            "choose protocol `h2c` (http://) or `h2` (https://)",
        ),
        ("no streams", "", None, &["--allow-unmasked", "--protocol", "h2c", "--streams", "0"], 2, "must be at least 1"),
        ("marker", "", None, &["--allow-unmasked", "--marker", "a b"], 2, "--marker"),
    ];
    for (name, profile, target, flags, exit, said) in table {
        let (ears, place) = (Ears::new(OK), Place::new(profile));
        let output = place.replay(target.unwrap_or(&ears.url()), flags).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), *exit, "{name}: {stderr}");
        assert!(stderr.contains(said), "{name}: {stderr}");
        assert_eq!(ears.heard(), Vec::<Vec<u8>>::new(), "{name}");
        assert!(!place.path("run.json").exists(), "{name}");
    }
}

#[test]
fn the_host_that_was_captured_hears_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s.sock");
    let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: Shop.example:8080\r\n\r\n";
    let workload = hand::workload(&[Exchange { connection: 0, at_ms: 0, request, response: OK }]);
    let profile = Profile { unix_socket: Some(path), allow_host: vec!["shop.example".into()], ..Profile::default() };
    // By hand there is no capture that names hosts: they are named by the requests.
    let mut workload = workload;
    workload.hosts.insert("shop.example".into());
    let refused = run(Arc::new(workload), Options::new("http://shop.example", profile)).unwrap_err();
    assert!(matches!(refused, ReplayError::Refused { .. }) && refused.exit_code() == 2, "{refused}");
    assert!(socket.accept().is_err(), "nobody came");
}

#[test]
fn the_plan_names_every_change_and_every_request_bears_it() {
    let profile = "filter: {only: [{path: /api/*}], never: [{method: [DELETE]}]}\nrewrite: [{path-prefix: {from: /api/v1, to: /v2}, remove: [user-agent]}]\n\
                   secrets: [{env: STAGING_TOKEN, header: authorization, before: 'Bearer ', add: true}]\nmarker: X-Standin-Run\nrequests: 25";
    let (ears, place) = (Ears::new(OK), Place::new(profile));
    let plan = place.replay(&ears.url(), &["--allow-unmasked", "--dry-run", "--json"]).output().unwrap();
    let planned: Vec<Value> = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(planned.len(), 25);
    for request in &planned {
        let with: Vec<&str> =
            request["replacements"].as_array().unwrap().iter().map(|r| r["with"].as_str().unwrap()).collect();
        for change in ["host", "path rewritten", "secret $STAGING_TOKEN", "marker X-Standin-Run"] {
            assert!(with.contains(&change), "{change} in {with:?}");
        }
    }
    let output =
        place.replay(&ears.url(), &["--allow-unmasked", "--speed", "20", "--abort-error-rate", "1"]).output().unwrap();
    let result = place.result();
    let marker = format!("\r\n{}\r\n", result["marker"].as_str().unwrap());
    let heard: Vec<u8> = ears.heard().concat();
    let text = String::from_utf8_lossy(&heard);
    let sent = result["requests"]["sent"].as_u64().unwrap() as usize;
    assert!(sent > 5, "{result}");
    assert_eq!(text.matches(&marker).count(), sent);
    assert_eq!(text.matches("Bearer tok-5f3a-zz\r\n").count(), sent);
    assert_eq!(text.matches(&format!("{}\r\n", ears.addr)).count(), sent);
    assert!(
        text.contains(" /v2/")
            && !text.contains(" /api/")
            && !text.contains("DELETE ")
            && !text.to_lowercase().contains("user-agent")
    );
    let told =
        [&output.stdout[..], &output.stderr, &plan.stdout, &plan.stderr, &fs::read(place.path("run.json")).unwrap()]
            .concat();
    assert!(!String::from_utf8_lossy(&told).contains("tok-5f3a"), "a secret was told");
}

#[test]
fn broken_checks_and_objectives_give_an_exit_code_and_junit() {
    let profile = "checks: [{status: 2xx}, {for: GET /api/*, json: shape}]\nslo: [p99 < 60s, status agreement >= 99 %, error rate < 1 %]\nspeed: 20";
    let (ears, place) = (Ears::new(OK), Place::new(profile));
    let junit = place.path("junit.xml");
    let flags = ["--allow-unmasked", "--abort-error-rate", "1", "--junit", junit.to_str().unwrap()];
    let output = place.replay(&ears.url(), &flags).output().unwrap();
    assert_eq!(code(&output), 1);
    let result = place.result();
    let met =
        |of: &str| result[of].as_array().unwrap().iter().map(|one| one["met"].as_bool().unwrap()).collect::<Vec<_>>();
    assert_eq!((met("checks"), met("slo")), (vec![true, false], vec![true, false, true]), "{result}");
    assert_eq!(result["checks"][1]["because"][0]["what"], "no JSON", "{}", result["checks"]);
    let text = fs::read_to_string(junit).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let failures = document.descendants().filter(|node| node.has_tag_name("failure")).count();
    let cases = document.descendants().filter(|node| node.has_tag_name("testcase")).count();
    let invalid = usize::from(!result["valid"].as_bool().unwrap());
    assert_eq!((cases, failures), (6, 2 + invalid), "{text}");
}

#[test]
fn a_secret_is_not_in_what_a_library_user_prints() {
    let secrets = [("A".to_owned(), EnvSecret::new("hush"))].into_iter().collect();
    let options = Options { secrets, ..Options::new("embedded", Profile::default()) };
    assert!(!format!("{options:?}").contains("hush"));
}

/// A target of its own kind.
fn target(serve: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, serve) = (stream.unwrap(), serve.clone());
            thread::spawn(move || {
                let mut piece = [0; 4096];
                if stream.read(&mut piece).is_ok_and(|read| read > 0) {
                    serve(&mut stream);
                }
            });
        }
    });
    url
}

/// Writes the same over and over, until nobody listens.
fn without_end(stream: &mut TcpStream, first: &[u8], again: &[u8]) {
    let block = again.repeat((64 << 10) / again.len());
    if stream.write_all(first).is_ok() {
        while stream.write_all(&block).is_ok() {}
    }
}

#[test]
fn whatever_a_target_does_there_is_a_result_and_memory_is_bounded() {
    let kinds: [(&str, String); 5] = [
        ("timeout", target(|_| thread::sleep(Duration::from_secs(60)))),
        (
            "timeout",
            target(|stream| without_end(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", b"x")),
        ),
        ("protocol", target(|stream| without_end(stream, b"", b"HTTP/1.1 100 Continue\r\n\r\n"))),
        ("protocol", target(|stream| without_end(stream, b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"))),
        (
            "protocol",
            target(|stream| without_end(stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"f")),
        ),
    ];
    for (reason, url) in kinds {
        let place = Place::new("checks: [{json: shape}]\nspeed: 20\ntimeout: 300ms\nrequests: 60\nduration: 2s");
        let output = place.replay(&url, &["--allow-unmasked"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(code(&output), 1, "{reason}: {stderr}");
        let result = place.result();
        assert!(result["requests"]["failed"][reason].as_u64() > Some(0), "{reason}: {}", result["requests"]);
        let rss = result["generator"]["rss_peak"].as_u64().unwrap();
        assert!(rss < 256 << 20, "{reason}: {rss} bytes");
        assert!(!result["valid"].as_bool().unwrap());
    }
}

#[test]
fn a_target_that_dies_ends_the_run() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        // Three answers, then nobody is there any more.
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(OK);
        }
    });
    let place = Place::new("max-down: 300ms\nabort-error-rate: 1\nmode: captured");
    let output = place.replay(&url, &["--allow-unmasked"]).output().unwrap();
    assert_eq!(code(&output), 1);
    let result = place.result();
    assert!(result["invalid_because"].to_string().contains("the target is down"), "{}", result["invalid_because"]);
    assert!(result["requests"]["answered"].as_u64() >= Some(1), "{}", result["requests"]);
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn an_interrupt_leaves_a_partial_result() {
    for (name, url) in [
        ("hang", target(|_| thread::sleep(Duration::from_secs(60)))),
        (
            "flood",
            target(|stream| without_end(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", b"x")),
        ),
    ] {
        let place = Place::new("timeout: 60s\nduration: 60s");
        let mut child = place.replay(&url, &["--allow-unmasked", "-q"]).stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(1500));
        interrupt(&child);
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130), "{name}");
        let result = place.result();
        assert!(result["invalid_because"].to_string().contains("cancelled"), "{name}: {}", result["invalid_because"]);
        assert!(result["seconds"].as_f64().unwrap() < 30.0, "{name}");
    }
}

#[test]
fn what_the_target_tells_of_itself_is_read() {
    let told = std::sync::atomic::AtomicU64::new(1);
    let url = target(move |stream| {
        let n = told.fetch_add(1, std::sync::atomic::Ordering::Relaxed) * 1000;
        let text = format!("go_memstats_alloc_bytes_total {n}\ngo_memstats_heap_alloc_bytes 500\n");
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    });
    let ears = Ears::new(OK);
    let place = Place::new("speed: 20\nabort-error-rate: 1");
    place.replay(&ears.url(), &["--allow-unmasked", "--metrics", &format!("{url}/metrics")]).output().unwrap();
    let runtime = &place.result()["target_runtime"];
    assert!(runtime["allocated"].as_f64() >= Some(1000.0) && runtime["heap_end"] == 500.0, "{runtime}");
    // The listener is this test's process: it is looked at, too.
    let process = &place.result()["target_process"];
    assert_eq!(process["pid"], std::process::id());
    assert!(process["sockets_peak"].as_u64() > Some(0) && process["rss_peak_seen"].as_u64() > Some(0), "{process}");
    let nowhere =
        place.replay(&ears.url(), &["--allow-unmasked", "--metrics", "http://192.0.2.7/metrics"]).output().unwrap();
    assert_eq!(code(&nowhere), 2, "{}", String::from_utf8_lossy(&nowhere.stderr));
}

/// A profile may leave open what flags say, and flags may say otherwise: it is the whole that must make sense.
#[test]
fn flags_complete_a_profile_before_it_is_checked() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("mode: rate", &[], &["--rate", "5"]),
        ("{mode: rate, rate: 90}", &["--max-rate", "50"], &["--max-rate", "50", "--rate", "5"]),
        ("{mode: rate, rate: 30000}", &[], &["--max-rate", "40000"]),
        ("{mode: rate, rate: 100}", &["--max-rate", "80"], &["--max-rate", "80", "--mode", "closed"]),
        (
            "{mode: rate, curve: {points: [[0, 100]]}}",
            &["--max-rate", "80"],
            &["--max-rate", "80", "--mode", "saturate"],
        ),
        ("streams: 2", &[], &["--protocol", "h2c"]),
        ("cert: c.pem", &[], &["--cert-key", "k.pem"]),
        ("{}", &["--cert", "c.pem"], &["--cert", "c.pem", "--cert-key", "k.pem"]),
        ("{mode: saturate, shard: 0/2}", &[], &["--mode", "sessions"]),
        ("{insecure: true, cacert: ca.pem}", &[], &["--insecure"]),
        ("connections: 0", &[], &["--connections", "3"]),
    ];
    for (profile, wrong, right) in table {
        let place = Place::new(profile);
        let with = |flags: &[&str]| {
            let flags = [&["-q", "--allow-unmasked", "--dry-run"], flags].concat();
            code(&place.replay("http://127.0.0.1:9", &flags).output().unwrap())
        };
        assert_eq!((with(wrong), with(right)), (2, 0), "{profile} {right:?}");
    }
    // A search begins no higher than it may go.
    let place = Place::new("mode: saturate");
    let flags = ["-q", "--allow-unmasked", "--dry-run", "--max-rate", "20"];
    assert_eq!(code(&place.replay("http://127.0.0.1:9", &flags).output().unwrap()), 0);
}
