//! A report before it has a format: sections of facts, tables, bars and curves.

use super::show::plain;

/// The whole report.
#[derive(Debug)]
pub struct Document {
    /// The heading.
    pub title: String,
    /// The answers, before any reasons.
    pub verdicts: Vec<Verdict>,
    /// The reasons.
    pub sections: Vec<Section>,
}

/// One answer.
#[derive(Debug)]
pub struct Verdict {
    /// To what.
    pub label: String,
    /// The answer, a word or a figure.
    pub answer: String,
    /// How it is to be taken.
    pub tone: Tone,
}

/// How something is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// As it must not be.
    Bad,
    /// Neither.
    Plain,
}

impl Tone {
    /// Good or bad.
    pub fn of(good: bool) -> Self {
        if good { Self::Good } else { Self::Bad }
    }

    /// Its name, for style sheets.
    pub fn id(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

/// A part of the report.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// What the section says, in a sentence.
    pub lead: String,
    /// The rest.
    pub blocks: Vec<Block>,
}

/// What sections are made of.
#[derive(Debug)]
pub enum Block {
    /// Rows and columns; the first column is text, the others are numbers.
    Table(Table),
    /// Parts of a whole.
    Bar(Vec<Part>),
    /// Latency by percentile.
    Curves(Vec<Curve>),
    /// What the reader should know.
    Notes(Vec<String>),
}

/// A table. Its cells are safe to print.
#[derive(Debug)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// The columns' headings.
    pub head: Vec<String>,
    /// As many cells in each as there are headings.
    pub rows: Vec<Vec<String>>,
    /// Rows left out.
    pub more: usize,
}

/// Rows that a table shows.
const ROWS_MAX: usize = 20;

impl Table {
    /// With the first rows of many.
    pub fn new(caption: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let clean = |row: Vec<String>| row.iter().map(|cell| plain(cell)).collect::<Vec<_>>();
        let mut rows: Vec<_> = rows.into_iter().map(clean).collect();
        let more = rows.len().saturating_sub(ROWS_MAX);
        rows.truncate(ROWS_MAX);
        let head = head.iter().map(|cell| plain(cell)).collect();
        Self { caption: caption.to_owned(), head, rows, more }
    }
}

/// A part of a whole.
#[derive(Debug)]
pub struct Part {
    /// Its name.
    pub label: &'static str,
    /// Its share, 0 to 1.
    pub share: f64,
    /// Its size, for people.
    pub size: String,
}

/// A line of a chart.
#[derive(Debug)]
pub struct Curve {
    /// Its name.
    pub label: String,
    /// (quantile, microseconds), both rising.
    pub points: Vec<(f64, f64)>,
}
