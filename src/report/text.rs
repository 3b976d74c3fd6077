//! A report for terminals.

use std::fmt::Write;

use super::compose::compose;
use super::document::{Block, Part, Table};
use super::{Report, ReportError, Results};

/// Plain text.
pub struct Text;

impl Report for Text {
    fn id(&self) -> &'static str {
        "txt"
    }

    fn about(&self) -> &'static str {
        "plain text for a terminal"
    }

    fn render(&self, results: &Results) -> Result<String, ReportError> {
        let document = compose(results);
        let mut out = format!("{}\n", document.title);
        for verdict in &document.verdicts {
            let _ = writeln!(out, "  {}: {}", verdict.label, verdict.answer);
        }
        for section in &document.sections {
            let _ = writeln!(out, "\n{}\n{}", section.heading, section.lead);
            section.blocks.iter().for_each(|block| write_block(&mut out, block));
        }
        Ok(out)
    }
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Table(table) if table.rows.is_empty() => {}
        Block::Table(table) => write_table(out, table),
        Block::Bar(parts) => parts.iter().for_each(|part| write_part(out, part)),
        Block::Notes(notes) => notes.iter().for_each(|note| {
            let _ = writeln!(out, "  ! {note}");
        }),
        Block::Curves(_) | Block::Series(_) => {}
    }
}

/// The first column to the left, the others to the right.
fn write_table(out: &mut String, table: &Table) {
    let rows = || std::iter::once(&table.head).chain(&table.rows);
    let width = |column: usize| rows().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..table.head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let _ = writeln!(out, "\n  {}", table.caption);
    for row in rows() {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(n, (cell, &width))| match n {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let _ = writeln!(out, "    {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    if table.more > 0 {
        let _ = writeln!(out, "    … and {} more", table.more);
    }
}

fn write_part(out: &mut String, part: &Part) {
    let filled = (part.share * 40.0).round() as usize;
    let _ = writeln!(out, "    {:<13}{:<40}  {}", part.label, "█".repeat(filled), part.size);
}
