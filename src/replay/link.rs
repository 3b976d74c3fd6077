//! One connection to the target, and one exchange over it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::outcome::Failure;
use super::pacer::{Pacer, now};
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
    pacer: Rc<Pacer>,
    stream: Option<TcpStream>,
    opened_before: bool,
}

/// When things happened, nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The request's first byte was about to be written.
    pub written: u64,
    /// The final response's first byte had arrived.
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
    pub fn new(target: SocketAddr, timeout: Duration, pacer: Rc<Pacer>) -> Link {
        Link { target, timeout, pacer, stream: None, opened_before: false }
    }

    /// Makes sure that the connection is open.
    pub async fn ready(&mut self) -> Result<Readiness, Failure> {
        if self.stream.as_ref().is_some_and(is_idle) {
            return Ok(Readiness::Open);
        }
        self.stream = None;
        let connecting = self.pacer.at_most(self.timeout, TcpStream::connect(self.target));
        let Some(Ok(stream)) = connecting.await else { return Err(Failure::Connect) };
        let _ = stream.set_nodelay(true);
        self.stream = Some(stream);
        let again = std::mem::replace(&mut self.opened_before, true);
        Ok(if again { Readiness::Reopened } else { Readiness::Opened })
    }

    /// Sends a request and reads its response. The connection is closed unless another request may follow.
    pub async fn exchange(&mut self, request: &[u8], reader: &mut Reader) -> Result<Timing, Failure> {
        let Some(stream) = self.stream.take() else { return Err(Failure::Connect) };
        let mut timing = Timing { written: now(), first_byte: 0, last_byte: 0, received: 0 };
        let deadline = timing.written.saturating_add(self.timeout.as_nanos() as u64);
        let result = self.pacer.within(deadline, talk(&stream, request, reader, &mut timing)).await;
        let sent_all = result.ok_or(Failure::Timeout)??;
        if sent_all && reader.is_reusable() {
            self.stream = Some(stream);
        }
        Ok(timing)
    }
}

/// Open, and the peer has not said anything since. The socket is only asked when the reactor heard of something.
fn is_idle(stream: &TcpStream) -> bool {
    let heard = stream.poll_read_ready(&mut Context::from_waker(Waker::noop())).is_ready();
    !heard || matches!(stream.try_read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock)
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
        let ready = match unsent.is_empty() {
            true => poll_fn(|cx| stream.poll_read_ready(cx)).await,
            false => stream.ready(Interest::READABLE | Interest::WRITABLE).await.map(drop),
        };
        ready.map_err(|error| broken(&error))?;
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
            let received = read(stream, buffer);
            let at = now();
            match received {
                Ok(None) => break,
                Ok(Some(0)) if reader.close() => timing.last_byte = at,
                Ok(Some(0)) => return Err(Failure::ClosedEarly),
                Ok(Some(received)) => {
                    let taken = reader.read(&buffer[..received]).map_err(|_| Failure::Protocol)?;
                    timing.received += taken as u64;
                    timing.last_byte = at;
                    if timing.first_byte == 0 || !reader.has_begun() {
                        timing.first_byte = if reader.has_begun() { at } else { 0 };
                    }
                    if taken < received {
                        // More than was asked for: whatever it is, no further request can be told from it.
                        reader.close();
                    }
                    if received < buffer.len() {
                        break;
                    }
                }
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(())
    })
}

/// As `read(2)`; none when nothing is there. What did not fill the buffer emptied the socket: the reactor is told so, which
/// saves the call that would find nothing.
fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let mut received = None;
    let result = stream.try_io(Interest::READABLE, || {
        let n = rustix::io::read(stream, &mut *buffer)?;
        received = Some(n);
        if n == 0 || n == buffer.len() { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    });
    match result {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
        _ => Ok(received),
    }
}

fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Failure::Reset,
        _ => Failure::ClosedEarly,
    }
}
