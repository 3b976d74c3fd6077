//! Which values of a capture are a service's words: seen at the same field from several distinct clients.
//!
//! | file | holds |
//! |---|---|
//! | `client` | who asks: an authenticated identity, else the first `X-Forwarded-For`, else an address |
//! | `table` | fields, their values, and by how many clients each was said; bounded |
//! | `shape` | what a word of a service looks like, and what is withheld though many said it |
//! | `propose` | from the table, and from an API's description, to words and rules |
//! | `openapi` | fixed path segments, parameters and enumerations of an OpenAPI 3 description |
//! | `write` | the proposal as a commented rules file for a person to review |
//!
//! Only requests are learned from: what clients must send, so that a masked request reaches its endpoint. Responses add
//! the places where the same words come back. Nothing is proposed that a detector knows, that stands in a field whose
//! name speaks of a person, or that looks like an id.

mod client;
pub mod openapi;
mod propose;
mod shape;
mod table;
mod write;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use crate::decode::Layers;
use crate::dissect::{Packet, Roles, Stream, Visitor};
use crate::flow::{Datagram, Span};
use crate::limits::{LEARN_REQUEST_BYTES, PIPELINE_MAX};
use crate::protocol::encoding::{Decoded, decode};
use crate::protocol::{Field, Mark, PartKind, Role, Side, Window};
use crate::rules::{Decider, Policy};

use client::{Asking, Clients, Credentials, Who};
use shape::{Shape, shape};
use table::{Place, Table};

pub use propose::{Enumeration, Proposal, Word};
pub use write::write;

/// Learns from captures, one after another. Give it to the loop, then call [`Learner::finish`].
pub struct Learner {
    decider: Decider,
    hasher: RandomState,
    decoded: Decoded,
    /// Source address of the current packet.
    source: Option<IpAddr>,
    open: HashMap<u64, Dialogue>,
    credentials: Credentials,
    table: Table,
    clients: Clients,
    requests: u64,
    /// Fields that were not counted, since their request was too long.
    uncounted: u64,
}

/// A connection being read.
#[derive(Default)]
struct Dialogue {
    client: Option<IpAddr>,
    server: Option<IpAddr>,
    roles: Roles,
    /// Which lane the client and the server speak in ([`Mark::Lane`]).
    lanes: [u32; 2],
    /// Requests being read, by lane.
    asking: HashMap<u32, Asking>,
    /// Who waits for a response, and in which lane, in order.
    waiting: VecDeque<(u32, Who)>,
    /// Whose responses are being read, by lane.
    answering: HashMap<u32, Who>,
}

impl Dialogue {
    fn lane(&self, side: Side) -> u32 {
        self.lanes[usize::from(side == Side::Server)]
    }

    /// Who waits for the response that begins in a lane. The first one behind an upgrade answers what was asked before it.
    fn answered(&mut self, lane: u32) -> Option<Who> {
        let place = self.waiting.iter().position(|(waits_in, _)| *waits_in == lane || *waits_in == 0)?;
        self.waiting.remove(place).map(|(_, who)| who)
    }
}

impl Learner {
    /// With the rules that the proposal extends.
    pub fn new(policy: Arc<Policy>) -> Learner {
        Learner {
            decider: Decider::new(policy),
            hasher: RandomState::new(),
            decoded: Decoded::default(),
            source: None,
            open: HashMap::new(),
            credentials: Credentials::default(),
            table: Table::default(),
            clients: Clients::default(),
            requests: 0,
            uncounted: 0,
        }
    }

    /// What was said by at least `least` clients.
    pub fn finish(mut self, least: usize) -> Proposal {
        let open: Vec<u64> = self.open.keys().copied().collect();
        open.into_iter().for_each(|flow| self.close(flow));
        let mut proposal = propose::propose(&self.table, self.decider.policy(), least, self.clients.count());
        proposal.requests = self.requests;
        if self.uncounted > 0 {
            proposal.notes.push(format!("{} fields of very long requests were not looked at", self.uncounted));
        }
        proposal
    }

    /// A field of a request waits until the request says who sent it; one of a response is that client's.
    fn take(&mut self, stream: Stream, field: &Field<'_>) {
        if !field.path.starts_with("http.") || matches!(field.role, Role::Name) {
            return;
        }
        let Some(dialogue) = self.open.get_mut(&stream.flow) else { return };
        let text = decode(field.raw, field.encoding, &mut self.decoded);
        match dialogue.roles.of(stream.side) {
            Side::Client => {
                let lane = dialogue.lane(Side::Client);
                let Some(asking) = dialogue.asking.get_mut(&lane) else { return };
                asking.identify(field, text, &self.hasher, &self.credentials);
                if field.role == Role::Segment && field.path == "http.request.path" {
                    asking.segment(text);
                }
                let known = known(&mut self.decider, field, text);
                let personal = self.decider.policy().name_like(field.name) || asking.is_behind_a_person(field);
                if !known && field.role != Role::Host && !asking.note(field, text, personal) {
                    self.uncounted += 1;
                }
            }
            Side::Server => {
                let Some(&who) = dialogue.answering.get(&dialogue.lane(Side::Server)) else { return };
                self.credentials.hand_out(field, text, who, &self.hasher);
                if !known(&mut self.decider, field, text)
                    && !self.decider.policy().name_like(field.name)
                    && shape(text, field.role) == Shape::Word
                {
                    self.table.say(Place::Answer, field.path, field.name, None, text, who);
                }
            }
        }
    }

