//! The audit of two captures, from collecting to verdict.

use std::collections::BTreeMap;
use std::hash::RandomState;

use super::collect::Collector;
use super::headers::doubt::{self, Reading};
use super::hits::{Hits, Lines};
use super::judge::Judge;
use super::probe::{Probe, Scope};
use super::result::{AuditError, AuditReport, Fidelity, Input, Kept, Searched, Verdict};
use super::search::Needles;
use super::value::{Partition, Value, Values};
use super::{disguise, fidelity, place, views};
use crate::capture::{Batch, Meta, Reader};
use crate::dissect;
use crate::rules::Payload;

/// Searches `masked` for what `original` holds and the rules do not keep, and compares them packet by packet.
pub fn compare(original: &Input, masked: &Input, judge: &Judge) -> Result<AuditReport, AuditError> {
    compare_with(original, masked, judge, doubt::masking)
}

/// The same, where masking reads HTTP/2's compressed headers with another reader than its own: to see that the audit tells a
/// misreading.
pub fn compare_with(
    original: &Input,
    masked: &Input,
    judge: &Judge,
    reading: fn() -> Reading,
) -> Result<AuditReport, AuditError> {
    let mut audit = Audit {
        original,
        masked,
        judge,
        reading,
        residue: Lines::default(),
        kept: BTreeMap::new(),
        values: 0,
        misread: Vec::new(),
    };
    let mut fidelity = fidelity::compare(original, masked, judge, &mut audit.residue)?;
    let (mut passes, mut warnings) = (0, Vec::new());
    match judge.payload() {
        Payload::Keep => {
            audit.kept.insert("payload-kept".to_owned(), fidelity.packets_original);
        }
        _ => passes = audit.search()?,
    }
    for packet in std::mem::take(&mut audit.misread) {
        fidelity.differ(packet, "HTTP/2 headers that masking reads otherwise than the audit's own reader");
    }
    if judge.payload() == Payload::Dissect {
        place::compare(original, masked, judge, &mut audit.residue, &mut fidelity, &mut warnings)?;
    }
    if let Some(damage) = damage(original)? {
        warnings.push(format!("the original can be read only up to a point: {damage}"));
    }
    Ok(audit.report(passes, fidelity, warnings))
}

/// Calls `look` for what stands beside packets, and with whole records, and the packet's number (0: none).
fn records(input: &Input, mut look: impl FnMut(u64, &[u8], &[(Meta, &[u8])])) -> Result<Reader, AuditError> {
    let fail = |source| AuditError::Capture { file: input.to_string(), source };
    let mut reader = Reader::open(input.open()?).map_err(fail)?;
    let (mut batch, mut packets) = (Batch::default(), 0);
    while reader.next_batch(&mut batch).map_err(fail)? {
        for record in &batch.records {
            let Some(bytes) = batch.bytes.get(record.start..record.start + record.len) else { continue };
            packets += u64::from(record.packet.is_some());
            let regions = batch.regions.get(record.regions.clone()).unwrap_or_default();
            let regions: Vec<_> =
                regions.iter().filter_map(|region| Some((region.what, bytes.get(region.at.clone())?))).collect();
            look(if record.packet.is_some() { packets } else { 0 }, bytes, &regions);
        }
    }
    Ok(reader)
}

fn damage(input: &Input) -> Result<Option<String>, AuditError> {
    let reader = records(input, |_, _, _| {})?;
    Ok(reader.damage().map(|damage| damage.to_string()))
}

struct Audit<'a> {
    original: &'a Input,
    masked: &'a Input,
    judge: &'a Judge,
    reading: fn() -> Reading,
    residue: Lines,
    kept: BTreeMap<String, u64>,
    values: u64,
    /// Packets of the original whose headers the two readers understand differently.
    misread: Vec<u64>,
}

impl<'a> Audit<'a> {
    /// Pass after pass, each for as many values as fit into memory; the number of passes.
    fn search(&mut self) -> Result<u32, AuditError> {
        let hasher = RandomState::new();
        let (mut todo, mut passes) = (vec![Partition::ALL], 0);
        while let Some(partition) = todo.pop() {
            let values = self.collect(partition, &hasher, passes == 0, &mut todo)?;
            self.values += values.items().len() as u64;
            self.look_for(values.items())?;
            passes += 1;
        }
        Ok(passes)
    }

    fn collect(
        &mut self,
        partition: Partition,
        hasher: &RandomState,
        first: bool,
        todo: &mut Vec<Partition>,
    ) -> Result<Values<'a>, AuditError> {
        let mut collector = Collector::new(self.judge, partition, hasher.clone(), self.reading);
        self.dissect(self.original, &mut collector)?;
        records(self.original, |_, _, regions| {
            regions.iter().for_each(|(what, bytes)| collector.region(*what, bytes));
        })?;
        if first {
            self.kept.append(&mut collector.kept);
            self.misread.append(&mut collector.headers.packets);
        }
        let (values, later) = collector.into_values();
        todo.extend(later);
        Ok(values)
    }

    fn look_for(&mut self, values: &[Value<'a>]) -> Result<(), AuditError> {
        let mut hits = self.hits(self.masked, Scope::All, values)?;
        if hits.is_empty() {
            return Ok(());
        }
        // Only the values found are looked for where the rules keep them.
        let found: Vec<usize> = hits.values().into_iter().collect();
        let suspects: Vec<Value<'_>> = found.iter().filter_map(|n| values.get(*n).cloned()).collect();
        let excused = hits.excuse(self.hits(self.original, Scope::Kept, &suspects)?, &found);
        if excused > 0 {
            *self.kept.entry("kept elsewhere".to_owned()).or_default() += excused;
        }
        hits.residue(values, &mut self.residue);
        Ok(())
    }

    fn hits(&self, input: &Input, scope: Scope, values: &[Value<'_>]) -> Result<Hits, AuditError> {
        let hits = Probe::run(input.open()?, scope, &Needles::new(values), self.judge);
        hits.map_err(|source| AuditError::Capture { file: input.to_string(), source })
    }

    fn dissect(&self, input: &Input, visitor: &mut impl dissect::Visitor) -> Result<(), AuditError> {
        let run = dissect::run(input.open()?, visitor);
        run.map(drop).map_err(|source| AuditError::Capture { file: input.to_string(), source })
    }

    fn report(self, passes: u32, fidelity: Fidelity, warnings: Vec<String>) -> AuditReport {
        let residue = self.residue.into_residue();
        let clean = residue.is_empty() && fidelity.differences_total == 0;
        let kept = self.kept.into_iter().map(|(rule, occurrences)| Kept { rule, occurrences });
        AuditReport {
            standin: env!("CARGO_PKG_VERSION"),
            schema: 1,
            verdict: if clean { Verdict::Pass } else { Verdict::Fail },
            searched: Searched { values: self.values, encodings: (disguise::count() + views::ALL.len()) as u64 },
            passes,
            residue,
            fidelity,
            kept: kept.collect(),
            warnings,
        }
    }
}
