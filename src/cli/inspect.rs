//! stub
use super::text::Talk; use super::{Exit, Failure}; pub(super) fn run<T>(_: &T, _: &Talk) -> Result<Exit, Failure> { Ok(Exit::Clean) }
