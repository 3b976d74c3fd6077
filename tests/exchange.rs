//! What goes to other tools and comes from them, as a user has it: export and its provenance, outcomes, reports of runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use standin::measure::Histogram;
use tempfile::TempDir;

/// Exit code, stdout, stderr of the program in a folder.
fn standin(folder: &TempDir, arguments: &[&str]) -> (i32, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standin"));
    let ran =
        command.args(arguments).current_dir(folder.path()).env("NO_COLOR", "1").stdin(Stdio::null()).output().unwrap();
    (ran.status.code().unwrap(), ran.stdout, String::from_utf8(ran.stderr).unwrap())
}

#[track_caller]
fn ends(folder: &TempDir, code: i32, arguments: &[&str]) -> String {
    let (ended, _, said) = standin(folder, arguments);
    assert_eq!(ended, code, "{arguments:?}: {said}");
    said
}

/// A folder with a masked capture.
fn masked() -> TempDir {
    let folder = TempDir::new().unwrap();
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop-ns.pcap");
    fs::copy(capture, folder.path().join("raw.pcap")).unwrap();
    ends(&folder, 0, &["key", "new", "-o", "key"]);
    ends(&folder, 0, &["mask", "raw.pcap", "-o", "safe.pcap", "--key", "key"]);
    folder
}

/// A replay is a measurement: a slow machine may make it invalid (1).
#[track_caller]
fn replays(folder: &TempDir, arguments: &[&str]) -> serde_json::Value {
    let whole = [&["replay"], arguments, &["--target", "embedded", "--speed", "50", "-o", "run.json"]].concat();
    let (code, _, said) = standin(folder, &whole);
    assert!(code <= 1, "{arguments:?}: {said}");
    serde_json::from_slice(&fs::read(folder.path().join("run.json")).unwrap()).unwrap()
}

#[test]
fn what_was_exported_from_a_masked_capture_is_replayed() {
    let folder = masked();
    let direct = replays(&folder, &["safe.pcap"]);
    let requests = direct["requests"]["planned"].as_u64().unwrap();
    assert_eq!(requests, 67);
    for name in ["a.har", "a.gor", "a.har.gz", "a.jsonl"] {
        ends(&folder, 0, &["export", "safe.pcap", "-o", name]);
        let run = replays(&folder, &[name]);
        assert_eq!(run["requests"]["planned"], requests, "{name}");
        if name != "a.jsonl" {
            assert_eq!(run["workload"]["status_agreement"], direct["workload"]["status_agreement"], "{name}");
            assert_eq!(run["correlation"], direct["correlation"], "{name}");
        }
        // From file to file, too: the capture is still the one that was masked.
        let again = format!("again-{name}");
        ends(&folder, 0, &["export", name, "-o", &again]);
        replays(&folder, &[&again]);
    }
    let schema: serde_json::Value = serde_json::from_str(include_str!("schemas/export-manifest.schema.json")).unwrap();
    let manifest = fs::read(folder.path().join("again-a.har.manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&manifest), "{manifest:#}");
    let of_capture = fs::read(folder.path().join("safe.pcap.manifest.json")).unwrap();
    let of_capture: serde_json::Value = serde_json::from_slice(&of_capture).unwrap();
    assert_eq!(manifest["exported_from"]["key_id"], of_capture["key_id"]);
    assert!(
        ends(&folder, 2, &["replay", "a.jsonl", "--target", "embedded", "--mode", "captured"]).contains("no times")
    );
}

#[test]
fn what_was_not_masked_or_was_changed_does_not_leave() {
    let folder = masked();
    assert!(ends(&folder, 2, &["export", "raw.pcap", "-o", "raw.har"]).contains("not masked"));
    assert!(!folder.path().join("raw.har").exists());
    ends(&folder, 0, &["export", "raw.pcap", "-o", "raw.har", "--allow-unmasked"]);
    assert!(!folder.path().join("raw.har.manifest.json").exists());
    assert!(ends(&folder, 2, &["replay", "raw.har", "--target", "embedded"]).contains("not masked"));
    ends(&folder, 0, &["export", "safe.pcap", "-o", "a.gor"]);
    let changed = [fs::read(folder.path().join("a.gor")).unwrap(), b"\n".to_vec()].concat();
    fs::write(folder.path().join("a.gor"), changed).unwrap();
    assert!(ends(&folder, 2, &["replay", "a.gor", "--target", "embedded"]).contains("not masked"));
    // Known by content, not by name; what is nothing of this is an error of input.
    fs::rename(folder.path().join("raw.har"), folder.path().join("x.pcap")).unwrap();
    replays(&folder, &["x.pcap", "--allow-unmasked"]);
    fs::write(folder.path().join("no.har"), "{\"log\":{\"entries\":[{]}}").unwrap();
    let said = ends(&folder, 3, &["replay", "no.har", "--target", "embedded", "--allow-unmasked"]);
    assert!(said.contains("no.har: line 1: no valid JSON"), "{said}");
    ends(&folder, 2, &["export", "safe.pcap", "-o", "a.txt"]);
    let (code, script, said) = standin(&folder, &["export", "safe.pcap", "-o", "-", "--format", "k6"]);
    assert!(code == 0 && script.starts_with(b"// standin "), "{said}");
}

#[test]
fn every_outcome_has_a_line() {
    let folder = masked();
    let run = replays(&folder, &["safe.pcap", "--outcomes", "all.csv", "--threads", "2", "--mode", "captured"]);
    let text = fs::read_to_string(folder.path().join("all.csv")).unwrap();
    let mut lines = text.split_terminator("\r\n").map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|known| *known == name).unwrap();
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len() as u64, run["requests"]["planned"].as_u64().unwrap());
    assert!(lines.iter().all(|line| line.len() == head.len()));
    let mut status: BTreeMap<String, u64> = BTreeMap::new();
    let mut times = Histogram::new();
    let (mut sent, mut seen) = (0, Vec::new());
    for line in &lines {
        let number = |name: &str| line[column(name)].parse::<f64>().unwrap();
        let instants = ["intended_us", "written_us", "first_byte_us", "last_byte_us"].map(number);
        assert!(instants.windows(2).all(|pair| pair[0] <= pair[1] + 50.0), "{line:?}");
        *status.entry(line[column("status")].into()).or_default() += 1;
        times.record_ns(((instants[3] - instants[0]) * 1000.0).round() as u64);
        sent += number("sent_bytes") as u64;
        seen.push(number("request") as u64);
        assert!(line[column("endpoint")].starts_with('"') && line[column("failure")].is_empty());
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), lines.len());
    assert_eq!(serde_json::to_value(status).unwrap(), run["status"]);
    assert_eq!(sent, run["bytes"]["sent"]);
    // The very times that the run's own histogram was made from.
    assert_eq!(times.to_base64(), run["histograms"]["response"]);
    // No run, no file.
    ends(&folder, 3, &["replay", "safe.pcap", "--target", "http://127.0.0.1:1", "--outcomes", "none.csv"]);
    assert!(!folder.path().join("none.csv").exists());
}

