//! `standin export`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::args::ExportArgs;
use super::input::Stop;
use super::text::{Talk, grouped, write_json};
use super::traffic::{as_it_is, only_if_masked};
use super::{Exit, Failure};
use crate::capture::Output;
use crate::replay::provenance::{self, Probe, Prober, Provenance};
use crate::workload::formats::{self, Format, Manner};

/// Version of the manifest.
const SCHEMA: u32 = 1;

/// What stands beside an exported file, as the manifest does beside a masked capture: a replay knows it by the probe.
#[derive(Serialize)]
struct Manifest<'a> {
    standin: &'static str,
    schema: u32,
    format: &'static str,
    requests: u64,
    left_out: u64,
    /// The masked capture.
    exported_from: &'a Provenance,
    output_probe: Probe,
}

pub(super) fn run(args: &ExportArgs, talk: &Talk) -> Result<Exit, Failure> {
    let format = format(args)?;
    let Some(write) = format.write else {
        return Err(Failure::usage(format!("{} is read, not written", format.about)));
    };
    let stop = Stop::listen().map_err(|e| Failure::system(format!("cannot listen to signals: {e}")))?;
    let provenance = only_if_masked(&args.capture, args.allow_unmasked)?;
    let workload = as_it_is(&args.capture, &stop, talk)?;
    if workload.requests() == 0 {
        return Err(Failure::system(format!("{}: it holds no HTTP/1 request", args.capture.display())));
    }
    let comment = match &provenance {
        Some(provenance) => format!("exported from a capture masked by standin{}", provenance.key()),
        None => "exported from traffic that standin did not mask".to_owned(),
    };
    let manner = Manner { base: args.target.clone(), comment };

    let fail = |error: io::Error| Failure::io("cannot write", &args.output, &error);
    let mut out = BufWriter::new(Probed { output: Output::create(&args.output).map_err(fail)?, probe: Prober::new() });
    let written = write(&workload, &manner, &mut out).map_err(fail)?;
    let Probed { output, probe } = out.into_inner().map_err(|e| fail(e.into_error()))?;
    if stop.asked() {
        return Err(Failure::interrupted());
    }
    // The manifest comes first: a file that is there is known.
    if let (Some(exported_from), true) = (&provenance, is_replayed(format, &args.output)) {
        let manifest = Manifest {
            standin: env!("CARGO_PKG_VERSION"),
            schema: SCHEMA,
            format: format.id,
            requests: written.requests,
            left_out: written.left_out,
            exported_from,
            output_probe: probe.finish(),
        };
        write_json(&provenance::manifest_path(&args.output), &manifest)?;
    }
    output.commit().map_err(fail)?;
    talk.say(&format!("{}: {} requests, {}", args.output.display(), grouped(written.requests), format.about));
    if written.left_out > 0 {
        let many = grouped(written.left_out);
        talk.warn(&format!("{many} requests cannot be said in this format and were left out"));
    }
    Ok(Exit::Clean)
}

/// As asked for by name, else by the output's ending.
fn format(args: &ExportArgs) -> Result<&'static Format, Failure> {
    let plain = match args.output.extension().and_then(|ending| ending.to_str()) {
        Some("gz" | "zst") => args.output.with_extension(""),
        _ => args.output.clone(),
    };
    let ending = plain.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let name = args.format.as_deref().unwrap_or(ending);
    formats::find(name).ok_or_else(|| {
        let known: Vec<&str> =
            formats::ALL.iter().filter(|format| format.write.is_some()).map(|f| f.endings[0]).collect();
        Failure::usage(format!("{}: no format is known by this ending", args.output.display()))
            .hint(format!("there are .{}; or name one with --format", known.join(", .")))
    })
}

/// Whether somebody may hand the file to `standin replay`.
fn is_replayed(format: &Format, output: &Path) -> bool {
    format.read.is_some() && output != Path::new("-") && !output.starts_with("/dev")
}

/// An output whose marks are taken on the way.
struct Probed {
    output: Output,
    probe: Prober,
}

impl Write for Probed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.probe.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
