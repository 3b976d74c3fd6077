//! Exchanges of a file, in any order -> sessions, as a capture's are.

use std::collections::HashMap;

use crate::limits::{RESPONSE_BYTES_KEPT, WORKLOAD_BYTES_MAX};
use crate::workload::{Connection, LeftOut, Request, Response, Session, Step, TooLarge, Workload, grpc_status, hosts};

/// One exchange. Times are nanoseconds since 1970, or since anything else that all of a file have in common.
pub(super) struct Exchange {
    /// Who asked: equal for equal clients.
    pub(super) client: Box<str>,
    /// Over which connection: equal for equal connections of a client.
    pub(super) connection: Box<str>,
    /// When.
    pub(super) at: i128,
    /// What.
    pub(super) request: Request,
    /// What was answered.
    pub(super) answer: Option<Answered>,
}

/// An answer.
pub(super) struct Answered {
    /// Status code.
    pub(super) status: u16,
    /// When its first byte came.
    pub(super) first_byte: i128,
    /// When its last byte came.
    pub(super) last_byte: i128,
    /// Head and body.
    pub(super) bytes: Vec<u8>,
}

/// Puts exchanges together.
#[derive(Default)]
pub(super) struct Gathering {
    exchanges: Vec<Exchange>,
    opened: HashMap<(Box<str>, Box<str>), i128>,
    kept: usize,
    /// What could not be taken over.
    pub(super) left_out: LeftOut,
}

impl Gathering {
    /// Takes an exchange.
    pub(super) fn add(&mut self, mut exchange: Exchange) -> Result<(), TooLarge> {
        if let Some(answer) = &mut exchange.answer {
            answer.bytes.truncate(RESPONSE_BYTES_KEPT);
            self.kept += answer.bytes.len();
        }
        self.kept += exchange.request.bytes.len();
        if self.kept > WORKLOAD_BYTES_MAX {
            return Err(TooLarge);
        }
        self.exchanges.push(exchange);
        Ok(())
    }

    /// Gives an exchange that was added its answer.
    pub(super) fn answer(&mut self, n: usize, mut answer: Answered) -> Result<(), TooLarge> {
        answer.bytes.truncate(RESPONSE_BYTES_KEPT);
        self.kept += answer.bytes.len();
        if let Some(exchange) = self.exchanges.get_mut(n) {
            exchange.answer = Some(answer);
        }
        if self.kept > WORKLOAD_BYTES_MAX { Err(TooLarge) } else { Ok(()) }
    }

    /// Hears when a connection was opened.
    pub(super) fn opened(&mut self, client: &str, connection: &str, at: i128) {
        self.opened.insert((client.into(), connection.into()), at);
    }

    /// The exchanges so far, to be given other connections.
    pub(super) fn exchanges(&mut self) -> &mut Vec<Exchange> {
        &mut self.exchanges
    }

    /// Connections as sessions of their own, in order of their first request, not yet correlated.
    pub(super) fn finish(mut self) -> Workload {
        self.exchanges.sort_by_key(|exchange| exchange.at);
        let firsts = self.exchanges.first().map(|first| first.at);
        let start = firsts.into_iter().chain(self.opened.values().copied()).min().unwrap_or(0);
        let since = |at: i128| u64::try_from(at - start).unwrap_or(0);
        let mut workload = Workload { started_ns: start, left_out: self.left_out, ..Workload::default() };
        let mut sessions: HashMap<(Box<str>, Box<str>), usize> = HashMap::new();
        let mut clients: HashMap<Box<str>, u32> = HashMap::new();
        for exchange in self.exchanges {
            let next = clients.len() as u32;
            let client = *clients.entry(exchange.client.clone()).or_insert(next);
            let key = (exchange.client, exchange.connection);
            let opened = self.opened.get(&key).copied().unwrap_or(exchange.at).min(exchange.at);
            let session = *sessions.entry(key).or_insert_with(|| {
                let connections = vec![Connection { opened: since(opened), closed: None, http2: false }];
                workload.sessions.push(Session { client, connections, ..Session::default() });
                workload.sessions.len() - 1
            });
            workload.hosts.extend(hosts(&exchange.request));
            let expect = exchange.answer.map(|answer| {
                let first_byte = since(answer.first_byte.max(exchange.at));
                let last_byte = since(answer.last_byte).max(first_byte);
                Response {
                    status: answer.status,
                    grpc: grpc_status(&answer.bytes),
                    first_byte,
                    last_byte,
                    bytes: answer.bytes,
                    facts: None,
                }
            });
            let (at, request) = (since(exchange.at), exchange.request);
            let step = Step { connection: 0, at, after: None, think: 0, request, expect, edges: Vec::new() };
            workload.sessions[session].steps.push(step);
        }
        workload.sessions.iter_mut().for_each(Session::pace);
        workload
    }
}
