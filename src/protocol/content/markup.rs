//! XML and HTML: tags and the names in them are kept, attributes' values and text are fields.
//!
//! Not a parser of documents: it only has to tell markup from text, and in doubt takes a thing for text.

use std::ops::Range;

use super::text::Text;
use super::{Content, Kind, Media, Until, cut};
use crate::protocol::emit::Emit;
use crate::protocol::http1::url;
use crate::protocol::name::is_identifier;
use crate::protocol::path::Path;
use crate::protocol::{Encoding, Role};

/// The entry in [`super::ALL`].
pub const KIND: Kind = Kind {
    id: "markup",
    about: "XML, HTML, +xml types",
    claims: |media| {
        let subtype = media.essence.split('/').nth(1).unwrap_or_default();
        matches!(subtype, "html" | "xml" | "xhtml") || subtype.ends_with("+xml") || subtype == "xml-dtd"
    },
    sniffs: |first| first == b'<',
    open,
};

fn open(media: &Media, root: &str) -> Box<dyn Content> {
    let is_xml = media.essence.contains("xml") && !media.essence.contains("xhtml");
    let path = Path::new(&format!("{root}.{}", if is_xml { "xml" } else { "html" }));
    Box::new(Markup { element: path.clone(), root: path, is_xml, raw: None })
}

/// Attributes whose values are constants of the language when they look like identifiers.
const CONSTANT: &[&str] = &[
    "type",
    "method",
    "name",
    "rel",
    "charset",
    "lang",
    "xml:lang",
    "enctype",
    "http-equiv",
    "media",
    "role",
    "class",
    "for",
    "as",
    "target",
    "dir",
    "scope",
    "align",
    "valign",
    "autocomplete",
    "crossorigin",
    "shape",
    "encoding",
];
/// Attributes whose values are URLs.
const URLS: &[&str] = &["href", "src", "action", "formaction", "poster", "cite", "data", "xlink:href"];
/// Namespaces that everybody uses.
const NAMESPACES: &[&[u8]] = &[
    b"http://www.w3.org/",
    b"http://schemas.xmlsoap.org/",
    b"http://schemas.microsoft.com/",
    b"http://schemas.openxmlformats.org/",
    b"http://purl.org/",
    b"http://ogp.me/",
    b"DAV:",
];
/// Longest piece of markup that is kept as a whole (a namespace, a document type).
const CONSTANT_MAX: usize = 120;

struct Markup {
    root: Path,
    /// The path of the text that comes next.
    element: Path,
    is_xml: bool,
    /// Inside something that ends with these bytes and holds no markup.
    raw: Option<(&'static [u8], Text)>,
}

impl Content for Markup {
    fn read(&mut self, emit: &mut Emit<'_>, until: Until) {
        while emit.done() < emit.bytes().len() {
            let before = emit.done();
            if self.raw.is_some() {
                self.raw_text(emit, until);
            } else {
                self.text(emit, until);
                self.tag(emit, until);
            }
            if emit.done() == before {
                return;
            }
        }
    }
}

impl Markup {
    /// Text up to the next tag.
    fn text(&mut self, emit: &mut Emit<'_>, until: Until) {
        let (bytes, start) = (emit.bytes(), emit.done());
        let end = match memchr::memchr(b'<', &bytes[start..]) {
            Some(len) => start + len,
            None if until == Until::More => return,
            None => cut(bytes, start, until),
        };
        self.text_to(emit, end);
    }

    fn text_to(&mut self, emit: &mut Emit<'_>, end: usize) {
        let start = emit.done();
        let text = &emit.bytes()[start..end];
        let inner = end - text.trim_ascii_start().len()..start + text.trim_ascii_end().len();
        if inner.start < inner.end {
            emit.field_at(inner, &self.element, Encoding::Markup, Role::Text);
        }
        emit.keep_to(end);
    }

