//! Standin: a masked stand-in for production traffic.
//!
//! # The map, in pipeline order
//!
//! | module | turns | into |
//! |---|---|---|
//! | [`limits`], [`secret`], [`yaml`] | | every bound with its reason; captured bytes that cannot be printed; the one door to the YAML library |
//! | [`capture`] | a file or pipe | batches of whole records, and back, byte for byte |
//! | [`decode`] | a frame | labelled pieces of its layers, checksums and their state |
//! | [`flow`] | packets | datagrams from fragments, ordered byte streams, with the way back to packet bytes |
//! | [`protocol`] | stream bytes | fields, with where they stand and how they are encoded |
//! | [`rules`] | YAML | a compiled policy |
//! | [`detect`] | a value | kinds and ranges |
//! | [`mask`] | a value and a key | a pseudonym of the same shape |
//! | [`dissect`] | capture -> decode -> flow -> protocol | calls of a [`dissect::Visitor`] |
//! | [`sanitize`] | a visitor's view | edits in place, ledger, manifest |
//! | [`audit`] | original and masked capture | residue and fidelity, by other means |
//! | [`learn`] | a visitor's view | words that many clients share, as rules to review |
//! | [`workload`] | a visitor's view | sessions of exchanges |
//! | [`replay`] | a workload | paced traffic and outcomes |
//! | [`measure`] | outcomes | histograms, process figures |
//! | [`run`] | what a run found out | `run.json`, plain data that replay and report share |
//! | [`report`] | results | text, JSON, HTML … |
//! | [`cli`] | a command line | all of the above, an exit code |
//!
//! # Life of a byte
//!
//! A byte arrives in a [`capture::Batch`]. [`decode`] says which layer it belongs to. If it stands in an IP
//! fragment, it waits for the others, and the whole datagram is decoded. If it is payload of a TCP
//! stream, [`flow`] puts it in its place and [`protocol`] names the field that holds it. [`rules`] decide what
//! happens to that field, [`mask`] computes what stands there instead, and [`sanitize`] writes it over the old
//! byte and *claims* it with a label. When every byte of the packet is claimed, or has been given up, the packet
//! is settled: bytes that nobody claimed are zeroed, checksums are put back into the state they had, and the
//! packet leaves. There is no other way out.
//!
//! # What is not there, on purpose
//!
//! * `capture`, `protocol`, `detect`, `mask` and `measure` know nothing else of ours (but limits and secret).
//! * `detect` and `mask` know nothing about packets, paths or rules; `protocol` nothing about packets.
//! * `audit` shares no editing code with `sanitize` and knows no pseudonyms.
//! * Only `replay` is async; only `cli` prints; only `yaml` knows the YAML library.
//! * No output byte without a label; no error that holds a captured byte; no unsafe code.

pub mod limits;
pub mod secret;
pub mod yaml;

pub mod capture;
pub mod decode;
pub mod flow;
pub mod protocol;

pub mod detect;
pub mod mask;
pub mod rules;

pub mod dissect;

pub mod audit;
pub mod learn;
pub mod sanitize;
pub mod workload;

pub mod measure;
pub mod run;

pub mod replay;
pub mod report;

pub mod cli;
