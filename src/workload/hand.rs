//! Workloads written by hand, for tests and examples.

use super::{Connection, Request, Response, Session, Step, Workload, correlate, grpc_status};

/// One exchange on a connection, as plain text.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Number of the connection.
    pub connection: u32,
    /// Milliseconds from the start to the request's first byte.
    pub at_ms: u64,
    /// The request's exact bytes.
    pub request: &'a [u8],
    /// The response's exact bytes, one millisecond later; empty for none.
    pub response: &'a [u8],
}

/// The workload of one client's exchanges, in order, correlated. Text that is no request is left out.
pub fn workload(exchanges: &[Exchange<'_>]) -> Workload {
    const MS: u64 = 1_000_000;
    let count = exchanges.iter().map(|exchange| exchange.connection + 1).max().unwrap_or(0);
    let mut sessions = Vec::new();
    for number in 0..count {
        let mut session = Session::default();
        for exchange in exchanges.iter().filter(|exchange| exchange.connection == number) {
            let Some(request) = Request::new(exchange.request.to_vec()) else { continue };
            let at = exchange.at_ms * MS;
            let expect = status(exchange.response).map(|status| Response {
                status,
                grpc: grpc_status(exchange.response),
                first_byte: at + MS,
                last_byte: at + MS,
                bytes: exchange.response.to_vec(),
                facts: None,
            });
            session.steps.push(Step { connection: 0, at, after: None, think: 0, request, expect, edges: Vec::new() });
        }
        let opened = session.steps.first().map_or(0, |step| step.at);
        session.connections.push(Connection { opened, closed: None, http2: false });
        sessions.push(session);
    }
    let mut workload = Workload { sessions, ..Workload::default() };
    correlate(&mut workload);
    workload
}

fn status(response: &[u8]) -> Option<u16> {
    std::str::from_utf8(response.get(9..12)?).ok()?.parse().ok()
}
