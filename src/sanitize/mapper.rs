//! Values and requests outside of captures, masked as they would be inside.

use std::ops::Range;
use std::sync::Arc;

use super::values::Values;
use crate::mask::Key;
use crate::protocol::content::{self, Until};
use crate::protocol::emit::{Emit, Together};
use crate::protocol::{Encoding, Field, Mark, Protocol, Role, Side, Sink, Window, http1, websocket};
use crate::rules::Policy;

/// Values to the pseudonyms that they have in masked captures.
pub struct Mapper(Values);

impl Mapper {
    /// As masking with this key and these rules.
    pub fn new(key: &Key, policy: Arc<Policy>) -> Self {
        Mapper(Values::new(policy, key))
    }

    /// The same, with so many bytes of memory for pseudonyms.
    pub fn remembering(self, bytes: usize) -> Self {
        Mapper(self.0.remembering(bytes))
    }

    /// Appends the pseudonym of one value.
    pub fn map(&mut self, value: &[u8], out: &mut Vec<u8>) {
        let field = Field { path: "value", name: "", raw: value, encoding: Encoding::Plain, role: Role::Value };
        self.0.stand_in(&field, out);
    }

    /// Calls `found` with each value of an HTTP/1 request that masking would replace: where it stands, and what would stand
    /// there, at the same length. Names of hosts stay: they say who is asked, not who asks. What is not read (compressed and
    /// unknown bodies) stays too.
    pub fn request(&mut self, request: &[u8], found: &mut dyn FnMut(Range<usize>, &[u8])) {
        let mut conversation = http1::Http1.open(0);
        let mut sink = Replacing { values: &mut self.0, new: Vec::new(), found };
        let mut at = 0;
        while let Some(rest) = request.get(at..).filter(|rest| !rest.is_empty()) {
            match conversation.read(Side::Client, at as u64, rest, true, &mut sink) {
                0 => break,
                done => at += done,
            }
        }
        conversation.flush(Side::Client, &mut sink);
    }

    /// The same with a client's message of WebSocket, unmasked and unpacked: `text` says whether it is text.
    pub fn message(&mut self, message: &[u8], text: bool, found: &mut dyn FnMut(Range<usize>, &[u8])) {
        let mut sink = Replacing { values: &mut self.0, new: Vec::new(), found };
        let mut out = Together { base: 0, sink: &mut sink };
        let mut reader = websocket::reader("http.request.body", text);
        content::read(&mut *reader, &mut Emit::new(message, &mut out), Until::End);
    }
}

/// A sink that tells what would stand instead of values.
struct Replacing<'a> {
    values: &'a mut Values,
    new: Vec<u8>,
    found: &'a mut dyn FnMut(Range<usize>, &[u8]),
}

