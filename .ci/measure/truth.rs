//! What a replay reports of services that misbehave, beside what its schedule and their behaviour make it.
//!
//! The truth is that of an ideal client with the same connections: nothing that the replay measured goes into it, only
//! which instants it was asked to keep. What an ordinary request takes is chosen so that a twentieth of it is far more
//! than a timer, a thread's start and a loopback take together.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use standin::replay::profile::{Arrivals, Profile};
use standin::replay::schedule;

use super::pathology::{ALL, Notes, RESPONSE, Service, Truth, quantile, truth, truth_of_sessions};
use super::{capture, say, tell};

/// As many as a ramp at the greatest rate keeps busy, and more.
const CONNECTIONS: usize = 1024;
const SECONDS: u64 = 8;
const MS: u64 = 1_000_000;
const RATES: [u64; 2] = [500, 1000];
/// The last one is the default: its flag is left out.
const MODES: [&str; 3] = ["captured", "rate", "sessions"];
/// Share of the truth that a figure may be off.
const OFF_MAX: f64 = 0.05;
/// Times that a case may be tried: whoever takes both processors away for a tenth of a second is in all figures.
const TRIES: usize = 3;
const FIGURES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999), ("max", 1.0)];

/// `rate`, `mode`: only these.
pub fn run(standin: &str, rate: Option<&str>, mode: Option<&str>) -> io::Result<bool> {
    let folder = std::env::temp_dir().join(format!("measure-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    tell(
        "requests/s  mode      service    ms: p50 told/true    p90              p99              p99.9            max              resets",
    );
    let mut kept = true;
    let rates = RATES.into_iter().filter(|one| rate.is_none_or(|only| only == one.to_string()));
    let cases = rates.flat_map(|rate| MODES.map(|mode| (rate, mode)));
    for (rate, mode) in cases.filter(|(_, one)| mode.is_none_or(|only| only == *one)) {
        let requests = rate * SECONDS;
        let even: Vec<u64> = (0..requests).map(|n| n * 1000 * MS / rate).collect();
        let path = folder.join("truth.pcap");
        capture::write(&path, CONNECTIONS, &even, RESPONSE)?;
        let intended = match mode {
            "rate" => {
                let seed = Profile::default().seed;
                schedule::instants(Arrivals::Poisson, rate as f64, seed).take(requests as usize).collect()
            }
            _ => even,
        };
        for pathology in ALL {
            let service =
                Service { pathology, base: 100 * MS, stall: (2000 * MS, 2000 * MS), requests, hangs_up: false };
            let truth = match mode {
                "sessions" => truth_of_sessions(&service, CONNECTIONS, &intended, capture::ANSWER_NS),
                _ => truth(&service, CONNECTIONS, &intended),
            };
            kept &= (0..TRIES).try_fold(false, |kept, _| match kept {
                true => Ok(true),
                false => case(standin, rate, mode, &service, (&truth, &intended), &path),
            })?;
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(kept)
}

fn case(
    standin: &str,
    rate: u64,
    mode: &str,
    service: &Service,
    (truth, intended): (&Truth, &[u64]),
    capture: &Path,
) -> io::Result<bool> {
    let (addr, notes) = service.start();
    let mut command = Command::new(standin);
    command.args(["-q", "replay", "--allow-unmasked", "--json", "--target", &format!("http://{addr}")]);
    command.arg(capture).stderr(Stdio::inherit());
    match mode {
        "sessions" => &mut command,
        "rate" => command.args(["--mode", mode, "--rate", &rate.to_string()]),
        _ => command.args(["--mode", mode]),
    };
    let run: Value = serde_json::from_slice(&command.output()?.stdout)?;
    let mut kept = run["valid"] == true;
    let mut line = format!("{rate:10}  {mode:9} {:10}", format!("{:?}", service.pathology));
    for (name, share) in FIGURES {
        let told = run["response_time_us"][name].as_f64().unwrap_or(f64::NAN) / 1000.0;
        let is = truth.quantile(share) as f64 / 1e6;
        let holds = (told - is).abs() <= is * OFF_MAX;
        kept &= holds;
        line += &format!("{told:8.1}/{is:6.1}{} ", if holds { ' ' } else { '!' });
    }
    let resets = run["requests"]["failed"]["reset"].as_u64().unwrap_or(0);
    let failed: u64 = run["requests"]["failed"].as_object().map_or(0, |by| by.values().filter_map(Value::as_u64).sum());
    kept &= resets == truth.resets && failed == truth.resets;
    tell(&format!("{line}  {resets}/{}  {}", truth.resets, if kept { "kept" } else { "NOT KEPT" }));
    if run["valid"] != true {
        say(&format!("invalid: {}", run["invalid_because"]));
    }
    if !kept {
        let start = run["started_unix_us"].as_u64().unwrap_or(0);
        tell(&format!("{:34}{}", "by the service's own clock", noted(&notes, start, intended, mode)));
    }
    Ok(kept)
}

/// When the service wrote its answers: where it was late itself, no figure could be kept. In sessions only what it took.
fn noted(notes: &Notes, start_us: u64, intended: &[u64], mode: &str) -> String {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let since = wall.duration_since(UNIX_EPOCH + Duration::from_micros(start_us)).unwrap_or_default();
    let Some(start) = now.checked_sub(since) else { return String::new() };
    let notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    let time = |(n, note): (&u64, &super::pathology::Note)| match mode {
        "sessions" => note.written - note.came,
        _ => note.written.saturating_duration_since(start + Duration::from_nanos(intended[*n as usize])),
    };
    let mut times: Vec<u64> = notes.iter().map(time).map(|time| time.as_nanos() as u64).collect();
    times.sort_unstable();
    if times.is_empty() {
        return "no answer".into();
    }
    FIGURES.iter().map(|(_, share)| format!("{:8.1}{:9}", quantile(&times, *share) as f64 / 1e6, "")).collect()
}
