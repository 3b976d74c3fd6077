//! What a conversation tells, whatever the segments that it comes in.

use std::ops::Range;

use standin::protocol::{self, Conversation, Field, Mark, PartKind, Protocol, Side, Sink, Window};

/// What a sink was told, with neighbours of the same kind merged: the same for any split.
#[derive(Default)]
pub struct Seen {
    /// Per side: what was told of each range, in the order told.
    pub events: [Vec<(Range<u64>, String)>; 2],
    pub marks: Vec<String>,
    /// Fields as `path=raw`, in order.
    pub fields: Vec<String>,
    pub plain: Vec<u8>,
    pub side: usize,
    pub lanes: [u32; 2],
    /// What was told of messages in lanes, in the form that HTTP/1 gives them.
    pub texts: std::collections::BTreeMap<(usize, u32), Vec<u8>>,
}

impl Seen {
    fn put(&mut self, at: Range<u64>, what: String) {
        assert!(at.start < at.end, "an empty range");
        self.events[self.side].push((at, what));
    }

    /// Each byte of each side once.
    fn check_covered(&self, lens: [usize; 2]) {
        for (events, len) in self.events.iter().zip(lens) {
            let mut ranges: Vec<_> = events.iter().map(|(at, _)| at.clone()).collect();
            ranges.sort_by_key(|at| at.start);
            let mut next = 0;
            for at in ranges {
                assert_eq!(at.start, next, "a byte left out or told twice");
                next = at.end;
            }
            assert_eq!(next, len as u64, "bytes left out at the end");
        }
    }

    /// Kept and opaque runs merged, in stream order.
    pub fn story(&self) -> Vec<(Range<u64>, String)> {
        let mut story: Vec<(Range<u64>, String)> = Vec::new();
        for events in &self.events {
            let mut events = events.clone();
            events.sort_by_key(|(at, _)| at.start);
            let first = story.len();
            for (at, what) in events {
                let merged = what == "keep" || what.starts_with("opaque");
                match story[first..].last_mut() {
                    Some((last, same)) if merged && *same == what => last.end = at.end,
                    _ => story.push((at, what)),
                }
            }
        }
        story
    }
}

impl Sink for Seen {
    fn keep(&mut self, at: Range<u64>) {
        self.put(at, "keep".into());
    }

    fn field(&mut self, at: &[Range<u64>], field: &Field<'_>) {
        // What stands nowhere is said again.
        let len = at.iter().map(|at| at.end - at.start).sum::<u64>();
        assert!(at.is_empty() || len == field.raw.len() as u64);
        assert!(field.path.contains(field.name), "{} {}", field.path, field.name);
        let told = format!("{}={}", field.path, field.raw.escape_ascii());
        for at in at {
            let short = told.get(..200).unwrap_or(&told);
            self.put(at.clone(), format!("{:?} {:?} {short}", field.role, field.encoding));
        }
        self.fields.push(told);
    }

    fn opaque(&mut self, at: Range<u64>, what: &'static str) {
        self.put(at, format!("opaque {what}"));
    }

    fn window(&mut self, at: &[Range<u64>], window: &Window<'_>) {
        assert_eq!(at.iter().map(|at| at.end - at.start).sum::<u64>(), window.packed.len() as u64);
        assert!(window.header + window.trailer <= window.packed.len());
        for at in at {
            self.put(at.clone(), "window".into());
        }
        let mut next = 0;
        for part in window.parts {
            assert_eq!(part.at.start, next, "parts cover the plain bytes");
            next = part.at.end;
            if let PartKind::Field { path, .. } = &part.what {
                self.fields.push(format!("{path}={}", window.plain[part.at.clone()].escape_ascii()));
            }
        }
        assert_eq!(next, window.plain.len());
        self.plain.extend_from_slice(window.plain);
    }

    fn mark(&mut self, side: Side, mark: Mark<'_>) {
        self.marks.push(match mark {
            Mark::Request { method, target, at } => {
                format!("{side:?} {} {} at {at}", method.escape_ascii(), target.escape_ascii())
            }
            Mark::Response { status, at } => format!("{side:?} {status} at {at}"),
            Mark::End { end } => format!("{side:?} end {end}"),
            Mark::Cut => format!("{side:?} cut"),
            Mark::Lane(lane) => return self.lanes[index(side)] = lane,
            Mark::Text(text) => {
                let lane = self.lanes[index(side)];
                return self.texts.entry((index(side), lane)).or_default().extend_from_slice(text);
            }
        });
    }
}

fn index(side: Side) -> usize {
    usize::from(side == Side::Server)
}

/// A conversation, in turns.
pub struct Talk(pub Vec<(Side, Vec<u8>)>);

impl Talk {
    pub fn new(turns: &[(Side, &[u8])]) -> Self {
        Talk(turns.iter().map(|(side, bytes)| (*side, bytes.to_vec())).collect())
    }

    pub fn lens(&self) -> [usize; 2] {
        let len = |side| self.0.iter().filter(|(s, _)| *s == side).map(|(_, bytes)| bytes.len()).sum();
        [len(Side::Client), len(Side::Server)]
    }

    /// Feeds every turn in segments of the lengths that `next_len` gives.
    pub fn hear(&self, mut next_len: impl FnMut() -> usize) -> Seen {
        let mut seen = Seen::default();
        let first = self.0.first().map_or(&[][..], |(_, bytes)| bytes);
        let mut conversation = match protocol::recognise(first) {
            protocol::Recognised::As(protocol, _) => protocol.open(0),
            _ => protocol::http1::Http1.open(0),
        };
        let mut waiting: [(u64, Vec<u8>); 2] = Default::default();
        for (side, bytes) in &self.0 {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (segment, behind) = rest.split_at(next_len().clamp(1, rest.len()));
                rest = behind;
                waiting[*side as usize].1.extend_from_slice(segment);
                read(&mut *conversation, *side, &mut waiting[*side as usize], false, &mut seen);
            }
        }
        for side in [Side::Client, Side::Server] {
            read(&mut *conversation, side, &mut waiting[side as usize], true, &mut seen);
            // Data of a chunk may wait for the next one.
            conversation.flush(side, &mut seen);
            assert_eq!(conversation.pending(side), 0);
        }
        seen.check_covered(self.lens());
        seen
    }

    pub fn whole(&self) -> Seen {
        self.hear(|| usize::MAX)
    }
}

pub fn read(conversation: &mut dyn Conversation, side: Side, waiting: &mut (u64, Vec<u8>), end: bool, seen: &mut Seen) {
    seen.side = side as usize;
    let used = conversation.read(side, waiting.0, &waiting.1, end, seen);
    assert!(used <= waiting.1.len() && (!end || used == waiting.1.len()));
    waiting.0 += used as u64;
    waiting.1.drain(..used);
}