    /// The request in a lane is complete: whoever sent it said all that.
    fn asked(&mut self, flow: u64, lane: u32) {
        let Some(dialogue) = self.open.get_mut(&flow) else { return };
        let Some(asking) = dialogue.asking.remove(&lane) else { return };
        let address = self.hasher.hash_one(("address", dialogue.client));
        let who = asking.who(address);
        if dialogue.waiting.len() < PIPELINE_MAX {
            dialogue.waiting.push_back((lane, who));
        }
        self.requests += 1;
        self.clients.add(who);
        for said in asking.notes() {
            match said.personal {
                true => self.table.withhold("stand in a field, or behind a path segment, that speaks of a person"),
                false => self.table.say(Place::Request, said.path, said.name, said.behind, said.text, who),
            }
        }
    }
}

/// Whether the rules keep the value already.
fn known(decider: &mut Decider, field: &Field<'_>, text: &[u8]) -> bool {
    let policy_keeps = decider.ruling(field.path, text).is_some();
    let decision = decider.decide(field.path, field.name);
    let name_like = decision.name_like();
    policy_keeps || (!name_like && decider.policy().is_vocabulary(text))
}

impl Visitor for Learner {
    fn packet(&mut self, _packet: &Packet<'_>, layers: &Layers) {
        self.source = layers.transport.as_ref().map(|transport| transport.src.0);
    }

    fn datagram(&mut self, _datagram: &Datagram, layers: &Layers) {
        self.source = layers.transport.as_ref().map(|transport| transport.src.0);
    }

    fn open(&mut self, flow: u64, _layers: &Layers) {
        self.open.insert(flow, Dialogue::default());
    }

    fn bytes(&mut self, stream: Stream, _at: u64, _bytes: &[u8]) {
        let source = self.source;
        let Some(dialogue) = self.open.get_mut(&stream.flow) else { return };
        let address = match dialogue.roles.of(stream.side) {
            Side::Client => &mut dialogue.client,
            Side::Server => &mut dialogue.server,
        };
        *address = address.or(source);
    }

    fn field(&mut self, stream: Stream, field: &Field<'_>, _at: &[Range<u64>], _spans: &[Span]) {
        self.take(stream, field);
    }

    fn window(&mut self, stream: Stream, window: &Window<'_>, _at: &[Range<u64>], _spans: &[Span]) {
        for part in window.parts {
            if let PartKind::Field { path, name, encoding, role } = &part.what {
                let raw = window.plain.get(part.at.clone()).unwrap_or_default();
                self.take(stream, &Field { path, name, raw, encoding: *encoding, role: *role });
            }
        }
    }

    fn mark(&mut self, stream: Stream, mark: Mark<'_>, _time_ns: i128) {
        let begins = match mark {
            Mark::Request { .. } => Some(Side::Client),
            Mark::Response { .. } => Some(Side::Server),
            _ => None,
        };
        let Some(dialogue) = self.open.get_mut(&stream.flow) else { return };
        if begins.is_some_and(|role| dialogue.roles.begins(stream.side, role)) {
            std::mem::swap(&mut dialogue.client, &mut dialogue.server);
            dialogue.lanes.swap(0, 1);
        }
        let side = dialogue.roles.of(stream.side);
        let lane = dialogue.lane(side);
        match (side, mark) {
            (_, Mark::Request { .. }) => {
                self.asked(stream.flow, lane);
                if let Some(dialogue) = self.open.get_mut(&stream.flow)
                    && dialogue.asking.len() < PIPELINE_MAX
                {
                    dialogue.asking.insert(lane, Asking::new(LEARN_REQUEST_BYTES));
                }
            }
            (Side::Client, Mark::End { .. }) => self.asked(stream.flow, lane),
            (_, Mark::Response { .. }) => {
                dialogue.answering.remove(&lane);
                if let Some(who) = dialogue.answered(lane) {
                    dialogue.answering.insert(lane, who);
                }
            }
            (Side::Server, Mark::End { .. }) => drop(dialogue.answering.remove(&lane)),
            (side, Mark::Lane(lane)) => dialogue.lanes[usize::from(side == Side::Server)] = lane,
            (_, Mark::Text(_)) => {}
            (_, Mark::Cut) => {
                dialogue.asking.remove(&lane);
                dialogue.answering.remove(&lane);
                dialogue.waiting.retain(|(waits_in, _)| *waits_in != lane);
            }
        }
    }

    fn close(&mut self, flow: u64) {
        let lanes: Vec<u32> =
            self.open.get(&flow).iter().flat_map(|dialogue| dialogue.asking.keys().copied()).collect();
        lanes.into_iter().for_each(|lane| self.asked(flow, lane));
        self.open.remove(&flow);
    }
}
