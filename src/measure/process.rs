//! What a process uses, from `/proc`: no agent in it, no privilege but to be its owner.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::descriptors::{self, Descriptors};

/// Clock ticks per second in `/proc/PID/stat`; 100 on every Linux that userspace sees.
const TICKS_PER_SECOND: u64 = 100;

/// A process at one moment: what costs two small files to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Resident memory, bytes.
    pub rss: u64,
    /// Largest resident memory so far, bytes.
    pub rss_peak: u64,
    /// CPU time in user space, microseconds (in steps of 10 ms).
    pub cpu_user_us: u64,
    /// CPU time in the kernel, likewise.
    pub cpu_system_us: u64,
    /// Threads.
    pub threads: u64,
    /// Page faults without a read from disk, since the process began.
    pub minor_faults: u64,
    /// Page faults with one.
    pub major_faults: u64,
}

/// What costs more to read: files for each thread and descriptor, or a walk over the page tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Context switches because a thread waited, of all living threads since they began.
    pub voluntary_switches: u64,
    /// Context switches because another thread's turn came.
    pub involuntary_switches: u64,
    /// Time that its threads were ready but waited for a processor, microseconds.
    pub run_queue_us: u64,
    /// Resident memory with shared pages counted in parts, bytes. None: not ours to see.
    pub pss: Option<u64>,
    /// Open descriptors. None: not ours to see.
    pub descriptors: Option<u64>,
    /// Sockets among them, or among the first 4,096.
    pub sockets: Option<u64>,
}

impl Sample {
    /// CPU time of user and kernel, microseconds.
    pub fn cpu_us(&self) -> u64 {
        self.cpu_user_us + self.cpu_system_us
    }
}

/// Looks at a process; none when it does not exist or is not ours to see.
pub fn sample(pid: u32) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let [minor_faults, major_faults, user, system] = stat_fields(&stat, [10, 12, 14, 15])?;
    Some(Sample {
        rss: number(&status, "VmRSS:")? * 1024,
        rss_peak: number(&status, "VmHWM:")? * 1024,
        cpu_user_us: user * (1_000_000 / TICKS_PER_SECOND),
        cpu_system_us: system * (1_000_000 / TICKS_PER_SECOND),
        threads: number(&status, "Threads:")?,
        minor_faults,
        major_faults,
    })
}

/// Looks at a process more closely, with rests: of one with thousands of descriptors it takes some hundred milliseconds. None
/// when it does not exist.
pub fn details(pid: u32) -> Option<Details> {
    let mut details = Details::default();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let status = read("status");
        let of = |name| number(&status, name).unwrap_or(0);
        let wait_ns: u64 = read("schedstat").split_whitespace().nth(1).and_then(|ns| ns.parse().ok()).unwrap_or(0);
        details.voluntary_switches += of("voluntary_ctxt_switches:");
        details.involuntary_switches += of("nonvoluntary_ctxt_switches:");
        details.run_queue_us += wait_ns / 1000;
    }
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    details.pss = rollup.and_then(|text| number(&text, "Pss:")).map(|kib| kib * 1024);
    if let Some(Descriptors { all, sockets }) = descriptors::count(pid) {
        (details.descriptors, details.sockets) = (Some(all), Some(sockets));
    }
    Some(details)
}

/// The number behind a name, in `/proc/PID/status` and files like it.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Fields of `/proc/PID/stat`, numbered from 1 as in proc(5), in rising order; the second one may hold anything, so they
/// are counted from its closing bracket.
fn stat_fields<const N: usize>(stat: &str, wanted: [usize; N]) -> Option<[u64; N]> {
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let mut found = [0; N];
    for (place, number) in found.iter_mut().zip(wanted) {
        *place = fields.get(number - 3)?.parse().ok()?;
    }
    Some(found)
}

/// The process that listens at a TCP address of this machine.
pub fn listener(addr: SocketAddr) -> Option<u32> {
    holder(listening_inode(addr)?)
}

/// The process that listens at a Unix socket.
pub fn unix_listener(path: &Path) -> Option<u32> {
    const ACCEPTS: &str = "00010000";
    let path = path.canonicalize().ok()?;
    let table = fs::read_to_string("/proc/net/unix").ok()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let mine =
            fields.get(3) == Some(&ACCEPTS) && Path::new(fields.get(7)?).canonicalize().is_ok_and(|at| at == path);
        holder(fields.get(6).filter(|_| mine)?.parse().ok()?)
    })
}

/// A process that has a socket open.
fn holder(inode: u64) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    let holds = |pid: &u32| {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == wanted.as_str()))
    };
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(holds)
}

/// The socket that listens at `addr`, or at its port on every address.
fn listening_inode(addr: SocketAddr) -> Option<u64> {
    const LISTEN: &str = "0A";
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|table| {
        fs::read_to_string(table).ok()?.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (&local, &state) = (fields.get(1)?, fields.get(3)?);
            (state == LISTEN && matches_local(local, addr)).then(|| fields.get(9)?.parse().ok())?
        })
    })
}

/// Whether `0100007F:1F90` means the address or its port everywhere.
fn matches_local(local: &str, addr: SocketAddr) -> bool {
    let Some((host, port)) = local.split_once(':') else { return false };
    let words = |bytes: &[u8]| -> String {
        bytes.chunks(4).map(|w| w.iter().rev().map(|b| format!("{b:02X}")).collect::<String>()).collect()
    };
    let mapped = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => vec![words(&v4.octets()), words(&v4.to_ipv6_mapped().octets())],
        IpAddr::V6(v6) => vec![words(&v6.octets())],
    };
    u16::from_str_radix(port, 16) == Ok(addr.port())
        && (host.bytes().all(|b| b == b'0') || mapped(addr.ip()).iter().any(|h| h == host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_itself() {
        let me = sample(std::process::id()).unwrap();
        assert!(me.rss > 0 && me.rss_peak >= me.rss && me.threads >= 1 && me.minor_faults > 0, "{me:?}");
        let _socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let details = details(std::process::id()).unwrap();
        assert!(details.voluntary_switches + details.involuntary_switches > 0, "{details:?}");
        assert!(details.sockets >= Some(1) && details.descriptors > details.sockets, "{details:?}");
        assert!(details.pss.is_none_or(|pss| pss > 0 && pss <= me.rss_peak), "{details:?}");
        assert_eq!((sample(u32::MAX), super::details(u32::MAX)), (None, None));
    }

    #[test]
    fn finds_who_listens() {
        for host in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let Ok(socket) = std::net::TcpListener::bind(host) else { continue };
            let addr = SocketAddr::new(
                if host.starts_with('[') { "::1" } else { "127.0.0.1" }.parse().unwrap(),
                socket.local_addr().unwrap().port(),
            );
            assert_eq!(listener(addr), Some(std::process::id()), "{host}");
            drop(socket);
            assert_eq!(listener(addr), None, "{host}");
        }
    }

    #[test]
    fn finds_who_listens_at_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(unix_listener(&path), Some(std::process::id()));
        drop(socket);
        assert_eq!(unix_listener(&path), None);
    }

    #[test]
    fn a_command_name_may_hold_anything() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 55 66 0 0 20";
        assert_eq!(stat_fields(stat, [10, 12, 14, 15]), Some([1, 3, 55, 66]));
        assert_eq!(stat_fields("7 (a", [10]), None);
    }
}
