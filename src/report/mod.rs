//! Results -> text, JSON, HTML …: one file per format, over the plain data that the commands write.
//!
//! [`data`] holds the results as they stand in JSON, [`compose`] says what is worth showing in which order, and makes
//! a [`document`] of it that text, Markdown and HTML write down, each in its own way.

pub mod chart;
pub mod compose;
pub mod csv;
pub mod data;
pub mod document;
pub mod hgrm;
pub mod html;
pub mod json;
pub mod jsonl;
pub mod junit;
pub mod markdown;
pub mod openmetrics;
pub mod over_time;
pub mod show;
pub mod text;

pub use data::Results;

/// A format of reports.
pub trait Report: Sync {
    /// Its name, which is the file extension that asks for it.
    fn id(&self) -> &'static str;
    /// Other file extensions that ask for it.
    fn endings(&self) -> &'static [&'static str] {
        &[]
    }
    /// One line for people.
    fn about(&self) -> &'static str;
    /// The whole report.
    fn render(&self, results: &Results) -> Result<String, ReportError>;
}

/// Every format.
pub const ALL: &[&dyn Report] = &[
    &text::Text,
    &json::Json,
    &html::Html,
    &markdown::Markdown,
    &csv::Csv,
    &junit::Junit,
    &hgrm::Hgrm,
    &openmetrics::OpenMetrics,
    &jsonl::JsonLines,
];

