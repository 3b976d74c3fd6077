//! How an answer is held against a rule.

use crate::workload::{Facts, hash};

use super::{BodyRule, HeaderRule, StatusRule};

/// None: the capture does not tell what should be there.
pub(super) type Seen = Option<Result<(), String>>;

fn seen(good: bool, what: impl FnOnce() -> String) -> Seen {
    Some(if good { Ok(()) } else { Err(what()) })
}

impl StatusRule {
    /// A gRPC call's status is held against the captured one where both are known.
    pub(super) fn look_at_call(&self, captured: Option<u32>, live: Option<u32>) -> Result<(), String> {
        match (self, captured, live) {
            (StatusRule::Captured, Some(captured), Some(live)) if captured != live => {
                Err(format!("grpc-status {live} where {captured} was"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn look(&self, captured: Option<u16>, status: u16) -> Seen {
        match self {
            StatusRule::Any => None,
            StatusRule::Captured => {
                let captured = captured?;
                seen(captured == status, || format!("{status} where {captured} was"))
            }
            StatusRule::OneOf(list) => {
                seen(list.contains(&status) || list.contains(&(status / 100)), || status.to_string())
            }
        }
    }
}

/// The shape of a JSON body against the captured one; `more`: there may be more in it.
pub(super) fn json(captured: Option<&Facts>, live: &Facts, more: bool) -> Seen {
    let captured = captured?.shape.as_ref()?;
    let Some(live) = &live.shape else { return Some(Err("no JSON".to_owned())) };
    match captured.difference(live, more) {
        None => Some(Ok(())),
        Some(what) => Some(Err(what)),
    }
}

impl HeaderRule {
    pub(super) fn look(&self, captured: Option<&Facts>, live: &Facts, at: usize) -> Seen {
        let of = |facts: &Facts| facts.headers.get(at).copied().flatten();
        let live = of(live);
        let told = || if live.is_some() { "another value" } else { "missing" }.to_owned();
        match self {
            HeaderRule::Any => None,
            HeaderRule::Captured => {
                let captured = of(captured?);
                let there = || if captured.is_some() { told() } else { "was not there".to_owned() };
                seen(captured == live, there)
            }
            HeaderRule::Present => seen(live.is_some(), told),
            HeaderRule::Absent => seen(live.is_none(), || "present".to_owned()),
            HeaderRule::Is(text) => seen(live == Some(hash(text.as_bytes())), told),
        }
    }
}

impl BodyRule {
    pub(super) fn look(&self, captured: Option<&Facts>, live: &Facts) -> Seen {
        let wanted = match self {
            BodyRule::Any => return None,
            BodyRule::Captured => captured?.body?,
            BodyRule::Is(digest) => *digest,
        };
        seen(live.body == Some(wanted), || "another content".to_owned())
    }
}
