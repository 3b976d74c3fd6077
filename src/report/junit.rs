//! A report for CI servers: JUnit's XML, a suite for each run, a case for its validity, each check and each objective.

use std::fmt::Write;

use askama::Template;

use super::data::{Audit, Run};
use super::show::plain;
use super::{Report, ReportError, Results};

/// JUnit's XML.
pub struct Junit;

impl Report for Junit {
    fn id(&self) -> &'static str {
        "xml"
    }

    fn about(&self) -> &'static str {
        "JUnit's XML for CI servers"
    }

    fn render(&self, results: &Results) -> Result<String, ReportError> {
        let suites: Vec<Suite> = results.runs.iter().map(suite).chain(results.audit.as_ref().map(audit)).collect();
        let tests = suites.iter().map(|suite| suite.cases.len()).sum();
        let failures = suites.iter().map(Suite::failures).sum();
        Ok(Page { tests, failures, suites: &suites }.render()?)
    }
}

#[derive(Template)]
#[template(path = "junit.xml", escape = "html", config = "src/report/askama.toml")]
struct Page<'a> {
    tests: usize,
    failures: usize,
    suites: &'a [Suite],
}

struct Suite {
    name: String,
    target: String,
    seconds: String,
    timestamp: String,
    cases: Vec<Case>,
}

struct Case {
    class: &'static str,
    name: String,
    failure: Option<String>,
}

impl Suite {
    fn failures(&self) -> usize {
        self.cases.iter().filter(|case| case.failure.is_some()).count()
    }
}

fn suite(run: &Run) -> Suite {
    let case = |class, name: &str, failure: Option<String>| Case {
        class,
        name: allowed(name),
        failure: failure.map(|why| allowed(&why)),
    };
    let valid = (!run.valid).then(|| run.invalid_because.join("; "));
    let checks = run.checks.iter().map(|check| {
        let why = || {
            let mut why =
                format!("{} of {} answers were otherwise", check.failed, check.passed.saturating_add(check.failed));
            for because in &check.because {
                let _ = write!(why, "; {} x {}: {}", because.times, because.endpoint, because.what);
            }
            why
        };
        case("standin.check", &check.name, (!check.met).then(why))
    });
    let slo = run.slo.iter().map(|slo| {
        let why = || match slo.actual {
            Some(actual) => format!("it was {actual} {}", slo.unit),
            None => "nothing was measured".to_owned(),
        };
        case("standin.slo", &slo.objective, (!slo.met).then(why))
    });
    Suite {
        name: allowed(&run.name),
        target: allowed(&run.target),
        seconds: format!("{:.3}", run.seconds),
        timestamp: timestamp(run.started_unix_us / 1_000_000),
        cases: std::iter::once(case("standin.run", "valid", valid)).chain(checks).chain(slo).collect(),
    }
}

fn audit(audit: &Audit) -> Suite {
    let found = |n: usize, what: &str| (n > 0).then(|| format!("{n} {what}"));
    let case = |name: &str, failure| Case { class: "standin.audit", name: name.to_owned(), failure };
    Suite {
        name: "audit".to_owned(),
        target: "localhost".to_owned(),
        seconds: "0".to_owned(),
        timestamp: timestamp(0),
        cases: vec![
            case("residue", found(audit.residue.len(), "places with residue")),
            case("fidelity", found(audit.fidelity.differences.len(), "differences")),
        ],
    }
}

/// Text that XML 1.0 can hold (2.2), which cannot hide or turn around either.
fn allowed(text: &str) -> String {
    plain(text).chars().map(|c| if matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c }).collect()
}

/// Seconds since 1970 as `2026-11-26T08:00:00`: JUnit's schema wants no zone.
fn timestamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Civil date from days, proleptic Gregorian: eras of 400 years that begin on the first of March.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = r#"{"target":"http://127.0.0.1:1/?a&b","valid":false,"invalid_because":["late <1>"],"seconds":4.25,
        "response_time_us":{},"checks":[{"name":"json shape for \"GET /*\"","passed":9,"failed":1,"met":false,
        "because":[{"endpoint":"GET /a","what":".x]]>\u0000\u001b\uffff","times":1}]},{"name":"status captured","passed":10,"failed":0,"met":true}],
        "slo":[{"objective":"p99 < 80ms","actual":91.5,"unit":"ms","met":false},{"objective":"p50 < 1s","actual":null,"unit":"s","met":false},
        {"objective":"error rate < 1 %","actual":0,"unit":"%","met":true}]}"#;

    #[test]
    fn a_case_for_everything_that_may_fail_and_nothing_escapes() {
        let mut results = Results::new("");
        results.add("run \"1\" & 2", RUN).unwrap();
        let text = Junit.render(&results).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
        assert_eq!(suite.attribute("name"), Some("run \"1\" & 2"));
        assert_eq!(
            (suite.attribute("tests"), suite.attribute("failures"), suite.attribute("time")),
            (Some("6"), Some("4"), Some("4.250"))
        );
        let failed = |node: roxmltree::Node<'_, '_>| {
            node.children().find(|child| child.has_tag_name("failure")).map(|f| f.text().unwrap().to_owned())
        };
        let cases: Vec<_> = suite
            .children()
            .filter(|node| node.has_tag_name("testcase"))
            .map(|node| (node.attribute("name").unwrap().to_owned(), failed(node)))
            .collect();
        let failure = |text: &str| Some(text.to_owned());
        assert_eq!(
            cases,
            [
                ("valid".to_owned(), failure("late <1>")),
                (
                    "json shape for \"GET /*\"".to_owned(),
                    failure("1 of 10 answers were otherwise; 1 x GET /a: .x]]>\u{fffd}\u{fffd}\u{fffd}")
                ),
                ("status captured".to_owned(), None),
                ("p99 < 80ms".to_owned(), failure("it was 91.5 ms")),
                ("p50 < 1s".to_owned(), failure("nothing was measured")),
                ("error rate < 1 %".to_owned(), None),
            ]
        );
    }

    #[test]
    fn instants_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_795_680_001, "2026-11-26T08:00:01"),
            (4_107_542_399, "2100-02-28T23:59:59"),
        ] {
            assert_eq!(timestamp(seconds), text);
        }
    }
}
