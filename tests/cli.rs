//! The program as a user has it: exit codes, messages, files.
//!
//! `STANDIN_WRITE=1 cargo test` writes the goldens in `tests/goldens` anew; look at the difference before committing it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn standin() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standin"));
    command.env("NO_COLOR", "1").env_remove("COLUMNS").stdin(Stdio::null());
    command
}

/// What a run of the program gave.
struct Ran {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let code = output.status.code().expect("ended by a signal");
        Ran { code, stdout: output.stdout, stderr: String::from_utf8(output.stderr).unwrap() }
    }
}

impl Ran {
    /// Ended so, and said so.
    #[track_caller]
    fn is(self, code: i32, said: &[&str]) -> Ran {
        assert_eq!(self.code, code, "{}", self.stderr);
        for text in said {
            assert!(self.stderr.contains(text), "no `{text}` in:\n{}", self.stderr);
        }
        self
    }
}

fn run(arguments: &[&str]) -> Ran {
    standin().args(arguments).output().unwrap().into()
}

fn run_with(arguments: &[&str], stdin: &[u8]) -> Ran {
    let mut child =
        standin().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&stdin));
    let ran = child.wait_with_output().unwrap().into();
    let _ = writer.join();
    ran
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A folder with a key and the first packets of a fixture.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(TempDir::new().unwrap());
        run(&["key", "new", "-o", &folder.path("team.key")]).is(0, &[]);
        // 24 bytes of header and whole packets up to the first that ends behind 40000.
        let whole = fs::read(fixture("shop-demo.pcap")).unwrap();
        let mut at = 24;
        while at < 40_000 {
            at += 16 + u32::from_le_bytes(whole[at + 8..at + 12].try_into().unwrap()) as usize;
        }
        fs::write(folder.path("in.pcap"), &whole[..at]).unwrap();
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn mask(&self, input: &str, output: &str, more: &[&str]) -> Ran {
        let (input, output, key) = (self.path(input), self.path(output), self.path("team.key"));
        run(&[&["mask", &input, "-o", &output, "--key", &key], more].concat())
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn masking_leaves_a_capture_and_its_manifest() {
    let folder = Folder::new();
    let ran = folder.mask("in.pcap", "out.pcap", &["--ledger", &folder.path("runs.tsv")]);
    let ran = ran.is(0, &["out.pcap: ", " packets, ", "% pseudonym", "masked values by kind: "]);
    assert!(ran.stdout.is_empty());
    assert_eq!(folder.names(), ["in.pcap", "out.pcap", "out.pcap.manifest.json", "runs.tsv", "team.key"]);
    assert_eq!(folder.read("out.pcap").len(), folder.read("in.pcap").len());
    let manifest: serde_json::Value = serde_json::from_slice(&folder.read("out.pcap.manifest.json")).unwrap();
    assert_eq!(manifest["output"]["bytes"], folder.read("out.pcap").len());
    assert!(!folder.read("runs.tsv").is_empty());
}

#[test]
fn quiet_says_nothing() {
    let folder = Folder::new();
    let ran = folder.mask("in.pcap", "out.pcap", &["-q"]).is(0, &[]);
    assert_eq!(ran.stderr, "");
}

#[test]
fn what_cannot_be_read_ends_with_3() {
    let folder = Folder::new();
    fs::write(folder.path("text.pcap"), "Anna Baker, 4929123456781234, no capture at all\n").unwrap();
    fs::write(folder.path("empty.pcap"), "").unwrap();
    fs::write(folder.path("header.pcap"), &folder.read("in.pcap")[..20]).unwrap();
    let before = folder.names();
    for (input, said) in [
        ("text.pcap", "text.pcap: "),
        ("empty.pcap", "empty"),
        ("header.pcap", "header.pcap: "),
        ("missing.pcap", "missing.pcap: No such file"),
        (".", "is a folder, not a capture"),
    ] {
        for command in [&["mask"][..], &["inspect"], &["audit"]] {
            let (input, output) = (folder.path(input), folder.path("out.pcap"));
            let more: &[&str] = if command == ["mask"] { &["-o", &output, "-q"] } else { &[] };
            let ran = run(&[command, &[&input], more].concat()).is(3, &["error: ", said]);
            assert!(ran.stdout.is_empty());
            assert!(!ran.stderr.contains("Anna") && !ran.stderr.contains("4929"), "{}", ran.stderr);
        }
    }
    assert_eq!(folder.names(), before, "something was written");
}

#[test]
fn a_cut_capture_is_masked_up_to_there() {
    let folder = Folder::new();
    let input = folder.read("in.pcap");
    fs::write(folder.path("cut.pcap"), &input[..input.len() - 9]).unwrap();
    folder.mask("in.pcap", "whole.pcap", &[]).is(0, &[]);
    folder.mask("cut.pcap", "out.pcap", &[]).is(0, &["warning: ", "cut"]);
    let (whole, out) = (folder.read("whole.pcap"), folder.read("out.pcap"));
    assert!(out.len() > 30_000 && whole.starts_with(&out[..30_000]));
    let manifest: serde_json::Value = serde_json::from_slice(&folder.read("out.pcap.manifest.json")).unwrap();
    assert_eq!(manifest["warnings"].as_array().unwrap().len(), 1);
    folder.mask("cut.pcap", "strict.pcap", &["--strict"]).is(1, &["warning: "]);
    assert_eq!(folder.read("strict.pcap"), out);
}

#[test]
fn wrong_command_lines_end_with_2() {
    let folder = Folder::new();
    let (input, output) = (folder.path("in.pcap"), folder.path("out.pcap"));
    let cases: &[(&[&str], &str)] = &[
        (&["mask", &input, "-o", &output, "--rulez", "default"], "--rulez"),
        (&["mask", &input], "--output"),
        (&["mask", &input, "-o", &output, "--rules", "defalt"], "defalt"),
        (&["mask", &input, "-o", &output, "--tls-keys-out", &output], "--tls-keys-out"),
        (&["mask", &input, "-o", &output, "--key", &input], "in.pcap"),
        (&["mask", &input, "-o", &output, "--key", "/nowhere/team.key"], "/nowhere/team.key"),
        (&["mask", &input, "-o", &output, "--jobs", "0"], "--jobs"),
        (&["sanitise"], "sanitise"),
        (&[], "Usage"),
    ];
    for (arguments, said) in cases {
        run(arguments).is(2, &[said]);
    }
    assert!(!Path::new(&output).exists());
}

#[test]
fn wrong_rules_are_told_with_their_place() {
    let folder = Folder::new();
    let rules = folder.path("shop.yaml");
    fs::write(&rules, "version: 1\nrules:\n  - id: a\n    fields: [http.request.header.x-id]\n    actoin: keep\n")
        .unwrap();
    let place = format!("{rules}:5:");
    folder.mask("in.pcap", "out.pcap", &["--rules", &rules]).is(2, &["error: ", &place, "actoin"]);
    run(&["rules", "check", &rules]).is(2, &[&place]);
    assert!(!Path::new(&folder.path("out.pcap")).exists());
}

#[test]
fn nothing_half_written_stays() {
    let folder = Folder::new();
    let locked = folder.path("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let is_root = fs::write(folder.path("locked/probe"), "").is_ok();
    if !is_root {
        folder.mask("in.pcap", "locked/out.pcap", &[]).is(3, &["cannot write", "hint: "]);
        assert_eq!(fs::read_dir(&locked).unwrap().count(), 0);
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o755)).unwrap();
    folder.mask("in.pcap", "no/such/folder/out.pcap", &[]).is(3, &["cannot write", "no/such/folder"]);
    let (input, before) = (folder.path("in.pcap"), folder.names());
    run(&["mask", &input, "-o", "/dev/full"]).is(3, &["/dev/full", "free some space"]);
    assert_eq!(folder.names(), before);
    // A ledger that cannot be written: the capture must not look complete.
    let ran = folder.mask("in.pcap", "out.pcap", &["--ledger", "/dev/full"]).is(3, &[]);
    assert!(!Path::new(&folder.path("out.pcap")).exists(), "{}", ran.stderr);
    assert_eq!(folder.names(), before);
}

#[test]
fn pipes_are_data_in_and_data_out() {
    let folder = Folder::new();
    folder.mask("in.pcap", "out.pcap", &[]).is(0, &[]);
    let ran =
        run_with(&["mask", "-", "-o", "-", "--key", &folder.path("team.key")], &folder.read("in.pcap")).is(0, &[]);
    assert!(ran.stdout == folder.read("out.pcap"), "the pipe gives other bytes than the file");
    assert_eq!(folder.names().len(), 4, "a manifest was written for a pipe");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let whole = fixture("shop-keepalive.pcap");
    let mut child = standin()
        .args(["mask", whole.to_str().unwrap(), "-o", "-", "-q"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    Ran::from(child.wait_with_output().unwrap()).is(0, &[]);
}

#[test]
fn several_captures_go_into_a_folder() {
    let folder = Folder::new();
    fs::copy(folder.path("in.pcap"), folder.path("more.pcap")).unwrap();
    fs::write(folder.path("bad.pcap"), "no capture").unwrap();
    let (a, bad, b) = (folder.path("in.pcap"), folder.path("bad.pcap"), folder.path("more.pcap"));
    let (key, out) = (folder.path("team.key"), folder.path("masked"));
    run(&["mask", &a, &bad, &b, "-o", &out, "--key", &key]).is(3, &["bad.pcap"]);
    assert_eq!(folder.read("masked/in.pcap"), folder.read("masked/more.pcap"), "one key, the same pseudonyms");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 4, "two captures and their manifests");
    run(&["mask", &a, &a, "-o", &out, "--key", &key]).is(2, &["two inputs are called in.pcap"]);
    run(&["mask", &a, &b, "-o", &out, "--manifest", &folder.path("m.json")]).is(2, &["--manifest"]);
}

#[test]
fn compression_and_containers() {
    let folder = Folder::new();
    folder.mask("in.pcap", "out.pcap", &[]).is(0, &[]);
    folder.mask("in.pcap", "out.pcap.gz", &[]).is(0, &[]);
    folder.mask("in.pcap", "out.pcap.zst", &[]).is(0, &[]);
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&folder.read("out.pcap.gz")[..]), &mut plain).unwrap();
    assert!(plain == folder.read("out.pcap"));
    assert!(zstd::decode_all(&folder.read("out.pcap.zst")[..]).unwrap() == folder.read("out.pcap"));
    folder.mask("in.pcap", "out.pcapng", &["--format", "pcapng"]).is(0, &[]);
    assert!(folder.read("out.pcapng").starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
    fs::copy(fixture("shop-ipv6.pcapng"), folder.path("in.pcapng")).unwrap();
    folder.mask("in.pcapng", "back.pcap", &["--format", "pcap"]).is(0, &[]);
    assert!(folder.read("back.pcap").starts_with(&[0x4d, 0x3c, 0xb2, 0xa1]), "nanoseconds stay");
}

/// Staging is seeded with the people of the masked capture.
#[test]
fn map_gives_what_mask_gives() {
    let folder = Folder::new();
    let (key, out) = (folder.path("team.key"), "out.pcap");
    fs::copy(fixture("shop-demo.pcap"), folder.path("all.pcap")).unwrap();
    folder.mask("all.pcap", out, &[]).is(0, &[]);
    let planted = fs::read_to_string(fixture("planted.tsv")).unwrap();
    let values: Vec<&str> = planted
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|columns| ["email", "card", "iban"].contains(&columns[0]) && columns[2].contains("shop-demo.pcap"))
        .map(|columns| columns[1])
        .collect();
    assert!(values.len() > 20);
    let ran = run_with(&["map", "--key", &key], format!("{}\n", values.join("\n")).as_bytes()).is(0, &[]);
    let stdout = String::from_utf8(ran.stdout).unwrap();
    let pseudonyms: Vec<&str> = stdout.lines().collect();
    assert_eq!(pseudonyms.len(), values.len());
    let masked = folder.read(out);
    for (value, pseudonym) in values.iter().zip(&pseudonyms) {
        assert_ne!(value, pseudonym);
        let percent = pseudonym.replace('@', "%40");
        let found =
            [pseudonym.as_bytes(), percent.as_bytes()].iter().any(|p| memchr::memmem::find(&masked, p).is_some());
        assert!(found, "{pseudonym} is not in the masked capture");
    }
    let ran = run_with(&["map", "--key", &key], b"no line feed at the end").is(0, &[]);
    assert_eq!(ran.stdout.len(), 23);
}

