//! Compressed messages (RFC 7692): permessage-deflate.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a sender leaves out at a message's end (§7.2.1).
pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// A window that nobody has made smaller (§7.1.2).
const WINDOW_BITS: u8 = 15;

/// How the messages of one direction are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// A message may refer to those before it.
    pub takeover: bool,
    /// It refers to no more than 2^`bits` bytes before.
    pub bits: u8,
}

/// What a response to an upgrade agrees to (§7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Messages of the client.
    pub client: Packing,
    /// Messages of the server.
    pub server: Packing,
}

impl Agreed {
    /// Reads the value of a Sec-WebSocket-Extensions header; none when permessage-deflate is not in it.
    pub fn parse(value: &[u8]) -> Option<Agreed> {
        let text = String::from_utf8_lossy(value).to_ascii_lowercase();
        let is_meant =
            |extension: &&str| extension.split(';').next().unwrap_or_default().trim() == "permessage-deflate";
        let extension = text.split(',').find(is_meant)?;
        let whole = Packing { takeover: true, bits: WINDOW_BITS };
        let mut agreed = Agreed { client: whole, server: whole };
        for parameter in extension.split(';').skip(1) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let bits = value.trim().trim_matches('"').parse().ok().filter(|bits| (8..=WINDOW_BITS).contains(bits));
            match name.trim() {
                "client_no_context_takeover" => agreed.client.takeover = false,
                "server_no_context_takeover" => agreed.server.takeover = false,
                "client_max_window_bits" => agreed.client.bits = bits.unwrap_or(WINDOW_BITS),
                "server_max_window_bits" => agreed.server.bits = bits.unwrap_or(WINDOW_BITS),
                _ => {}
            }
        }
        Some(agreed)
    }
}

/// What an open window takes, about.
const WINDOW_BYTES: usize = 40 << 10;
/// Room that is made at a time.
const STEP: usize = 4 << 10;

/// Unpacks the messages of one direction, whether each is packed for itself or goes on in the window of those before.
#[derive(Debug, Default)]
pub struct Unpacker(Option<Decompress>);

impl Unpacker {
    /// Bytes held.
    pub fn held(&self) -> usize {
        if self.0.is_some() { WINDOW_BYTES } else { 0 }
    }

    /// The text of a message; none when it is not packed so, or is longer than `most`.
    pub fn message(&mut self, packed: &[u8], most: usize) -> Option<Vec<u8>> {
        // After a failure the window is not what the sender takes it for: what needs it will fail as well.
        let mut window = self.0.take().unwrap_or_else(|| Decompress::new(false));
        let mut text = Vec::new();
        for mut bytes in [packed, &TAIL] {
            loop {
                let before = window.total_in();
                text.reserve(STEP);
                let status = window.decompress_vec(bytes, &mut text, FlushDecompress::Sync).ok()?;
                let used = usize::try_from(window.total_in() - before).ok()?;
                bytes = bytes.get(used..)?;
                if text.len() > most {
                    return None;
                }
                match status {
                    // A last block: the next message begins anew.
                    Status::StreamEnd => {
                        window.reset(false);
                        break;
                    }
                    _ if bytes.is_empty() && text.len() < text.capacity() => break,
                    Status::BufError if used == 0 && text.len() < text.capacity() => return None,
                    _ => {}
                }
            }
        }
        self.0 = Some(window);
        Some(text)
    }
}

/// Packs a message for itself, within a window of 2^`bits` bytes (9 to 15): any receiver can unpack it, whether it keeps
/// windows or not.
pub fn pack(text: &[u8], bits: u8) -> Vec<u8> {
    let mut window = Compress::new_with_window_bits(Compression::fast(), false, bits.clamp(9, 15));
    let mut packed = Vec::new();
    let mut rest = text;
    loop {
        let before = window.total_in();
        packed.reserve(STEP);
        let status = window.compress_vec(rest, &mut packed, FlushCompress::Sync);
        let used = usize::try_from(window.total_in() - before).unwrap_or(rest.len());
        rest = rest.get(used..).unwrap_or_default();
        // Room left over says that all was written.
        if status.is_err() || rest.is_empty() && packed.len() < packed.capacity() {
            break;
        }
    }
    packed.truncate(packed.len() - if packed.ends_with(&TAIL) { TAIL.len() } else { 0 });
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 1..4), repeat in 1usize..40, bits in 9u8..16) {
            let mut unpacker = Unpacker::default();
            for text in &texts {
                let text = text.repeat(repeat);
                let packed = pack(&text, bits);
                prop_assert_eq!(unpacker.message(&packed, usize::MAX), Some(text));
            }
        }

        #[test]
        fn anything_is_borne(packed in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = Unpacker::default().message(&packed, 1000);
            prop_assert!(text.is_none_or(|text| text.len() <= 1000));
        }
    }

    #[test]
    fn what_was_agreed_on_is_read() {
        let whole = Packing { takeover: true, bits: 15 };
        let parsed = |text: &str| Agreed::parse(text.as_bytes()).map(|agreed| (agreed.client, agreed.server));
        assert_eq!(parsed("x-compress, Permessage-Deflate"), Some((whole, whole)));
        assert_eq!(
            parsed(
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=\"10\"; client_max_window_bits"
            ),
            Some((Packing { takeover: false, ..whole }, Packing { bits: 10, ..whole }))
        );
        assert_eq!(parsed("permessage-deflate; server_max_window_bits=7"), Some((whole, whole)));
        assert_eq!(parsed("x-compress; permessage-deflate"), None);
    }

    /// The examples of RFC 7692 §7.2.3: one message for itself, the same with the window of the one before, one stored, one
    /// that ends its stream, one of two blocks.
    #[test]
    fn the_standard_examples_are_unpacked() {
        let mut unpacker = Unpacker::default();
        let hello = |unpacker: &mut Unpacker, packed: &[u8]| unpacker.message(packed, 99);
        assert_eq!(hello(&mut unpacker, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]).unwrap(), b"Hello");
        assert_eq!(hello(&mut unpacker, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap(), b"Hello");
        let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
        let ended = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
        let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
        for packed in [&stored[..], &ended, &two] {
            assert_eq!(hello(&mut Unpacker::default(), packed).unwrap(), b"Hello", "{packed:x?}");
        }
        assert_eq!(hello(&mut Unpacker::default(), &[0xf2, 0x00, 0x11, 0x00, 0x00]), None, "without the window");
        assert_eq!(hello(&mut Unpacker::default(), &[0; 12]), None, "blanked");
    }

    #[test]
    fn a_bomb_stays_small() {
        let bomb = pack(&vec![0; 1 << 20], 15);
        assert_eq!(Unpacker::default().message(&bomb, 1000), None);
    }
}
