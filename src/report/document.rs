//! A report before it has a format: sections of facts, tables, bars and curves.

use super::show::{plain, short};

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
    /// Something over time.
    Series(Chart),
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

/// A cell that says yes.
pub const MET: &str = "met";
/// A cell that says no.
pub const NOT_MET: &str = "not met";

/// Rows that a table shows.
const ROWS_MAX: usize = 20;

impl Table {
    /// With the first rows of many.
    pub fn new(caption: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let mut table = Self::whole(caption, head, rows);
        table.more = table.rows.len().saturating_sub(ROWS_MAX);
        table.rows.truncate(ROWS_MAX);
        table
    }

    /// With all rows.
    pub fn whole(caption: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Self {
        let clean = |row: Vec<String>| row.iter().map(|cell| short(&plain(cell))).collect::<Vec<_>>();
        let rows: Vec<_> = rows.into_iter().map(clean).collect();
        let head = head.iter().map(|cell| short(&plain(cell))).collect();
        Self { caption: caption.to_owned(), head, rows, more: 0 }
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

/// Something over time, a line for each thing.
#[derive(Debug)]
pub struct Chart {
    /// What it shows.
    pub caption: String,
    /// How its values read.
    pub scale: Scale,
    /// (seconds, value), seconds rising. A gap where nothing was measured.
    pub lines: Vec<Line>,
}

/// A line of a [`Chart`].
#[derive(Debug)]
pub struct Line {
    /// Its name.
    pub label: String,
    /// Pieces without a gap.
    pub pieces: Vec<Vec<(f64, f64)>>,
}

/// No figure of a run is larger, in seconds, microseconds or bytes: one that is comes of a damaged file, and an axis would
/// have no end for it.
pub const DRAWN: f64 = 1e18;

/// How values read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Per second.
    Rate,
    /// Microseconds, on a logarithmic axis.
    Micros,
    /// Bytes.
    Bytes,
    /// Processors.
    Cores,
}

impl Line {
    /// From values with gaps.
    pub fn new(label: &str, points: impl IntoIterator<Item = (f64, Option<f64>)>) -> Line {
        let mut pieces: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
        for (at, value) in points {
            match value.filter(|value| value.abs() < DRAWN && at.abs() < DRAWN) {
                Some(value) => pieces.last_mut().into_iter().for_each(|piece| piece.push((at, value))),
                None => pieces.push(Vec::new()),
            }
        }
        pieces.retain(|piece| !piece.is_empty());
        Line { label: plain(label), pieces }
    }
}

impl Chart {
    /// There is something to draw.
    pub fn is_worth_it(&self) -> bool {
        self.lines.iter().flat_map(|line| &line.pieces).map(Vec::len).sum::<usize>() > 1
    }
}
