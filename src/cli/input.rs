//! Captures by name, and Ctrl-C.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Failure;

/// How long the input may still take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(2);

/// Whether a signal asked us to stop.
#[derive(Clone)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens to SIGINT and SIGTERM; a second one ends the program at once.
    pub(super) fn listen() -> io::Result<Stop> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, flag.clone())?;
        }
        Ok(Stop(flag))
    }

    pub(super) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// For code that takes a flag.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

/// Opens a capture; `-` is the standard input, which Ctrl-C leaves two seconds to end by itself.
pub(super) fn open(path: &Path, stop: &Stop) -> Result<Box<dyn Read + Send>, Failure> {
    let fail = |error: io::Error| Failure::io("cannot read", path, &error);
    if path == Path::new("-") {
        let fd = io::stdin().as_fd().try_clone_to_owned().map_err(fail)?;
        return Ok(Box::new(Stoppable::new(fd, stop.clone())));
    }
    let file = File::open(path).map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    if meta.is_dir() {
        return Err(Failure::system(format!("{} is a folder, not a capture", path.display())));
    }
    if meta.is_file() {
        return Ok(Box::new(file));
    }
    Ok(Box::new(Stoppable::new(file.into(), stop.clone())))
}

/// A pipe that is read until it ends, or until Ctrl-C and the time of grace.
struct Stoppable {
    file: File,
    stop: Stop,
    asked: Option<Instant>,
}

impl Stoppable {
    fn new(fd: OwnedFd, stop: Stop) -> Self {
        Stoppable { file: fd.into(), stop, asked: None }
    }
}

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stop.asked() && self.asked.get_or_insert_with(Instant::now).elapsed() > GRACE {
                return Err(io::Error::other("interrupted"));
            }
            let tick = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut fds, Some(&tick)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.file.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
