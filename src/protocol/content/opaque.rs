//! A content that nobody reads: opaque but for the signature of a well-known format, and the frame of some images.

use super::image::{Format, Parts};
use super::{Content, Media, Until};
use crate::protocol::emit::Emit;

/// The signatures of formats whose parts are found; a JPEG image's next marker is a part's.
const FRAMED: &[(&[u8], Format)] = &[(b"\x89PNG\r\n\x1a\n", Format::Png), (b"\xff\xd8", Format::Jpeg)];
/// First bytes that tell a format and nothing else.
const SIGNATURES: &[&[u8]] = &[
    b"GIF87a",
    b"GIF89a",
    b"%PDF-",
    b"PK\x03\x04",
    b"RIFF",
    b"\x1f\x8b\x08",
    b"BM",
    b"\0\0\x01\0",
    b"wOFF",
    b"wOF2",
    b"OggS",
    b"fLaC",
    b"ID3",
    b"\x1aE\xdf\xa3",
];
/// The longest of both.
const SIGNATURE_MAX: usize = 8;

/// Reader of what is not understood.
pub struct Opaque {
    what: &'static str,
    begun: bool,
    parts: Option<Parts>,
}

impl Opaque {
    /// For a body of type `media`.
    pub fn new(media: &Media) -> Self {
        Opaque { what: reason(&media.essence), begun: false, parts: None }
    }

    /// For the rest of a body that was understood up to here.
    pub fn rest(what: &'static str) -> Self {
        Opaque { what, begun: true, parts: None }
    }
}

impl Content for Opaque {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        let rest = &emit.bytes()[emit.done()..];
        if !self.begun {
            if until == Until::More && rest.len() < SIGNATURE_MAX {
                return;
            }
            self.begun = !rest.is_empty();
            if let Some((signature, format)) = FRAMED.iter().find(|(signature, _)| rest.starts_with(signature)) {
                emit.keep(signature.len());
                self.parts = Some(Parts::new(*format));
            } else if let Some(signature) = SIGNATURES.iter().find(|signature| rest.starts_with(signature)) {
                emit.keep(signature.len());
            }
        }
        if let Some(parts) = &mut self.parts {
            parts.read(emit, self.what);
            if until.goes_on() {
                return;
            }
        }
        emit.opaque_to(emit.bytes().len(), self.what);
    }
}

/// A bounded number of reasons, so that a manifest can count them.
fn reason(essence: &str) -> &'static str {
    match essence.split('/').next() {
        Some("image") => "http body image",
        Some("audio" | "video") => "http body audio or video",
        Some("font") => "http body font",
        Some("text") => "http body text in another charset",
        Some("application") if essence.contains("pdf") => "http body pdf",
        Some("application") if essence.contains("zip") => "http body archive",
        Some("application") if essence.contains("grpc") || essence.contains("protobuf") => "http body protobuf",
        Some("application") if essence.ends_with("octet-stream") => "http body octet-stream",
        Some("") => "http body without a type",
        _ => "http body other",
    }
}