    /// A tag, if one begins here.
    fn tag(&mut self, emit: &mut Emit<'_>, until: Until) {
        let (bytes, start) = (emit.bytes(), emit.done());
        let rest = &bytes[start..];
        if !rest.starts_with(b"<") {
            return;
        }
        match rest.get(1) {
            Some(b'!') if rest.len() >= 4 || until != Until::More => self.declaration(emit, until),
            Some(b'!') | None if until == Until::More => {}
            Some(b'?' | b'/' | b':' | b'_' | b'a'..=b'z' | b'A'..=b'Z') => match tag_end(rest) {
                Some(len) => self.whole_tag(emit, start..start + len),
                None if until == Until::More => {}
                None => self.text_to(emit, cut(bytes, start + 1, until)),
            },
            _ => self.text_to(emit, start + 1),
        }
    }

    /// `<!-- … -->`, `<![CDATA[ … ]]>`, `<!DOCTYPE …>`.
    fn declaration(&mut self, emit: &mut Emit<'_>, until: Until) {
        const CDATA: &[u8] = b"<![CDATA[";
        let (bytes, start) = (emit.bytes(), emit.done());
        let rest = &bytes[start..];
        if rest.starts_with(b"<!--") {
            emit.keep_to(start + 4);
            self.raw = Some((b"-->", Text::new(self.element.clone())));
        } else if rest.starts_with(CDATA) {
            emit.keep_to(start + CDATA.len());
            self.raw = Some((b"]]>", Text::new(self.element.clone())));
        } else if let Some(len) = memchr::memchr(b'>', rest) {
            let inner = &rest[2..len.max(2)];
            let is_constant =
                inner.len() <= CONSTANT_MAX && inner.get(..12).is_some_and(|i| i.eq_ignore_ascii_case(b"doctype html"));
            emit.keep_to(start + 2);
            if !is_constant {
                emit.field_to(start + len, &self.root, Encoding::Plain, Role::Text);
            }
            emit.keep_to(start + len + 1);
        } else if until != Until::More {
            self.text_to(emit, cut(bytes, start + 1, until));
        }
    }

    /// A tag of known length.
    fn whole_tag(&mut self, emit: &mut Emit<'_>, at: Range<usize>) {
        let bytes = emit.bytes();
        let inner_start = at.start + 1 + usize::from(matches!(bytes.get(at.start + 1), Some(b'/' | b'?')));
        let inner = &bytes[inner_start..at.end - 1];
        let name_len =
            inner.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'?')).unwrap_or(inner.len());
        let name = &inner[..name_len];
        if bytes[at.start..].starts_with(b"<?xml ") && at.len() <= CONSTANT_MAX {
            return emit.keep_to(at.end);
        }
        emit.keep_to(inner_start);
        self.element.clone_from(&self.root);
        if is_identifier(name) {
            self.element.push_lower(name);
        } else {
            self.element.push_secret();
            emit.field_to(inner_start + name_len, &self.element, Encoding::Markup, Role::Name);
        }
        emit.keep_to(inner_start + name_len);
        attributes(emit, at.end - 1, &mut self.element);
        emit.keep_to(at.end);
        let is_start = inner_start == at.start + 1 && !inner.ends_with(b"/");
        if bytes.get(at.start + 1) == Some(&b'/') {
            self.element.clone_from(&self.root);
        } else if is_start && !self.is_xml {
            self.raw = raw_end(name).map(|end| (end, Text::new(self.element.clone())));
        }
    }

    /// Lines up to the end of what holds no markup.
    fn raw_text(&mut self, emit: &mut Emit<'_>, until: Until) {
        let Some((end, text)) = &mut self.raw else { return };
        let (bytes, start) = (emit.bytes(), emit.done());
        match find(&bytes[start..], end) {
            Some(len) => {
                emit.within(start + len, |emit| text.read(emit, Until::End));
                if !end.starts_with(b"<") {
                    emit.keep_to(start + len + end.len());
                }
                self.raw = None;
                self.element.clone_from(&self.root);
                if end_is_tag(emit) {
                    // Behind an end tag's beginning there is always progress: the tag itself.
                    self.tag(emit, until);
                }
            }
            None if until.goes_on() => {
                // The end may be cut.
                let safe = bytes.len().saturating_sub(end.len()).max(start);
                emit.within(safe, |emit| text.read(emit, until));
            }
            None => text.read(emit, until),
        }
    }
}

fn end_is_tag(emit: &Emit<'_>) -> bool {
    emit.bytes()[emit.done()..].starts_with(b"</")
}

