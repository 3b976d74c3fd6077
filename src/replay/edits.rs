//! What a run changes in captured requests, beside the values that the target told: the host, secrets of the target's
//! environment, rewritten paths and headers, the marker. Every change is named, so that a dry run can list it.

mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::workload::{Replacement, Request, replacement};

use super::ReplayError;
use super::pattern::Pattern;
use super::profile::Profile;
use super::which::{Which, path_range};

pub use text::{HeaderName, HeaderText, Marker, PathText};

/// A change to some requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Rewrite {
    /// Which ones; all without it.
    #[serde(rename = "for")]
    pub which: Which,
    /// Another beginning of the path.
    pub path_prefix: Option<Prefix>,
    /// Headers that get this value, whether the request has them or not.
    pub set: BTreeMap<HeaderName, HeaderText>,
    /// Headers that are left out.
    pub remove: Vec<HeaderName>,
}

/// One beginning of a path for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefix {
    /// Whole segments: `/api` is no beginning of `/apis`.
    pub from: PathText,
    /// What stands there instead.
    pub to: PathText,
}

/// A value that comes from the environment of the run, never from a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRule {
    /// Name of the variable.
    pub env: String,
    /// The header whose value it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderName>,
    /// Or the path of the field, such as `http.request.body.json.password`; `*` stands for any characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Pattern>,
    /// What stands before it in a header: `Bearer `.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<HeaderText>,
    /// Also in requests that lack the header.
    #[serde(default)]
    pub add: bool,
    /// In which requests; all without it.
    #[serde(default, rename = "for")]
    pub which: Which,
}

/// The value of an environment variable. It is neither printed nor written anywhere but into requests.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvSecret(Vec<u8>);

impl EnvSecret {
    /// A value.
    pub fn new(value: impl Into<Vec<u8>>) -> EnvSecret {
        EnvSecret(value.into())
    }
}

impl fmt::Debug for EnvSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// Values by the name of their variable.
pub type Secrets = BTreeMap<String, EnvSecret>;

/// One change to one request.
#[derive(Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// What goes; empty for what is put in.
    pub at: Range<usize>,
    /// What comes.
    pub with: Vec<u8>,
    /// Why.
    pub why: Why<'a>,
}

