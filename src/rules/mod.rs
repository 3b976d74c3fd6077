//! YAML -> a compiled policy: what happens to which field, and which words are public.
//!
//! | file | holds |
//! |---|---|
//! | `file` | the YAML as it is written, files that extend others |
//! | `pack` | the built-in rules: `default`, `blank`, `headers-only`, `addresses-only` |
//! | `policy` | settings and rules of all files, compiled in order of precedence |
//! | `decision` | what a policy says about one field; cached by path |
//! | `glob`, `names`, `vocabulary` | patterns over paths; what a field's name tells; public words |
//! | `catalogue` | the detectors and methods that rules may name |
//! | `explain`, `schema` | `standin rules explain`, `list` and `schema` |
//!
//! Precedence: of several `--rules` the later ones come first; a file comes before what it extends; within a file the
//! upper rule comes first. The first rule that applies decides. A rule that has the id of one of a later file is gone.

mod catalogue;
mod decision;
mod explain;
mod file;
mod glob;
mod names;
mod pack;
mod policy;
mod schema;
mod vocabulary;

pub use catalogue::{detectors, methods};
pub use decision::{Decider, Decision, Ruling};
pub use explain::{ExplainedRule, Explanation, explain, list};
pub use file::{Addresses, Payload, RulesError, Values};
pub use glob::Glob;
pub use names::{is_identifier, is_personal};
pub use pack::{PACKS, Pack};
pub use policy::{Action, Pattern, Policy, RuleId, RuleInfo};
pub use schema::schema;
pub use vocabulary::{THEMES, words};
