//! What a report says, and in which order: answers first.

use crate::measure::{Histogram, Percentiles};

use crate::run::Warmup;

use super::data::{Audit, Inspect, Manifest, Results, Run};
use super::document::{Block, Curve, Document, Part, Section, Table, Tone, Verdict};
use super::over_time;
use super::show::{bytes, count, measured, micros, plain, share};

/// A document of all results that there are.
pub fn compose(results: &Results) -> Document {
    let mut document = Document { title: plain(&results.title), verdicts: Vec::new(), sections: Vec::new() };
    if let Some(inspect) = &results.inspect {
        document.sections.push(capture(inspect));
    }
    if let Some(manifest) = &results.manifest {
        document.sections.push(masking(manifest));
    }
    if let Some(audit) = &results.audit {
        document.verdicts.push(verdict("Audit", &audit.verdict, Tone::of(audit.verdict == "pass")));
        let searched = count(audit.searched.values);
        document.verdicts.push(verdict("Values searched", &searched, Tone::Plain));
        document.sections.push(evidence(audit));
    }
    for run in &results.runs {
        let answer = if run.valid { "valid" } else { "invalid" };
        document.verdicts.push(verdict(&format!("Run {}", run.name), answer, Tone::of(run.valid)));
        document.verdicts.extend(over_time::objectives(run));
    }
    if !results.runs.is_empty() {
        document.sections.extend(over_time::asked(&results.runs));
        document.sections.push(latency(&results.runs));
        document.sections.extend(results.runs.iter().filter_map(|run| over_time::course(run, results.runs.len())));
        document.sections.extend(over_time::endpoints(&results.runs));
        document.sections.push(answers(&results.runs));
        document.sections.extend(over_time::felt(&results.runs));
    }
    document
}

pub(super) fn verdict(label: &str, answer: &str, tone: Tone) -> Verdict {
    Verdict { label: plain(label), answer: plain(answer), tone }
}

fn capture(inspect: &Inspect) -> Section {
    let lead = format!(
        "{} packets, {} over {:.1} s; {} HTTP requests on {} connections.",
        count(inspect.packets),
        bytes(inspect.bytes),
        inspect.seconds,
        count(inspect.http.requests),
        count(inspect.http.connections),
    );
    let kinds = inspect
        .kinds
        .iter()
        .map(|(name, kind)| vec![name.clone(), count(kind.values), count(kind.occurrences), count(kind.places)]);
    let endpoints = inspect.endpoints.iter();
    let endpoints = endpoints.map(|e| vec![format!("{} {}", e.method, e.path_template), count(e.requests)]);
    let mut protocols: Vec<_> = inspect.protocols.iter().collect();
    protocols.sort_by_key(|(_, packets)| std::cmp::Reverse(**packets));
    let protocols = protocols.into_iter().map(|(name, packets)| vec![name.clone(), count(*packets)]);
    let blocks = vec![
        Block::Table(Table::new("Endpoints", &["endpoint", "requests"], endpoints)),
        Block::Table(Table::new("Sensitive data", &["kind", "values", "occurrences", "places"], kinds)),
        Block::Table(Table::new("Protocols", &["protocol", "packets"], protocols)),
    ];
    Section { heading: "What is in the capture".to_owned(), lead, blocks }
}

fn masking(manifest: &Manifest) -> Section {
    let ledger = &manifest.ledger;
    let labels = [
        ("structural", ledger.structural),
        ("kept by rule", ledger.kept),
        ("pseudonym", ledger.pseudonym),
        ("recomputed", ledger.recomputed),
        ("blanked", ledger.blanked),
    ];
    let whole: u64 = labels.iter().map(|(_, size)| size).sum();
    let part = |(label, size): (&'static str, u64)| Part {
        label,
        share: size as f64 / whole.max(1) as f64,
        size: format!("{} ({})", bytes(size), share(size, whole)),
    };
    let kinds = manifest.kinds.iter();
    let kinds = kinds.map(|(name, kind)| vec![name.clone(), count(kind.values), count(kind.occurrences)]);
    let unknown = manifest.not_understood.iter();
    let unknown = unknown.map(|n| vec![n.what.clone(), count(n.packets), bytes(n.bytes)]);
    let degraded = manifest.degraded.iter().map(|(kind, values)| vec![kind.clone(), count(*values)]);
    let lead = format!("Every one of {} output bytes has one label.", count(whole));
    let blocks = vec![
        Block::Bar(labels.into_iter().map(part).collect()),
        Block::Table(Table::new("Pseudonyms", &["kind", "values", "occurrences"], kinds)),
        Block::Table(Table::new("Blanked: not understood", &["what", "packets", "bytes"], unknown)),
        Block::Table(Table::new("Degraded: no room for a full pseudonym", &["kind", "values"], degraded)),
        Block::Notes(manifest.warnings.iter().map(|warning| plain(warning)).collect()),
    ];
    Section { heading: "How it was masked".to_owned(), lead, blocks }
}

