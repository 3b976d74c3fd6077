//! Appends records unchanged to a file, pipe or device, compressed when its name says so.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::write::GzEncoder;

/// Fast levels: captures are large, and the level is not what anyone chose the tool for.
const GZIP_LEVEL: u32 = 3;
const ZSTD_LEVEL: i32 = 3;

/// How output is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// One gzip member.
    Gzip,
    /// One zstd frame, with a checksum.
    Zstd,
}

impl Compression {
    /// As the name's ending asks: `.gz`, `.zst`.
    pub fn of_name(path: &Path) -> Compression {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(extension) if extension.eq_ignore_ascii_case("gz") => Compression::Gzip,
            Some(extension) if extension.eq_ignore_ascii_case("zst") => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// Compresses what is written to it, or not. Call [`Writer::finish`]: without it, compressed output is cut off.
pub struct Writer<W: Write> {
    sink: Sink<W>,
}

enum Sink<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Writer<W> {
    /// Writes to `inner`.
    ///
    /// # Errors
    /// The compressor cannot be set up.
    pub fn new(inner: W, compression: Compression) -> io::Result<Writer<W>> {
        let sink = match compression {
            Compression::None => Sink::Plain(inner),
            Compression::Gzip => Sink::Gzip(GzEncoder::new(inner, flate2::Compression::new(GZIP_LEVEL))),
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(inner, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Sink::Zstd(encoder)
            }
        };
        Ok(Writer { sink })
    }

    /// Writes what ends the compressed data and gives back what it was written to.
    ///
    /// # Errors
    /// As the inner writer.
    pub fn finish(self) -> io::Result<W> {
        match self.sink {
            Sink::Plain(inner) => Ok(inner),
            Sink::Gzip(encoder) => encoder.finish(),
            Sink::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Plain(inner) => inner.write(bytes),
            Sink::Gzip(encoder) => encoder.write(bytes),
            Sink::Zstd(encoder) => encoder.write(bytes),
        }
    }

    /// Compressed output becomes readable up to here.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Plain(inner) => inner.flush(),
            Sink::Gzip(encoder) => encoder.flush(),
            Sink::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// An output by name. A file appears under its name only when [`Output::commit`] is called; dropped without, it never was.
pub struct Output {
    writer: Writer<File>,
    /// Set for a file: where it is written and where it belongs.
    unfinished: Option<Unfinished>,
}

impl Output {
    /// Opens `path` for writing. `-` and `/dev/stdout` are the standard output; pipes and devices are written straight.
    ///
    /// # Errors
    /// The folder or target cannot be written.
    pub fn create(path: &Path) -> io::Result<Output> {
        let compression = Compression::of_name(path);
        let (file, unfinished) = match Target::of(path)? {
            Target::Stdout => (File::from(io::stdout().as_fd().try_clone_to_owned()?), None),
            Target::Straight => (OpenOptions::new().write(true).open(path)?, None),
            Target::File { path, permissions } => {
                let (file, unfinished) = Unfinished::create(path, permissions)?;
                (file, Some(unfinished))
            }
        };
        Ok(Output { writer: Writer::new(file, compression)?, unfinished })
    }

    /// Completes the output and, if it is a file, gives it its name.
    ///
    /// # Errors
    /// The rest cannot be written or the file not be renamed; then it is removed.
    pub fn commit(self) -> io::Result<()> {
        self.finish()?.commit()
    }

    /// Completes the output; a file still has its temporary name.
    ///
    /// # Errors
    /// The rest cannot be written; then the file is removed.
    pub fn finish(self) -> io::Result<Finished> {
        let Output { writer, unfinished } = self;
        let file = writer.finish()?;
        if let Some(unfinished) = &unfinished {
            file.set_permissions(unfinished.permissions.clone())?;
        }
        Ok(Finished(unfinished))
    }
}

/// A complete output. Dropped without [`Finished::commit`], a file never was.
pub struct Finished(Option<Unfinished>);

impl Finished {
    /// Gives a file its name.
    ///
    /// # Errors
    /// It cannot be renamed; then it is removed.
    pub fn commit(self) -> io::Result<()> {
        self.0.map_or(Ok(()), Unfinished::commit)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// What a path means as an output.
enum Target {
    Stdout,
    /// Pipe, device, or somebody's open descriptor: never renamed over.
    Straight,
    /// A file, new or to be replaced, with the permissions that it shall have.
    File {
        path: PathBuf,
        permissions: Permissions,
    },
}

impl Target {
    fn of(path: &Path) -> io::Result<Target> {
        if path == Path::new("-") || path == Path::new("/dev/stdout") {
            return Ok(Target::Stdout);
        }
        let descriptors = ["/dev/fd", "/dev/stderr", "/proc"];
        match fs::metadata(path) {
            Ok(existing) if existing.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(existing) if !existing.is_file() || descriptors.iter().any(|prefix| path.starts_with(prefix)) => {
                Ok(Target::Straight)
            }
            // A link keeps pointing at the file that is replaced.
            Ok(existing) => Ok(Target::File { path: fs::canonicalize(path)?, permissions: existing.permissions() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Target::File { path: path.to_owned(), permissions: new_file_permissions() })
            }
            Err(error) => Err(error),
        }
    }
}

/// What the process's umask leaves of read and write for all. Read, not set and put back: other threads create files.
fn new_file_permissions() -> Permissions {
    const READ_WRITE: u32 = 0o666;
    const NOBODY_ELSE: u32 = 0o177;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let umask = umask.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok());
    Permissions::from_mode(READ_WRITE & !umask.unwrap_or(NOBODY_ELSE))
}

/// A file under its temporary name; removed when dropped.
struct Unfinished {
    temporary: PathBuf,
    path: PathBuf,
    permissions: Permissions,
    committed: bool,
}

impl Unfinished {
    /// Created in the same folder, so that it can be renamed, and readable by its owner only while it is not complete.
    fn create(path: PathBuf, permissions: Permissions) -> io::Result<(File, Unfinished)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
        loop {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(&name);
            hidden.push(format!(".{}-{}.part", process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
            let temporary = path.with_file_name(hidden);
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary) {
                Ok(file) => {
                    unfinished().push(temporary.clone());
                    return Ok((file, Unfinished { temporary, path, permissions, committed: false }));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn commit(mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.path)?;
        self.committed = true;
        forget(&self.temporary);
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.committed {
            // Nobody is left to tell.
            let _ = fs::remove_file(&self.temporary);
            forget(&self.temporary);
        }
    }
}

/// The files under their temporary names.
fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn forget(temporary: &Path) {
    unfinished().retain(|path| path != temporary);
}

/// Removes all files under their temporary names: the program is about to end without dropping anything.
pub fn remove_unfinished() {
    for path in unfinished().drain(..) {
        let _ = fs::remove_file(path);
    }
}
