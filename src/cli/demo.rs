//! `standin demo`: the whole story on a bundled capture, with nothing but this program.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::args::DemoArgs;
use super::audit::erased::Json;
use super::input::Stop;
use super::text::write_json;
use super::text::{Talk, grouped, print};
use super::{Exit, Failure};
use crate::audit::inspect::inspect;
use crate::audit::judge::Judge;
use crate::audit::result::Verdict;
use crate::audit::{self, Input};
use crate::capture::{Output, Reader};
use crate::mask::Key;
use crate::replay::{self, Mode, Options, Profile, RunResult};
use crate::report::{self, Results};
use crate::rules::Policy;
use crate::sanitize;
use crate::workload::Wanted;

/// Traffic of a small shop with made-up people; see `fixtures/README.md`.
const CAPTURE: &[u8] = include_bytes!("../../fixtures/shop-demo.pcap");

pub(super) fn run(args: &DemoArgs, talk: &Talk) -> Result<Exit, Failure> {
    let began = Instant::now();
    let folder = folder(args)?;
    let stop = Stop::listen().map_err(|e| Failure::system(format!("cannot listen to signals: {e}")))?;
    let policy = Arc::new(Policy::load(&[])?);
    let judge = Judge::new(policy.clone());
    let mut results = Results::new("Standin demo");

    let original = folder.join("original.pcap");
    write(&original, CAPTURE)?;
    let inspection = inspect(&Input::from(&*original), &judge).map_err(super::audit::failure)?;
    add(&mut results, "inspect", &inspection)?;
    print(&format!(
        "1  inspect  {}: {} packets, {} requests, {} endpoints, {} kinds of sensitive data\n",
        original.display(),
        grouped(inspection.packets),
        grouped(inspection.http.requests),
        inspection.endpoints.len(),
        inspection.kinds.len(),
    ))?;

    let masked = folder.join("masked.pcap");
    let manifest = mask(&original, &masked, &policy)?;
    write_json(&folder.join("masked.pcap.manifest.json"), &manifest)?;
    add(&mut results, "manifest", &manifest)?;
    print(&format!(
        "2  mask     {}: every one of {} bytes has a label; {} pseudonym, {} blanked\n",
        masked.display(),
        grouped(manifest.output.bytes),
        grouped(manifest.ledger.pseudonym),
        grouped(manifest.ledger.blanked),
    ))?;

    let report =
        audit::compare(&Input::from(&*original), &Input::from(&*masked), &judge).map_err(super::audit::failure)?;
    write_json(&folder.join("audit.json"), &report)?;
    add(&mut results, "audit", &report)?;
    let passed = report.verdict == Verdict::Pass;
    print(&format!(
        "3  audit    {}: {} values searched in {} encodings, {} places with residue, {} differences\n",
        if passed { "pass" } else { "FAIL" },
        grouped(report.searched.values),
        report.searched.encodings,
        report.residue.len(),
        report.fidelity.differences.len(),
    ))?;

    let mut valid = true;
    for (step, name, path) in [(4, "original", &original), (5, "masked", &masked)] {
        let result = replay(path, &stop)?;
        valid &= result.valid;
        write_json(&folder.join(format!("run-{name}.json")), &result)?;
        add(&mut results, name, &result)?;
        print(&format!(
            "{step}  replay   {name}: {} of {} answered, {:.1} % with the captured status, response time p50 {:.0} us, p99 {:.0} us{}\n",
            grouped(result.requests.answered),
            grouped(result.requests.planned),
            100.0 * result.workload.status_agreement.unwrap_or(0.0),
            result.response_time_us.p50,
            result.response_time_us.p99,
            if result.valid { String::new() } else { format!(", NOT VALID: {}", result.invalid_because.join("; ")) },
        ))?;
    }

    let html = report::find("html").map(|format| format.render(&results)).transpose();
    let html = html.map_err(|e| Failure::system(e.to_string()))?.unwrap_or_default();
    let page = folder.join("report.html");
    write(&page, html.as_bytes())?;
    print(&format!("6  report   {}\n", page.display()))?;
    talk.say(&format!(
        "{:.1} s; the captures, manifest, audit and runs lie beside the report",
        began.elapsed().as_secs_f64()
    ));
    Ok(if passed && valid { Exit::Clean } else { Exit::Negative })
}

fn folder(args: &DemoArgs) -> Result<PathBuf, Failure> {
    let folder = args.output.clone().unwrap_or_else(|| {
        let free = |n: &u32| !Path::new(&format!("standin-demo-{n}")).exists();
        PathBuf::from(format!("standin-demo-{}", (1..).find(free).unwrap_or(0)))
    });
    std::fs::create_dir_all(&folder).map_err(|e| Failure::io("cannot create the folder", &folder, &e))?;
    Ok(folder)
}

fn mask(original: &Path, masked: &Path, policy: &Arc<Policy>) -> Result<sanitize::Manifest, Failure> {
    let key = Key::fresh()?;
    let fail = |error: std::io::Error| Failure::io("cannot write", masked, &error);
    let reader = Reader::open(Box::new(CAPTURE)).map_err(|e| Failure::capture(original, &e))?;
    let mut output = Output::create(masked).map_err(fail)?;
    let options = sanitize::Options { policy: policy.clone(), key: &key, ledger: None, format: None };
    let manifest =
        sanitize::mask(reader, &mut output, options, &|| false).map_err(|e| Failure::sanitize(original, masked, &e))?;
    output.commit().map_err(fail)?;
    Ok(manifest)
}

/// Replays against the built-in target at the captured pace.
fn replay(path: &Path, stop: &Stop) -> Result<RunResult, Failure> {
    let file = std::fs::File::open(path).map_err(|e| Failure::io("cannot read", path, &e))?;
    let workload = super::traffic::workload(Box::new(file), &Wanted::default()).map_err(|failure| failure.of(path))?;
    let profile =
        Profile { mode: Mode::Sessions, ..Profile::built_in("sessions").map_err(|e| Failure::usage(e.to_string()))? };
    let options = Options { cancel: stop.flag(), ..Options::new("embedded", profile) };
    replay::run(Arc::new(workload), options).map_err(|e| Failure::system(e.to_string()))
}

fn add(results: &mut Results, name: &str, result: &dyn Json) -> Result<(), Failure> {
    results.add(name, &result.json()).map_err(|e| Failure::system(e.to_string()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::io("cannot write", path, &error);
    let mut output = Output::create(path).map_err(fail)?;
    output.write_all(bytes).map_err(fail)?;
    output.commit().map_err(fail)
}
