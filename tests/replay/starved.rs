//! A generator that could not keep its schedule says that its run is invalid, and why.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{OK, plain, server};
use standin::replay::feed::Feed;
use standin::replay::profile::{Arrivals, Span};
use standin::replay::{Mode, Options, Profile, run};

use std::io::Write;

/// 300 requests within a third of a millisecond.
fn all_at_once() -> Profile {
    Profile {
        mode: Mode::Rate,
        rate: Some(1_000_000.0),
        max_rate: 2_000_000.0,
        arrivals: Arrivals::Constant,
        max_lateness: Span(Duration::from_millis(1)),
        ..Profile::default()
    }
}

#[test]
fn a_schedule_that_no_thread_can_keep() {
    let addr = server(|_, _, stream| stream.write_all(OK).is_ok());
    let result = run(Arc::new(plain(300, 1, 300)), Options::new(&format!("http://{addr}"), all_at_once())).unwrap();
    assert_eq!(result.requests.answered, 300, "{:?}", result.requests);
    assert!(!result.valid);
    let said = result.invalid_because.join("\n");
    assert!(said.contains("the generator was late"), "{said}");
    assert!(result.generator.late_share > 0.01 && result.lateness_us.p99 > 1000, "{:?}", result.generator);
}

/// Who is late is late, whatever the target does to the requests then.
#[test]
fn a_schedule_that_no_thread_can_keep_against_a_target_that_hangs_up() {
    let addr = server(|_, _, _| false);
    let profile = Profile { abort_error_rate: 1.0, ..all_at_once() };
    let result = run(Arc::new(plain(300, 1, 300)), Options::new(&format!("http://{addr}"), profile)).unwrap();
    assert_eq!((result.requests.planned, result.requests.answered), (300, 0), "{:?}", result.requests);
    let said = result.invalid_because.join("\n");
    assert!(said.contains("the generator was late"), "{said}");
}

/// An input that takes its time.
struct Slow(File);

impl Read for Slow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        thread::sleep(Duration::from_millis(40));
        let piece = buffer.len().min(4 << 10);
        self.0.read(&mut buffer[..piece])
    }
}

#[test]
fn a_capture_that_is_not_read_fast_enough_for_a_closed_loop() {
    let addr = server(|_, _, stream| stream.write_all(OK).is_ok());
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop-keepalive.pcap");
    let profile = Profile { mode: Mode::Closed, connections: 4, methods: vec!["GET".into()], ..Profile::default() };
    let options = Options::new(&format!("http://{addr}"), profile);
    let slow = run(Feed::pipe(Box::new(Slow(File::open(capture).unwrap()))), options.clone()).unwrap();
    assert!(slow.requests.planned > 100 && !slow.valid, "{:?}", slow.requests);
    let said = slow.invalid_because.join("\n");
    assert!(said.contains("the capture was not read fast enough"), "{said}");
    // What is in memory is there at once.
    let prompt = run(Arc::new(plain(300, 10, 300)), options).unwrap();
    let said = prompt.invalid_because.join("\n");
    assert!(!said.contains("not read fast enough"), "{said}");
}

#[test]
fn a_capture_that_is_not_read_fast_enough_for_its_schedule() {
    let addr = server(|_, _, stream| stream.write_all(OK).is_ok());
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop-keepalive.pcap");
    let profile = Profile {
        mode: Mode::Rate,
        // All within a tenth of a second.
        rate: Some(10_000.0),
        methods: vec!["GET".into()],
        max_lateness: Span(Duration::from_millis(400)),
        ..Profile::default()
    };
    let options = Options::new(&format!("http://{addr}"), profile);
    let slow = run(Feed::pipe(Box::new(Slow(File::open(capture).unwrap()))), options).unwrap();
    assert!(slow.requests.planned > 100 && !slow.valid, "{:?}", slow.requests);
    let said = slow.invalid_because.join("\n");
    assert!(said.contains("the capture was not read fast enough"), "{said}");
    assert!(!said.contains("the generator was late"), "{said}");
}

/// Runs a replay of a fixture and stops the whole process for a while in its midst.
fn stopped_in_the_midst(arguments: &[&str]) -> Value {
    let served = Arc::new(AtomicUsize::new(0));
    let seen = served.clone();
    let addr = server(move |_, _, stream| {
        seen.fetch_add(1, Ordering::Relaxed);
        stream.write_all(OK).is_ok()
    });
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop-keepalive.pcap");
    let mut child = Command::new(env!("CARGO_BIN_EXE_standin"))
        .args(["-q", "replay", "--allow-unmasked", "--json", "--duration", "3s", "--methods", "GET"])
        .args(["--target", &format!("http://{addr}")])
        .args(arguments)
        .arg(capture)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    while served.load(Ordering::Relaxed) < 20 {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        thread::sleep(Duration::from_millis(5));
    }
    kill_process(pid, Signal::STOP).unwrap();
    thread::sleep(Duration::from_millis(900));
    kill_process(pid, Signal::CONT).unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(1));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn a_process_that_was_stopped_was_late() {
    let run = stopped_in_the_midst(&["--mode", "rate", "--rate", "100", "--arrivals", "constant"]);
    assert_eq!(run["valid"], false);
    assert!(run["invalid_because"].to_string().contains("the generator was late"), "{}", run["invalid_because"]);
    assert!(run["generator"]["longest_still_us"].as_u64().unwrap() >= 800_000, "{}", run["generator"]);
}

#[test]
fn a_closed_loop_that_was_stopped_stood_still() {
    let run = stopped_in_the_midst(&["--mode", "closed", "--connections", "2"]);
    assert_eq!(run["valid"], false);
    assert!(run["invalid_because"].to_string().contains("the generator stood still"), "{}", run["invalid_because"]);
}
