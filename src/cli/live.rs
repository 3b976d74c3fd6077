//! A run shown while it goes on: a few lines that are drawn again and again on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::text::{Talk, grouped, harmless};
use crate::measure::Few;
use crate::replay::progress::{Progress, Snapshot};
use crate::report::show::micros;

/// How often a terminal is drawn again.
const DRAW: Duration = Duration::from_millis(250);
/// How often a line is written elsewhere.
const LINE: Duration = Duration::from_secs(5);
/// Moments of the rate's history.
const HISTORY: usize = 32;
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// Shows a run until it is dropped.
pub(super) struct Shown {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Shown {
    /// Begins to show it, on stderr.
    pub(super) fn begin(live: Arc<Progress>, target: &str, mode: &'static str, talk: &Talk) -> Shown {
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, target) = (stop.clone(), harmless(target));
        let show = move || {
            if std::io::stderr().is_terminal() {
                draw(&live, &target, mode, &ended);
            } else {
                write_lines(&live, &ended);
            }
        };
        let thread = if talk.quiet { None } else { thread::Builder::new().name("shown".into()).spawn(show).ok() };
        Shown { stop, thread }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Draws until the end, then leaves the terminal as it was.
fn draw(live: &Progress, target: &str, mode: &str, stop: &AtomicBool) {
    let mut history: Vec<f64> = Vec::new();
    let mut drawn = 0;
    while !stop.load(Ordering::Relaxed) {
        let now = live.snapshot();
        if now.seconds.is_some() {
            history.push(now.achieved_rps);
            history.drain(..history.len().saturating_sub(HISTORY));
            let width = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col));
            let lines = dashboard(target, mode, &now, &history, width.clamp(20, 200));
            let mut text = String::new();
            if drawn > 0 {
                text = format!("\x1b[{drawn}A");
            }
            lines.iter().for_each(|line| text.push_str(&format!("\r\x1b[2K{line}\n")));
            drawn = lines.len();
            // In one piece, and through the stream that knows whether colours are wanted; it lets cursor moves through
            // with them or not at all, so the lines are drawn below each other in the worst case.
            let _ = std::io::stderr().write_all(uncoloured_if_asked(text).as_bytes());
        }
        thread::park_timeout(DRAW);
    }
    if drawn > 0 {
        let _ = write!(std::io::stderr(), "\x1b[{drawn}A\r\x1b[J");
    }
}

/// Cursor moves stay, colours go when they are not wanted.
fn uncoloured_if_asked(text: String) -> String {
    let wanted = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    if wanted { text } else { [BOLD, DIM, RED, RESET].iter().fold(text, |text, colour| text.replace(colour, "")) }
}

/// The lines of the dashboard, none of them longer than the terminal is wide.
fn dashboard(target: &str, mode: &str, now: &Snapshot, history: &[f64], width: usize) -> Vec<String> {
    let passed = now.seconds.unwrap_or(0.0);
    let time = match now.seconds_left {
        Some(left) if left > 0.0 => format!("{} passed, {} left", clock(passed), clock(left)),
        Some(_) => format!("{} passed, waiting for answers", clock(passed)),
        None => format!("{} passed", clock(passed)),
    };
    let share = now.seconds_left.map(|left| passed / (passed + left).max(1e-9));
    let times = |few: Option<Few>| match few {
        None => "–".to_owned(),
        Some(few) => {
            let [p50, p90, p99, max] =
                [few.p50, few.p90, few.p99, few.max].map(|us| format!("{:>7}", micros(us as f64)));
            format!("p50 {p50}   p90 {p90}   p99 {p99}   max {max}")
        }
    };
    let done = now.answered + now.failed;
    let rate =
        format!("intended {:>8.1}/s   achieved {:>8.1}/s   {}", now.intended_rps, now.achieved_rps, sparks(history));
    let errors = format!("{} errors ({:.2} %)", grouped(now.errors), 100.0 * now.errors as f64 / done.max(1) as f64);
    let requests =
        format!("{} sent   {} answered   {} failed", grouped(now.sent), grouped(now.answered), grouped(now.failed));
    let lines = [
        (BOLD, format!("{mode} -> {target}")),
        ("", format!("{}  {time}", bar(share, 24))),
        ("", format!("rate      {rate}")),
        ("", format!("response  {}", times(now.response_us))),
        ("", format!("lateness  {}", times(now.lateness_us))),
        ("", format!("requests  {requests}")),
        (if now.errors > 0 { RED } else { DIM }, format!("errors    {errors}")),
    ];
    let cut = |(style, line): (&str, String)| {
        let line: String = line.chars().take(width - 1).collect();
        if style.is_empty() { line } else { format!("{style}{line}{RESET}") }
    };
    lines.into_iter().map(cut).collect()
}

