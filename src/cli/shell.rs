//! `standin shell`: completions and the man page, from the same table as the help.

use clap::CommandFactory;

use super::args::{Arguments, ShellArgs, ShellCommand};
use super::text::print;
use super::{Exit, Failure};

pub(super) fn run(args: &ShellArgs) -> Result<Exit, Failure> {
    let mut command = Arguments::command();
    let mut out = Vec::new();
    match args.command {
        ShellCommand::Completions { shell } => clap_complete::generate(shell, &mut command, "standin", &mut out),
        ShellCommand::Man => {
            clap_mangen::Man::new(command).render(&mut out).map_err(|e| Failure::system(e.to_string()))?;
        }
    }
    print(&String::from_utf8_lossy(&out))?;
    Ok(Exit::Clean)
}
