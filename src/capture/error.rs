//! What can be wrong with a capture. Never says what stands in it.

use std::fmt;
use std::io;

use thiserror::Error;

use crate::limits::{INTERFACES_MAX, RECORD_BYTES_MAX};

/// Why a capture cannot be read at all.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The input has no bytes.
    #[error("the input is empty: was anything captured, and did the command that feeds it succeed?")]
    Empty,
    /// The first bytes are those of something else.
    #[error("not a pcap or pcapng capture: this is {0}")]
    NotACapture(&'static str),
    /// Damaged before the first record was complete: there is nothing to work on.
    #[error("nothing can be read from this capture: {0}")]
    Damaged(Damage),
    /// The system could not read it.
    #[error("cannot read the capture: {0}")]
    Io(#[from] io::Error),
}

/// Where a capture stops being readable. Records before it are whole and were handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What is wrong there.
    pub fault: Fault,
    /// Byte in the uncompressed capture where the record begins that cannot be read.
    pub offset: u64,
    /// Packets handed out before it.
    pub packets: u64,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {}, after {} packets)", self.fault, self.offset, self.packets)
    }
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The input ends inside the record.
    #[error("it is cut off in the middle of a record")]
    Cut,
    /// The gzip or zstd data cannot be decompressed further.
    #[error("its compressed data is damaged or cut off")]
    Compression,
    /// The record claims to be longer than any that is read.
    #[error("a record claims more than {} MiB", RECORD_BYTES_MAX >> 20)]
    TooLong,
    /// A block's length cannot be, or its two copies differ.
    #[error("a block's length fields make no sense")]
    BlockLength,
    /// A section header without a byte-order mark.
    #[error("a section header has no valid byte-order mark")]
    ByteOrder,
    /// A packet, interface or section block whose contents do not fit into it.
    #[error("a block's contents do not fit into it")]
    BlockContents,
    /// A packet of an interface that was not described.
    #[error("a packet belongs to an interface that the capture does not describe")]
    UnknownInterface,
    /// Interfaces without end: hostile, or a fault of what wrote them.
    #[error("it describes more than {INTERFACES_MAX} interfaces")]
    TooManyInterfaces,
}
