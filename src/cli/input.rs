//! Captures by name, files that grow, and Ctrl-C.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::{Exit, Failure};
use crate::capture::remove_unfinished;

/// How long the input may still take to end after Ctrl-C.
const GRACE: Duration = Duration::from_secs(2);

/// How often a file that grows is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Whether a signal asked us to stop.
#[derive(Clone)]
pub(super) struct Stop {
    asked: Arc<AtomicBool>,
    /// Nothing is lost yet: the first signal ends the program.
    at_once: Arc<AtomicBool>,
}

impl Stop {
    /// Listens to signals: the first one asks to stop, a second one ends the program at once and leaves no file half
    /// written. A file that grows beyond its limit becomes an error of writing.
    pub(super) fn listen() -> io::Result<Stop> {
        let flag = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGXFSZ])?;
        let stop = Stop { asked: flag, at_once: Arc::default() };
        let (asked, at_once) = (stop.asked.clone(), stop.at_once.clone());
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let again = || asked.swap(true, Ordering::Relaxed) || at_once.load(Ordering::Relaxed);
                if signal != SIGXFSZ && again() {
                    remove_unfinished();
                    std::process::exit(Exit::Interrupted as i32);
                }
            }
        });
        Ok(stop)
    }

    /// From now on the first signal ends the program, or does not.
    pub(super) fn at_once(&self, yes: bool) {
        self.at_once.store(yes, Ordering::Relaxed);
    }

    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// For code that takes a flag.
    pub(super) fn flag(&self) -> Arc<AtomicBool> {
        self.asked.clone()
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

/// Opens a file that something still writes to: it ends where it is when Ctrl-C comes.
pub(super) fn follow(path: &Path, stop: &Stop) -> Result<Box<dyn Read + Send>, Failure> {
    let fail = |error: io::Error| Failure::io("cannot read", path, &error);
    if !std::fs::metadata(path).map_err(fail)?.is_file() {
        return open(path, stop);
    }
    let file = File::open(path).map_err(fail)?;
    Ok(Box::new(Growing { file, stop: stop.clone() }))
}

/// A file that grows.
struct Growing {
    file: File,
    stop: Stop,
}

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let asked = self.stop.asked();
            match self.file.read(buffer)? {
                0 if !asked => std::thread::sleep(LOOK),
                read => return Ok(read),
            }
        }
    }
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
