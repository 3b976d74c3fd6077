//! Every way to fail, as a user has it: what is said, the exit code, and nothing half written.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

/// One way to fail.
struct Way {
    name: &'static str,
    /// What is typed into a shell; `$S` is the program.
    typed: &'static str,
    code: i32,
    said: &'static [&'static str],
    /// Files that are there afterwards and were not before.
    appears: &'static [&'static str],
}

const fn way(
    name: &'static str,
    typed: &'static str,
    code: i32,
    said: &'static [&'static str],
    appears: &'static [&'static str],
) -> Way {
    Way { name, typed, code, said, appears }
}

const OUT: &[&str] = &["out.pcap", "out.pcap.manifest.json"];

const WAYS: &[Way] = &[
    way("not a capture", "$S mask text -o out.pcap", 3, &["text: not a pcap or pcapng capture"], &[]),
    way("an empty file", "$S mask empty -o out.pcap", 3, &["empty: the input is empty"], &[]),
    way("an empty pipe", "$S mask - -o out.pcap </dev/null", 3, &["the input is empty"], &[]),
    way("cut in the file header", "$S mask header -o out.pcap", 3, &["header: nothing can be read"], &[]),
    way("a file that cannot be read", "$S mask /proc/self/mem -o out.pcap", 3, &["cannot read the capture"], &[]),
    way("a folder", "$S mask folder -o out.pcap", 3, &["folder is a folder, not a capture"], &[]),
    way("a missing file", "$S mask missing -o out.pcap", 3, &["missing: No such file", "hint: check the path"], &[]),
    way("no folder for the output", "$S mask in.pcap -o no/out.pcap", 3, &["cannot write no/out.pcap", "hint: "], &[]),
    way("a system that is read only", "$S mask in.pcap -o /sys/out.pcap", 3, &["cannot write /sys/out.pcap"], &[]),
    way("a full disk", "$S mask in.pcap -o /dev/full", 3, &["cannot write /dev/full: No space", "hint: free"], &[]),
    way("a full disk at stdout", "$S mask in.pcap -o - >/dev/full", 3, &["cannot write -: No space"], &[]),
    way(
        "a limit on files",
        "ulimit -f 8; $S mask in.pcap -o out.pcap",
        3,
        &["out.pcap: File too large", "hint: "],
        &[],
    ),
    way(
        "a full disk for the ledger",
        "$S mask in.pcap -o out.pcap --ledger /dev/full",
        3,
        &["/dev/full: No space"],
        &[],
    ),
    way("a full disk for the manifest", "$S mask in.pcap -o out.pcap --manifest /dev/full", 3, &["/dev/full"], &[]),
    way("no folder for the manifest", "$S mask in.pcap -o out.pcap --manifest no/m", 3, &["cannot write no/m"], &[]),
    way("the input as output", "$S mask in.pcap -o in.pcap", 2, &["in.pcap would be written over"], &[]),
    way("the input as ledger", "$S mask in.pcap -o out.pcap --ledger in.pcap", 2, &["would be written over"], &[]),
    way("the input by a link", "$S mask in.pcap -o link", 2, &["in.pcap would be written over"], &[]),
    way("two outputs in one", "$S mask in.pcap -o out.pcap --ledger out.pcap", 2, &["need a file each"], &[]),
    way("no key there", "$S mask in.pcap -o out.pcap --key no.key", 2, &["no.key: No such file"], &[]),
    way("a key that is none", "$S mask in.pcap -o out.pcap --key text", 2, &["text"], &[]),
    way("no rules there", "$S mask in.pcap -o out.pcap --rules no.yaml", 2, &["no.yaml"], &[]),
    way("rules that are wrong", "$S mask in.pcap -o out.pcap --rules bad.yaml", 2, &["bad.yaml:", "actoin"], &[]),
    way("an unknown flag", "$S mask in.pcap -o out.pcap --rulez x", 2, &["--rulez"], &[]),
    way("a cut capture", "$S mask cut -o out.pcap", 0, &["warning: it is cut off", "after "], OUT),
    way("a cut capture, strictly", "$S mask cut -o out.pcap --strict", 1, &["warning: it is cut off"], OUT),
    way("cut compression", "$S mask cut.gz -o out.pcap", 0, &["warning: its compressed data is damaged"], OUT),
    way("compression in compression", "$S mask twice.gz -o out.pcap", 3, &["decompress it once first"], &[]),
    way("a bomb that is no capture", "$S mask zeros.gz -o out.pcap", 3, &["not a pcap or pcapng capture"], &[]),
    way("a bomb of empty packets", "$S mask bomb.gz -o /dev/null", 0, &["262,144 packets"], &[]),
    way("a bomb with an endless record", "$S mask long.gz -o out.pcap", 0, &["a record claims more than 16 MiB"], OUT),
    way(
        "a bad one of several",
        "$S mask in.pcap text missing cut -o masked",
        3,
        &["error: text: not a pcap", "cannot read missing: No such file"],
        &["masked/cut", "masked/cut.manifest.json", "masked/in.pcap", "masked/in.pcap.manifest.json"],
    ),
    way(
        "a reader that goes away",
        "{ $S mask in.pcap -o -; echo code $? >&2; } | head -c 30 >/dev/null",
        0,
        &["code 0"],
        &[],
    ),
];

