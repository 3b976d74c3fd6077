//! What a policy says about one field; cached by path, so that a field seen before costs one look-up.

use std::sync::Arc;

use hashbrown::HashMap;

use super::policy::{Action, Policy, RuleId, When};
use crate::limits;

/// A rule's word on a value or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What is done.
    pub action: Action,
    /// By which rule.
    pub rule: RuleId,
}

/// The rules that name a field, and what its name tells.
#[derive(Clone, Debug)]
pub struct Decision {
    /// In order of precedence, nothing behind the first one without a condition.
    rules: Box<[RuleId]>,
    name_like: bool,
}

impl Decision {
    pub(super) fn new(rules: Vec<RuleId>, name_like: bool) -> Self {
        Self { rules: rules.into(), name_like }
    }

    /// The first rule that applies to the value `text`, or, when `kind` is given, to the part `text` of a value in
    /// which that detector or pattern found something. None: no rule names it.
    pub fn ruling(&self, policy: &Policy, text: &[u8], kind: Option<&str>) -> Option<Ruling> {
        let applies = |when: &When| match when {
            When::Always => true,
            When::Detected(kinds) => kind.is_some_and(|kind| kinds.iter().any(|named| named == kind)),
            When::Matches(regex) => regex.is_match(text),
            When::Equals(texts) => texts.contains(text),
        };
        self.rules.iter().find_map(|id| {
            let rule = policy.rules.get(usize::from(id.0))?;
            applies(&rule.when).then_some(Ruling { action: rule.action, rule: *id })
        })
    }

    /// The rule that decides whatever stands there, so that no detector need be asked.
    pub fn unconditional(&self, policy: &Policy) -> Option<Ruling> {
        let id = self.rules.first()?;
        let rule = policy.rules.get(usize::from(id.0))?;
        matches!(rule.when, When::Always).then_some(Ruling { action: rule.action, rule: *id })
    }

    /// No rule names the field.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether the field's name speaks of a person, so that no word counts as public there.
    pub fn name_like(&self) -> bool {
        self.name_like
    }

    /// The rules, in order of precedence.
    pub fn rules(&self) -> &[RuleId] {
        &self.rules
    }
}

/// A policy with a memory of its decisions. Each worker has its own.
pub struct Decider {
    policy: Arc<Policy>,
    known: HashMap<String, Known>,
    spare: Option<Decision>,
}

/// A decision and the field's name that it was made for.
struct Known {
    name: Box<str>,
    decision: Decision,
}

impl Decider {
    /// With an empty memory.
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { policy, known: HashMap::new(), spare: None }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The rule about a whole value, whatever is found inside it.
    pub fn ruling(&mut self, path: &str, value: &[u8]) -> Option<Ruling> {
        let name = path.rsplit('.').next().unwrap_or(path);
        let policy = self.policy.clone();
        self.decide(path, name).ruling(&policy, value, None)
    }

    /// As [`Policy::decide`].
    pub fn decide(&mut self, path: &str, name: &str) -> &Decision {
        if path.len() > limits::DECISION_PATH_BYTES_MAX {
            return self.spare.insert(self.policy.decide(path, name));
        }
        if self.known.len() >= limits::DECISIONS_MAX && !self.known.contains_key(path) {
            self.known.clear();
        }
        let policy = &self.policy;
        let decide = || Known { name: name.into(), decision: policy.decide(path, name) };
        let known = self.known.entry_ref(path).or_insert_with(decide);
        if *known.name != *name {
            *known = decide();
        }
        &known.decision
    }
}
