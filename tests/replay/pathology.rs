//! Services that misbehave as a pure function of when and as which one a request arrives, and what their clients must see.
//!
//! Shared by the tests and by the measurement at real scale.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local, yield_now};

pub const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LAST_RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

/// How a service misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pathology {
    /// Not at all.
    Constant,
    /// What arrives in a part of the run is answered after its end.
    Stall,
    /// Every hundredth request takes ten times as long.
    Slow,
    /// Each request takes longer than the one before, up to ten times as long.
    Ramp,
    /// Every twentieth request has its connection reset.
    Resets,
}

pub const ALL: [Pathology; 5] =
    [Pathology::Constant, Pathology::Stall, Pathology::Slow, Pathology::Ramp, Pathology::Resets];

/// A pathology, and its measures in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    pub pathology: Pathology,
    /// What an ordinary request takes.
    pub base: u64,
    /// When a stall begins, from the first arrival, and how long it lasts.
    pub stall: (u64, u64),
    /// Requests over which a ramp goes.
    pub requests: u64,
    /// Each answer is the last one of its connection.
    pub hangs_up: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Answered after so many nanoseconds.
    Answered(u64),
    Reset,
}

/// What a service noted of a request that it answered.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// The request was there.
    pub came: Instant,
    /// Its answer was about to be written: no client has it earlier.
    pub written: Instant,
    /// The next sign of the client on the same connection, a request or its end: it has the answer by then.
    pub next: Option<Instant>,
}

/// By number of the request.
pub type Notes = Arc<Mutex<BTreeMap<u64, Note>>>;

/// The `n`th request.
pub fn request(n: u64) -> Vec<u8> {
    format!("GET /r/{n:010} HTTP/1.1\r\nHost: shop.example\r\nAccept: application/json\r\nUser-Agent: measure\r\n\r\n")
        .into_bytes()
}

fn number(request: &[u8]) -> u64 {
    request.get(b"GET /r/".len()..).and_then(|rest| std::str::from_utf8(rest.get(..10)?).ok()?.parse().ok()).unwrap()
}

impl Service {
    /// What becomes of the `n`th request (from 0), which comes `at` nanoseconds after the first.
    pub fn fate(&self, n: u64, at: u64) -> Fate {
        let (begins, lasts) = self.stall;
        let ends = begins + lasts;
        Fate::Answered(match self.pathology {
            Pathology::Stall if (begins..ends).contains(&at) => ends - at + self.base,
            Pathology::Slow if n % 100 == 99 => self.base * 10,
            Pathology::Ramp => self.base + self.base * 9 * n / self.requests,
            Pathology::Resets if n % 20 == 19 => return Fate::Reset,
            _ => self.base,
        })
    }

    /// Serves until the process ends, all connections on one thread: a thread for each would have a thousand of them wait for
    /// each other at full scale, and the service would be later than it means to be.
    pub fn start(self) -> (SocketAddr, Notes) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let notes = Notes::default();
        let kept = notes.clone();
        // Room for all connections: the system makes it while the service would stand still.
        let _ = rustix::io::fcntl_dupfd_cloexec(&listener, 4095);
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let first = Rc::new(OnceCell::new());
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    spawn_local(self.serve(stream, first.clone(), kept.clone()));
                }
            })
        });
        (addr, notes)
    }

    async fn serve(self, mut stream: TcpStream, first: Rc<OnceCell<Instant>>, notes: Notes) {
        stream.set_nodelay(true).unwrap();
        let alarm = alarm();
        let mut buffer = [0; 4096];
        let mut answered = None;
        loop {
            let seen = stream.peek(&mut buffer).await.unwrap_or(0);
            let now = Instant::now();
            if let Some(n) = answered.take()
                && let Some(note) = lock(&notes).get_mut(&n)
            {
                note.next = Some(now);
            }
            if seen == 0 {
                return;
            }
            if !buffer[..seen].ends_with(b"\r\n\r\n") {
                yield_now().await;
                continue;
            }
            let (n, at) = (number(&buffer[..seen]), now - *first.get_or_init(|| now));
            // Closed with something unread: the peer gets a reset.
            let Fate::Answered(after) = self.fate(n, at.as_nanos() as u64) else { return };
            stream.read_exact(&mut buffer[..seen]).await.unwrap();
            sleep(&alarm, (now + Duration::from_nanos(after)).saturating_duration_since(Instant::now())).await;
            lock(&notes).insert(n, Note { came: now, written: Instant::now(), next: None });
            answered = Some(n);
            if stream.write_all(if self.hangs_up { LAST_RESPONSE } else { RESPONSE }).await.is_err() {
                return;
            }
        }
    }
}

