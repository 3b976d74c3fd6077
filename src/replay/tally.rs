//! Outcomes counted as they come: memory does not grow with the number of requests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::limits::{ARRIVALS_KEPT, ENDPOINTS_MAX};
use crate::measure::{Histogram, Windows};
use crate::run::{WarmupCounts, WebSocket};

use super::checks::CheckTally;
use super::health::Health;
use super::outcome::{End, Failure, Outcome};

/// What one thread, or all of them, saw.
#[derive(Default)]
pub struct Tally {
    pub planned: u64,
    pub sent: u64,
    pub answered: u64,
    pub held: u64,
    /// Requests that waited for `max-rate`.
    pub restrained: u64,
    pub failed: BTreeMap<Failure, u64>,
    /// Requests that failed, or were answered with a 5xx that the capture does not have.
    pub errors: u64,
    pub status: BTreeMap<u16, u64>,
    /// gRPC calls by their status.
    pub grpc: BTreeMap<u32, u64>,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub response: Histogram,
    pub service: Histogram,
    pub lateness: Histogram,
    /// The same, but for what they were late when they were read.
    pub sender_lateness: Histogram,
    pub substituted: u64,
    pub missed: u64,
    pub connections_opened: u64,
    pub reconnects: u64,
    /// Requests whose captured status is known, and how many of them were answered with it.
    pub compared: u64,
    pub agreed: u64,
    pub endpoints: BTreeMap<u32, EndpointTally>,
    /// WebSocket messages.
    pub websocket: WebSocket,
    /// What the profile's checks saw, in their order.
    pub checks: Vec<CheckTally>,
    /// The run over time.
    pub windows: Windows,
    /// (write, captured) instants of the requests sent, nanoseconds.
    pub arrivals: Vec<(u64, u64)>,
    /// First and last intended instant.
    pub intended: Option<(u64, u64)>,
    /// Of the requests after the warm-up that were written.
    pub pace: Pace,
    /// When the last outcome was known.
    pub last: u64,
    /// Time for which connections of a closed loop had nothing to send, nanoseconds.
    pub starved_ns: u64,
    /// The part of it for which the capture was not read fast enough.
    pub unread_ns: u64,
    /// How fit the sending threads were.
    pub health: Health,
    /// What of all this belongs to the warm-up, distributions too.
    pub warm: Option<Box<Tally>>,
    /// What they did not get.
    pub warnings: BTreeSet<String>,
}

/// How fast requests were to go, could go, and went; of those that were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    pub requests: u64,
    /// First and last instant at which one was meant to be written.
    pub intended: Option<(u64, u64)>,
    /// At which one was, and nothing of the target's kept it from that any more.
    pub due: Option<(u64, u64)>,
    /// At which one was written.
    pub written: Option<(u64, u64)>,
}

impl Pace {
    fn add(&mut self, outcome: &Outcome, written: u64) {
        let due = outcome.intended.max(outcome.free);
        self.merge(Pace {
            requests: 1,
            intended: Some((outcome.intended, outcome.intended)),
            due: Some((due, due)),
            written: Some((written, written)),
        });
    }

    fn merge(&mut self, other: Pace) {
        self.requests += other.requests;
        self.intended = both(self.intended, other.intended);
        self.due = both(self.due, other.due);
        self.written = both(self.written, other.written);
    }
}

/// One endpoint's part.
#[derive(Default)]
pub struct EndpointTally {
    pub requests: u64,
    pub answered: u64,
    pub failed: u64,
    pub errors: u64,
    pub compared: u64,
    pub agreed: u64,
    pub status: BTreeMap<u16, u64>,
    pub response: Histogram,
    pub service: Histogram,
}

/// What is known of a request beside its outcome.
#[derive(Clone, Copy)]
pub struct About {
    /// Number of its endpoint.
    pub endpoint: u32,
    /// How it was answered in the capture.
    pub expected: Option<Expected>,
    /// The captured instant.
    pub captured_at: u64,
    /// When it was read and handed over.
    pub handed_at: u64,
    /// It counts in the distributions (the warm-up is over).
    pub counts: bool,
    /// When its outcome was known.
    pub known_at: u64,
}

