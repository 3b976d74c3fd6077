//! The command line's grammar; help, completions and the man page come from it.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::replay::Protocol;
use crate::replay::profile::POPULATION_MAX;

/// A masked stand-in for production traffic
///
/// Reads packet captures of production, masks what is sensitive, proves that nothing survived, and replays the result.
#[derive(Debug, Parser)]
#[command(name = "standin", version, propagate_version = true, max_term_width = 110, help_expected = true)]
#[command(
    after_help = "Exit codes: 0 clean, 1 negative verdict, 2 command line, rules or profile wrong, 3 input or system, 70 bug, 130 interrupted"
)]
pub(super) struct Arguments {
    /// Say less on stderr
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Say more on stderr
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// When to colour messages (NO_COLOR is heeded too)
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
    /// What to do
    #[command(subcommand)]
    pub(super) command: Command,
}

/// When to colour messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Makes it so for all messages.
    pub(super) fn apply(self) {
        let choice = match self {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tell the whole story on a bundled capture: inspect, mask, audit, replay, report
    Demo(DemoArgs),
    /// Say what is in a capture: protocols, endpoints, kinds of sensitive data (never values)
    Inspect(InspectArgs),
    /// Propose rules to review: values that many clients share, so that masked requests reach their endpoints
    Learn(LearnArgs),
    /// Mask a capture: same packets, lengths, times and messages, other values
    Mask(MaskArgs),
    /// Prove that nothing survived (two files), or look for what still seems sensitive (one file)
    Audit(AuditArgs),
    /// Replay a masked capture against a service, and measure it
    Replay(Box<ReplayArgs>),
    /// Turn results of runs into a report
    Report(ReportArgs),
    /// Write a capture's traffic for other tools: HAR, GoReplay, vegeta, k6
    Export(ExportArgs),
    /// Put the results of a run's shards together
    Merge(MergeArgs),
    /// Map values, one a line, to their pseudonyms
    Map(MapArgs),
    /// Check, list and explain rules
    Rules(RulesArgs),
    /// Make keys
    Key(KeyArgs),
    /// Completions and man page
    Shell(ShellArgs),
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Folder for the results (default: a new folder under the current one)
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The capture; `-` is stdin
    pub(super) input: PathBuf,
    /// A key log for TLS (not used by this version)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_keys: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  standin learn prod.pcapng -o shop.yaml --openapi shop-api.yaml")]
pub(super) struct LearnArgs {
    /// Captures; `-` is stdin
    #[arg(required = true, value_name = "IN")]
    pub(super) inputs: Vec<PathBuf>,
    /// The rules file; it holds captured words, so that you can review them
    #[arg(short, long, value_name = "RULES")]
    pub(super) output: PathBuf,
    /// From how many distinct clients a value must come
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=128))]
    pub(super) min_clients: u16,
    /// An OpenAPI 3 description (YAML or JSON): its fixed path segments, enumerations and parameters are proposed too
    #[arg(long, value_name = "FILE")]
    pub(super) openapi: Option<PathBuf>,
    /// A key log for TLS (not used by this version)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_keys: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  standin mask prod.pcapng -o safe.pcapng --key team.key\n  tcpdump -w - | standin mask - -o - | ssh vendor 'cat > safe.pcap'"
)]
pub(super) struct MaskArgs {
    /// Captures (pcap, pcapng, also gzip or zstd); `-` is stdin
    #[arg(required = true, value_name = "IN")]
    pub(super) inputs: Vec<PathBuf>,
    /// The masked capture, `-` for stdout, or a folder for several inputs; compressed when it ends in .gz or .zst
    #[arg(short, long, value_name = "OUT")]
    pub(super) output: PathBuf,
    /// Rules: a file, or default, blank, headers-only, addresses-only; a later one overrides an earlier (can be repeated)
    #[arg(long, value_name = "FILE|NAME")]
    pub(super) rules: Vec<String>,
    /// The key (see `standin key new`); without one, a fresh one is used and forgotten
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
    /// A key log for TLS (not used by this version: TLS records are blanked)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_keys: Option<PathBuf>,
    /// Where a new key log would go (not in this version)
    #[arg(long, value_name = "FILE", hide = true)]
    pub(super) tls_keys_out: Option<PathBuf>,
    /// Where the manifest goes (default: beside the output, OUT.manifest.json)
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Write the label of every output byte: offset, length, label, rule
    #[arg(long, value_name = "FILE")]
    pub(super) ledger: Option<PathBuf>,
    /// Worker threads; the output is the same for any number (this version masks in one)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: u16,
    /// The inputs are one capture in rotation, in this order: connections go on from file to file
    #[arg(long)]
    pub(super) sequence: bool,
    /// Go on reading a file that grows; Ctrl-C ends it there, and the output is complete
    #[arg(long)]
    pub(super) follow: bool,
    /// End with exit code 1 when there are warnings
    #[arg(long)]
    pub(super) strict: bool,
    /// The output's container (default: the input's)
    #[arg(long, value_enum)]
    pub(super) format: Option<FormatName>,
}