/// Why a request is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why<'a> {
    /// The target is another host than the captured one.
    Host,
    /// A rule for the beginning of paths.
    Path,
    /// A rule that sets a header.
    Set(&'a HeaderName),
    /// A rule that removes a header, or a further one of a name that is set.
    Removed(&'a HeaderName),
    /// The value of this variable.
    Secret(&'a str),
    /// The run's mark.
    Marker(&'a HeaderName),
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Host => f.write_str("host"),
            Why::Path => f.write_str("path rewritten"),
            Why::Set(name) => write!(f, "header {name} set"),
            Why::Removed(name) => write!(f, "header {name} removed"),
            Why::Secret(variable) => write!(f, "secret ${variable}"),
            Why::Marker(name) => write!(f, "marker {name}"),
        }
    }
}

/// All changes of a run, ready to be made.
#[derive(Clone, Debug)]
pub struct Edits {
    authority: Vec<u8>,
    rewrites: Vec<Rewrite>,
    secrets: Vec<(SecretRule, EnvSecret)>,
    marker: Option<(HeaderName, Vec<u8>)>,
}

impl Edits {
    /// What a profile changes; `authority` is the target's, `id` the run's.
    pub fn new(profile: &Profile, authority: &str, secrets: &Secrets, id: &str) -> Result<Edits, ReplayError> {
        let value = |rule: &SecretRule| {
            let lacks = |why| ReplayError::Secret { variable: rule.env.clone(), why };
            let value = secrets.get(&rule.env).ok_or_else(|| lacks("is not set"))?;
            let line = rule.header.is_none() || !value.0.iter().any(u8::is_ascii_control);
            match value.0.is_empty() {
                true => Err(lacks("is empty")),
                false if !line => Err(lacks("holds a control character (a line feed?) and cannot stand in a header")),
                false => Ok((rule.clone(), value.clone())),
            }
        };
        let marker = profile.marker.clone();
        Ok(Edits {
            authority: authority.into(),
            rewrites: profile.rewrite.clone(),
            secrets: profile.secrets.iter().map(value).collect::<Result<_, _>>()?,
            marker: marker.map(|m| (m.name, m.value.map_or(id.into(), |value| value.0.as_bytes().to_vec()))),
        })
    }

    /// What a profile would change, for a plan: no secret is needed, and what would come is not told.
    pub fn planned(profile: &Profile) -> Edits {
        Edits {
            authority: Vec::new(),
            rewrites: profile.rewrite.clone(),
            secrets: profile.secrets.iter().map(|rule| (rule.clone(), EnvSecret(Vec::new()))).collect(),
            marker: profile.marker.clone().map(|marker| (marker.name, Vec::new())),
        }
    }

    /// The header line that marks requests.
    pub fn marker(&self) -> Option<String> {
        self.marker.as_ref().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
    }

    /// The changes to a request, in order of position, without overlap: of two rules for one place, the later one of the
    /// profile holds; secrets win over rules.
    pub fn of(&self, request: &Request) -> Vec<Edit<'_>> {
        let mut edits = Vec::new();
        if request.message.is_some() {
            // It has no head of its own.
            for (rule, value) in self.secrets.iter().filter(|(rule, _)| rule.which.names(request)) {
                rule.of_fields(request, value, &mut edits);
            }
            edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
            return edits;
        }
        if let Some(at) = request.header("host") {
            edits.push(Edit { at, with: self.authority.clone(), why: Why::Host });
        }
        for rewrite in self.rewrites.iter().filter(|rewrite| rewrite.which.names(request)) {
            if let Some(edit) = rewrite.path_prefix.as_ref().and_then(|prefix| prefix.of(request)) {
                put(&mut edits, edit);
            }
            rewrite.remove.iter().for_each(|name| remove(request, name, &mut edits));
            for (name, value) in &rewrite.set {
                set(request, name, value.0.as_bytes().to_vec(), Why::Set(name), &mut edits);
            }
        }
        for (rule, value) in self.secrets.iter().filter(|(rule, _)| rule.which.names(request)) {
            rule.of(request, value, &mut edits);
        }
        if let Some((name, value)) = &self.marker {
            set(request, name, value.clone(), Why::Marker(name), &mut edits);
        }
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        edits
    }
}

impl Prefix {
    fn of(&self, request: &Request) -> Option<Edit<'static>> {
        let path = path_range(request);
        let rest = request.bytes.get(path.clone())?.strip_prefix(self.from.0.as_bytes())?;
        let whole = self.from.0.ends_with('/') || rest.first().is_none_or(|&b| b == b'/');
        // Nothing may be left of a path but it must begin with a slash.
        let to = if self.to.0.is_empty() && rest.is_empty() { "/" } else { &self.to.0 };
        whole.then(|| Edit { at: path.start..path.start + self.from.0.len(), with: to.into(), why: Why::Path })
    }
}

impl SecretRule {
    fn of<'a>(&'a self, request: &Request, value: &EnvSecret, edits: &mut Vec<Edit<'a>>) {
        let why = Why::Secret(&self.env);
        if let Some(name) = &self.header {
            let has = request.headers().iter().any(|header| is(request, &header.name, name));
            if has || self.add {
                let before = self.before.as_ref().map_or("", |text| &text.0);
                set(request, name, [before.as_bytes(), &value.0].concat(), why, edits);
            }
        }
        self.of_fields(request, value, edits);
    }

    fn of_fields<'a>(&'a self, request: &Request, value: &EnvSecret, edits: &mut Vec<Edit<'a>>) {
        let why = Why::Secret(&self.env);
        if let Some(pattern) = &self.field {
            for (at, encoding) in request.fields(&|path| pattern.matches(path.as_bytes())) {
                let Replacement { at, with } = replacement(at, &value.0, encoding);
                put(edits, Edit { at, with, why });
            }
        }
    }
}