/// A captured answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its status.
    pub status: u16,
    /// A gRPC call's, when it is known.
    pub grpc: Option<u32>,
}

impl Expected {
    /// Answered alike, as far as both are known.
    fn is(self, status: u16, grpc: Option<u32>) -> bool {
        self.status == status && self.grpc.zip(grpc).is_none_or(|(captured, live)| captured == live)
    }
}

/// No answer, or a 5xx, or a gRPC call that failed, where the capture has no such thing.
pub fn is_error(end: End, expected: Option<Expected>) -> bool {
    match end {
        End::Failed(_) => true,
        End::Answered { status, grpc, .. } => {
            let call = expected.and_then(|expected| expected.grpc);
            status >= 500 && expected.is_none_or(|expected| expected.status < 500)
                || grpc.is_some_and(|grpc| grpc != 0) && call.is_none_or(|call| call == 0)
        }
    }
}

impl Tally {
    /// Counts an outcome.
    pub fn record(&mut self, outcome: &Outcome, about: About) {
        if !about.counts {
            self.warm.get_or_insert_default().record(outcome, About { counts: true, ..about });
        }
        self.planned += 1;
        let error = u64::from(is_error(outcome.end, about.expected));
        self.over_time(outcome, about.known_at, error);
        let endpoint = self.endpoints.entry(about.endpoint).or_default();
        endpoint.requests += 1;
        let known = u64::from(about.expected.is_some());
        self.compared += known;
        endpoint.compared += known;
        self.last = self.last.max(about.known_at);
        self.held += u64::from(outcome.was_held());
        let instant = Some((outcome.intended, outcome.intended));
        self.intended = both(self.intended, instant);
        self.errors += error;
        endpoint.errors += error;
        if let Some(written) = outcome.written() {
            if about.counts {
                self.pace.add(outcome, written);
            }
            if self.arrivals.len() < ARRIVALS_KEPT {
                self.arrivals.push((written, about.captured_at));
            }
        }
        if about.counts {
            self.lateness.record_ns(outcome.lateness_ns());
            self.sender_lateness.record_ns(outcome.lateness_since(about.handed_at));
        }
        match outcome.end {
            End::Failed(failure) => {
                *self.failed.entry(failure).or_default() += 1;
                self.sent += u64::from(outcome.written().is_some());
                endpoint.failed += 1;
            }
            End::Answered { status, grpc, sent, received, .. } => {
                self.sent += 1;
                self.answered += 1;
                self.bytes_sent += sent;
                self.bytes_received += received;
                let agreed = u64::from(about.expected.is_some_and(|expected| expected.is(status, grpc)));
                grpc.into_iter().for_each(|code| *self.grpc.entry(code).or_default() += 1);
                self.agreed += agreed;
                endpoint.agreed += agreed;
                endpoint.answered += 1;
                // A message has none.
                if status > 0 {
                    *self.status.entry(status).or_default() += 1;
                    *endpoint.status.entry(status).or_default() += 1;
                }
                if about.counts {
                    let record = |histogram: &mut Histogram, nanos: Option<u64>| {
                        nanos.into_iter().for_each(|ns| histogram.record_ns(ns))
                    };
                    record(&mut self.response, outcome.response_ns());
                    record(&mut self.service, outcome.service_ns());
                    record(&mut endpoint.response, outcome.response_ns());
                    record(&mut endpoint.service, outcome.service_ns());
                }
            }
        }
    }

    /// Counts time for which a connection of a closed loop had nothing to send; `unread`: it was waiting for the reader.
    pub fn starve(&mut self, ns: u64, unread: bool) {
        self.starved_ns += ns;
        self.unread_ns += if unread { ns } else { 0 };
    }

    /// Counts it in the windows of its instants.
    fn over_time(&mut self, outcome: &Outcome, known_at: u64, error: u64) {
        let known = self.windows.at(known_at);
        known.errors += error;
        match outcome.end {
            End::Failed(_) => known.failed += 1,
            End::Answered { .. } => known.answered += 1,
        }
        let tried = self.windows.at(outcome.written().unwrap_or(outcome.tried));
        tried.sent += u64::from(outcome.written().is_some());
        tried.lateness.record_ns(outcome.lateness_ns());
        let intended = self.windows.at(outcome.intended);
        intended.intended += 1;
        outcome.response_ns().into_iter().for_each(|ns| intended.response.record_ns(ns));
    }

