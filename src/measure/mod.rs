//! Outcomes as figures: histograms, what processes, cgroups and runtimes use, distances between distributions.

pub mod cgroup;
mod descriptors;
mod histogram;
pub mod process;
pub mod runtime;
pub mod statistics;
mod windows;

pub use histogram::{Histogram, HistogramError, Percentiles};
pub use windows::{Few, Times, Window, Windows};
