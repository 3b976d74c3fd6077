//! The second API, of another trade: learned, masked, and replayed against a fresh service seeded with the masked people.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

#[path = "../fixtures/clinic-rust/service/mod.rs"]
mod service;

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).display().to_string()
}

fn people() -> String {
    fs::read_to_string(fixture("make/people.tsv")).unwrap()
}

/// Runs the program on files of a folder.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(TempDir::new().unwrap());
        let quick = "mode: sessions\nspeed: 8\nthink-scale: 0.1\nmax-lateness: 5s\n";
        fs::write(folder.path("follow.yaml"), quick).unwrap();
        fs::write(folder.path("bytes.yaml"), format!("{quick}correlation: off\n")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn standin(&self, arguments: &[&str], stdin: &str) -> String {
        fs::write(self.path("stdin"), stdin).unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_standin"))
            .args(arguments)
            .stdin(fs::File::open(self.path("stdin")).unwrap())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(ran.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }

    /// The people as they are in a capture masked with a key.
    fn mapped(&self, how: &[&str]) -> String {
        let people = people();
        let rows: Vec<Vec<&str>> = people.lines().map(|line| line.split('\t').collect()).collect();
        let values = rows.concat().join("\n") + "\n";
        let mapped = self.standin(&[&["map"], how].concat(), &values);
        let mapped: Vec<&str> = mapped.lines().collect();
        mapped.chunks(rows[0].len()).map(|row| row.join("\t") + "\n").collect()
    }

    /// The result of a replay against a fresh service of these people.
    fn replayed(&self, capture: &str, people: &str, profile: &str) -> Value {
        self.replayed_with(capture, people, profile, &[])
    }

    fn replayed_with(&self, capture: &str, people: &str, profile: &str, extra: &[&str]) -> Value {
        let addr = service::spawn_at(([127, 0, 0, 1], 0).into(), people).unwrap();
        let (target, profile) = (format!("http://{addr}"), self.path(profile));
        let arguments = ["-q", "replay", capture, "--target", &target, "--profile", &profile, "--json"];
        serde_json::from_str(&self.standin(&[&arguments[..], &["--allow-unmasked"], extra].concat(), "")).unwrap()
    }
}

impl Folder {
    /// Of the last run that wrote `all.csv`: the share of answers with the captured status, by copy.
    fn agreement_by_copy(&self) -> Vec<f64> {
        let text = fs::read_to_string(self.path("all.csv")).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let head = lines.next().unwrap();
        let column = |name: &str| head.iter().position(|known| *known == name).unwrap();
        let (copy, status, captured) = (column("copy"), column("status"), column("captured_status"));
        let mut counts = std::collections::BTreeMap::<u32, (f64, f64)>::new();
        for line in lines {
            let count = counts.entry(line[copy].parse().unwrap()).or_default();
            count.0 += f64::from(u8::from(line[status] == line[captured]));
            count.1 += 1.0;
        }
        counts.into_values().map(|(agreed, all)| agreed / all).collect()
    }
}

fn agreement(run: &Value) -> f64 {
    run["workload"]["status_agreement"].as_f64().unwrap()
}

fn wrong(run: &Value) -> Vec<String> {
    let endpoints = run["endpoints"].as_array().unwrap().iter();
    endpoints.filter(|e| e["status_agreement"] != 1.0).map(|e| format!("{} {}", e["endpoint"], e["status"])).collect()
}

#[test]
fn a_fresh_clinic_answers_as_captured() {
    let folder = Folder::new();
    let capture = fixture("clinic.pcap");
    let run = folder.replayed(&capture, &people(), "follow.yaml");
    assert!(agreement(&run) >= 0.95, "{:?} {}", wrong(&run), run["correlation"]);
    let plain = folder.replayed(&capture, &people(), "bytes.yaml");
    assert!(agreement(&plain) < 0.5 && plain["correlation"]["edges"] == 0, "{}", plain["correlation"]);
}

#[test]
fn a_fresh_clinic_answers_masked_people_as_captured() {
    let folder = Folder::new();
    let (capture, rules) = (fixture("clinic.pcap"), folder.path("clinic.yaml"));
    folder.standin(&["-q", "learn", &capture, "-o", &rules], "");
    for n in 0..2 {
        let (key, masked) = (folder.path(&format!("key-{n}")), folder.path(&format!("safe-{n}.pcap")));
        folder.standin(&["-q", "key", "new", "-o", &key], "");
        folder.standin(&["-q", "mask", &capture, "-o", &masked, "--key", &key, "--rules", &rules], "");
        let run = folder.replayed(&masked, &folder.mapped(&["--key", &key]), "follow.yaml");
        assert!(agreement(&run) >= 0.95, "{:?} {}", wrong(&run), run["correlation"]);
        // Those are other people to a clinic that was not seeded with them.
        let strangers = folder.replayed(&masked, &people(), "follow.yaml");
        assert!(agreement(&strangers) < 0.5);
    }
}

/// Three times the patients: each of them known to the clinic under the names that they have in their copy.
#[test]
fn copies_of_the_patients_are_answered_as_captured() {
    let folder = Folder::new();
    let (capture, rules, key) = (fixture("clinic.pcap"), folder.path("clinic.yaml"), folder.path("key"));
    let masked = folder.path("safe.pcap");
    folder.standin(&["-q", "learn", &capture, "-o", &rules], "");
    folder.standin(&["-q", "key", "new", "-o", &key], "");
    folder.standin(&["-q", "mask", &capture, "-o", &masked, "--key", &key, "--rules", &rules], "");
    let extra = ["--population", "3", "--rules", &rules, "--outcomes", &folder.path("all.csv")];
    for (capture, mapping) in [(&capture, vec!["--rules", &rules]), (&masked, vec!["--rules", &rules, "--key", &key])] {
        let copy = |copy: &str| folder.mapped(&[&mapping[..], &["--copy", copy]].concat());
        let copies = ["0", "1", "2"].map(copy);
        let everybody = copies.concat();
        let names: std::collections::BTreeSet<&str> = everybody.lines().collect();
        assert_eq!(names.len(), 3 * people().lines().count());
        let run = folder.replayed_with(capture, &everybody, "follow.yaml", &extra);
        assert_eq!((run["requests"]["planned"].as_u64(), run["profile"]["population"].as_u64()), (Some(750), Some(3)));
        let shares = folder.agreement_by_copy();
        assert!(shares.len() == 3 && shares.iter().all(|share| *share >= 0.95), "{shares:?} {:?}", wrong(&run));
        // To a clinic that knows the captured ones only, the others are strangers.
        folder.replayed_with(capture, &copies[0], "follow.yaml", &extra);
        let shares = folder.agreement_by_copy();
        assert!(shares[0] >= 0.95 && shares[1] < 0.5 && shares[2] < 0.5, "{shares:?}");
    }
}

/// Each pair of fields was looked at by a person: none is there by chance, and none is missing.
#[test]
fn what_follows_what_is_what_the_clients_did() {
    let folder = Folder::new();
    let explain = |profile: &str| {
        let profile = folder.path(profile);
        let arguments = ["-q", "replay", &fixture("clinic.pcap"), "--target", "embedded", "--explain-correlation"];
        folder.standin(&[&arguments[..], &["--allow-unmasked", "--profile", &profile]].concat(), "")
    };
    let pairs = |text: &str| text.rsplit_once("by fields:\n").unwrap().1.to_owned();
    let all = pairs(&explain("follow.yaml"));
    crate::cli::golden("clinic-correlation.txt", &all);
    assert_eq!(pairs(&explain("bytes.yaml")), "");
    let ignore = "correlation:\n  ignore: ['**.etag', 'http.request.body.json.reason']\n  force:\n    - {from: '**.access_token', to: 'http.request.body.json.reason'}\n";
    fs::write(folder.path("own.yaml"), ignore).unwrap();
    let own = pairs(&explain("own.yaml"));
    assert!(
        all.contains("etag") && !own.contains("etag") && !own.contains("-> http.request.body.json.reason"),
        "{own}"
    );
    fs::write(folder.path("own.yaml"), ignore.replace(", 'http.request.body.json.reason'", "")).unwrap();
    let own = pairs(&explain("own.yaml"));
    assert!(own.contains("http.response.body.json.access_token -> http.request.body.json.reason\n"), "{own}");
}