/// A target that takes requests and hangs up: they were written, and nothing came back.
#[test]
fn a_failed_outcome_tells_when_it_was_written() {
    let folder = masked();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            });
        }
    });
    let arguments = ["replay", "safe.pcap", "--target", &target, "--outcomes", "all.csv", "--requests", "5"];
    let (code, _, said) = standin(&folder, &arguments);
    assert_eq!(code, 1, "{said}");
    let text = fs::read_to_string(folder.path().join("all.csv")).unwrap();
    let mut lines = text.split_terminator("\r\n").map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|known| *known == name).unwrap();
    let failed: Vec<_> = lines.filter(|line| ["reset", "closed_early"].contains(&line[column("failure")])).collect();
    assert!(!failed.is_empty(), "{text}");
    for line in failed {
        assert_eq!(line.len(), head.len());
        let number = |name: &str| line[column(name)].parse::<f64>().unwrap();
        assert!(number("written_us") + 50.0 >= number("intended_us"), "{line:?}");
        assert!(line[column("first_byte_us")].is_empty() && line[column("last_byte_us")].is_empty());
    }
}

#[test]
fn a_run_is_told_to_other_tools() {
    let folder = masked();
    let run = replays(&folder, &["safe.pcap"]);
    let histogram = Histogram::from_base64(run["histograms"]["response"].as_str().unwrap()).unwrap();
    let report = |name: &str| {
        ends(&folder, 0, &["report", "run.json", "-o", name]);
        fs::read_to_string(folder.path().join(name)).unwrap()
    };

    let table = report("run.hgrm");
    let rows: Vec<Vec<f64>> = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains("Value") && !line.is_empty())
        .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
        .collect();
    assert!(rows.len() > 10 && rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] < pair[1][1]));
    let last = rows.last().unwrap();
    assert_eq!((last[1], last[2] as u64), (1.0, histogram.len()));
    let half = rows.iter().find(|row| row[1] == 0.5).unwrap();
    assert_eq!((half[0] * 1000.0).round() as u64, histogram.quantile(0.5));

    let metrics = report("run.prom");
    assert_eq!(metrics, report("run.om"));
    assert!(metrics.ends_with("# EOF\n"));
    let value = |begins: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("no {begins}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("standin_requests_sent_total{run=\"run\""), run["requests"]["sent"].as_f64().unwrap());
    assert_eq!(value("standin_response_time_seconds_count"), histogram.len() as f64);
    let buckets: Vec<f64> = metrics
        .lines()
        .filter(|line| line.starts_with("standin_response_time_seconds_bucket"))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(buckets.windows(2).all(|pair| pair[0] <= pair[1]) && buckets.last() == Some(&(histogram.len() as f64)));

    let lines: Vec<serde_json::Value> =
        report("run.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["run"] == "run" && line["schema"] == 1));
    assert_eq!((&lines[0]["record"], &lines[0]["requests"]["sent"]), (&"run".into(), &run["requests"]["sent"]));
    let endpoints = lines.iter().filter(|line| line["record"] == "endpoint").count();
    assert_eq!(endpoints, run["endpoints"].as_array().unwrap().len());
}
