//! A capture as a stream and gathered: the same requests with the same replacements.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use standin::replay::feed::Feed;
use standin::replay::profile::Shard;
use standin::replay::{Mode, Options, PlannedRequest, Profile, ReplayError, dry_run, run};
use standin::workload::{Collector, Workload, correlate};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let captures = files.filter(|path| path.extension().is_some_and(|ending| ending == "pcap" || ending == "pcapng"));
    let mut captures: Vec<PathBuf> = captures.collect();
    captures.sort();
    assert!(captures.len() >= 5);
    captures
}

fn gathered(path: &Path) -> Workload {
    let mut collector = Collector::new();
    standin::dissect::run(Box::new(File::open(path).unwrap()), &mut collector).unwrap();
    let mut workload = collector.finish().unwrap();
    correlate(&mut workload);
    workload
}

fn streamed(path: &Path) -> Feed {
    let path = path.to_owned();
    Feed::capture(Box::new(move || Ok(Box::new(File::open(&path)?))))
}

/// What is sent, connection by connection, each in its order; connections have other numbers in either.
fn sent(plan: &[PlannedRequest]) -> Vec<Vec<String>> {
    let mut connections: BTreeMap<(u32, u32), Vec<String>> = BTreeMap::new();
    for request in plan {
        let made: Vec<_> =
            request.replacements.iter().map(|made| format!("{} {} {}", made.at, made.len, made.with)).collect();
        let text = format!("{} {:?} {made:?}", request.line, request.at_ms);
        connections.entry((request.round, request.connection)).or_default().push(text);
    }
    let mut all: Vec<Vec<String>> = connections.into_values().collect();
    all.sort();
    all
}

#[test]
fn a_stream_sends_what_a_gathered_workload_sends() {
    for path in fixtures() {
        let workload = gathered(&path);
        let profile = Profile { mode: Mode::Captured, ..Profile::default() };
        let whole = dry_run(&workload, &profile).unwrap();
        assert_eq!(whole.len(), workload.requests());
        let edges = whole.iter().flat_map(|request| &request.replacements).filter(|made| made.from_step.is_some());
        assert_eq!(edges.count(), workload.edges(), "{}", path.display());
        assert_eq!(sent(&dry_run(streamed(&path), &profile).unwrap()), sent(&whole), "{}", path.display());
    }
}

#[test]
fn shards_of_a_stream_are_the_whole() {
    for path in fixtures() {
        let profile = |shard| Profile { shard, ..Profile::default() };
        let key = |request: &PlannedRequest| request.number;
        let mut whole: Vec<u64> = dry_run(streamed(&path), &profile(None)).unwrap().iter().map(key).collect();
        let shard = |index| dry_run(streamed(&path), &profile(Some(Shard { index, of: 3 }))).unwrap_or_default();
        let shards: Vec<Vec<PlannedRequest>> = (0..3).map(shard).collect();
        // A value and what it comes from are in one shard: nothing is missed for the split.
        let follows = |plan: &[PlannedRequest]| {
            plan.iter().flat_map(|request| &request.replacements).filter(|made| made.from_step.is_some()).count()
        };
        let all = dry_run(streamed(&path), &profile(None)).unwrap();
        assert_eq!(shards.iter().map(|part| follows(part)).sum::<usize>(), follows(&all), "{}", path.display());
        let mut parts: Vec<u64> = shards.iter().flatten().map(key).collect();
        whole.sort_unstable();
        parts.sort_unstable();
        assert_eq!(parts, whole, "{}", path.display());
    }
}

#[test]
fn a_pipe_is_replayed_and_again_when_it_is_short_but_not_split() {
    let path = fixtures().into_iter().find(|path| path.ends_with("shop-ns.pcap")).unwrap();
    let pipe = || Feed::pipe(Box::new(File::open(&path).unwrap()));
    let profile = Profile { think_scale: 0.0, speed: 50.0, requests: Some(100), ..Profile::default() };
    let result = run(pipe(), Options::new("embedded", profile.clone())).unwrap();
    assert_eq!(result.requests.answered, 100, "{:?}", result.requests);
    let split = Profile { shard: Some(Shard { index: 0, of: 2 }), ..profile };
    assert!(matches!(run(pipe(), Options::new("embedded", split)), Err(ReplayError::Once)));
}

#[test]
fn a_workload_is_a_feed_as_often_as_it_is_asked() {
    let workload = Arc::new(gathered(&fixtures()[0]));
    let profile = Profile { mode: Mode::Closed, requests: Some(workload.requests() as u64 * 3), ..Profile::default() };
    let plan = dry_run(workload.clone(), &profile).unwrap();
    assert_eq!(plan.len(), workload.requests() * 3);
    let round = |n| plan.iter().filter(|request| request.round == n).map(|request| &request.line).collect::<Vec<_>>();
    assert_eq!(round(0), round(2));
}
