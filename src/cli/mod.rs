//! The command line: the only code that prints or exits.
//!
//! stdout is data, stderr is conversation. A command returns an [`Exit`] or a [`Failure`]; one place turns them into
//! an exit code and a message.

mod args;
mod audit;
mod demo;
mod effect;
mod export;
mod failure;
mod identities;
mod input;
mod inspect;
mod key;
mod learn;
mod live;
mod map;
mod mask;
mod merge;
mod outcomes;
mod replay;
mod report;
mod rules;
mod sequence;
mod shell;
mod text;
mod time;
mod traffic;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
pub use failure::{Exit, Failure};

/// Runs the program.
pub fn main() -> ExitCode {
    hide_captured_bytes_from_panics();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Clean };
            let _ = error.print();
            return code.into();
        }
    };
    let talk = text::Talk { quiet: arguments.quiet, verbose: arguments.verbose > 0 };
    arguments.color.apply();
    match std::panic::catch_unwind(|| run(arguments)) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(failure)) => {
            if !failure.is_broken_pipe() {
                talk.error(&failure);
            }
            failure.exit().into()
        }
        Err(_) => Exit::Bug.into(),
    }
}

fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let talk = text::Talk { quiet: arguments.quiet, verbose: arguments.verbose > 0 };
    match arguments.command {
        Command::Demo(args) => demo::run(&args, &talk),
        Command::Inspect(args) => inspect::run(&args, &talk),
        Command::Learn(args) => learn::run(&args, &talk),
        Command::Mask(args) => mask::run(&args, &talk),
        Command::Audit(args) => audit::run(&args, &talk),
        Command::Replay(args) => replay::run(&args, &talk),
        Command::Report(args) => report::run(&args, &talk),
        Command::Export(args) => export::run(&args, &talk),
        Command::Merge(args) => merge::run(&args, &talk),
        Command::Map(args) => map::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Key(args) => key::run(&args, &talk),
        Command::Shell(args) => shell::run(&args),
    }
}

/// A panic's message may hold what the panicking code had in hand: only its place is told.
fn hide_captured_bytes_from_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        let _ = writeln!(
            std::io::stderr(),
            "error: a bug in standin{place}\nhint: nothing was written; please report this place and the command (not the capture)"
        );
    }));
}
