//! The sections of a report about runs: what was asked of them, their course over time, their endpoints, and what the
//! target felt.

use crate::run::{Check, Point, PointTarget, TargetCgroup, TargetProcess, TargetRuntime};

use super::compose::verdict;
use super::data::Run;
use super::document::{Block, Chart, Line, MET, NOT_MET, Scale, Section, Table, Tone, Verdict};
use super::show::{bytes, count, measured, micros, plain};

/// Reasons shown of what was wrong with answers.
const REASONS: usize = 10;

/// A run's checks and objectives in one word, when it has some.
pub fn objectives(run: &Run) -> Option<Verdict> {
    let all = run.slo.len() + run.checks.len();
    let met = run.slo.iter().filter(|slo| slo.met).count() + run.checks.iter().filter(|check| check.met).count();
    (all > 0).then(|| {
        verdict(&format!("Checks and objectives {}", run.name), &format!("{met} of {all} met"), Tone::of(met == all))
    })
}

/// Checks and objectives, one by one.
pub fn asked(runs: &[Run]) -> Option<Section> {
    let answer = |met: bool| if met { MET } else { NOT_MET }.to_owned();
    let name = |run: &Run, what: &str| if runs.len() > 1 { format!("{}: {what}", run.name) } else { what.to_owned() };
    let slo = runs.iter().flat_map(|run| {
        run.slo.iter().map(move |slo| {
            let actual =
                slo.actual.map_or("not measured".to_owned(), |actual| format!("{} {}", figure(actual), slo.unit));
            vec![name(run, &slo.objective), actual, answer(slo.met)]
        })
    });
    let checks = runs.iter().flat_map(|run| {
        let row = move |check: &Check| {
            vec![name(run, &check.name), count(check.passed), count(check.failed), answer(check.met)]
        };
        run.checks.iter().map(row)
    });
    let reasons = runs.iter().flat_map(|run| &run.checks).flat_map(|check| &check.because).take(REASONS);
    let reasons =
        reasons.map(|because| plain(&format!("{} x {}: {}", count(because.times), because.endpoint, because.what)));
    let blocks = vec![
        Block::Table(Table::new("Objectives", &["objective", "measured", ""], slo)),
        Block::Table(Table::new("Checks of answers", &["check", "passed", "failed", ""], checks)),
        Block::Notes(reasons.collect()),
    ];
    let any = runs.iter().any(|run| !run.slo.is_empty() || !run.checks.is_empty());
    let lead = "What the profile asks of the target, and whether it was so.".to_owned();
    any.then_some(Section { heading: "What was asked of it".to_owned(), lead, blocks })
}

/// Three digits that matter.
fn figure(number: f64) -> String {
    let decimals = if number.abs() >= 100.0 || number == number.round() { 0 } else { 2 };
    format!("{number:.decimals$}")
}