fn is(request: &Request, at: &Range<usize>, name: &HeaderName) -> bool {
    request.bytes[at.clone()].eq_ignore_ascii_case(name.0.as_bytes())
}

/// Gives the first header of a name another value and leaves out the others; puts it in when there is none.
fn set<'a>(request: &Request, name: &'a HeaderName, value: Vec<u8>, why: Why<'a>, edits: &mut Vec<Edit<'a>>) {
    let all = request.headers();
    let mut mine = all.iter().filter(|header| is(request, &header.name, name));
    match mine.next() {
        Some(first) => {
            // What an earlier rule did to the line gives way.
            edits.retain(|edit| !first.line.contains(&edit.at.start));
            edits.push(Edit { at: first.value.clone(), with: value, why });
            mine.for_each(|further| {
                put(edits, Edit { at: further.line.clone(), with: Vec::new(), why: Why::Removed(name) })
            });
        }
        None => {
            let Some((at, ending)) = request.head_end() else { return };
            let mut line = format!("{name}: ").into_bytes();
            line.extend_from_slice(&value);
            line.extend_from_slice(ending.as_bytes());
            edits.retain(|edit| !puts_in(edit, name));
            edits.push(Edit { at: at..at, with: line, why });
        }
    }
}

/// Whether an edit puts in a header of this name.
fn puts_in(edit: &Edit<'_>, name: &HeaderName) -> bool {
    let line = edit.with.get(..name.0.len() + 1).and_then(|line| line.strip_suffix(b":"));
    edit.at.is_empty() && line.is_some_and(|line| line.eq_ignore_ascii_case(name.0.as_bytes()))
}

fn remove<'a>(request: &Request, name: &'a HeaderName, edits: &mut Vec<Edit<'a>>) {
    edits.retain(|edit| !puts_in(edit, name));
    for header in request.headers().iter().filter(|header| is(request, &header.name, name)) {
        put(edits, Edit { at: header.line.clone(), with: Vec::new(), why: Why::Removed(name) });
    }
}

/// Puts an edit in the place of those that it overlaps.
fn put<'a>(edits: &mut Vec<Edit<'a>>, new: Edit<'a>) {
    edits.retain(|old| !overlap(&old.at, &new.at));
    edits.push(new);
}

/// What is put in between two bytes overlaps nothing.
fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end || a == b && !a.is_empty()
}

