//! One integration test binary; a module per theme.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod addresses;
mod architecture;
mod audit;
mod bounds;
mod capture;
mod cli;
mod decode;
mod demo;
mod detect;
mod failures;
mod fixtures;
mod formats;
mod hostile;
mod mask;
mod metadata;
mod placements;
mod protocol;
mod rails;
mod readme;
mod replay;
mod rules;
mod sanitize;
mod sequence;
mod shards;
mod workload;
