//! What the manifest counts: of one file, or of each in a sequence.

use std::collections::BTreeMap;

use super::edits::Tally;
use super::manifest::{Kind, LimitHit, Matched, NotUnderstood};
use super::values::Values;

/// Counts since the beginning.
#[derive(Clone, Default)]
pub(super) struct Told {
    pub(super) kinds: BTreeMap<String, Kind>,
    pub(super) degraded: BTreeMap<String, u64>,
    pub(super) rules: Vec<Matched>,
    not_understood: BTreeMap<&'static str, (u64, u64)>,
    limits: BTreeMap<&'static str, u64>,
    pub(super) late_copy: u64,
    pub(super) payload_kept: u64,
}

impl Told {
    pub(super) fn new(values: &Values, tally: &Tally) -> Told {
        let (kinds, degraded, rules) = values.tell();
        let mut limits = tally.limits.clone();
        if values.uncounted() > 0 {
            limits.insert("counted_values", values.uncounted());
        }
        Told {
            kinds,
            degraded,
            rules,
            not_understood: tally.not_understood.clone(),
            limits,
            late_copy: tally.late_copy,
            payload_kept: tally.payload_kept,
        }
    }

    /// What came after `before` was told; of kinds, the values that were new.
    pub(super) fn since(mut self, before: &Told) -> Told {
        for (name, old) in &before.kinds {
            if let Some(kind) = self.kinds.get_mut(name) {
                kind.values -= old.values;
                kind.occurrences -= old.occurrences;
            }
        }
        for (new, old) in self.rules.iter_mut().zip(&before.rules) {
            new.matched -= old.matched;
        }
        for (what, old) in &before.not_understood {
            if let Some((packets, bytes)) = self.not_understood.get_mut(what) {
                *packets -= old.0;
                *bytes -= old.1;
            }
        }
        subtract(&mut self.degraded, &before.degraded);
        subtract(&mut self.limits, &before.limits);
        self.kinds.retain(|_, kind| kind.occurrences > 0);
        self.not_understood.retain(|_, (packets, bytes)| *packets > 0 || *bytes > 0);
        self.late_copy -= before.late_copy;
        self.payload_kept -= before.payload_kept;
        self
    }

    pub(super) fn not_understood(&self) -> Vec<NotUnderstood> {
        let line = |(what, (packets, bytes)): (&&str, &(u64, u64))| NotUnderstood {
            what: (*what).to_owned(),
            packets: *packets,
            bytes: *bytes,
        };
        self.not_understood.iter().map(line).collect()
    }

    pub(super) fn limits(&self) -> Vec<LimitHit> {
        let line = |(limit, times): (&&str, &u64)| LimitHit { limit: (*limit).to_owned(), times: *times };
        self.limits.iter().map(line).collect()
    }
}

/// Takes the old counts off, and leaves out what did not occur since.
fn subtract<K: Ord>(counts: &mut BTreeMap<K, u64>, before: &BTreeMap<K, u64>) {
    for (name, old) in before {
        if let Some(count) = counts.get_mut(name) {
            *count -= old;
        }
    }
    counts.retain(|_, count| *count > 0);
}
