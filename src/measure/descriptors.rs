//! How many descriptors a process has open, and how many of them are sockets: looked at a few at a time, for thousands at
//! once keep a processor for milliseconds that whoever is measured, or sends, waits for.

use std::mem::MaybeUninit;
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, RawDir, openat, readlinkat_raw, stat};

/// Descriptors looked at; a process with more has so many sockets at least.
const LOOKED_AT_MAX: u64 = 4096;
/// Room for the names of some forty: so many are looked at without a rest.
const NAMES_BYTES: usize = 1024;
/// Between them and the next ones.
const REST: Duration = Duration::from_millis(1);

/// Open descriptors of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptors {
    pub all: u64,
    /// Among the first [`LOOKED_AT_MAX`].
    pub sockets: u64,
}

/// Counts them; none when they are not ours to see.
pub(super) fn count(pid: u32) -> Option<Descriptors> {
    let path = format!("/proc/{pid}/fd");
    let folder =
        openat(CWD, path.as_str(), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut names = [MaybeUninit::uninit(); NAMES_BYTES];
    let (mut seen, mut sockets) = (0, 0);
    let mut entries = RawDir::new(&folder, &mut names);
    while let Some(entry) = entries.next() {
        let entry = entry.ok()?;
        // Neither `.` nor `..`.
        if entry.file_name().to_bytes().first().is_some_and(u8::is_ascii_digit) {
            let mut link = [MaybeUninit::uninit(); b"socket:".len()];
            let is_socket = readlinkat_raw(&folder, entry.file_name(), &mut link).is_ok_and(|(to, _)| to == b"socket:");
            (seen, sockets) = (seen + 1, sockets + u64::from(is_socket));
        }
        if seen >= LOOKED_AT_MAX {
            break;
        }
        if entries.is_buffer_empty() {
            thread::sleep(REST);
        }
    }
    // Since Linux 6.2 the folder's size is the number of its files; before, it is 0.
    let all = stat(path.as_str()).map_or(0, |folder| folder.st_size as u64);
    Some(Descriptors { all: all.max(seen), sockets })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn counts_files_and_sockets_among_them() {
        let me = std::process::id();
        let sockets: Vec<UdpSocket> = (0..100).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let seen = count(me).unwrap();
        // Other tests of this process have some open, too.
        assert!(seen.sockets >= 100 && seen.all > seen.sockets, "{seen:?}");
        let listed = std::fs::read_dir(format!("/proc/{me}/fd")).unwrap().count() as u64;
        assert!(seen.all.abs_diff(listed) < 100, "{seen:?}, {listed} listed");
        drop(sockets);
        assert_eq!(count(u32::MAX), None);
    }
}
