//! A report for browsers: one file, no script, nothing fetched from anywhere.

use askama::Template;

use super::compose::compose;
use super::document::{Block, Document};
use super::{Report, ReportError, Results, chart};

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

#[derive(Template)]
#[template(path = "report.html", config = "src/report/askama.toml")]
struct Page<'a> {
    document: &'a Document,
    version: &'static str,
}
