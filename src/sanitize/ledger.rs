//! One label for every output byte.

use std::io::{self, Write};

/// Where an output byte comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Label {
    /// Framing, headers and grammar: the input's bytes.
    Structural,
    /// The input's bytes, kept by a named rule.
    Kept,
    /// Depends on the key.
    Pseudonym,
    /// Checksums.
    Recomputed,
    /// Not understood, or blanked by a rule: zero, or a constant that still parses.
    Blanked,
}

impl Label {
    /// All, in the manifest's order.
    pub const ALL: [Label; 5] = [Label::Structural, Label::Kept, Label::Pseudonym, Label::Recomputed, Label::Blanked];

    /// The name in ledger and manifest.
    pub fn name(self) -> &'static str {
        match self {
            Label::Structural => "structural",
            Label::Kept => "kept",
            Label::Pseudonym => "pseudonym",
            Label::Recomputed => "recomputed",
            Label::Blanked => "blanked",
        }
    }
}

/// Which rule is behind a label: an index into the names that the ledger was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Because(pub u16);

/// A claim on bytes of one record, relative to its start.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// First byte.
    pub start: u32,
    /// How many.
    pub len: u32,
    /// What they are now.
    pub label: Label,
    /// Why.
    pub because: Because,
}

/// Counts labels, and writes the runs when asked for.
pub struct Ledger<'a> {
    totals: [u64; 5],
    position: u64,
    run: Option<(u64, Label, Because)>,
    names: Vec<String>,
    out: Option<Box<dyn Write + 'a>>,
}

impl<'a> Ledger<'a> {
    /// `names[i]` is what `Because(i)` is called; `out` takes a run a line.
    pub fn new(names: Vec<String>, out: Option<Box<dyn Write + 'a>>) -> Self {
        Ledger { totals: [0; 5], position: 0, run: None, names, out }
    }

    /// The next `len` bytes of the output are so.
    pub fn label(&mut self, len: usize, label: Label, because: Because) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.totals[label as usize] += len as u64;
        if self.out.is_some() {
            match self.run {
                Some((_, old, why)) if old == label && why == because => {}
                _ => {
                    self.write_run()?;
                    self.run = Some((self.position, label, because));
                }
            }
        }
        self.position += len as u64;
        Ok(())
    }

    /// Writes the last run; returns bytes by label, in the order of [`Label::ALL`].
    pub fn finish(&mut self) -> io::Result<[u64; 5]> {
        self.write_run()?;
        if let Some(out) = &mut self.out {
            out.flush()?;
        }
        Ok(self.totals)
    }

    fn write_run(&mut self) -> io::Result<()> {
        let (Some(out), Some((from, label, because))) = (&mut self.out, self.run.take()) else { return Ok(()) };
        let name = self.names.get(usize::from(because.0)).map_or("", String::as_str);
        writeln!(out, "{from}\t{}\t{}\t{name}", self.position - from, label.name())
    }
}
