//! `standin rules`.

use super::args::{RulesArgs, RulesCommand};
use super::text::{print, print_json};
use super::{Exit, Failure};
use crate::rules::{self, Policy};

pub(super) fn run(args: &RulesArgs) -> Result<Exit, Failure> {
    match &args.command {
        RulesCommand::Check { files } => {
            let policy = Policy::load(files)?;
            print(&format!("{}: {} rules, all right\n", files.join(", "), policy.rules().len()))?;
        }
        RulesCommand::List => print(&list())?,
        RulesCommand::Explain { file, field } => {
            let policy = Policy::load(std::slice::from_ref(file))?;
            print(&format!("{}\n", rules::explain(&policy, field)))?;
        }
        RulesCommand::Schema => print_json(&rules::schema())?,
    }
    Ok(Exit::Clean)
}

fn list() -> String {
    let mut text = String::new();
    for (heading, entries) in rules::list() {
        text.push_str(&format!("{heading}\n"));
        for (id, about) in entries {
            text.push_str(&format!("  {id:<16} {about}\n"));
        }
        text.push('\n');
    }
    text
}