/// A run over time.
pub fn course(run: &Run, runs: usize) -> Option<Section> {
    if run.series.len() < 2 {
        return None;
    }
    let line = |label: &str, of: &dyn Fn(&Point) -> Option<f64>| {
        Line::new(label, run.series.iter().map(|point| (point.at_s + point.seconds / 2.0, of(point))))
    };
    let rate = |n: u64, point: &Point| (point.seconds > 0.0).then(|| n as f64 / point.seconds);
    let target = |of: fn(&PointTarget) -> Option<f64>| move |point: &Point| of(point.target.as_ref()?);
    let chart = |caption: &str, scale, lines| Block::Series(Chart { caption: caption.to_owned(), scale, lines });
    let memory = vec![
        line("resident", &target(|target| Some(target.rss? as f64))),
        line("cgroup", &target(|target| Some(target.memory? as f64))),
        line("heap", &target(|target| target.heap)),
    ];
    let memory = memory.into_iter().filter(|line| !line.pieces.is_empty()).collect();
    // No chart of nothing: the table says that there were none.
    let errors = if run.series.iter().all(|point| point.errors == 0) {
        Vec::new()
    } else {
        vec![
            line("errors", &|point| rate(point.errors, point)),
            line("without an answer", &|point| rate(point.failed, point)),
        ]
    };
    let blocks = vec![
        chart(
            "Requests per second",
            Scale::Rate,
            vec![
                line("intended", &|point| rate(point.intended, point)),
                line("answered", &|point| rate(point.answered, point)),
            ],
        ),
        chart(
            "Response time, by the intended instant",
            Scale::Micros,
            vec![
                line("p50", &|point| Some(point.response_time_us?.p50 as f64)),
                line("p90", &|point| Some(point.response_time_us?.p90 as f64)),
                line("p99", &|point| Some(point.response_time_us?.p99 as f64)),
                line("max", &|point| Some(point.response_time_us?.max as f64)),
            ],
        ),
        chart("Errors per second", Scale::Rate, errors),
        chart(
            "The generator's lateness",
            Scale::Micros,
            vec![
                line("p50", &|point| Some(point.lateness_us?.p50 as f64)),
                line("p99", &|point| Some(point.lateness_us?.p99 as f64)),
                line("max", &|point| Some(point.lateness_us?.max as f64)),
            ],
        ),
        chart("The target's memory", Scale::Bytes, memory),
        chart("Processors that the target used", Scale::Cores, vec![line("processors", &target(|target| target.cpu))]),
    ];
    let heading = if runs > 1 { format!("Over time: {}", run.name) } else { "Over time".to_owned() };
    let width = run.series.first().map_or(0.0, |point| point.seconds);
    let warm = run.warmup.as_ref().map(|warm| format!(" The first {:.1} s are the warm-up.", warm.seconds));
    let lead = format!(
        "In steps of {width} s. A stall shows where the requests were meant to leave that had to wait for it.{}",
        warm.unwrap_or_default()
    );
    Some(Section { heading: plain(&heading), lead, blocks })
}

/// Each run's endpoints.
pub fn endpoints(runs: &[Run]) -> Option<Section> {
    let ratio = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{:.1} %", share * 100.0));
    let table = |run: &Run| {
        let mut endpoints: Vec<_> = run.endpoints.iter().filter(|endpoint| endpoint.requests > 0).collect();
        endpoints.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.requests));
        let rows = endpoints.into_iter().map(|endpoint| {
            let time = &endpoint.response_time_us;
            vec![
                endpoint.endpoint.clone(),
                count(endpoint.requests),
                count(endpoint.errors),
                ratio(endpoint.status_agreement),
                measured(time.p50 as f64, endpoint.answered),
                measured(time.p95 as f64, endpoint.answered),
                measured(time.p99 as f64, endpoint.answered),
                measured(time.max as f64, endpoint.answered),
                measured(endpoint.service_time_us.p99 as f64, endpoint.answered),
            ]
        });
        let head = ["endpoint", "requests", "errors", "status as captured", "p50", "p95", "p99", "max", "service p99"];
        Block::Table(Table::new(&plain(&run.name), &head, rows))
    };
    let any = runs.iter().any(|run| run.endpoints.iter().any(|endpoint| endpoint.requests > 0));
    let lead = "Response times by endpoint, the most frequent first.".to_owned();
    any.then(|| Section { heading: "By endpoint".to_owned(), lead, blocks: runs.iter().map(table).collect() })
}