/// Done and not done; something in between when nobody knows.
fn bar(share: Option<f64>, width: usize) -> String {
    let filled = share.map_or(0, |share| (share.clamp(0.0, 1.0) * width as f64).round() as usize);
    let rest = if share.is_some() { "░" } else { "·" };
    "█".repeat(filled) + &rest.repeat(width - filled)
}

/// Small columns, the largest one full.
fn sparks(values: &[f64]) -> String {
    let most = values.iter().copied().fold(0.0, f64::max);
    let column = |value: &f64| {
        let step = if most > 0.0 { (value / most * 7.0).round() as usize } else { 0 };
        ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][step.min(7)]
    };
    values.iter().map(column).collect()
}

/// `1:05`, `2:00:00`.
fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole / 3600 {
        0 => format!("{}:{:02}", whole / 60, whole % 60),
        hours => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}

/// A line now and then.
fn write_lines(live: &Progress, stop: &AtomicBool) {
    let begun = Instant::now();
    let mut due = begun + LINE;
    while !stop.load(Ordering::Relaxed) {
        match due.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
            Some(wait) => thread::park_timeout(wait),
            None => {
                due += LINE;
                let _ = writeln!(std::io::stderr(), "{}", line(&live.snapshot()));
            }
        }
    }
}

fn line(now: &Snapshot) -> String {
    let left = now.seconds_left.map_or_else(String::new, |left| format!(", {} left", clock(left)));
    let response = now.response_us.map_or_else(String::new, |few| {
        format!(", response p50 {} p99 {}", micros(few.p50 as f64), micros(few.p99 as f64))
    });
    let late = now.lateness_us.map_or_else(String::new, |few| format!(", late p99 {}", micros(few.p99 as f64)));
    format!(
        "{}{left}: {:.1}/s of {:.1}/s intended, {} answered, {} errors{response}{late}",
        clock(now.seconds.unwrap_or(0.0)),
        now.achieved_rps,
        now.intended_rps,
        grouped(now.answered),
        grouped(now.errors),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Snapshot {
        Snapshot {
            seconds: Some(65.0),
            seconds_left: Some(65.0),
            planned: 2000,
            sent: 1234,
            answered: 1230,
            failed: 4,
            errors: 5,
            intended_rps: 120.0,
            achieved_rps: 119.5,
            response_us: Some(Few { p50: 640, p90: 1200, p99: 52_000, max: 61_000 }),
            lateness_us: None,
        }
    }

    #[test]
    fn a_moment_on_a_terminal_and_elsewhere() {
        let lines = dashboard("http://t:1", "captured", &moment(), &[0.0, 60.0, 120.0], 80);
        let text = uncoloured(&lines.join("\n"));
        for shown in [
            "captured -> http://t:1",
            "████████████░░░░░░░░░░░░  1:05 passed, 1:05 left",
            "▁▅█",
            "p99 52.0 ms",
            "lateness  –",
            "1,234 sent",
            "5 errors (0.41 %)",
        ] {
            assert!(text.contains(shown), "{shown} in\n{text}");
        }
        let narrow = dashboard("http://t:1", "captured", &moment(), &[1.0; HISTORY], 30);
        assert!(narrow.iter().all(|line| uncoloured(line).chars().count() < 30), "{narrow:?}");
        assert_eq!(
            line(&moment()),
            "1:05, 1:05 left: 119.5/s of 120.0/s intended, 1,230 answered, 5 errors, response p50 640 µs p99 52.0 ms"
        );
        assert_eq!((bar(None, 3), clock(7265.0)), ("···".to_owned(), "2:01:05".to_owned()));
    }

    fn uncoloured(text: &str) -> String {
        [BOLD, DIM, RED, RESET].iter().fold(text.to_owned(), |text, colour| text.replace(colour, ""))
    }
}
