//! text/event-stream: events as lines, their data often JSON.

use std::ops::Range;

use super::json::Json;
use super::{Content, Kind, Media, Until, cut};
use crate::protocol::emit::Emit;
use crate::protocol::name::is_identifier;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// The entry in [`super::ALL`].
pub const KIND: Kind = Kind {
    id: "events",
    about: "text/event-stream, JSON in data lines included",
    claims: |media| media.essence == "text/event-stream",
    sniffs: |_| false,
    open: |_: &Media, root: &str| Box::new(Events { path: Path::new(&format!("{root}.events")) }),
};

struct Events {
    path: Path,
}

impl Content for Events {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        let bytes = emit.bytes();
        let mut start = emit.done();
        while let Some(len) = memchr::memchr(b'\n', &bytes[start..]) {
            self.line(emit, start..start + len);
            start += len + 1;
            emit.keep_to(start);
        }
        if until != Until::More {
            self.line(emit, start..cut(bytes, start, until));
        }
    }
}

impl Events {
    /// `data: …`, its LF left out.
    fn line(&mut self, emit: &mut Emit<'_>, at: Range<usize>) {
        let line = emit.bytes()[at.clone()].trim_ascii_end();
        let known = [&b"data:"[..], b"event:", b"id:", b"retry:"].into_iter().find(|name| line.starts_with(name));
        let name_len = known.map_or(0, <[u8]>::len);
        let value = at.start + line.len() - line[name_len..].trim_ascii_start().len()..at.start + line.len();
        let text = &emit.bytes()[value.clone()];
        let level = self.path.level();
        if let Some(name) = known {
            self.path.push_lower(&name[..name_len - 1]);
        }
        emit.keep_to(value.start);
        match known {
            Some(b"data:") if text.starts_with(b"{") || text.starts_with(b"[") => {
                let mut json = Json::new(Path::new(self.path.text()));
                emit.within(value.end, |emit| json.read(emit, Until::End));
            }
            Some(b"event:") if is_identifier(text) => emit.keep_to(value.end),
            Some(b"retry:") if text.iter().all(u8::is_ascii_digit) && text.len() <= 9 => emit.keep_to(value.end),
            Some(b"id:") => emit.field_to(value.end, &self.path, Encoding::Plain, Role::Value),
            _ => emit.field_to(value.end, &self.path, Encoding::Plain, Role::Text),
        }
        emit.field_to(value.end, &self.path, Encoding::Plain, Role::Text);
        self.path.back(level);
        emit.keep_to(at.end);
    }
}
