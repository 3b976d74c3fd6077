//! Exchanges gathered into a [`Workload`].

use std::collections::{BTreeMap, HashMap};

use crate::limits::WORKLOAD_BYTES_MAX;

use super::collect::{Asker, Listener};
use super::hosts::hosts;
use super::{Connection, LeftOut, Request, Response, Session, Step, TooLarge, Workload};

/// Keeps all it hears of.
#[derive(Default)]
pub struct Gather {
    exchanges: BTreeMap<u64, Exchange>,
    /// Bytes of their messages.
    bytes: usize,
}

/// A request that was begun, and what followed.
struct Exchange {
    asker: Asker,
    request: Option<Request>,
    expect: Option<Response>,
}

impl Gather {
    fn full(&self) -> bool {
        self.bytes > WORKLOAD_BYTES_MAX
    }

    /// The workload: connections as sessions of their own, in order of their first request.
    pub(super) fn workload(self, left_out: LeftOut) -> Result<Workload, TooLarge> {
        if self.full() {
            return Err(TooLarge);
        }
        let mut workload = Workload { left_out, ..Workload::default() };
        let mut sessions = HashMap::new();
        let mut clients = HashMap::new();
        for exchange in self.exchanges.into_values() {
            let Exchange { asker, request: Some(request), expect } = exchange else {
                workload.left_out.incomplete_requests += 1;
                continue;
            };
            workload.hosts.extend(hosts(&request));
            let place = *sessions.entry(asker.connection).or_insert_with(|| {
                let next = clients.len() as u32;
                let client = *clients.entry(asker.client).or_insert(next);
                let connections = vec![Connection { opened: asker.opened, closed: None, http2: false }];
                workload.sessions.push(Session { client, connections, ..Session::default() });
                workload.sessions.len() - 1
            });
            workload.sessions[place].connections[0].http2 |= asker.http2;
            let step = Step { connection: 0, at: asker.at, after: None, think: 0, request, expect, edges: Vec::new() };
            workload.sessions[place].steps.push(step);
        }
        workload.sessions.iter_mut().for_each(Session::pace);
        Ok(workload)
    }
}

impl Listener for Gather {
    fn begins(&mut self, number: u64, asker: &Asker) {
        self.exchanges.insert(number, Exchange { asker: *asker, request: None, expect: None });
    }

    fn asks(&mut self, number: u64, request: Request) {
        if self.full() {
            return;
        }
        if let Some(exchange) = self.exchanges.get_mut(&number) {
            self.bytes += request.bytes.len();
            exchange.request = Some(request);
        }
    }

    fn answers(&mut self, number: u64, response: Response) {
        if self.full() {
            return;
        }
        if let Some(exchange) = self.exchanges.get_mut(&number) {
            self.bytes += response.bytes.len();
            exchange.expect = Some(response);
        }
    }

    fn lost(&mut self, _number: u64) {}

    fn unanswered(&mut self, _number: u64) {}

    fn closes(&mut self, _connection: u32, _at: Option<u64>) {}

    fn reads(&mut self, _position: u64, _held: usize) {}
}