    /// Adds what another thread counted.
    pub fn merge(&mut self, other: Tally) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.answered += other.answered;
        self.held += other.held;
        self.restrained += other.restrained;
        add(&mut self.failed, other.failed);
        self.websocket.merge(other.websocket);
        self.errors += other.errors;
        add(&mut self.status, other.status);
        add(&mut self.grpc, other.grpc);
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lateness.merge(&other.lateness);
        self.sender_lateness.merge(&other.sender_lateness);
        self.substituted += other.substituted;
        self.missed += other.missed;
        self.connections_opened += other.connections_opened;
        self.reconnects += other.reconnects;
        self.compared += other.compared;
        self.agreed += other.agreed;
        self.arrivals.extend(other.arrivals);
        self.intended = both(self.intended, other.intended);
        self.pace.merge(other.pace);
        self.last = self.last.max(other.last);
        self.starved_ns += other.starved_ns;
        self.unread_ns += other.unread_ns;
        self.windows.merge(other.windows);
        CheckTally::merge(&mut self.checks, other.checks);
        self.health.merge(other.health);
        if let Some(warm) = other.warm {
            self.warm.get_or_insert_default().merge(*warm);
        }
        self.warnings.extend(other.warnings);
        for (n, endpoint) in other.endpoints {
            self.endpoints.entry(n).or_default().merge(endpoint);
        }
    }
}

impl EndpointTally {
    /// As it stands in a result, when it belongs to the warm-up.
    pub fn warm(&self) -> WarmupCounts {
        let EndpointTally { requests, answered, failed, errors, compared, agreed, .. } = *self;
        WarmupCounts { requests, answered, failed, errors, compared, agreed }
    }

    fn merge(&mut self, other: EndpointTally) {
        self.requests += other.requests;
        self.answered += other.answered;
        self.failed += other.failed;
        self.errors += other.errors;
        self.compared += other.compared;
        self.agreed += other.agreed;
        add(&mut self.status, other.status);
        self.response.merge(&other.response);
        self.service.merge(&other.service);
    }
}

/// From the first of both to the last of both.
fn both(a: Option<(u64, u64)>, b: Option<(u64, u64)>) -> Option<(u64, u64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

fn add<K: Ord>(to: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    from.into_iter().for_each(|(key, n)| *to.entry(key).or_default() += n);
}

/// The endpoints of a workload, numbered as they are met.
#[derive(Default)]
pub struct Endpoints(Mutex<Met>);

#[derive(Default)]
struct Met {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Endpoints {
    /// Stands for all others when there are too many.
    const OTHERS: u32 = ENDPOINTS_MAX as u32;

    /// The number of an endpoint.
    pub fn number(&self, name: String) -> u32 {
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match met.numbers.get(&name) {
            Some(number) => *number,
            None if met.names.len() == ENDPOINTS_MAX => Endpoints::OTHERS,
            None => {
                let number = met.names.len() as u32;
                met.names.push(name.clone());
                met.numbers.insert(name, number);
                number
            }
        }
    }

    /// The name of a number.
    pub fn name(&self, number: u32) -> String {
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.names.get(number as usize).cloned().unwrap_or_else(|| "(others)".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sent_is_what_was_written() {
        let about = About { endpoint: 0, expected: None, captured_at: 0, handed_at: 0, counts: true, known_at: 9 };
        for (failure, written, sent) in [
            (Failure::Timeout, Some(5), 1),
            (Failure::Reset, Some(5), 1),
            // It waited for a connection, or for room on it, until its time was over.
            (Failure::Timeout, None, 0),
            (Failure::Protocol, None, 0),
            (Failure::Connect, None, 0),
            (Failure::Unsendable, Some(5), 0),
        ] {
            let mut tally = Tally::default();
            let outcome = Outcome { intended: 1, free: 1, tried: 1, written, end: End::Failed(failure) };
            tally.record(&outcome, about);
            assert_eq!((tally.sent, tally.planned), (sent, 1), "{failure:?} {written:?}");
        }
    }
}