/// A capture container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatName {
    /// Classic pcap
    Pcap,
    /// pcapng
    Pcapng,
}

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The original capture, or the only one
    pub(super) original: PathBuf,
    /// The masked capture
    pub(super) masked: Option<PathBuf>,
    /// The rules that it was masked with (can be repeated)
    #[arg(long, value_name = "FILE|NAME")]
    pub(super) rules: Vec<String>,
    /// A key log for TLS (not used by this version)
    #[arg(long, value_name = "FILE")]
    pub(super) tls_keys: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct MapArgs {
    /// The key
    #[arg(long, value_name = "FILE", required_unless_present = "copy")]
    pub(super) key: Option<PathBuf>,
    /// Rules, as for mask (can be repeated)
    #[arg(long, value_name = "FILE|NAME")]
    pub(super) rules: Vec<String>,
    /// The people of copy K of a replay with `--population` (0: the captured ones); without a key, of an unmasked capture
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(..i64::from(POPULATION_MAX)))]
    pub(super) copy: Option<u32>,
    /// That replay's seed
    #[arg(long, value_name = "N", default_value_t = 1, requires = "copy")]
    pub(super) seed: u64,
}

#[derive(Debug, Args)]
pub(super) struct RulesArgs {
    /// What to do with rules
    #[command(subcommand)]
    pub(super) command: RulesCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Check rules files
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<String>,
    },
    /// List packs, detectors and mask methods
    List,
    /// Say what happens to a field, and why
    Explain {
        /// A rules file or a pack's name
        file: String,
        /// The field's path, e.g. http.request.header.authorization
        #[arg(long, value_name = "PATH")]
        field: String,
    },
    /// Print the JSON Schema of rules files
    Schema,
}

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// What to do with keys
    #[command(subcommand)]
    pub(super) command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a new key, readable by its owner only
    New {
        /// The file; it must not exist
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Results of `standin replay`
    #[arg(required = true, value_name = "RUN.json")]
    pub(super) runs: Vec<PathBuf>,
    /// The report; its ending says which: .html, .md, .json, .jsonl, .csv, .txt, .xml (JUnit), .hgrm, .prom or .om (OpenMetrics)
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  standin export safe.pcap -o safe.har\n  standin export safe.pcap --target http://127.0.0.1:8080 --format vegeta -o - | vegeta attack -format json -rate 50 -lazy"
)]
pub(super) struct ExportArgs {
    /// A masked capture, or a file that `replay` reads
    pub(super) capture: PathBuf,
    /// The file; its ending says which format: .har, .gor, .jsonl, .js (and .gz or .zst behind); `-` is stdout
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// The format, whatever the ending
    #[arg(long, value_name = "NAME", value_parser = ["har", "gor", "vegeta", "k6"])]
    pub(super) format: Option<String>,
    /// What URLs begin with, for tools that take them from the file (vegeta, k6)
    #[arg(long, value_name = "URL")]
    pub(super) target: Option<String>,
    /// Export a capture that standin did not mask
    #[arg(long)]
    pub(super) allow_unmasked: bool,
}

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// Results of `standin replay --shard`, one for each shard
    #[arg(required = true, value_name = "RUN.json")]
    pub(super) runs: Vec<PathBuf>,
    /// The result of the whole; `-` is stdout
    #[arg(short, long, value_name = "RUN.json")]
    pub(super) output: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ShellArgs {
    /// What to print
    #[command(subcommand)]
    pub(super) command: ShellCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ShellCommand {
    /// Completions for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// The man page
    Man,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// A masked capture
    pub(super) capture: PathBuf,
    /// Where the traffic goes: http://HOST:PORT, https://HOST:PORT, or `embedded` for the built-in target
    #[arg(long, value_name = "URL")]
    pub(super) target: String,
    /// A profile: a file, or sessions, captured, closed, rate
    #[arg(long, value_name = "FILE|NAME", default_value = "sessions")]
    pub(super) profile: String,
    /// Write the result as JSON
    #[arg(short, long, value_name = "RUN.json")]
    pub(super) output: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// A host that may be a target though it is neither loopback nor private (can be repeated)
    #[arg(long, value_name = "HOST")]
    pub(super) allow_host: Vec<String>,
    /// Replay a capture that standin did not mask
    #[arg(long)]
    pub(super) allow_unmasked: bool,
    /// How requests are paced
    #[arg(long, value_name = "MODE", value_parser = ["captured", "sessions", "closed", "rate", "saturate"])]
    pub(super) mode: Option<String>,
    /// Faster or slower than captured
    #[arg(long, value_name = "X")]
    pub(super) speed: Option<f64>,
    /// Requests per second: mode rate, which this implies
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<f64>,
    /// How the arrivals of mode rate are spaced
    #[arg(long, value_name = "KIND", value_parser = ["constant", "poisson"])]
    pub(super) arrivals: Option<String>,
    /// Connections, in mode closed
    #[arg(long, value_name = "N")]
    pub(super) connections: Option<usize>,
    /// Requests at a time on each of them, over HTTP/2
    #[arg(long, value_name = "N")]
    pub(super) streams: Option<u32>,
    /// So many times the captured people: their copies come a little later, as other people
    #[arg(long, value_name = "K")]
    pub(super) population: Option<u32>,
    /// Who the copies are: other people, by pseudonyms of their own, or the same ones
    #[arg(long, value_name = "WHO", value_parser = ["other", "same"])]
    pub(super) identities: Option<String>,
    /// Rules, as for mask: what they keep is the same for all copies (can be repeated)
    #[arg(long, value_name = "FILE|NAME")]
    pub(super) rules: Vec<String>,
    /// Stop after this time (30s, 500ms, 2m)
    #[arg(long, value_name = "TIME")]
    pub(super) duration: Option<String>,
    /// Stop after this many requests
    #[arg(long, value_name = "N")]
    pub(super) requests: Option<u64>,
    /// How long an answer may take
    #[arg(long, value_name = "TIME")]
    pub(super) timeout: Option<String>,
    /// Time at the start that is not measured
    #[arg(long, value_name = "TIME")]
    pub(super) warmup: Option<String>,
    /// Replay only part I of N of the sessions
    #[arg(long, value_name = "I/N")]
    pub(super) shard: Option<String>,
    /// Begin at this instant, agreed among shards: 2026-11-26T12:00:00Z, or seconds since 1970
    #[arg(long, value_name = "TIME")]
    pub(super) start_at: Option<String>,
    /// Seed of random schedules
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Threads that send
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// Stay awake shortly before each request is due: more exact, at the price of a processor per thread
    #[arg(long)]
    pub(super) spin: bool,
    /// Keep each sending thread on a processor of its own
    #[arg(long)]
    pub(super) pin: bool,
    /// Send with real-time priority, where that is permitted
    #[arg(long)]
    pub(super) rt: bool,
    /// Only requests with these methods
    #[arg(long, value_name = "GET,HEAD", value_delimiter = ',')]
    pub(super) methods: Vec<String>,
    /// Never more requests per second than this (10 ms of them may go at once, to catch up)
    #[arg(long, value_name = "N")]
    pub(super) max_rate: Option<f64>,
    /// Never more requests under way than this
    #[arg(long, value_name = "N")]
    pub(super) max_in_flight: Option<usize>,
    /// Stop when this share of requests fails
    #[arg(long, value_name = "X")]
    pub(super) abort_error_rate: Option<f64>,
    /// A host that is never a target (can be repeated)
    #[arg(long, value_name = "HOST")]
    pub(super) deny_host: Vec<String>,
    /// The HTTP that is spoken to the target: auto (as captured), http1, h2c (HTTP/2 without TLS), h2 (under TLS)
    #[arg(long, value_name = "NAME", value_parser = Protocol::from_str)]
    pub(super) protocol: Option<Protocol>,
    /// Connect to a socket of this machine; the target's URL still says what Host and TLS name it
    #[arg(long, value_name = "PATH")]
    pub(super) unix_socket: Option<PathBuf>,
    /// Certificate authorities to trust, PEM (default: those that this machine trusts)
    #[arg(long, value_name = "FILE")]
    pub(super) cacert: Option<PathBuf>,
    /// Trust whatever certificate the target shows
    #[arg(long, conflicts_with = "cacert")]
    pub(super) insecure: bool,
    /// The client's certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE")]
    pub(super) cert_key: Option<PathBuf>,
    /// Look at this process of the target, when it is not the one that listens
    #[arg(long, value_name = "PID")]
    pub(super) pid: Option<u32>,
    /// Read heap, allocation and pauses from here (Prometheus text or Go's expvar)
    #[arg(long, value_name = "URL")]
    pub(super) metrics: Option<String>,
    /// Write validity, checks and objectives as JUnit's XML, for CI servers
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// A header that marks every request: NAME, with the run's id, or 'NAME: VALUE'
    #[arg(long, value_name = "NAME")]
    pub(super) marker: Option<String>,
    /// Write a line of CSV for every request, as the run goes on: when it was meant, written, answered, and how it ended
    #[arg(long, value_name = "FILE.csv")]
    pub(super) outcomes: Option<PathBuf>,
    /// Say which request values follow which responses
    #[arg(long)]
    pub(super) explain_correlation: bool,
    /// Plan, and send nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}