/// An alarm clock that is exact to microseconds: the runtime's own has a step of a millisecond.
#[expect(
    deprecated,
    reason = "its successor is unsafe for the sake of types that do not own their descriptor; `OwnedFd` does"
)]
fn alarm() -> AsyncFd<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC).unwrap();
    AsyncFd::with_interest(timer, Interest::READABLE).unwrap()
}

async fn sleep(alarm: &AsyncFd<OwnedFd>, span: Duration) {
    if span.is_zero() {
        return;
    }
    let it_value = Timespec { tv_sec: span.as_secs() as i64, tv_nsec: i64::from(span.subsec_nanos()) };
    let timer = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
    timerfd_settime(alarm.get_ref(), TimerfdTimerFlags::empty(), &timer).unwrap();
    alarm.readable().await.unwrap().clear_ready();
}

fn lock(notes: &Notes) -> MutexGuard<'_, BTreeMap<u64, Note>> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the clients of a service see.
#[derive(Debug, Default)]
pub struct Truth {
    /// From the intended instant to the answer, nanoseconds, sorted.
    pub response: Vec<u64>,
    pub resets: u64,
}

/// The value that a share of the sorted ones does not exceed.
pub fn quantile(sorted: &[u64], share: f64) -> u64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.max(1) - 1]
}

impl Truth {
    /// Of the response times, nanoseconds.
    pub fn quantile(&self, share: f64) -> u64 {
        quantile(&self.response, share)
    }

    /// Counts a request that arrives at an instant; gives when its connection is free again.
    fn add(&mut self, fate: Fate, at: u64, meant: u64) -> u64 {
        match fate {
            Fate::Answered(after) => {
                self.response.push(at + after - meant);
                at + after
            }
            Fate::Reset => {
                self.resets += 1;
                at
            }
        }
    }
}

/// Requests at intended instants (nanoseconds), the `n`th on connection `n` modulo their number; on each one is sent
/// when the one before has ended. Neither the network nor the sender takes any time.
pub fn truth(service: &Service, connections: usize, intended: &[u64]) -> Truth {
    let mut queues: Vec<VecDeque<(u64, u64)>> = vec![VecDeque::new(); connections];
    for (n, at) in (0..).zip(intended) {
        queues[n as usize % connections].push_back((n, *at));
    }
    let mut arrivals: BinaryHeap<Reverse<(u64, usize)>> =
        queues.iter().enumerate().filter_map(|(c, queue)| Some(Reverse((queue.front()?.1, c)))).collect();
    let mut truth = Truth::default();
    while let Some(Reverse((at, connection))) = arrivals.pop() {
        let (n, meant) = queues[connection].pop_front().unwrap();
        let free = truth.add(service.fate(n, at - intended[0]), at, meant);
        if let Some((_, next)) = queues[connection].front() {
            arrivals.push(Reverse((free.max(*next), connection)));
        }
    }
    truth.response.sort_unstable();
    truth
}

/// The same where each request is meant for the end of the one before it on its connection and the captured time to
/// think, which is what is left of the captured distance when the captured answer (`answer` nanoseconds) is taken off.
pub fn truth_of_sessions(service: &Service, connections: usize, captured: &[u64], answer: u64) -> Truth {
    let mut truth = Truth::default();
    for connection in 0..connections.min(captured.len()) {
        let mut meant = captured[connection];
        for n in (connection..captured.len()).step_by(connections) {
            let free = truth.add(service.fate(n as u64, meant - captured[0]), meant, meant);
            meant = free + captured.get(n + connections).map_or(0, |next| next - captured[n] - answer);
        }
    }
    truth.response.sort_unstable();
    truth
}