#[test]
fn keys_are_private_and_never_overwritten() {
    let folder = Folder::new();
    let key = folder.path("team.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let before = folder.read("team.key");
    run(&["key", "new", "-o", &key]).is(2, &["team.key"]);
    assert_eq!(folder.read("team.key"), before);
    assert!(!folder.mask("in.pcap", "out.pcap", &[]).stderr.contains(String::from_utf8_lossy(&before).trim()));
}

/// No value of the capture is said, whatever goes wrong or well.
#[test]
fn stderr_holds_nothing_captured() {
    let folder = Folder::new();
    let planted = fs::read_to_string(fixture("planted.tsv")).unwrap();
    let input = folder.read("in.pcap");
    fs::write(folder.path("cut.pcap"), &input[..input.len() - 5]).unwrap();
    let said = [
        folder.mask("in.pcap", "out.pcap", &["-v"]).stderr,
        folder.mask("cut.pcap", "cut-out.pcap", &["-v"]).stderr,
        run(&["audit", &folder.path("in.pcap"), &folder.path("in.pcap")]).stderr,
        run(&["inspect", &folder.path("in.pcap")]).stderr,
    ]
    .concat();
    for value in planted.lines().skip(1).filter_map(|line| line.split('\t').nth(1)) {
        assert!(!said.contains(value), "{value}");
    }
}

#[test]
fn help_is_as_agreed() {
    let commands: [&[&str]; 18] = [
        &[],
        &["demo"],
        &["inspect"],
        &["learn"],
        &["mask"],
        &["audit"],
        &["replay"],
        &["report"],
        &["map"],
        &["export"],
        &["merge"],
        &["rules"],
        &["rules", "check"],
        &["rules", "list"],
        &["rules", "explain"],
        &["rules", "schema"],
        &["key", "new"],
        &["shell"],
    ];
    for command in commands {
        let ran = run(&[command, &["--help"]].concat()).is(0, &[]);
        assert_eq!(ran.stderr, "");
        let name = if command.is_empty() { "standin".to_owned() } else { command.join("-") };
        golden(&format!("help-{name}.txt"), &String::from_utf8(ran.stdout).unwrap());
    }
    let version = run(&["--version"]).is(0, &[]);
    assert_eq!(version.stdout, format!("standin {}\n", env!("CARGO_PKG_VERSION")).into_bytes());
}

#[track_caller]
pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    if std::env::var_os("STANDIN_WRITE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected =
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}; STANDIN_WRITE=1 writes it", path.display()));
    assert_eq!(text, expected, "{name} has changed; STANDIN_WRITE=1 accepts it");
}