fn evidence(audit: &Audit) -> Section {
    let found: u64 = audit.residue.iter().map(|residue| residue.count).sum();
    let lead = format!(
        "{} values, in {} encodings, were searched in the masked capture in {} pass{}: {}.",
        count(audit.searched.values),
        count(audit.searched.encodings),
        audit.passes,
        if audit.passes == 1 { "" } else { "es" },
        if found == 0 { "none is left".to_owned() } else { format!("{} sightings", count(found)) },
    );
    let residue = audit
        .residue
        .iter()
        .map(|r| vec![r.kind.clone(), r.field.clone(), r.encoding.clone(), count(r.packet), count(r.count)]);
    let differences = audit.fidelity.differences.iter().map(|d| vec![d.what.clone(), count(d.packet)]);
    let kept = audit.kept.iter().map(|kept| vec![kept.rule.clone(), count(kept.occurrences)]);
    let packets = [
        vec!["original".to_owned(), count(audit.fidelity.packets_original)],
        vec!["masked".to_owned(), count(audit.fidelity.packets_masked)],
    ];
    let blocks = vec![
        Block::Table(Table::new("Left behind", &["kind", "field", "encoding", "packet", "count"], residue)),
        Block::Table(Table::new("Packets", &["capture", "packets"], packets)),
        Block::Table(Table::new("Differences between the captures", &["what", "packet"], differences)),
        Block::Table(Table::new("Kept by the rules", &["rule", "fields"], kept)),
        Block::Notes(audit.warnings.iter().map(|warning| plain(warning)).collect()),
    ];
    Section { heading: "What is left: the audit".to_owned(), lead, blocks }
}

fn latency(runs: &[Run]) -> Section {
    let head = ["", "p50", "p90", "p95", "p99", "p99.9", "max", "mean"];
    let row = |run: &Run, what: &str, p: &Percentiles, of: u64| {
        let times = [p.p50, p.p90, p.p95, p.p99, p.p99_9, p.max].map(|us| measured(us as f64, of));
        [vec![format!("{} {what}", run.name)], times.to_vec(), vec![measured(p.mean, of)]].concat()
    };
    let rows = runs.iter().flat_map(|run| {
        [
            row(run, "response", &run.response_time_us, run.requests.answered),
            row(run, "service", &run.service_time_us, run.requests.answered),
            row(run, "lateness", &run.lateness_us, run.requests.sent),
        ]
    });
    let lead = "Response time counts from the instant a request was meant to leave, service time from the instant it \
                did; lateness is the generator's own.";
    let blocks = vec![
        Block::Curves(runs.iter().map(curve).filter(|curve| !curve.points.is_empty()).collect()),
        Block::Table(Table::new("Times", &head, rows)),
    ];
    Section { heading: "How fast it answered".to_owned(), lead: lead.to_owned(), blocks }
}

/// The response times of a run, from its histogram, else from its percentiles.
fn curve(run: &Run) -> Curve {
    let p = &run.response_time_us;
    let known = [(0.5, p.p50), (0.9, p.p90), (0.95, p.p95), (0.99, p.p99), (0.999, p.p99_9)];
    let points = histogram(run).filter(|points| !points.is_empty());
    // Nothing was answered, which no line may hide.
    let known = if p.max.max(p.p50) == 0 { Vec::new() } else { known.map(|(q, us)| (q, us as f64)).to_vec() };
    Curve { label: plain(&run.name), points: points.unwrap_or(known) }
}

