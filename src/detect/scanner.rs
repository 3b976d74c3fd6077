//! The detectors that a policy asks, built-in ones and the user's, as one value.

use std::sync::Arc;

use super::{DetectorId, Enabled, Finding, UserDetector, scan};

/// Built-in detectors and the user's.
#[derive(Clone)]
pub struct Scanner {
    enabled: Enabled,
    users: Arc<[UserDetector]>,
}

impl Scanner {
    /// The built-in detectors of these names, and the user's.
    pub fn new<'a>(enabled: impl IntoIterator<Item = &'a str>, users: impl IntoIterator<Item = UserDetector>) -> Self {
        let enabled = enabled.into_iter().filter_map(DetectorId::named).fold(Enabled::NONE, Enabled::with);
        Scanner { enabled, users: users.into_iter().collect() }
    }

    /// Appends what is found in `text`: in order, apart.
    pub fn scan(&self, text: &[u8], out: &mut Vec<Finding>) {
        scan(text, self.enabled, &self.users, out);
    }

    /// The name of what was found.
    pub fn kind(&self, found: &Finding) -> &str {
        match (found.detector.detector(), found.detector.user_place()) {
            (Some(detector), _) => detector.id(),
            (None, Some(place)) => self.users.get(place).map_or(PATTERN, |user| &user.id),
            (None, None) => PATTERN,
        }
    }

    /// As [`Scanner::kind`], with one name for all the user's.
    pub fn static_kind(&self, found: &Finding) -> &'static str {
        found.detector.detector().map_or(PATTERN, |detector| detector.id())
    }

    /// The mask method for what was found, unless a rule names another.
    pub fn method(&self, found: &Finding) -> &'static str {
        found.detector.detector().map_or("token", |detector| detector.method())
    }
}

/// The kind of whatever the user's detectors find, where one name must do.
const PATTERN: &str = "pattern";
