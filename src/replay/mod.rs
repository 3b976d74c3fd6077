//! Workload -> traffic, paced, correlated, bounded.

pub mod target;
