//! One connection to the target, and one exchange over it.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::outcome::Failure;
use super::pacer::now;
use super::response::Reader;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    /// One buffer for all connections of a thread: ten thousand idle ones need no memory of ours.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// A connection that is opened when it is needed.
pub struct Link {
    target: SocketAddr,
    timeout: Duration,
    stream: Option<TcpStream>,
    opened_before: bool,
}

/// When things happened, nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The request's first byte was about to be written.
    pub written: u64,
    /// The final response's first bytes had arrived.
    pub first_byte: u64,
    /// Its last byte had arrived.
    pub last_byte: u64,
    /// Bytes received.
    pub received: u64,
}

/// How a connection came to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It was open.
    Open,
    /// It was opened now, for the first time.
    Opened,
    /// The target had closed it; it was opened again.
    Reopened,
}

impl Link {
    /// Not open yet.
    pub fn new(target: SocketAddr, timeout: Duration) -> Link {
        Link { target, timeout, stream: None, opened_before: false }
    }

    /// Makes sure that the connection is open.
    pub async fn ready(&mut self) -> Result<Readiness, Failure> {
        if self.stream.as_ref().is_some_and(is_idle) {
            return Ok(Readiness::Open);
        }
        self.stream = None;
        let stream = timeout(self.timeout, TcpStream::connect(self.target))
            .await
            .map_err(|_| Failure::Connect)?
            .map_err(|_| Failure::Connect)?;
        let _ = stream.set_nodelay(true);
        self.stream = Some(stream);
        let again = std::mem::replace(&mut self.opened_before, true);
        Ok(if again { Readiness::Reopened } else { Readiness::Opened })
    }

    /// Sends a request and reads its response. The connection is closed unless another request may follow.
    pub async fn exchange(&mut self, request: &[u8], reader: &mut Reader) -> Result<Timing, Failure> {
        let Some(stream) = self.stream.take() else { return Err(Failure::Connect) };
        let mut timing = Timing { written: now(), first_byte: 0, last_byte: 0, received: 0 };
        let result = timeout(self.timeout, talk(&stream, request, reader, &mut timing)).await;
        let sent_all = result.map_err(|_| Failure::Timeout)??;
        if sent_all && reader.is_reusable() {
            self.stream = Some(stream);
        }
        Ok(timing)
    }
}

/// Open, and the peer has not said anything since.
fn is_idle(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Writes and reads until the response is complete; true when the whole request was written.
async fn talk(stream: &TcpStream, request: &[u8], reader: &mut Reader, timing: &mut Timing) -> Result<bool, Failure> {
    let mut unsent = request;
    loop {
        while !unsent.is_empty() {
            match stream.try_write(unsent) {
                Ok(sent) => unsent = &unsent[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The target may have answered before it closed; the answer counts.
                Err(error) if read_available(stream, reader, timing).is_err() || !reader.is_done() => {
                    return Err(broken(&error));
                }
                Err(_) => return Ok(false),
            }
        }
        let interest = if unsent.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        stream.ready(interest).await.map_err(|error| broken(&error))?;
        read_available(stream, reader, timing)?;
        if reader.is_done() {
            return Ok(unsent.is_empty());
        }
    }
}

/// Reads what is there.
fn read_available(stream: &TcpStream, reader: &mut Reader, timing: &mut Timing) -> Result<(), Failure> {
    BUFFER.with_borrow_mut(|buffer| {
        while !reader.is_done() {
            match stream.try_read(buffer) {
                Ok(0) if reader.close() => timing.last_byte = now(),
                Ok(0) => return Err(Failure::ClosedEarly),
                Ok(received) => {
                    let before = reader.status();
                    let taken = reader.read(&buffer[..received]).map_err(|_| Failure::Protocol)?;
                    timing.received += taken as u64;
                    timing.last_byte = now();
                    if before == 0 && reader.status() != 0 {
                        timing.first_byte = timing.last_byte;
                    }
                    if taken < received {
                        // More than was asked for: whatever it is, no further request can be told from it.
                        reader.close();
                    }
                    if received < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(())
    })
}

fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Failure::Reset,
        _ => Failure::ClosedEarly,
    }
}