/// A rate that was asked for is never left out without a word.
#[test]
fn a_flag_that_the_mode_does_not_heed_is_told() {
    let capture = fixture("shop-demo.pcap");
    let replay = |more: &[&str]| {
        let all =
            ["replay", capture.to_str().unwrap(), "--allow-unmasked", "--target", "embedded", "--dry-run", "--json"];
        run(&[&all, more].concat())
    };
    let implied = replay(&["--rate", "10", "--arrivals", "constant", "--requests", "3"]).is(0, &[]);
    let plan: serde_json::Value = serde_json::from_slice(&implied.stdout).unwrap();
    let instants: Vec<f64> = plan.as_array().unwrap().iter().map(|r| r["at_ms"].as_f64().unwrap()).collect();
    assert_eq!(instants, [0.0, 100.0, 200.0]);
    assert!(!implied.stderr.contains("no effect"), "{}", implied.stderr);
    replay(&["--mode", "sessions", "--rate", "10"])
        .is(0, &["--rate has no effect in mode sessions; it is for --mode rate"]);
    replay(&["--mode", "closed", "--speed", "2", "--requests", "3"]).is(0, &["--speed has no effect in mode closed"]);
    replay(&["--protocol", "h2c", "--streams", "2"])
        .is(0, &["--streams has no effect in mode sessions; it is for --mode closed"]);
}
