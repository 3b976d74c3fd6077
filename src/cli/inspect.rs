//! `standin inspect`.

use std::sync::Arc;

use super::args::InspectArgs;
use super::audit::{failure, input, rendered};
use super::text::{Talk, print, print_json};
use super::{Exit, Failure};
use crate::audit::inspect::inspect;
use crate::audit::judge::Judge;
use crate::rules::Policy;

pub(super) fn run(args: &InspectArgs, talk: &Talk) -> Result<Exit, Failure> {
    if args.tls_keys.is_some() {
        talk.warn("TLS is not decrypted by this version: --tls-keys is not used");
    }
    let judge = Judge::new(Arc::new(Policy::load(&[])?));
    let inspection = inspect(&input(&args.input)?, &judge).map_err(failure)?;
    if args.json {
        print_json(&inspection)?;
    } else {
        print(&rendered("Inspection", &[("inspect", &inspection)])?)?;
    }
    Ok(Exit::Clean)
}
