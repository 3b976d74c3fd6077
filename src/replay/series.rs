//! A run over time, as it stands in its result.

use std::time::Duration;

use crate::measure::{Times, Windows};
use crate::run::{Point, PointHistograms};

use super::RunResult;
use super::felt::Felt;

/// The windows of a run that began at `start`, those that begin in its warm-up marked, with what the target felt in each.
pub fn series(windows: &Windows, start: u64, warmup: Duration, felt: &Felt) -> Vec<Point> {
    let width = windows.width();
    let points = windows.iter().map(|(at, window)| Point {
        at_s: (at as f64 - start as f64) / 1e9,
        seconds: width as f64 / 1e9,
        warmup: at.saturating_sub(start) < u64::try_from(warmup.as_nanos()).unwrap_or(u64::MAX),
        intended: window.intended,
        sent: window.sent,
        answered: window.answered,
        failed: window.failed,
        errors: window.errors,
        response_time_us: window.response.few(),
        lateness_us: window.lateness.few(),
        target: felt.between(at, at + width),
        histograms: PointHistograms { response: window.response.to_base64(), lateness: window.lateness.to_base64() },
    });
    points.collect()
}

/// An instant far enough from 0 that windows before a run's start have a place too; a multiple of every width.
const BASE_NS: u64 = 250_000_000 << 30;

/// The windows of several shards as those of one run. With each: how much later than the first it began, microseconds.
/// Counts are added, distributions merged; a histogram that cannot be read counts as none.
pub fn merged(shards: &[(&RunResult, u64)]) -> Vec<Point> {
    let points = || shards.iter().flat_map(|(run, later)| run.series.iter().map(|point| (point, *later as f64 / 1e6)));
    let width = points().map(|(point, _)| point.seconds).filter(|s| s.is_finite()).fold(0.0, f64::max);
    let mut windows = Windows::at_least((width * 1e9) as u64);
    let middle = |point: &Point, later: f64| point.at_s + later + point.seconds / 2.0;
    for (point, later) in points() {
        let window = windows.at(BASE_NS.saturating_add_signed((middle(point, later) * 1e9) as i64));
        window.intended = window.intended.saturating_add(point.intended);
        window.sent = window.sent.saturating_add(point.sent);
        window.answered = window.answered.saturating_add(point.answered);
        window.failed = window.failed.saturating_add(point.failed);
        window.errors = window.errors.saturating_add(point.errors);
        window.response.merge(&Times::from_base64(&point.histograms.response));
        window.lateness.merge(&Times::from_base64(&point.histograms.lateness));
    }
    let warmup = shards.first().map_or(Duration::ZERO, |(run, _)| run.profile.warmup.0);
    let mut whole = series(&windows, BASE_NS, warmup, &Felt::default());
    // They all saw the same target: one of them is enough.
    for point in &mut whole {
        let inside = |(seen, later): &(&Point, f64)| {
            (point.at_s..point.at_s + point.seconds).contains(&middle(seen, *later)) && seen.target.is_some()
        };
        point.target = points().find(inside).and_then(|(seen, _)| seen.target);
    }
    whole
}
