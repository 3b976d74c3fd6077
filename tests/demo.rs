//! `standin demo` from beginning to end, with nothing but the program.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

#[test]
fn the_whole_story() {
    let folder = tempfile::TempDir::new().unwrap();
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_standin")).args(["demo", "-o"]).arg(folder.path()).output().unwrap();
    let took = began.elapsed();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let story = format!("{stdout}{stderr}");
    // The promise of 20 s is for a release build.
    let limit = Duration::from_secs(if cfg!(debug_assertions) { 90 } else { 20 });
    assert!(took < limit, "took {took:?}\n{story}");

    let json = |name: &str| -> Value { serde_json::from_slice(&fs::read(folder.path().join(name)).unwrap()).unwrap() };
    let (manifest, audit) = (json("masked.pcap.manifest.json"), json("audit.json"));
    let (original, masked) = (json("run-original.json"), json("run-masked.json"));
    assert_eq!(manifest["input"]["packets"], manifest["output"]["packets"]);
    assert!(manifest["ledger"]["pseudonym"].as_u64().unwrap() > 10_000);
    assert_eq!(audit["fidelity"]["differences"].as_array().unwrap().len(), 0, "{story}");
    assert_eq!(original["requests"]["planned"], 186);
    assert_eq!(masked["requests"]["planned"], 186, "{story}");
    for run in [&original, &masked] {
        assert_eq!(run["requests"]["answered"], 186, "{story}");
    }

    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.len() > 5_000 && page.trim_end().ends_with("</html>"));
    for outside in ["http://", "https://", "src=", "href=\"//", "@import", "url("] {
        let at = page.find(outside).map(|at| page[at.saturating_sub(60)..].chars().take(140).collect::<String>());
        let is_namespace = at.as_ref().is_some_and(|text| text.contains("http://www.w3.org/"));
        assert!(at.is_none() || is_namespace, "{outside} in the page: {at:?}");
    }

    assert_eq!(audit["verdict"], "pass", "{story}");
    assert_eq!(output.status.code(), Some(0), "{story}");
}
