//! `standin rules explain` and `list`: why a field gets what it gets, and what rules can name.

use std::fmt;

use serde::Serialize;

use super::file::{Payload, Values};
use super::policy::{Policy, RuleId, When};
use super::{catalogue, pack};

/// Why a field gets what it gets. `Display` gives the text for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The field's path.
    pub path: String,
    /// The rules that name it, in the order in which they are asked.
    pub rules: Vec<ExplainedRule>,
    /// What happens when none of them applies.
    pub otherwise: &'static str,
}

/// A rule that names the field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedRule {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub file: String,
    /// The pattern by which it names the field.
    pub field: String,
    /// The values it is about.
    pub when: String,
    /// The method.
    pub method: &'static str,
    /// What its author says.
    pub why: String,
    /// An earlier rule without a condition leaves nothing to it.
    pub overridden: bool,
}

/// Explains what the policy does with the field at `path`.
pub fn explain(policy: &Policy, path: &str) -> Explanation {
    let levels: Vec<&str> = super::glob::levels(path).collect();
    let name = levels.iter().rfind(|level| **level != "[]").copied().unwrap_or_default();
    let decision = policy.decide(path, name);
    let mut rules = Vec::new();
    for (index, (rule, info)) in policy.rules.iter().zip(policy.rules()).enumerate() {
        let Some(glob) = rule.fields.iter().find(|glob| glob.matches(&levels)) else { continue };
        rules.push(ExplainedRule {
            id: info.id.clone(),
            file: info.file.clone(),
            field: glob.text().to_owned(),
            when: describe(&rule.when),
            method: rule.action.id(),
            why: info.why.clone(),
            overridden: !decision.rules().contains(&RuleId(index as u16)),
        });
    }
    let otherwise = match (policy.payload, policy.values, decision.name_like()) {
        (Payload::Keep, ..) => "payload is kept as it is; rules for fields are not asked",
        (Payload::Blank, ..) => "payload is blanked; rules for fields are not asked",
        (_, Values::Blank, _) => "the value is blanked, a public word too",
        (_, _, true) => "a pseudonym; public words do not count under this name",
        _ => "public words are kept, anything else becomes a pseudonym",
    };
    Explanation { path: path.to_owned(), rules, otherwise }
}

fn describe(when: &When) -> String {
    match when {
        When::Always => "any value".to_owned(),
        When::Detected(kinds) => format!("parts that are {}", kinds.join(", ")),
        When::Matches(regex) => format!("values that match {}", regex.as_str()),
        When::Equals(texts) => format!("one of {} values", texts.len()),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path)?;
        for rule in &self.rules {
            let fate = if rule.overridden { " (overridden)" } else { "" };
            writeln!(f, "  {} -> {}{fate}", rule.when, rule.method)?;
            writeln!(f, "      rule `{}` of {}, by `{}`", rule.id, rule.file, rule.field)?;
            if !rule.why.is_empty() {
                writeln!(f, "      why: {}", rule.why)?;
            }
        }
        let decided = self.rules.iter().any(|rule| rule.when == describe(&When::Always) && !rule.overridden);
        match decided {
            true => Ok(()),
            false => writeln!(f, "  otherwise: {}", self.otherwise),
        }
    }
}

/// What rules can name: (heading, [(id, about)]).
pub fn list() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    vec![
        ("packs", pack::PACKS.iter().map(|pack| (pack.name, pack.about)).collect()),
        ("detectors", catalogue::detectors().collect()),
        ("methods", catalogue::methods().collect()),
    ]
}
