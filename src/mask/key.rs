//! The master key, its file, and the subkeys derived from it.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use aes::Aes128;
use aes::cipher::consts::U16;
use aes::cipher::{Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit};
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroize;

/// First word of a key file; the number is the version of the derivation below.
const MAGIC: &str = "standin-key-1";
/// A key file is one line; more is some other file.
const FILE_BYTES_MAX: u64 = 256;

/// 32 secret bytes. Everything that leaves for a secret value depends on them, and only on them.
pub struct Key([u8; 32]);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read.
    #[error("cannot read the key {path}: {source}")]
    Read {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no key.
    #[error(
        "{path} is not a standin key: expected one line, `{MAGIC}` and 64 hex digits; make one with `standin key new -o FILE`"
    )]
    Malformed {
        /// The key file.
        path: PathBuf,
    },
    /// The file could not be made. An existing file is never overwritten: a lost key is lost for ever.
    #[error("cannot make the key {path}: {source}")]
    Write {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes for a key: {0}")]
    Random(String),
}

impl Key {
    /// A key from the system's random source.
    pub fn fresh() -> Result<Key, KeyError> {
        let mut key = Key([0; 32]);
        SysRng.try_fill_bytes(&mut key.0).map_err(|error| KeyError::Random(error.to_string()))?;
        Ok(key)
    }

    /// A key of known bytes, for tests and benches.
    pub fn from_bytes(bytes: [u8; 32]) -> Key {
        Key(bytes)
    }

    /// The key of a copy of the captured people: a pure function of a run's seed. It hides nothing; it makes pseudonyms of
    /// what may be shown.
    pub fn of_copy(seed: u64, copy: u32) -> Key {
        let material = [&seed.to_le_bytes()[..], &copy.to_le_bytes()].concat();
        Key(blake3::derive_key("standin 1 copy of a population", &material))
    }

    /// Reads a key file.
    pub fn read(path: &Path) -> Result<Key, KeyError> {
        let failed = |source| KeyError::Read { path: path.to_owned(), source };
        let mut line = Vec::new();
        std::fs::File::open(path).map_err(failed)?.take(FILE_BYTES_MAX).read_to_end(&mut line).map_err(failed)?;
        let key = parse(&line);
        line.zeroize();
        key.ok_or_else(|| KeyError::Malformed { path: path.to_owned() })
    }

    /// Writes the key into a new file that only its owner can read.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let failed = |source| KeyError::Write { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut line = format!("{MAGIC} {}\n", blake3::Hash::from_bytes(self.0).to_hex());
        let written = options.open(path).and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            file.sync_all()
        });
        line.zeroize();
        written.map_err(failed)
    }

    /// A short public name of the key: tells two keys apart, and nothing about either.
    pub fn id(&self) -> String {
        let mut id = blake3::derive_key("standin 1 key id", &self.0);
        let hex = blake3::Hash::from_bytes(id).to_hex();
        id.zeroize();
        hex[..16].to_owned()
    }

    /// The subkey of one canonical alphabet. `purpose` is a constant of the program.
    pub(super) fn subkey(&self, purpose: &str) -> Subkey {
        Subkey::of(blake3::derive_key(&format!("standin 1 {purpose}"), &self.0))
    }

    /// 32 bytes for another keyed use, for instance fresh TLS secrets. `purpose` is a constant of the program.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(&format!("standin 1 use {purpose}"), &self.0)
    }
}

fn parse(line: &[u8]) -> Option<Key> {
    let hex = std::str::from_utf8(line).ok()?.trim_end().strip_prefix(MAGIC)?;
    Some(Key(*blake3::Hash::from_hex(hex.trim_start()).ok()?.as_bytes()))
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

/// A key for one alphabet: a block cipher for permutations, a keyed hash for what is too large for them.
pub(super) struct Subkey {
    bytes: [u8; 32],
    cipher: Aes128,
}

impl Subkey {
    fn of(bytes: [u8; 32]) -> Subkey {
        let mut half = [0; 16];
        half.copy_from_slice(&bytes[..16]);
        let cipher = Aes128::new(&Array::from(half));
        half.zeroize();
        Subkey { bytes, cipher }
    }

    /// Does work that encrypts many blocks, with the cipher set up once: that costs as much as several blocks.
    pub(super) fn work(&self, work: impl Work) -> u128 {
        let mut result = 0;
        self.cipher.encrypt_with_backend(Run { work, result: &mut result });
        result
    }

    /// The subkey that belongs to a text, for instance to an e-mail's domain.
    pub(super) fn for_text(&self, text: &[u8]) -> Subkey {
        Subkey::of(*blake3::keyed_hash(&self.bytes, text).as_bytes())
    }

    /// An endless stream of numbers that belongs to a text.
    pub(super) fn stream(&self, text: &[u8]) -> Stream {
        let mut hasher = blake3::Hasher::new_keyed(&self.bytes);
        hasher.update(text);
        Stream { xof: hasher.finalize_xof(), block: [0; 64], used: 64 }
    }
}

/// A computation that encrypts blocks.
pub(super) trait Work {
    /// Does it.
    fn run(self, encrypt: impl Fn([u8; 16]) -> [u8; 16]) -> u128;
}

struct Run<'a, W> {
    work: W,
    result: &'a mut u128,
}

impl<W> BlockSizeUser for Run<'_, W> {
    type BlockSize = U16;
}

impl<W: Work> BlockCipherEncClosure for Run<'_, W> {
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        *self.result = self.work.run(|block| {
            let mut block = Array::from(block);
            backend.encrypt_block((&mut block).into());
            block.into()
        });
    }
}

impl Drop for Subkey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Numbers drawn from a keyed hash.
pub(super) struct Stream {
    xof: blake3::OutputReader,
    block: [u8; 64],
    used: usize,
}

impl Stream {
    /// A number below `n` (n > 0). The bias is below n / 2^32.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        if self.used == self.block.len() {
            self.xof.fill(&mut self.block);
            self.used = 0;
        }
        let mut word = [0; 4];
        word.copy_from_slice(&self.block[self.used..self.used + 4]);
        self.used += 4;
        ((u64::from(u32::from_le_bytes(word)) * u64::from(n)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_the_file_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("team.key");
        let key = Key::fresh().unwrap();
        key.write_new(&path).unwrap();
        assert_eq!(Key::read(&path).unwrap().0, key.0);
        assert!(matches!(Key::fresh().unwrap().write_new(&path), Err(KeyError::Write { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn other_files_are_refused_without_quoting_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.txt");
        std::fs::write(&path, "hunter2").unwrap();
        let error = Key::read(&path).unwrap_err();
        assert!(matches!(error, KeyError::Malformed { .. }));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn ids_differ_and_show_nothing_of_the_key() {
        let (a, b) = (Key::from_bytes([1; 32]), Key::from_bytes([2; 32]));
        assert_ne!(a.id(), b.id());
        assert_eq!(a.id().len(), 16);
        assert_ne!(a.id(), "0101010101010101");
    }
}
