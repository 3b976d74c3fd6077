//! Plain text (and scripts, style sheets, CSV for want of better): a field per line.

use super::{Content, Kind, Media, Until, cut};
use crate::protocol::emit::Emit;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// The entry in [`super::ALL`].
pub const KIND: Kind = Kind {
    id: "text",
    about: "lines of text",
    claims: |media| {
        media.essence.starts_with("text/")
            || matches!(
                media.essence.as_str(),
                "application/javascript"
                    | "application/x-javascript"
                    | "application/ecmascript"
                    | "application/graphql"
                    | "application/yaml"
                    | "application/x-yaml"
                    | "application/sql"
                    | "application/jwt"
                    | "application/pem-certificate-chain"
                    | "application/x-pem-file"
            )
    },
    sniffs: |_| false,
    open,
};

fn open(_: &Media, root: &str) -> Box<dyn Content> {
    Box::new(Text::new(Path::new(&format!("{root}.text"))))
}

/// Reader of lines.
pub struct Text {
    path: Path,
    role: Role,
}

impl Text {
    /// Lines of a document; every one's path is `path`.
    pub fn new(path: Path) -> Self {
        Text { path, role: Role::Text }
    }

    /// Lines that are values, mostly one: a part of a form.
    pub fn values(path: Path) -> Self {
        Text { path, role: Role::Value }
    }
}

impl Content for Text {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        let bytes = emit.bytes();
        let mut start = emit.done();
        while let Some(len) = memchr::memchr(b'\n', &bytes[start..]) {
            let next = start + len + 1;
            line(emit, start..next - 1, &self.path, self.role);
            emit.keep_to(next);
            start = next;
        }
        if until != Until::More {
            line(emit, start..cut(bytes, start, until), &self.path, self.role);
        }
    }
}

/// A line without its LF; white space around the text is grammar.
fn line(emit: &mut Emit<'_>, at: std::ops::Range<usize>, path: &Path, role: Role) {
    let bytes = &emit.bytes()[at.clone()];
    let start = at.end - bytes.trim_ascii_start().len();
    let end = at.start + bytes.trim_ascii_end().len();
    if start < end {
        emit.field_at(start..end, path, Encoding::Plain, role);
    }
    emit.keep_to(at.end);
}
