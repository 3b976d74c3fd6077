//! What a process uses, from `/proc`: no agent in it, no privilege but to be its owner.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Clock ticks per second in `/proc/PID/stat`; 100 on every Linux that userspace sees.
const TICKS_PER_SECOND: u64 = 100;

/// A process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Resident memory, bytes.
    pub rss: u64,
    /// Largest resident memory so far, bytes.
    pub rss_peak: u64,
    /// CPU time of user and kernel, microseconds (in steps of 10 ms).
    pub cpu_us: u64,
    /// Threads.
    pub threads: u64,
    /// Context switches, of all threads, since the process began.
    pub context_switches: u64,
    /// Time that its threads were ready but waited for a processor, microseconds.
    pub run_queue_us: u64,
}

/// Looks at a process; none when it does not exist or is not ours to see.
pub fn sample(pid: u32) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (context_switches, run_queue_us) = threads(pid);
    Some(Sample {
        rss: kib(&status, "VmRSS:")? * 1024,
        rss_peak: kib(&status, "VmHWM:")? * 1024,
        cpu_us: cpu_ticks(&stat)? * (1_000_000 / TICKS_PER_SECOND),
        threads: kib(&status, "Threads:")?,
        context_switches,
        run_queue_us,
    })
}

/// The number behind a name in `/proc/PID/status`.
fn kib(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// utime + stime: fields 14 and 15; the second field may hold anything, so they are counted from its closing bracket.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Context switches and run-queue wait of the living threads, summed.
fn threads(pid: u32) -> (u64, u64) {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return (0, 0) };
    tasks.flatten().fold((0, 0), |(switches, waited), task| {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let status = read("status");
        let of = |name| kib(&status, name).unwrap_or(0);
        let wait_ns: u64 = read("schedstat").split_whitespace().nth(1).and_then(|ns| ns.parse().ok()).unwrap_or(0);
        (switches + of("voluntary_ctxt_switches:") + of("nonvoluntary_ctxt_switches:"), waited + wait_ns / 1000)
    })
}

/// The process that listens at a TCP address of this machine.
pub fn listener(addr: SocketAddr) -> Option<u32> {
    let inode = listening_inode(addr)?;
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
        assert!(me.rss > 0 && me.rss_peak >= me.rss && me.threads >= 1 && me.context_switches > 0, "{me:?}");
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
    fn a_command_name_may_hold_anything() {
        assert_eq!(cpu_ticks("7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 55 66 0 0 20"), Some(121));
        assert_eq!(cpu_ticks("7 (a"), None);
    }
}
