//! A sending thread's place in the machine: a processor of its own, real-time priority, and how long it had to wait.

use std::fs::File;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use super::profile::Profile;
use super::starving::Queued;

/// Low among the real-time priorities: above all that is not real-time, under whatever else is.
const PRIORITY: u8 = 10;

/// Gives the calling thread, the `n`th that sends, the place that the profile asks for. What could not be had is said.
pub fn take(profile: &Profile, n: usize) -> Vec<String> {
    let pinned = if profile.pin { pin(n).err() } else { None };
    let raised = if profile.rt { raise().err() } else { None };
    pinned.into_iter().chain(raised).collect()
}

/// Keeps the thread on one of the processors that it may use.
fn pin(n: usize) -> Result<(), String> {
    let not = |why: String| format!("`pin` could not be done: {why}; the threads run wherever the system puts them");
    let allowed = sched_getaffinity(None).map_err(|error| not(error.to_string()))?;
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect();
    let Some(&mine) = processors.get(n % processors.len().max(1)) else { return Err(not("no processor".into())) };
    let mut only = CpuSet::new();
    only.set(mine);
    sched_setaffinity(None, &only).map_err(|error| not(error.to_string()))?;
    match n < processors.len() {
        true => Ok(()),
        false => Err(format!("`pin`: more sending threads than the {} processors they may use", processors.len())),
    }
}

/// First in, first out, before everything that is not real-time.
fn raise() -> Result<(), String> {
    let priority = ThreadPriorityValue::try_from(PRIORITY);
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let raised = priority.and_then(|priority| {
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(priority), policy)
            .map_err(|error| error.to_string())
    });
    raised.map_err(|why| {
        format!(
            "`rt` is not permitted: {why}; the threads run with ordinary priority (run as root, give the program CAP_SYS_NICE, or raise `ulimit -r`)"
        )
    })
}

/// Descriptors that the system has room for from the start, where it allows so many: half a megabyte.
const DESCRIPTORS: u64 = 1 << 16;

/// Lets this process have as many connections open as the system allows it: shells give less at first. What is refused
/// shows when a connection cannot be opened.
///
/// Room for them is made at once. Linux doubles a process's table of descriptors when it is full (256, 512, 1024 …), and who
/// opens a connection then stands still for 10-20 ms, until all processors have gone by (`expand_fdtable`).
pub fn open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let highest = limit.current.unwrap_or(DESCRIPTORS).min(DESCRIPTORS) - 1;
    // The table never shrinks. Where it could not grow, it does so later.
    let _ = File::open("/dev/null").map(|null| fcntl_dupfd_cloexec(&null, highest as i32));
}

/// What a thread used since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// On a processor, nanoseconds.
    pub cpu_ns: u64,
    /// Ready, but waiting for a processor, nanoseconds.
    pub run_queue_ns: u64,
}

/// Of the calling thread.
pub fn used() -> Used {
    let cpu = clock_gettime(ClockId::ThreadCPUTime);
    Used { cpu_ns: cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64, run_queue_ns: Queued::of_this_thread().ns() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_pinned_thread_has_one_processor() {
        let run = |n: usize| {
            let seat = std::thread::spawn(move || {
                let said = take(&Profile { pin: true, ..Profile::default() }, n);
                (said, sched_getaffinity(None).unwrap())
            });
            seat.join().unwrap()
        };
        let before = sched_getaffinity(None).unwrap().count();
        let (said, after) = run(0);
        assert_eq!((said, after.count()), (vec![], 1));
        let (said, after) = run(before as usize);
        assert!(said[0].contains("more sending threads") && after.count() == 1, "{said:?}");
        assert_eq!(sched_getaffinity(None).unwrap().count(), before);
    }

    #[test]
    fn real_time_is_had_or_its_want_is_told() {
        let seat = std::thread::spawn(|| {
            let said = take(&Profile { rt: true, ..Profile::default() }, 0);
            // Field 41 of stat is the policy; 1 is first in, first out.
            let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
            let policy = stat[stat.rfind(')').unwrap()..].split_whitespace().nth(39).unwrap().to_owned();
            (said, policy)
        });
        match seat.join().unwrap() {
            (said, policy) if said.is_empty() => assert_eq!(policy, "1"),
            (said, policy) => {
                assert!(said[0].contains("CAP_SYS_NICE") && policy == "0", "{said:?} {policy}");
            }
        }
    }

    #[test]
    fn there_is_room_for_connections_before_they_are_opened() {
        open_files();
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let size: u64 = status.lines().find_map(|line| line.strip_prefix("FDSize:")?.trim().parse().ok()).unwrap();
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert!(size >= allowed.min(DESCRIPTORS) && allowed > 256, "{size} of {allowed}");
    }

    #[test]
    fn knows_its_own_processor_time() {
        let before = used();
        let mut x = 1_u64;
        while used().cpu_ns < before.cpu_ns + 2_000_000 {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        assert!(used().run_queue_ns >= before.run_queue_ns);
    }
}
