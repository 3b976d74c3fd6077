//! Outcomes as figures: histograms, process figures from `/proc`, distances between distributions.

mod histogram;
pub mod process;
pub mod statistics;

pub use histogram::{Histogram, HistogramError, Percentiles};
