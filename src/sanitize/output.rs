//! Where final bytes go: counted, digested, and in another container if asked for.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::ledger::{Because, Claim, Label, Ledger};
use super::{Container, SanitizeError};
use crate::capture::{Converter, Format, Interface, Reader, Record};

const PROBE_BYTES: usize = 1 << 20;

/// Marks of an output by which a replayer knows it again.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Probe {
    /// Uncompressed bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// BLAKE3 of the first MiB, hex.
    pub head_blake3: String,
    /// BLAKE3 of the last MiB, hex.
    pub tail_blake3: String,
}

/// The way out.
pub(super) struct Output<'a> {
    sink: Box<dyn Write + 'a>,
    format: Option<Container>,
    /// The input is in another container than the one asked for.
    converting: bool,
    /// Set before the first packet, when converting.
    converter: Option<Converter>,
    converted: Vec<u8>,
    digest: blake3::Hasher,
    head: blake3::Hasher,
    /// The last `PROBE_BYTES` written, in a circle.
    tail: Vec<u8>,
    bytes: u64,
    packets: u64,
}

impl<'a> Output<'a> {
    /// Writes to `sink`, which compresses or not; `format` when the container is asked for by name.
    pub(super) fn new(sink: Box<dyn Write + 'a>, format: Option<Container>) -> Self {
        Output {
            sink,
            format,
            converting: false,
            converter: None,
            converted: Vec::new(),
            digest: blake3::Hasher::new(),
            head: blake3::Hasher::new(),
            tail: Vec::new(),
            bytes: 0,
            packets: 0,
        }
    }

    /// Learns the input's container.
    pub(super) fn open(&mut self, reader: &Reader) {
        self.converting = !matches!(
            (self.format, reader.format()),
            (None, _) | (Some(Container::Pcap), Format::Pcap { .. }) | (Some(Container::PcapNg), Format::PcapNg)
        );
    }

    /// Sets up the converter, if one is needed, with the interfaces described before the first packet.
    pub(super) fn describe(&mut self, interfaces: &[Interface], ledger: &mut Ledger<'_>) -> Result<(), SanitizeError> {
        if !self.converting || self.converter.is_some() {
            return Ok(());
        }
        let converter = match self.format {
            Some(Container::Pcap) => Converter::to_pcap(interfaces)?,
            _ => Converter::to_pcapng(interfaces),
        };
        converter.header(&mut self.converted);
        ledger.label(self.converted.len(), Label::Structural, Because(1)).map_err(SanitizeError::Output)?;
        self.converter = Some(converter);
        Ok(())
    }

    /// A record is final: its labels are counted, and it is converted if it must be.
    pub(super) fn record(
        &mut self,
        record: &Record,
        bytes: &[u8],
        runs: &[Claim],
        ledger: &mut Ledger<'_>,
    ) -> io::Result<()> {
        self.packets += u64::from(record.packet.is_some());
        if !self.converting {
            return runs.iter().try_for_each(|run| ledger.label(run.len as usize, run.label, run.because));
        }
        let (Some(converter), Some(packet)) = (&self.converter, &record.packet) else { return Ok(()) };
        let before = self.converted.len();
        let data =
            converter.packet(packet, &bytes[packet.data.clone()], &mut self.converted).map_err(io::Error::other)?;
        let framing = Because(1);
        ledger.label(data.start - before, Label::Structural, framing)?;
        for run in runs {
            let from = (run.start as usize).max(packet.data.start);
            let to = ((run.start + run.len) as usize).min(packet.data.end);
            ledger.label(to.saturating_sub(from), run.label, run.because)?;
        }
        ledger.label(self.converted.len() - data.end, Label::Structural, framing)
    }

    /// Final bytes of the input's container. With a converter its own bytes go instead.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.converting {
            let converted = std::mem::take(&mut self.converted);
            self.emit(&converted)?;
            self.converted = converted;
            self.converted.clear();
            return Ok(());
        }
        self.emit(bytes)
    }

    /// Flushes; the sink, the probe, and the digest of all bytes.
    pub(super) fn finish(mut self) -> io::Result<(Probe, String)> {
        self.write(&[])?;
        self.sink.flush()?;
        let (old, new) = self.tail.split_at((self.bytes % PROBE_BYTES as u64) as usize % self.tail.len().max(1));
        let mut tail = blake3::Hasher::new();
        if self.bytes > PROBE_BYTES as u64 {
            tail.update(new);
            tail.update(old);
        } else {
            tail.update(&self.tail);
        }
        let probe = Probe {
            bytes: self.bytes,
            packets: self.packets,
            head_blake3: self.head.finalize().to_hex().to_string(),
            tail_blake3: tail.finalize().to_hex().to_string(),
        };
        Ok((probe, self.digest.finalize().to_hex().to_string()))
    }

    fn emit(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes)?;
        self.digest.update(bytes);
        let head = (PROBE_BYTES as u64).saturating_sub(self.bytes).min(bytes.len() as u64) as usize;
        self.head.update(&bytes[..head]);
        let mut rest = &bytes[bytes.len().saturating_sub(PROBE_BYTES)..];
        let mut at = ((self.bytes + (bytes.len() - rest.len()) as u64) % PROBE_BYTES as u64) as usize;
        while !rest.is_empty() {
            let n = rest.len().min(PROBE_BYTES - at);
            if self.tail.len() < at + n {
                self.tail.resize(at + n, 0);
            }
            self.tail[at..at + n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            at = (at + n) % PROBE_BYTES;
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn the_probe_is_of_the_first_and_last_mib(lengths in proptest::collection::vec(1usize..900_000, 1..6)) {
            let mut output = Output::new(Box::new(io::sink()), None);
            let mut all = Vec::new();
            for (i, length) in lengths.iter().enumerate() {
                let piece: Vec<u8> = (0..*length).map(|n| (n * 31 + i) as u8).collect();
                output.emit(&piece).expect("sink");
                all.extend_from_slice(&piece);
            }
            let (probe, digest) = output.finish().expect("sink");
            let hex = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
            prop_assert_eq!(probe.head_blake3, hex(&all[..all.len().min(PROBE_BYTES)]));
            prop_assert_eq!(probe.tail_blake3, hex(&all[all.len().saturating_sub(PROBE_BYTES)..]));
            prop_assert_eq!(digest, hex(&all));
            prop_assert_eq!(probe.bytes, all.len() as u64);
        }
    }
}
