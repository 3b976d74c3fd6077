//! What a replay reports of services that misbehave, beside what its schedule and their behaviour make it.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use standin::replay::profile::{Arrivals, Profile};
use standin::replay::schedule;

use super::pathology::{ALL, RESPONSE, Service, Truth, truth};
use super::{capture, say, tell};

const CONNECTIONS: usize = 256;
const SECONDS: u64 = 8;
const MS: u64 = 1_000_000;
/// Share of the truth that a figure may be off.
const OFF_MAX: f64 = 0.05;
const FIGURES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999), ("max", 1.0)];

pub fn run(standin: &str) -> io::Result<bool> {
    let folder = std::env::temp_dir().join(format!("measure-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    tell(
        "requests/s  mode      service    ms: p50 told/true    p90              p99              p99.9            max              resets",
    );
    let mut kept = true;
    for rate in [500, 1000] {
        let requests = rate * SECONDS;
        let even: Vec<u64> = (0..requests).map(|n| n * 1000 * MS / rate).collect();
        let path = folder.join("truth.pcap");
        capture::write(&path, CONNECTIONS, &even, RESPONSE)?;
        let seed = Profile::default().seed;
        let random: Vec<u64> =
            schedule::instants(Arrivals::Poisson, rate as f64, seed).take(requests as usize).collect();
        for pathology in ALL {
            let service = Service { pathology, base: 100 * MS, stall: (2000 * MS, 2000 * MS), requests };
            for (mode, intended) in [("captured", &even), ("rate", &random)] {
                let truth = truth(&service, CONNECTIONS, intended);
                kept &= case(standin, rate, mode, &service, &truth, &path)?;
            }
        }
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(kept)
}

fn case(standin: &str, rate: u64, mode: &str, service: &Service, truth: &Truth, capture: &Path) -> io::Result<bool> {
    let mut command = Command::new(standin);
    command.args([
        "-q",
        "replay",
        "--allow-unmasked",
        "--json",
        "--mode",
        mode,
        "--target",
        &format!("http://{}", service.start()),
    ]);
    command.arg(capture).stderr(Stdio::inherit());
    if mode == "rate" {
        command.args(["--rate", &rate.to_string()]);
    }
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
    Ok(kept)
}
