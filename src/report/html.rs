//! A report for browsers: one file, no script, nothing fetched from anywhere.

use askama::Template;

use super::compose::compose;
use super::document::{Block, Document, MET, NOT_MET};
use super::{Report, ReportError, Results, chart, html};

/// A self-contained page.
pub struct Html;

impl Report for Html {
    fn id(&self) -> &'static str {
        "html"
    }

    fn about(&self) -> &'static str {
        "a self-contained page with charts"
    }

    fn render(&self, results: &Results) -> Result<String, ReportError> {
        let document = compose(results);
        Ok(Page { document: &document, version: env!("CARGO_PKG_VERSION") }.render()?)
    }
}

/// Characters of a cell that stay on one line.
const ON_A_LINE: usize = 40;

/// How a cell that is an answer is to be taken, and which one is too long for a line: nothing for all others.
pub(super) fn tone(cell: &str) -> askama::filters::Safe<&'static str> {
    askama::filters::Safe(match cell {
        MET => " class=\"good\"",
        NOT_MET => " class=\"bad\"",
        _ if cell.chars().nth(ON_A_LINE).is_some() => " class=\"long\"",
        _ => "",
    })
}

#[derive(Template)]
#[template(path = "report.html", config = "src/report/askama.toml")]
struct Page<'a> {
    document: &'a Document,
    version: &'static str,
}