/// The format with this id, or file extension.
pub fn find(id: &str) -> Option<&'static dyn Report> {
    ALL.iter().copied().find(|report| report.id() == id || report.endings().contains(&id))
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file is not what a command of ours wrote.
    #[error("{name} is no result of standin: {problem}")]
    Unknown {
        /// The file.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The page's template failed.
    #[error("cannot write the page: {0}; please report this as a bug")]
    Template(#[from] askama::Error),
    /// The JSON cannot be written.
    #[error("cannot write JSON: {0}; please report this as a bug")]
    Json(#[from] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story() -> Results {
        let mut results = Results::new("Demo <shop>");
        let run = |p99: u32| {
            format!(
                r#"{{"target":"embedded","mode":"sessions","valid":true,"seconds":4.2,"requests":{{"planned":120,"sent":120,
                "answered":119,"failed":{{"timeout":1}}}},"status":{{"200":100,"404":19}},"offered_rps":28.5,"achieved_rps":28.3,
                "response_time_us":{{"p50":640,"p90":1200,"p95":1800,"p99":{p99},"p99_9":52000,"max":61000,"mean":900}},
                "correlation":{{"edges":12,"substituted":11,"missed":1}},"workload":{{"status_agreement":0.98}}}}"#
            )
        };
        results.add("original", &run(9000)).unwrap();
        results.add("masked", &run(9400)).unwrap();
        results
            .add(
                "audit",
                r#"{"verdict":"fail","searched":{"values":1234,"encodings":52},"passes":1,"residue":[{"kind":
            "email","packet":7,"field":"http.response.body.json.email","encoding":"base64","count":2}],"kept":[]}"#,
            )
            .unwrap();
        results
            .add(
                "manifest",
                r#"{"ledger":{"structural":4000,"kept":500,"pseudonym":2500,"recomputed":200,"blanked":900},
            "kinds":{"email":{"values":12,"occurrences":40}},"warnings":["cut off at its end"]}"#,
            )
            .unwrap();
        results.add("inspect", r#"{"packets":512,"bytes":80000,"seconds":9.5,"http":{"requests":60,"responses":60,
            "connections":4},"endpoints":[{"method":"GET","path_template":"/orders/{}\u001b[2J<script>","requests":40}]}"#).unwrap();
        results
    }

    #[test]
    fn every_format_tells_the_story_and_lets_no_escape_through() {
        for report in ALL {
            let text = report.render(&story()).unwrap();
            assert!(!text.contains('\u{1b}'), "{}", report.id());
            assert!(text.contains("masked"), "{}", report.id());
            assert!(find(report.id()).is_some());
        }
    }

    #[test]
    fn the_page_is_self_contained_and_escaped() {
        let page = html::Html.render(&story()).unwrap();
        for outside in ["<script", "http:", "https:", "src=", "href=", "url(", "@import", "<link"] {
            let stray = page.replace("http://www.w3.org/2000/svg", "").matches(outside).count();
            assert_eq!(stray, 0, "{outside}");
        }
        assert!(page.contains("<svg") && page.contains("base64") && page.contains("Demo &#60;shop&#62;"));
    }

    #[test]
    fn figures_that_were_made_up_break_no_format() {
        let most = u64::MAX;
        let run = format!(
            r#"{{"requests":{{"answered":{most},"failed":{{"timeout":{most},"reset":{most}}}}},"seconds":1e308,"started_unix_us":{most},
            "response_time_us":{{"p50":{most},"max":{most},"mean":1e308}},"status":{{"x\u001b":{most}}},"histograms":{{"response":"!"}},
            "checks":[{{"name":"a","passed":{most},"failed":{most},"because":[{{"times":{most}}}]}}],
            "series":[{{"at_s":-1e308,"seconds":1e308,"intended":{most},"target":{{"rss":{most}}}}},{{"at_s":1e308,"errors":1}}],
            "endpoints":[{{"endpoint":"GET /","requests":{most}}}],"target_process":{{"rss_end":{most}}}}}"#
        );
        let mut results = Results::new("");
        results.add("made up", &run).unwrap();
        for report in ALL {
            assert!(!report.render(&results).unwrap().contains('\u{1b}'), "{}", report.id());
        }
    }

    /// An axis that is too long for its numbers was never done with.
    #[test]
    fn axes_have_an_end() {
        let most = u64::MAX;
        let point = |at: f64| {
            format!(
                r#"{{"at_s":{at:e},"seconds":0.25,"intended":{most},"response_time_us":{{"p50":{most},"max":{most}}},
                "target":{{"rss":{most},"cpu":1.7e308,"heap":1.7e308}}}}"#
            )
        };
        for far in [1e-300, 1.0, 1e17, 1e19, 4e307, 1.7e308] {
            let series: Vec<String> = (-1..4).map(|n| point((far * f64::from(n)).clamp(-1.7e308, 1.7e308))).collect();
            let run = format!(
                r#"{{"response_time_us":{{"p50":1,"p90":{most},"max":{most}}},"series":[{}]}}"#,
                series.join(",")
            );
            let mut results = Results::new("");
            results.add("far", &run).unwrap();
            assert!(html::Html.render(&results).unwrap().contains("Over time"), "{far:e}");
        }
    }

    #[test]
    fn what_nothing_was_measured_of_is_no_time() {
        let none = r#"{"requests":{"planned":9,"sent":9,"failed":{"reset":9}},"response_time_us":{},"lateness_us":{"p50":3,"p90":4,"p95":5,"p99":6,"p99_9":7,"max":8,"mean":3},
            "endpoints":[{"endpoint":"GET /none","requests":9,"errors":9,"failed":9}],
            "target_process":{"rss_end":4096,"cpu_us_per_request":90000}}"#;
        let mut results = Results::new("");
        results.add("deaf", none).unwrap();
        let text = text::Text.render(&results).unwrap();
        assert!(!text.contains("0 µs") && text.matches('–').count() > 15 && text.contains("8 µs"), "{text}");
        assert!(text.contains("4.0 KiB") && !text.contains("per answer"), "{text}");
        assert!(!html::Html.render(&results).unwrap().contains("<svg"), "a line of no times");
    }

    #[test]
    fn a_long_path_makes_no_long_table() {
        let run = format!(
            r#"{{"response_time_us":{{}},"target":"http://{0}:1","endpoints":[{{"endpoint":"GET /{0}/last","requests":9}}]}}"#,
            "a<b>".repeat(2000)
        );
        let mut results = Results::new("");
        results.add("long", &run).unwrap();
        let text = text::Text.render(&results).unwrap();
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest < Some(300) && text.contains("…") && text.contains("/last"), "{longest:?}");
        let page = html::Html.render(&results).unwrap();
        assert_eq!(page.matches("<td class=\"long\">").count(), 2, "of the endpoint and of the target");
        assert!(json::Json.render(&results).unwrap().contains("a<b>a<b>a<b>"));
        assert!(json::Json.render(&results).unwrap().len() > 16_000, "there it is whole");
    }

    #[test]
    fn a_stranger_s_file_is_refused() {
        let refused = Results::new("").add("notes.json", r#"{"a":1}"#).unwrap_err().to_string();
        assert!(refused.contains("notes.json"), "{refused}");
    }
}
