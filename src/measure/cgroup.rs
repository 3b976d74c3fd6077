//! What a cgroup (v2) uses: all processes of a container or a service, from `/sys/fs/cgroup`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where cgroups are.
const ROOT: &str = "/sys/fs/cgroup";
/// Folders looked at for a container.
const FOLDERS_MAX: usize = 20_000;
/// Shortest beginning of a container's id that is taken for it, as `docker ps` shows.
const ID_MIN: usize = 12;

/// A cgroup at one moment. None: the kernel, or the group's controllers, do not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Memory in bytes, page cache included.
    pub memory: Option<u64>,
    /// Largest so far.
    pub memory_peak: Option<u64>,
    /// CPU time, microseconds.
    pub cpu_us: Option<u64>,
    /// Of that, in user space.
    pub cpu_user_us: Option<u64>,
    /// Of that, in the kernel.
    pub cpu_system_us: Option<u64>,
    /// Periods that the CPU limit was enforced in.
    pub periods: Option<u64>,
    /// Of those, how many it was hit in.
    pub throttled_periods: Option<u64>,
    /// How long the group's processes were held back for it, microseconds.
    pub throttled_us: Option<u64>,
    /// Processes killed for want of memory.
    pub oom_kills: Option<u64>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// The group at a path: `/sys/fs/cgroup/…`, or below that. The error says what is wrong.
    pub fn at(path: &str) -> Result<Cgroup, String> {
        let path = if path.starts_with(ROOT) {
            PathBuf::from(path)
        } else {
            Path::new(ROOT).join(path.trim_start_matches('/'))
        };
        match fs::metadata(path.join("cgroup.procs")) {
            Ok(_) => Ok(Cgroup(path)),
            Err(error) => Err(format!("{} is no cgroup of version 2 that can be read: {error}", path.display())),
        }
    }

    /// The group of a process.
    pub fn of(pid: u32) -> Result<Cgroup, String> {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).map_err(|error| error.to_string())?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::"));
        Cgroup::at(path.ok_or("the process is in no cgroup of version 2")?)
    }

    /// The group of a container, by the first characters of its id (at least twelve).
    pub fn of_container(id: &str) -> Result<Cgroup, String> {
        if id.len() < ID_MIN || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!(
                "`{id}` is no container's id: at least {ID_MIN} hex digits, as `docker ps` shows them"
            ));
        }
        let mut folders = vec![PathBuf::from(ROOT)];
        let mut looked = 0;
        while let Some(folder) = folders.pop() {
            looked += 1;
            if looked > FOLDERS_MAX {
                break;
            }
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                // docker-ID.scope, cri-containerd-ID.scope, ID
                let name = entry.file_name().to_string_lossy().into_owned();
                let stem = name.trim_end_matches(".scope");
                if stem.rsplit('-').next().is_some_and(|last| last.starts_with(id)) {
                    return Ok(Cgroup(entry.path()));
                }
                folders.push(entry.path());
            }
        }
        Err(format!("no cgroup below {ROOT} belongs to a container {id}"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is the whole machine's.
    pub fn is_root(&self) -> bool {
        self.0 == Path::new(ROOT)
    }

    /// Its processes.
    pub fn processes(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// Looks at it.
    pub fn sample(&self) -> Sample {
        let read = |name: &str| fs::read_to_string(self.0.join(name)).unwrap_or_default();
        let (cpu, events) = (read("cpu.stat"), read("memory.events"));
        let number = |text: &str| text.trim().parse().ok();
        Sample {
            memory: number(&read("memory.current")),
            memory_peak: number(&read("memory.peak")),
            cpu_us: named(&cpu, "usage_usec"),
            cpu_user_us: named(&cpu, "user_usec"),
            cpu_system_us: named(&cpu, "system_usec"),
            periods: named(&cpu, "nr_periods"),
            throttled_periods: named(&cpu, "nr_throttled"),
            throttled_us: named(&cpu, "throttled_usec"),
            oom_kills: named(&events, "oom_kill"),
        }
    }
}

/// The number behind a name, one a line.
fn named(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_a_group() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let group = Cgroup(folder.path().to_owned());
        assert_eq!(group.sample(), Sample::default());
        write("memory.current", "4096\n");
        write("memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 0\n");
        write(
            "cpu.stat",
            "usage_usec 70\nuser_usec 50\nsystem_usec 20\nnr_periods 9\nnr_throttled 4\nthrottled_usec 123\n",
        );
        write("cgroup.procs", "12\n13\n");
        let sample = group.sample();
        assert_eq!((sample.memory, sample.memory_peak, sample.oom_kills), (Some(4096), None, Some(2)));
        assert_eq!((sample.cpu_us, sample.cpu_user_us, sample.cpu_system_us), (Some(70), Some(50), Some(20)));
        assert_eq!((sample.periods, sample.throttled_periods, sample.throttled_us), (Some(9), Some(4), Some(123)));
        assert_eq!(group.processes(), [12, 13]);
    }

    #[test]
    fn what_is_no_group_is_said() {
        assert!(Cgroup::at("/no/such/group").unwrap_err().contains("/sys/fs/cgroup/no/such/group"));
        assert!(Cgroup::of_container("shop").unwrap_err().contains("hex digits"));
        assert!(Cgroup::of_container("0123456789abcdef0123").unwrap_err().contains("no cgroup"));
    }
}