impl Sink for Replacing<'_> {
    fn keep(&mut self, _at: Range<u64>) {}

    fn field(&mut self, at: &[Range<u64>], field: &Field<'_>) {
        if field.role == Role::Host {
            return;
        }
        self.new.clear();
        self.values.stand_in(field, &mut self.new);
        if self.new == field.raw {
            return;
        }
        // A value that chunk framing cuts stands at several places.
        let mut done = 0;
        for range in at {
            let next = done + (range.end - range.start) as usize;
            if let Some(new) = self.new.get(done..next) {
                (self.found)(range.start as usize..range.end as usize, new);
            }
            done = next;
        }
    }

    fn opaque(&mut self, _at: Range<u64>, _what: &'static str) {}

    fn window(&mut self, _at: &[Range<u64>], _window: &Window<'_>) {}

    fn mark(&mut self, _side: Side, _mark: Mark<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str = "POST /api/v1/users/Zq81mX04?page=2&email=zoe%40quill.test HTTP/1.1\r\nHost: shop.example\r\nCookie: theme=dark; session=a1B2c3D4e5F6\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"name\":\"\r\n13\r\nZoe Quill\",\"n\":\"ok\"}\r\n0\r\n\r\n";

    fn renamed(key: u8, text: &str) -> String {
        let mut mapper = Mapper::new(&Key::from_bytes([key; 32]), Arc::new(Policy::load(&[]).unwrap()));
        let mut bytes = text.as_bytes().to_vec();
        mapper.request(text.as_bytes(), &mut |at, new| bytes[at].copy_from_slice(new));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn people_become_others_and_the_request_stays() {
        let other = renamed(1, REQUEST);
        assert_eq!(other.len(), REQUEST.len());
        for stays in
            ["POST /api/v1/users/", "page=", "&email=", "Host: shop.example", "theme=", "{\"name\":\"", "\r\n13\r\n"]
        {
            assert!(other.contains(stays), "{stays}: {other}");
        }
        for goes in ["Zq81mX04", "zoe", "a1B2c3D4e5F6", "Quill"] {
            assert!(!other.contains(goes), "{goes}: {other}");
        }
        assert_ne!(other, renamed(2, REQUEST));
        assert_eq!(other, renamed(1, REQUEST));
    }

    #[test]
    fn what_is_said_in_messages_is_said_by_others() {
        let renamed = |text: &str, is_text| {
            let mut mapper = Mapper::new(&Key::from_bytes([1; 32]), Arc::new(Policy::load(&[]).unwrap()));
            let mut bytes = text.as_bytes().to_vec();
            mapper.message(text.as_bytes(), is_text, &mut |at, new| bytes[at].copy_from_slice(new));
            String::from_utf8(bytes).unwrap()
        };
        let (mut mapper, mut zoe) =
            (Mapper::new(&Key::from_bytes([1; 32]), Arc::new(Policy::load(&[]).unwrap())), Vec::new());
        mapper.map(b"a1B2c3D4e5F6", &mut zoe);
        let token = String::from_utf8(zoe).unwrap();
        assert_eq!(renamed(r#"{"token":"a1B2c3D4e5F6"}"#, true), format!(r#"{{"token":"{token}"}}"#));
        assert_eq!(renamed(r#"{"token":"a1B2c3D4e5F6"}"#, false), format!(r#"{{"token":"{token}"}}"#));
        assert_eq!(renamed(r#"42["a1B2c3D4e5F6"]"#, true), format!(r#"42["{token}"]"#));
        // What may be a form is taken for text.
        assert!(renamed("token=a1B2c3D4e5F6", true).ends_with(&format!("={token}")));
        assert_eq!((renamed("2", true).as_str(), renamed("\u{1}Zoe Quill", false).as_str()), ("2", "\u{1}Zoe Quill"));
        assert!(!renamed("This is Zoe Quill", true).contains("Quill"));
    }

    /// Each copy of somebody is somebody else, and the same person wherever it is met.
    #[test]
    fn copies_are_different_people() {
        let policy = Arc::new(Policy::load(&[]).unwrap());
        let people = [
            "zoe@quill.test",
            "Zoe Quill",
            "a1B2c3D4e5F6",
            "+44 20 7946 0958",
            "4111111111111111",
            "DE89370400440532013000",
            "0b9cf7d2-6f3e-4d0a-9d3a-5d1c2b7a8e90",
            "Lindenhof 14, 21037 Altenbruch",
            "correct horse battery",
        ];
        for seed in 1..20 {
            for person in people {
                let copy = |copy| {
                    let mut mapper = Mapper::new(&Key::of_copy(seed, copy), policy.clone()).remembering(1 << 16);
                    let map = |mapper: &mut Mapper| {
                        let mut out = Vec::new();
                        mapper.map(person.as_bytes(), &mut out);
                        String::from_utf8(out).unwrap()
                    };
                    let (first, again) = (map(&mut mapper), map(&mut mapper));
                    assert_eq!(first, again);
                    first
                };
                let all: std::collections::BTreeSet<String> = (1..6).map(copy).chain([person.to_owned()]).collect();
                assert_eq!(all.len(), 6, "{person}: {all:?}");
            }
        }
    }

    #[test]
    fn a_value_is_the_same_alone_and_in_a_request() {
        let key = Key::from_bytes([3; 32]);
        let mut mapper = Mapper::new(&key, Arc::new(Policy::load(&[]).unwrap()));
        let mut alone = |value: &str| {
            let mut out = Vec::new();
            mapper.map(value.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        let other = renamed(3, REQUEST);
        for value in ["Zq81mX04", "Zoe Quill", "a1B2c3D4e5F6"] {
            assert!(other.replace("\r\n13\r\n", "").contains(&alone(value)), "{value}: {other}");
        }
        assert!(other.contains(&alone("zoe@quill.test").replace('@', "%40")), "{other}");
    }
}
