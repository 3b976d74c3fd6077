//! Every capture of a folder of real ones, against what its manifest says.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Whole, read};

fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    let folder = std::env::var_os("STANDIN_CAPTURES").map_or(beside, PathBuf::from);
    folder.join("MANIFEST.tsv").is_file().then_some(folder)
}

#[test]
fn real_captures_have_their_packets() {
    let Some(folder) = folder() else {
        // Straight to the terminal: a test's own output is shown only when it fails.
        let _ = writeln!(io::stderr(), "SKIPPED real captures: set STANDIN_CAPTURES to a folder with a MANIFEST.tsv");
        return;
    };
    let manifest = fs::read_to_string(folder.join("MANIFEST.tsv")).unwrap();
    let mut rows = manifest.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let column = |name| head.iter().position(|column| *column == name).unwrap();
    let (file, packets, cut) = (column("file"), column("packets_in_file"), column("cut"));
    let mut wrong = Vec::new();
    for row in rows {
        // The manifest counts a packet whose data is cut off.
        let whole_packets = row[packets].parse::<usize>().unwrap() - usize::from(row[cut] == "partial-record");
        let bytes = fs::read(folder.join(row[file])).unwrap();
        match read(File::open(folder.join(row[file])).unwrap()) {
            Ok(Whole { packets, bytes: read, damage, .. })
                if packets.len() == whole_packets
                    && bytes.starts_with(&read)
                    && (damage.is_some() || read.len() == bytes.len()) => {}
            Ok(whole) => wrong.push(format!("{}: {} {:?}", row[file], whole.packets.len(), whole.damage)),
            Err(error) => wrong.push(format!("{}: {error}", row[file])),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