/// Whether one of the edits decides what stands in a range.
pub fn covers(edits: &[Edit<'_>], at: &Range<usize>) -> bool {
    edits.iter().any(|edit| overlap(&edit.at, at))
}

/// Edits and correlated values (which overlap none of them) as one list of replacements, in order.
pub fn merged(edits: Vec<Edit<'_>>, correlated: Vec<Replacement>) -> Vec<Replacement> {
    let mut all = correlated;
    all.extend(edits.into_iter().map(|edit| Replacement { at: edit.at, with: edit.with }));
    all.sort_by_key(|replacement| (replacement.at.start, replacement.at.end));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::render;
    use proptest::prelude::*;

    const POST: &str = "POST /api/v1/pay?x=1 HTTP/1.1\r\nHost: shop.example\r\nX-Key: old\r\nx-key: older\r\nVia: a\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"pin\":\"12\",\"n\":true}";
    const CHUNKED: &str = "POST /api HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n{\"pin\":\"12\",\"n\":true}\r\n0\r\n\r\n";

    fn edits(yaml: &str) -> Edits {
        let secrets = [("PIN".to_owned(), EnvSecret::new("0\"0000")), ("KEY".to_owned(), EnvSecret::new("s3cret"))];
        Edits::new(&Profile::parse("test", yaml).unwrap(), "t:1", &secrets.into(), "id7").unwrap()
    }

    fn edited(yaml: &str, request: &str) -> String {
        let request = Request::new(request.into()).unwrap();
        let edits = edits(yaml);
        String::from_utf8(render(&request, &merged(edits.of(&request), Vec::new()))).unwrap()
    }

    #[test]
    fn only_what_the_profile_says_is_changed() {
        let host = |text: &str| text.replace("shop.example", "t:1");
        let long = "{\"pin\":\"0\\\"0000\",\"n\":true}";
        let cases = [
            ("{}", host(POST)),
            ("marker: X-Run", host(POST).replace("21\r\n", "21\r\nX-Run: id7\r\n")),
            ("marker: 'via: me'", host(POST).replace("Via: a", "Via: me")),
            ("rewrite: [{path-prefix: {from: /api/v1, to: /v2}}]", host(POST).replace("/api/v1/pay", "/v2/pay")),
            ("rewrite: [{path-prefix: {from: /api/v1/pay, to: ''}}]", host(POST).replace("/api/v1/pay", "/")),
            ("rewrite: [{path-prefix: {from: '', to: /base}}]", host(POST).replace("/api/v1/pay", "/base/api/v1/pay")),
            ("rewrite: [{path-prefix: {from: /api/v, to: /b}}]", host(POST)),
            ("rewrite: [{for: {method: [GET]}, remove: [via]}]", host(POST)),
            ("rewrite: [{for: {path: /api/*}, remove: [VIA]}]", host(POST).replace("Via: a\r\n", "")),
            (
                "rewrite: [{remove: [x-key], set: {x-key: new}}]",
                host(POST).replace("X-Key: old\r\nx-key: older", "X-Key: new"),
            ),
            ("rewrite: [{set: {x-new: a}}, {remove: [X-New]}]", host(POST)),
            ("rewrite: [{set: {x-new: a}}, {set: {X-NEW: b}}]", host(POST).replace("21\r\n", "21\r\nX-NEW: b\r\n")),
            ("rewrite: [{set: {host: staging}}]", POST.replace("shop.example", "staging")),
            ("secrets: [{env: KEY, header: X-Key}]", host(POST).replace("old\r\nx-key: older", "s3cret")),
            ("secrets: [{env: KEY, header: authorization}]", host(POST)),
            (
                "secrets: [{env: KEY, header: authorization, before: 'Bearer ', add: true}]",
                host(POST).replace("21\r\n", "21\r\nauthorization: Bearer s3cret\r\n"),
            ),
            (
                "secrets: [{env: PIN, field: '*.json.pin'}]",
                host(POST).replace("{\"pin\":\"12\",\"n\":true}", long).replace(": 21", ": 26"),
            ),
        ];
        for (yaml, expected) in cases {
            assert_eq!(edited(yaml, POST), expected, "{yaml}");
        }
        let chunked = edited("secrets: [{env: PIN, field: http.request.body.json.pin}]", CHUNKED);
        assert_eq!(
            chunked,
            CHUNKED.replace("15\r\n{\"pin\":\"12\",\"n\":true}", &format!("1a\r\n{long}")).replace(": h\r", ": t:1\r")
        );
    }

    #[test]
    fn every_edit_says_why_and_no_secret_is_told() {
        let yaml = "marker: X-Run\nrewrite: [{path-prefix: {from: /api, to: /b}, remove: [via], set: {x-key: a}}]\nsecrets: [{env: PIN, field: '*.pin'}]";
        let (request, edits) = (Request::new(POST.into()).unwrap(), edits(yaml));
        let why: Vec<String> = edits.of(&request).iter().map(|edit| edit.why.to_string()).collect();
        assert_eq!(
            why,
            [
                "path rewritten",
                "host",
                "header x-key set",
                "header x-key removed",
                "header via removed",
                "marker X-Run",
                "secret $PIN"
            ]
        );
        assert!(!format!("{edits:?}").contains("0000"));
        let planned = Edits::planned(&Profile::parse("test", yaml).unwrap());
        let places = |edits: &[Edit<'_>]| edits.iter().map(|edit| edit.at.clone()).collect::<Vec<_>>();
        assert_eq!(places(&planned.of(&request)), places(&edits.of(&request)));
    }

    #[test]
    fn what_would_break_a_request_is_refused_with_its_place() {
        for (yaml, told) in [
            ("rewrite:\n - set: {content-length: 5}", "test:2:"),
            ("rewrite:\n - set: {x: \"a\\r\\nb: c\"}", "one line"),
            ("rewrite:\n - set: {'a b': c}", "no name of a header"),
            ("rewrite: [{path-prefix: {from: /a, to: b}}]", "begins with `/`"),
            ("rewrite: [{path-prefix: {from: /a, to: '/b c'}}]", "begins with `/`"),
            ("marker: 'Transfer-Encoding: chunked'", "says where the request ends"),
            ("secrets: [{env: A}]", "`header` or `field`"),
            ("secrets: [{env: 'A B', header: x}]", "name of an environment variable"),
            ("rewrite: [{sett: {}}]", "sett"),
        ] {
            let error = Profile::parse("test", yaml).unwrap_err().to_string();
            assert!(error.contains(told), "{yaml}: {error}");
        }
    }

    #[test]
    fn a_secret_that_is_missing_stops_the_run() {
        let profile = Profile::parse("test", "secrets: [{env: TOKEN, header: authorization}]").unwrap();
        for value in [None, Some(""), Some("a\nb")] {
            let secrets = value.map(|value| ("TOKEN".to_owned(), EnvSecret::new(value))).into_iter().collect();
            let error = Edits::new(&profile, "t", &secrets, "").unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains("TOKEN"), "{error}");
        }
    }

    proptest! {
        /// Whatever is set and removed, in requests of any form, the edits are in order and apart, and the body is whole.
        #[test]
        fn edits_never_overlap(
            names in prop::collection::vec("[ab]", 0..6), removed in prop::collection::vec("[abc]", 0..3), sets in prop::collection::vec("[abc]", 0..3), lf in any::<bool>(), empty in any::<bool>(),
        ) {
            let value = if empty { "" } else { " v" };
            let head: String = names.iter().map(|name| format!("{name}:{value}\r\n")).collect();
            let text = format!("GET /p/q HTTP/1.1\r\nhost: h\r\n{head}\r\nbody");
            let text = if lf { text.replace("\r\n", "\n") } else { text };
            let rules = removed.iter().map(|name| format!("{{remove: [{name}]}}")).chain(sets.iter().map(|name| format!("{{set: {{{name}: new}}}}")));
            let yaml = format!("marker: a\nrewrite: [{{path-prefix: {{from: /p, to: /long}}}}, {}]", rules.collect::<Vec<_>>().join(", "));
            let (request, edits) = (Request::new(text.into_bytes()).unwrap(), edits(&yaml));
            let made = edits.of(&request);
            prop_assert!(made.windows(2).all(|pair| pair[0].at.end <= pair[1].at.start), "{:?}", made);
            let after = Request::new(render(&request, &merged(made, Vec::new()))).unwrap();
            let (end, ending) = after.head_end().unwrap();
            prop_assert_eq!(&after.bytes[end + ending.len()..], b"body");
            let values = |name: &str| {
                let mine = |line: &crate::workload::HeaderLine| after.bytes[line.name.clone()].eq_ignore_ascii_case(name.as_bytes());
                after.headers().iter().filter(|line| mine(line)).map(|line| String::from_utf8_lossy(&after.bytes[line.value.clone()]).into_owned()).collect::<Vec<_>>()
            };
            prop_assert_eq!(values("a"), ["id7"]);
            for name in ["b", "c"] {
                if sets.iter().any(|set| set == name) {
                    prop_assert_eq!(values(name), ["new"]);
                } else if removed.iter().any(|gone| gone == name) {
                    prop_assert!(values(name).is_empty());
                }
            }
            prop_assert_eq!(after.target(), b"/long/q");
        }
    }
}
