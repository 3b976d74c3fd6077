//! `standin key`.

use super::args::{KeyArgs, KeyCommand};
use super::text::Talk;
use super::{Exit, Failure};
use crate::mask::Key;

pub(super) fn run(args: &KeyArgs, talk: &Talk) -> Result<Exit, Failure> {
    match &args.command {
        KeyCommand::New { output } => {
            let key = Key::fresh()?;
            key.write_new(output)?;
            talk.say(&format!(
                "{}: key {} (whoever has it can undo or repeat the masking)",
                output.display(),
                key.id()
            ));
            Ok(Exit::Clean)
        }
    }
}