fn histogram(run: &Run) -> Option<Vec<(f64, f64)>> {
    let histogram = Histogram::from_base64(&run.histograms.response).ok()?;
    let steps = (0..=160).map(|step| 1.0 - 10f64.powf(-f64::from(step) / 40.0));
    let enough = |quantile: &f64| (1.0 - quantile) * histogram.len() as f64 >= 0.5;
    let point = |quantile| (quantile, histogram.quantile(quantile) as f64);
    Some(steps.take_while(enough).map(point).collect())
}

fn answers(runs: &[Run]) -> Section {
    let names: Vec<&str> = std::iter::once("").chain(runs.iter().map(|run| run.name.as_str())).collect();
    let line = |label: &str, cell: &dyn Fn(&Run) -> String| {
        std::iter::once(label.to_owned()).chain(runs.iter().map(cell)).collect::<Vec<_>>()
    };
    let ratio = |number: Option<f64>| number.map_or("–".to_owned(), |n| format!("{n:.3}"));
    let failed = |run: &Run| {
        let reasons = run.requests.failed.iter().filter(|(_, n)| **n > 0);
        let reasons: Vec<String> = reasons.map(|(reason, n)| format!("{} {}", reason.name(), count(*n))).collect();
        if reasons.is_empty() { "0".to_owned() } else { reasons.join(", ") }
    };
    let requests = vec![
        line("target", &|run| run.target.clone()),
        line("mode", &|run| run.mode.clone()),
        line("planned", &|run| count(run.requests.planned)),
        line("sent", &|run| count(run.requests.sent)),
        line("answered", &|run| count(run.requests.answered)),
        line("failed", &failed),
        line("offered, requests/s", &|run| format!("{:.1}", run.offered_rps)),
        line("achieved, requests/s", &|run| format!("{:.1}", run.achieved_rps)),
        line("status as captured", &|run| ratio(run.workload.status_agreement)),
        line("gaps between requests, KS distance", &|run| ratio(run.workload.interarrival_ks)),
        line("correlated values", &|run| count(run.correlation.edges)),
        line("substituted", &|run| count(run.correlation.substituted)),
        line("missed", &|run| count(run.correlation.missed)),
    ];
    let warm = |label: &str, of: &dyn Fn(&Warmup) -> String| {
        line(label, &|run| run.warmup.as_ref().map_or_else(|| "–".to_owned(), of))
    };
    let warmup = match runs.iter().any(|run| run.warmup.is_some()) {
        false => Vec::new(),
        true => vec![
            warm("seconds", &|warm| format!("{:.1}", warm.seconds)),
            warm("sent", &|warm| count(warm.requests.sent)),
            warm("answered", &|warm| count(warm.requests.answered)),
            warm("failed", &|warm| count(warm.requests.failed.values().fold(0, |all, n| all.saturating_add(*n)))),
            warm("response time, p50", &|warm| micros(warm.response_time_us.p50 as f64)),
            warm("response time, p99", &|warm| micros(warm.response_time_us.p99 as f64)),
        ],
    };
    let mut codes: Vec<&String> = runs.iter().flat_map(|run| run.status.keys()).collect();
    codes.sort();
    codes.dedup();
    let statuses =
        codes.into_iter().map(|code| line(code, &|run| run.status.get(code).map_or("–".to_owned(), |n| count(*n))));
    let invalid = runs
        .iter()
        .flat_map(|run| run.invalid_because.iter().map(|why| plain(&format!("{} is invalid: {why}", run.name))));
    let blocks = vec![
        Block::Notes(invalid.collect()),
        Block::Table(Table::new("Requests", &names, requests)),
        Block::Table(Table::new("Of these, in the warm-up, which is in no response time above", &names, warmup)),
        Block::Table(Table::new("Answers by status", &names, statuses)),
    ];
    let lead = "Requests as they were planned from the capture, and what became of them.".to_owned();
    Section { heading: "What was sent and what came back".to_owned(), lead, blocks }
}
