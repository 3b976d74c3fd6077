//! What the target used, and told of itself. None: nobody told.

use serde::{Deserialize, Serialize};

/// What the target's process used. None: it may not be looked at so closely.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetProcess {
    /// Process id.
    pub pid: u32,
    /// Resident memory before.
    pub rss_start: u64,
    /// Largest since it was started.
    pub rss_peak: u64,
    /// Largest seen during the run.
    pub rss_peak_seen: u64,
    /// After.
    pub rss_end: u64,
    /// Resident memory with shared pages counted in parts, before.
    pub pss_start: Option<u64>,
    /// Largest seen.
    pub pss_peak: Option<u64>,
    /// After.
    pub pss_end: Option<u64>,
    /// CPU time per answer.
    pub cpu_us_per_request: f64,
    /// CPU time in user space during the run.
    pub cpu_user_us: u64,
    /// CPU time in the kernel during the run.
    pub cpu_system_us: u64,
    /// Context switches per answer.
    pub context_switches_per_request: f64,
    /// Those because a thread waited.
    pub voluntary_switches_per_request: f64,
    /// Those because another thread's turn came.
    pub involuntary_switches_per_request: f64,
    /// Waiting for a processor, per answer.
    pub run_queue_us_per_request: f64,
    /// Threads after.
    pub threads: u64,
    /// Most threads seen.
    pub threads_peak: u64,
    /// Page faults during the run, without a read from disk.
    pub minor_faults: u64,
    /// With one.
    pub major_faults: u64,
    /// Most open descriptors seen.
    pub descriptors_peak: Option<u64>,
    /// Most sockets seen.
    pub sockets_peak: Option<u64>,
}

/// What the target's cgroup used. None: the kernel, or the group's controllers, do not tell.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetCgroup {
    /// Where it is.
    pub path: String,
    /// Memory before, page cache included.
    pub memory_start: Option<u64>,
    /// Largest since it was made.
    pub memory_peak: Option<u64>,
    /// Largest seen during the run.
    pub memory_peak_seen: Option<u64>,
    /// After.
    pub memory_end: Option<u64>,
    /// CPU time per answer.
    pub cpu_us_per_request: Option<f64>,
    /// CPU time in user space.
    pub cpu_user_us: Option<u64>,
    /// CPU time in the kernel.
    pub cpu_system_us: Option<u64>,
    /// Periods that the CPU limit was enforced in.
    pub periods: Option<u64>,
    /// Of those, how many it was hit in.
    pub throttled_periods: Option<u64>,
    /// How long its processes were held back for it.
    pub throttled_us: Option<u64>,
    /// Processes killed for want of memory.
    pub oom_kills: Option<u64>,
}

/// What the target told of its own memory. None: it does not tell.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetRuntime {
    /// Live heap before, bytes.
    pub heap_start: Option<f64>,
    /// Largest seen.
    pub heap_peak_seen: Option<f64>,
    /// After.
    pub heap_end: Option<f64>,
    /// Allocated during the run, bytes.
    pub allocated: Option<f64>,
    /// Bytes per second.
    pub allocation_rate: Option<f64>,
    /// Bytes per answer.
    pub allocated_per_request: Option<f64>,
    /// Allocations per answer.
    pub allocations_per_request: Option<f64>,
    /// Garbage collections.
    pub collections: Option<f64>,
    /// Their pauses together.
    pub pauses_us: Option<f64>,
}