/// What ends an element without markup in it.
fn raw_end(name: &[u8]) -> Option<&'static [u8]> {
    if name.eq_ignore_ascii_case(b"script") {
        Some(b"</script")
    } else if name.eq_ignore_ascii_case(b"style") {
        Some(b"</style")
    } else {
        None
    }
}

/// Finds `wanted` in any case.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let &first = wanted.first()?;
    memchr::memchr_iter(first, bytes)
        .find(|&at| bytes[at..].get(..wanted.len()).is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
}

/// The length of the tag that begins `bytes`: behind the first `>` outside quotes.
fn tag_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    let mut after_equals = false;
    while let Some(&b) = bytes.get(at) {
        match b {
            b'>' => return Some(at + 1),
            b'"' | b'\'' if after_equals => at += 1 + memchr::memchr(b, &bytes[at + 1..])?,
            _ => {}
        }
        after_equals = b == b'=' || (after_equals && b.is_ascii_whitespace());
        at += 1;
    }
    None
}

/// Attributes from where `emit` is done up to `end`.
fn attributes(emit: &mut Emit<'_>, end: usize, path: &mut Path) {
    let bytes = emit.bytes();
    let skip = |from: usize, inside: fn(&u8) -> bool| from + bytes[from..end].iter().take_while(|b| inside(b)).count();
    let is_gap = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'/' | b'?');
    let is_name = |b: &u8| !b.is_ascii_whitespace() && !matches!(b, b'=' | b'/' | b'?');
    let mut at = emit.done();
    while at < end {
        let name = skip(at, is_gap);
        let name_end = skip(name, is_name);
        let equals = skip(name_end, u8::is_ascii_whitespace);
        let level = path.level();
        attribute_name(emit, name..name_end, path);
        if bytes[equals..end].first() == Some(&b'=') {
            let value = skip(equals + 1, u8::is_ascii_whitespace);
            emit.keep_to(value);
            at = attribute_value(emit, value..end, &bytes[name..name_end], path);
        } else {
            at = equals.max(name_end);
        }
        path.back(level);
        emit.keep_to(at);
    }
}

fn attribute_name(emit: &mut Emit<'_>, at: Range<usize>, path: &mut Path) {
    emit.keep_to(at.start);
    let name = &emit.bytes()[at.clone()];
    if is_identifier(name) {
        path.push_lower(name);
        emit.keep_to(at.end);
    } else if !name.is_empty() {
        path.push_secret();
        emit.field_to(at.end, path, Encoding::Markup, Role::Name);
    }
}

/// Reports the value that begins at `at` and says where it ends, quotes included.
fn attribute_value(emit: &mut Emit<'_>, at: Range<usize>, name: &[u8], path: &mut Path) -> usize {
    let bytes = &emit.bytes()[at.clone()];
    let (value, behind) = match bytes.first() {
        Some(&quote @ (b'"' | b'\'')) => {
            let len = memchr::memchr(quote, &bytes[1..]).unwrap_or(bytes.len() - 1);
            (at.start + 1..at.start + 1 + len, (at.start + len + 2).min(at.end))
        }
        _ => {
            let len = bytes.iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len());
            (at.start..at.start + len, at.start + len)
        }
    };
    emit.keep_to(value.start);
    let text = &emit.bytes()[value.clone()];
    let is_in = |list: &[&str]| list.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
    let is_namespace = name.starts_with(b"xmlns")
        && text.len() <= CONSTANT_MAX
        && NAMESPACES.iter().any(|known| text.starts_with(known));
    let are_names = is_in(CONSTANT);
    let is_constant = are_names && text.split(|&b| b == b' ').all(|word| word.is_empty() || is_identifier(word));
    if is_constant || is_namespace {
        emit.keep_to(value.end);
    } else if are_names {
        // Masked, it may well look like identifiers: whoever compares must not miss it.
        emit.field_to(value.end, path, Encoding::Markup, Role::Name);
    } else if is_in(URLS) && !text.contains(&b'&') {
        url::url(emit, value.clone(), path);
    } else {
        emit.field_to(value.end, path, Encoding::Markup, Role::Value);
    }
    emit.field_to(value.end, path, Encoding::Markup, Role::Value);
    behind
}