fn fixture() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/shop-keepalive.pcap")).unwrap()
}

/// Whole packets of a fixture, about so many bytes.
fn capture(bytes: usize) -> Vec<u8> {
    let whole = fixture();
    let mut at = 24;
    while at < bytes {
        at += 16 + u32::from_le_bytes(whole[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    whole[..at].to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

struct Folder(TempDir);

impl Folder {
    /// With everything that the ways name.
    fn full() -> Folder {
        let folder = Folder(TempDir::new().unwrap());
        let capture = capture(100_000);
        folder.write("in.pcap", &capture);
        folder.write("text", b"Anna Baker, 4929123456781234, no capture at all\n");
        folder.write("empty", b"");
        folder.write("header", &capture[..20]);
        folder.write("cut", &capture[..capture.len() - 9]);
        let packed = gzip(&capture);
        folder.write("cut.gz", &packed[..packed.len() / 2]);
        folder.write("twice.gz", &gzip(&packed));
        folder.write("zeros.gz", &gzip(&[0; 1 << 20]));
        folder.write("bomb.gz", &gzip(&[&capture[..24], &[0; 4 << 20]].concat()));
        folder.write("long.gz", &gzip(&[&capture[..24], &[0xFF; 4 << 20]].concat()));
        folder.write(
            "bad.yaml",
            b"version: 1\nrules:\n  - id: a\n    fields: [http.request.header.x-id]\n    actoin: keep\n",
        );
        fs::create_dir(folder.path("folder")).unwrap();
        std::os::unix::fs::symlink("in.pcap", folder.path("link")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Every file in it, hidden ones and those of folders too.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    names.push(path.strip_prefix(self.0.path()).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        names.sort();
        names
    }
}

#[test]
fn every_way_to_fail() {
    let folder = Folder::full();
    let original = fs::read(folder.path("in.pcap")).unwrap();
    let before = folder.names();
    for Way { name, typed, code, said, appears } in WAYS {
        let ran = Command::new("sh")
            .args(["-c", typed])
            .current_dir(folder.0.path())
            .env("S", env!("CARGO_BIN_EXE_standin"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(*code), "{name}: {stderr}");
        said.iter().for_each(|text| assert!(stderr.contains(text), "{name}: no `{text}` in:\n{stderr}"));
        assert!(!stderr.contains("Anna") && !stderr.contains("panicked"), "{name}: {stderr}");
        assert!(ran.stdout.is_empty(), "{name}: something on stdout");
        let mut after = folder.names();
        after.retain(|name| !before.contains(name));
        assert_eq!(after, *appears, "{name}");
        after.iter().for_each(|name| fs::remove_file(folder.path(name)).unwrap());
        assert!(fs::read(folder.path("in.pcap")).unwrap() == original, "{name}: the original is another");
    }
}

/// A run of the program that is interrupted.
struct Run {
    child: Child,
    folder: Folder,
}

impl Run {
    /// Masks `input` to `out.pcap`, and waits until it has begun.
    fn begin(folder: Folder, input: &str, more: &[&str]) -> Run {
        let child = Command::new(env!("CARGO_BIN_EXE_standin"))
            .args([&["mask", "-q", input, "-o", "out.pcap"], more].concat())
            .current_dir(folder.0.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Run { child, folder }
    }

    /// Waits until the output has been begun: from then on signals are heard.
    fn begun(self) -> Run {
        let begun = Instant::now();
        while !self.folder.names().iter().any(|name| name.ends_with(".part")) {
            assert!(begun.elapsed() < Duration::from_secs(20), "nothing was begun");
            std::thread::sleep(Duration::from_millis(10));
        }
        self
    }

    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    /// Exit code, seconds that were still waited, and what lies in the folder.
    fn end(mut self) -> (i32, f64, Vec<String>) {
        let begun = Instant::now();
        let code = self.child.wait().unwrap().code().expect("ended by the signal itself");
        (code, begun.elapsed().as_secs_f64(), self.folder.names())
    }
}

fn folder_with(name: &str, bytes: &[u8]) -> Folder {
    let folder = Folder(TempDir::new().unwrap());
    folder.write(name, bytes);
    folder
}

#[test]
fn interrupted_while_reading_a_file() {
    let whole = fixture();
    let folder = folder_with("in.pcap", &[&whole[..24], &whole[24..].repeat(40)].concat());
    let run = Run::begin(folder, "in.pcap", &["--ledger", "runs.tsv"]).begun();
    run.interrupt();
    let (code, seconds, names) = run.end();
    assert_eq!((code, names), (130, vec!["in.pcap".to_owned()]));
    assert!(seconds < 5.0, "{seconds}");
}

#[test]
fn interrupted_while_reading_a_pipe_that_ends() {
    let mut run = Run::begin(Folder(TempDir::new().unwrap()), "-", &[]);
    let mut pipe = run.child.stdin.take().unwrap();
    let capture = capture(100_000);
    pipe.write_all(&capture[..50_000]).unwrap();
    let run = run.begun();
    run.interrupt();
    std::thread::sleep(Duration::from_millis(300));
    pipe.write_all(&capture[50_000..]).unwrap();
    drop(pipe);
    let size = |folder: &Folder| fs::metadata(folder.path("out.pcap")).unwrap().len();
    let mut run = run;
    assert_eq!(run.child.wait().unwrap().code(), Some(0));
    assert_eq!(
        (run.folder.names(), size(&run.folder)),
        (OUT.iter().map(|n| n.to_string()).collect(), capture.len() as u64)
    );
}

#[test]
fn interrupted_while_reading_a_pipe_that_does_not_end() {
    let mut run = Run::begin(Folder(TempDir::new().unwrap()), "-", &[]);
    let mut pipe = run.child.stdin.take().unwrap();
    pipe.write_all(&capture(50_000)).unwrap();
    let run = run.begun();
    run.interrupt();
    let (code, seconds, names) = run.end();
    assert_eq!((code, names), (130, Vec::<String>::new()));
    assert!((1.5..6.0).contains(&seconds), "{seconds}");
    drop(pipe);
}

#[test]
fn interrupted_twice() {
    let mut run = Run::begin(Folder(TempDir::new().unwrap()), "-", &[]);
    let mut pipe = run.child.stdin.take().unwrap();
    pipe.write_all(&capture(50_000)).unwrap();
    let run = run.begun();
    run.interrupt();
    std::thread::sleep(Duration::from_millis(200));
    run.interrupt();
    let (code, seconds, names) = run.end();
    assert_eq!((code, names), (130, Vec::<String>::new()));
    assert!(seconds < 1.5, "{seconds}");
    drop(pipe);
}

#[test]
fn a_pipe_that_stalls_holds_nothing_back_that_is_settled() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_standin"))
        .args(["mask", "-q", "-", "-o", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Each connection of this capture has ended, so nothing is undecided.
    let capture = fixture();
    let mut pipe = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let length = capture.len();
    let writer = std::thread::spawn(move || {
        pipe.write_all(&capture).unwrap();
        pipe
    });
    let mut masked = vec![0; length];
    stdout.read_exact(&mut masked).unwrap();
    drop(writer.join().unwrap());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_file_that_grows_is_followed_until_interrupted() {
    let capture = capture(200_000);
    let folder = folder_with("in.pcap", &capture[..70_000]);
    let input = folder.path("in.pcap");
    let run = Run::begin(folder, "in.pcap", &["--follow"]).begun();
    for piece in capture[70_000..].chunks(40_000) {
        std::thread::sleep(Duration::from_millis(150));
        fs::OpenOptions::new().append(true).open(&input).unwrap().write_all(piece).unwrap();
    }
    run.interrupt();
    let mut run = run;
    assert_eq!(run.child.wait().unwrap().code(), Some(0));
    assert_eq!(fs::metadata(run.folder.path("out.pcap")).unwrap().len(), capture.len() as u64);
}
