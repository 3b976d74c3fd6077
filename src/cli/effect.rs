//! Flags of `replay` that have no effect in the mode of the run: told, never silent.

use super::args::ReplayArgs;
use crate::replay::{Mode, mode_name};

/// A flag, whether it was given, and the modes that heed it.
type Heeded = (&'static str, fn(&ReplayArgs) -> bool, &'static [Mode]);

const HEEDED: &[Heeded] = &[
    ("--rate", |args| args.rate.is_some(), &[Mode::Rate]),
    ("--arrivals", |args| args.arrivals.is_some(), &[Mode::Rate, Mode::Saturate]),
    ("--connections", |args| args.connections.is_some(), &[Mode::Closed]),
    ("--streams", |args| args.streams.is_some(), &[Mode::Closed]),
    ("--speed", |args| args.speed.is_some(), &[Mode::Captured, Mode::Sessions]),
];

/// What to say of each flag that was given for nothing.
pub(super) fn without(args: &ReplayArgs, mode: Mode) -> Vec<String> {
    let idle = HEEDED.iter().filter(|(_, given, modes)| given(args) && !modes.contains(&mode));
    let name = mode_name(mode);
    idle.map(|(flag, _, modes)| {
        let heeding: Vec<_> = modes.iter().map(|mode| mode_name(*mode)).collect();
        format!("{flag} has no effect in mode {name}; it is for --mode {}", heeding.join(" or "))
    })
    .collect()
}
