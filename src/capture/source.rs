//! The input's bytes, decompressed when they are gzip or zstd (known by content, never by name).

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use crate::limits::{BATCH_BYTES, ZSTD_WINDOW_LOG_MAX};

/// Bytes that tell what the input is.
const MAGIC_BYTES: u64 = 4;
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Compressed bytes read at a time.
const BUFFER_BYTES: usize = BATCH_BYTES / 4;

/// The input as uncompressed bytes. Members and frames one after another read as one.
pub(super) enum Source {
    Plain(Input),
    Gzip(Box<MultiGzDecoder<BufReader<Input>>>),
    Zstd(Box<zstd::Decoder<'static, BufReader<Input>>>),
}

/// The input with the looked-at bytes put back in front.
pub(super) type Input = Chain<Cursor<Vec<u8>>, Watched>;

/// Why reading stopped.
pub(super) enum ReadError {
    /// The compressed data is wrong.
    Compression,
    /// The system failed.
    Io(io::Error),
}

impl Source {
    pub(super) fn open(input: Box<dyn Read + Send>) -> io::Result<Source> {
        let mut watched = Watched { input, failed: false };
        let mut magic = Vec::new();
        (&mut watched).take(MAGIC_BYTES).read_to_end(&mut magic)?;
        let is_gzip = magic.starts_with(GZIP);
        let is_zstd = is_zstd(&magic);
        let input = Cursor::new(magic).chain(watched);
        if is_gzip {
            return Ok(Source::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER_BYTES, input)))));
        }
        if is_zstd {
            let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER_BYTES, input))?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            return Ok(Source::Zstd(Box::new(decoder)));
        }
        Ok(Source::Plain(input))
    }

    /// One read; 0 is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let read = match self {
            Source::Plain(input) => input.read(buffer),
            Source::Gzip(decoder) => decoder.read(buffer),
            Source::Zstd(decoder) => decoder.read(buffer),
        };
        // A decoder reports its own errors and the input's alike: the watched input tells them apart.
        read.map_err(|error| if self.watched().failed { ReadError::Io(error) } else { ReadError::Compression })
    }

    fn watched(&self) -> &Watched {
        match self {
            Source::Plain(input) => input.get_ref().1,
            Source::Gzip(decoder) => decoder.get_ref().get_ref().get_ref().1,
            Source::Zstd(decoder) => decoder.get_ref().get_ref().get_ref().1,
        }
    }
}

/// A frame, or one to be skipped (RFC 8878 §3.1.2), as parallel compressors put it first.
fn is_zstd(magic: &[u8]) -> bool {
    matches!(magic, [0x28, 0xb5, 0x2f, 0xfd] | [0x50..0x60, 0x2a, 0x4d, 0x18])
}

/// An input that remembers whether the system failed, and is not stopped by signals.
pub(super) struct Watched {
    input: Box<dyn Read + Send>,
    failed: bool,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.input.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = true;
                    return Err(error);
                }
                read => return read,
            }
        }
    }
}
