//! A report for merge requests and wikis.

use std::fmt::Write;

use super::compose::compose;
use super::document::{Block, Table};
use super::{Report, ReportError, Results};

/// GitHub-flavoured Markdown.
pub struct Markdown;

impl Report for Markdown {
    fn id(&self) -> &'static str {
        "md"
    }

    fn about(&self) -> &'static str {
        "Markdown with tables"
    }

    fn render(&self, results: &Results) -> Result<String, ReportError> {
        let document = compose(results);
        let mut out = format!("# {}\n\n", escape(&document.title));
        for verdict in &document.verdicts {
            let _ = writeln!(out, "* {}: **{}**", escape(&verdict.label), escape(&verdict.answer));
        }
        for section in &document.sections {
            let _ = writeln!(out, "\n## {}\n\n{}", escape(&section.heading), escape(&section.lead));
            section.blocks.iter().for_each(|block| write_block(&mut out, block));
        }
        Ok(out)
    }
}

fn write_block(out: &mut String, block: &Block) {
    match block {
        Block::Table(table) if table.rows.is_empty() => {}
        Block::Table(table) => write_table(out, table),
        Block::Bar(parts) => {
            let rows = parts.iter().map(|part| vec![part.label.to_owned(), part.size.clone()]);
            write_table(out, &Table::new("Bytes", &["label", "bytes"], rows));
        }
        Block::Notes(notes) => notes.iter().for_each(|note| {
            let _ = writeln!(out, "\n> {}", escape(note));
        }),
        Block::Curves(_) | Block::Series(_) => {}
    }
}

fn write_table(out: &mut String, table: &Table) {
    let line = |cells: &[String]| format!("| {} |", cells.iter().map(|c| escape(c)).collect::<Vec<_>>().join(" | "));
    let rule: Vec<&str> = (0..table.head.len()).map(|n| if n == 0 { "---" } else { "--:" }).collect();
    let _ = writeln!(out, "\n### {}\n\n{}\n| {} |", table.caption, line(&table.head), rule.join(" | "));
    table.rows.iter().for_each(|row| {
        let _ = writeln!(out, "{}", line(row));
    });
    if table.more > 0 {
        let _ = writeln!(out, "\n… and {} more", table.more);
    }
}

/// Text from outside is text, not markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}