/// A row of figures: what it is called, which it is, how it reads.
type Figure<T> = (&'static str, fn(&T) -> Option<f64>, fn(f64) -> String);

const PROCESS: &[Figure<TargetProcess>] = &[
    ("resident memory before", |felt| Some(felt.rss_start as f64), size),
    ("largest seen", |felt| Some(felt.rss_peak_seen as f64), size),
    ("after", |felt| Some(felt.rss_end as f64), size),
    ("proportional (PSS), largest seen", |felt| Some(felt.pss_peak? as f64), size),
    ("CPU time per answer", |felt| Some(felt.cpu_us_per_request), micros),
    ("waiting for a processor, per answer", |felt| Some(felt.run_queue_us_per_request), micros),
    ("context switches per answer, voluntary", |felt| Some(felt.voluntary_switches_per_request), figure),
    ("context switches per answer, involuntary", |felt| Some(felt.involuntary_switches_per_request), figure),
    ("threads, most seen", |felt| Some(felt.threads_peak as f64), figure),
    ("page faults, minor", |felt| Some(felt.minor_faults as f64), figure),
    ("page faults, major", |felt| Some(felt.major_faults as f64), figure),
    ("descriptors, most seen", |felt| Some(felt.descriptors_peak? as f64), figure),
    ("sockets, most seen", |felt| Some(felt.sockets_peak? as f64), figure),
];

const CGROUP: &[Figure<TargetCgroup>] = &[
    ("cgroup: memory, largest seen", |felt| Some(felt.memory_peak_seen? as f64), size),
    ("cgroup: CPU time per answer", |felt| felt.cpu_us_per_request, micros),
    ("cgroup: periods throttled", |felt| Some(felt.throttled_periods? as f64), figure),
    ("cgroup: held back for", |felt| Some(felt.throttled_us? as f64), micros),
    ("cgroup: killed for want of memory", |felt| Some(felt.oom_kills? as f64), figure),
];

const RUNTIME: &[Figure<TargetRuntime>] = &[
    ("heap before", |felt| felt.heap_start, size),
    ("heap after", |felt| felt.heap_end, size),
    ("allocated per second", |felt| felt.allocation_rate, size),
    ("allocated per answer", |felt| felt.allocated_per_request, size),
    ("allocations per answer", |felt| felt.allocations_per_request, figure),
    ("garbage collections", |felt| felt.collections, figure),
    ("their pauses", |felt| felt.pauses_us, micros),
];

fn size(number: f64) -> String {
    bytes(number.max(0.0) as u64)
}

/// What the targets felt, side by side.
pub fn felt(runs: &[Run]) -> Option<Section> {
    let mut rows = rows(PROCESS, runs, |run| run.target_process.as_ref());
    rows.extend(self::rows(CGROUP, runs, |run| run.target_cgroup.as_ref()));
    rows.extend(self::rows(RUNTIME, runs, |run| run.target_runtime.as_ref()));
    let missing = runs.iter().flat_map(|run| run.not_measured.iter().map(move |(what, why)| (run, what, why)));
    let missing = missing.map(|(run, what, why)| plain(&format!("{}: {what} not measured: {why}", run.name)));
    let head: Vec<&str> = std::iter::once("").chain(runs.iter().map(|run| run.name.as_str())).collect();
    let any = !rows.is_empty();
    let blocks =
        vec![Block::Table(Table::whole("Figures of the target", &head, rows)), Block::Notes(missing.collect())];
    let lead = "Its process, cgroup and runtime, looked at ten times a second while the run went on.".to_owned();
    any.then_some(Section { heading: "What the target felt".to_owned(), lead, blocks })
}

/// The figures that at least one of the runs has.
fn rows<T>(figures: &[Figure<T>], runs: &[Run], of: impl Fn(&Run) -> Option<&T>) -> Vec<Vec<String>> {
    let row = |(label, figure, show): &Figure<T>| {
        // Of no answer there is no share.
        let has = |run: &Run| run.requests.answered > 0 || !label.contains("per answer");
        let values: Vec<Option<f64>> = runs.iter().map(|run| figure(of(run).filter(|_| has(run))?)).collect();
        let cells = values.iter().map(|value| value.map_or("–".to_owned(), show));
        let row = std::iter::once((*label).to_owned()).chain(cells).collect();
        values.iter().any(Option::is_some).then_some(row)
    };
    figures.iter().filter_map(row).collect()
}
