//! The shape of the source: who may import whom, where libraries live, how files begin and how long they get.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of ours a module may name. `limits`, `secret` and a module itself are always allowed.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("secret", &[]),
    ("yaml", &[]),
    ("capture", &[]),
    ("protocol", &[]),
    ("detect", &[]),
    ("mask", &[]),
    ("measure", &[]),
    ("decode", &["capture"]),
    ("flow", &["capture", "decode"]),
    ("rules", &["protocol", "detect", "mask", "yaml"]),
    ("dissect", &["capture", "decode", "flow", "protocol"]),
    ("sanitize", &["capture", "decode", "flow", "protocol", "dissect", "rules", "detect", "mask"]),
    ("audit", &["capture", "decode", "flow", "protocol", "dissect", "rules", "detect"]),
    ("learn", &["capture", "decode", "flow", "protocol", "dissect", "rules", "detect", "yaml"]),
    ("workload", &["capture", "decode", "flow", "protocol", "dissect", "rules", "detect"]),
    ("run", &["measure"]),
    ("replay", &["protocol", "workload", "measure", "run", "yaml"]),
    ("report", &["measure", "run"]),
    (
        "cli",
        &[
            "yaml", "capture", "decode", "flow", "protocol", "detect", "mask", "rules", "dissect", "sanitize", "audit",
            "learn", "workload", "measure", "run", "replay", "report",
        ],
    ),
];

/// What a text may stand in only below (or in) these places of `src/`.
const LIVES_IN: &[(&[&str], &[&str], &str)] = &[
    (&["println!", "eprintln!", "print!", "eprint!"], &["cli"], "only `cli` prints"),
    (&["tokio::", "hyper::", "hyper_util::", "async fn"], &["replay"], "only `replay` is async"),
    (&["serde_yaml::"], &["yaml.rs"], "only `yaml` knows the YAML library"),
    (&["process::exit", "ExitCode"], &["cli", "main.rs"], "only `cli` ends the process"),
];

/// Code lines that a file may have, tests at its bottom, comments and blank lines not counted.
const CODE_LINES_MAX: usize = 500;

/// Files that may be longer, and why.
const LONG: &[(&str, &str)] = &[];

/// Folders of plug-ins: a catalogue in `mod.rs`, one file for each entry of its slice `ALL`.
const CATALOGUES: &[&str] = &["detect", "mask", "protocol/content", "report"];

/// A source file: its path below `src/`, its text without tests.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The top-level module.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// (number, code) of lines that are no comment.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines
            .map(|(index, line)| (index + 1, line.trim()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with("//"))
    }

    fn is_below(&self, place: &str) -> bool {
        self.path == place || self.path.starts_with(&format!("{place}/"))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
                found.push(Source { path: path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 15);
    found
}

/// Modules of ours that a line of code names: `crate::a::…`, `use crate::{a::…, b}`.
fn imports(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for rest in line.split("crate::").skip(1) {
        let names = match rest.strip_prefix('{') {
            Some(group) => outer_items(group),
            None => vec![rest],
        };
        for name in names {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            found.push(&name[..end]);
        }
    }
    found
}

/// The items of `a::{b, c}, d}`, not those of inner groups.
fn outer_items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                items.push(group[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

fn complain(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn imports_point_one_way() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !["lib", "main"].contains(&source.module())) {
        let module = source.module();
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            faults.push(format!("src/{}: module {module} is not in the table of tests/architecture.rs", source.path));
            continue;
        };
        // A `use` may go over several lines: they are read as one, numbered by the first.
        let (mut statement, mut begin) = (String::new(), 0);
        for (number, line) in source.code() {
            if statement.is_empty() {
                begin = number;
            }
            statement.push_str(line);
            if statement.starts_with("use ") && !line.ends_with(';') {
                continue;
            }
            for name in imports(&statement) {
                let known = MAY_IMPORT.iter().any(|(module, _)| *module == name);
                if known && name != module && !["limits", "secret"].contains(&name) && !allowed.contains(&name) {
                    faults.push(format!("src/{}:{begin}: {module} may not import {name}", source.path));
                }
            }
            statement.clear();
        }
    }
    complain(faults);
}

#[test]
fn the_import_scanner_sees_all_forms() {
    assert_eq!(imports("use crate::capture::PacketId;"), ["capture"]);
    assert_eq!(imports("use crate::{capture::{self, PacketId}, flow, limits};"), ["capture", "flow", "limits"]);
    assert_eq!(imports("let x: crate::mask::Key = crate::rules::load();"), ["mask", "rules"]);
    assert!(imports("use std::fmt;").is_empty());
}

#[test]
fn the_table_has_every_module_and_no_circle() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let declared: BTreeSet<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let listed: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    assert_eq!(declared, listed);
    let mut before = BTreeSet::new();
    for (module, allowed) in MAY_IMPORT {
        assert!(allowed.iter().all(|name| before.contains(name)), "{module} may import only what stands above it");
        before.insert(*module);
    }
}

#[test]
fn libraries_and_printing_stay_where_they_belong() {
    let mut faults = Vec::new();
    for source in sources() {
        for (texts, places, why) in LIVES_IN {
            if places.iter().any(|place| source.is_below(place)) {
                continue;
            }
            for (number, line) in source.code() {
                if let Some(text) = texts.iter().find(|text| line.contains(**text)) {
                    faults.push(format!("src/{}:{number}: `{text}`: {why}", source.path));
                }
            }
        }
    }
    complain(faults);
}

#[test]
fn files_say_what_they_are_and_stay_short() {
    let mut faults = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            faults.push(format!("src/{}:1: begins without `//!`: say in one line what the file is for", source.path));
        }
        let lines = source.code().count();
        let excused = LONG.iter().any(|(path, _)| *path == source.path);
        match lines > CODE_LINES_MAX {
            true if !excused => faults.push(format!("src/{}: {lines} lines of code: one idea a file", source.path)),
            false if excused => faults.push(format!("src/{}: no longer long; take it out of LONG", source.path)),
            _ => {}
        }
    }
    complain(faults);
}

/// One new detector, method or content is one new file and its name in `ALL`: without the name it is dead code.
#[test]
fn every_entry_is_in_its_catalogue() {
    let mut faults = Vec::new();
    let sources = sources();
    for folder in CATALOGUES {
        let Some(list) = sources.iter().find(|source| source.path == format!("{folder}/mod.rs")) else { continue };
        let Some((_, all)) = list.text.split_once(" ALL: ") else { continue };
        let all = all.split("];").next().unwrap_or_default();
        for source in sources.iter().filter(|source| source.is_below(folder)) {
            for (number, line) in source.code() {
                if let Some(entry) = entry(line, all, source)
                    && !all.split([' ', '&', ',', '[', '\n']).any(|word| word.ends_with(&entry))
                {
                    faults.push(format!("src/{}:{number}: {entry} is not in {folder}::ALL", source.path));
                }
            }
        }
    }
    complain(faults);
}

/// What a line adds to a catalogue: `impl Trait for Entry` of its trait, or a file's constant `KIND`.
fn entry(line: &str, all: &str, source: &Source) -> Option<String> {
    if line.starts_with("pub const KIND:") {
        let stem = source.path.rsplit('/').next()?.strip_suffix(".rs")?;
        return Some(format!("{stem}::KIND"));
    }
    let (_, rest) = all.split_once("dyn ")?;
    let name = rest.split(|c: char| !c.is_alphanumeric()).next()?;
    let implementor = line.strip_prefix("impl ")?.strip_prefix(name)?.strip_prefix(" for ")?;
    implementor.split([' ', '<', '{']).next().map(|entry| format!("::{entry}"))
}
