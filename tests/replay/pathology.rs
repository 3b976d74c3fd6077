//! Services that misbehave as a pure function of when and as which one a request arrives, and what their clients must see.
//!
//! Shared by the tests and by the measurement at real scale.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

pub const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

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
    /// Every twentieth connection is reset when it has sent a request.
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Answered after so many nanoseconds.
    Answered(u64),
    Reset,
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

    /// Serves until the process ends.
    pub fn start(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let arrived = Arc::new((AtomicU64::new(0), OnceLock::new()));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, arrived) = (stream.unwrap(), arrived.clone());
                thread::spawn(move || self.serve(stream, &arrived.0, &arrived.1));
            }
        });
        addr
    }

    fn serve(self, mut stream: TcpStream, arrived: &AtomicU64, first: &OnceLock<Instant>) {
        stream.set_nodelay(true).unwrap();
        let mut buffer = [0; 4096];
        while let Ok(seen) = stream.peek(&mut buffer) {
            if seen == 0 {
                return;
            }
            if !buffer[..seen].ends_with(b"\r\n\r\n") {
                thread::yield_now();
                continue;
            }
            let now = Instant::now();
            let at = now - *first.get_or_init(|| now);
            match self.fate(arrived.fetch_add(1, Ordering::SeqCst), at.as_nanos() as u64) {
                Fate::Answered(after) => {
                    stream.read_exact(&mut buffer[..seen]).unwrap();
                    thread::sleep((now + Duration::from_nanos(after)).saturating_duration_since(Instant::now()));
                    if stream.write_all(RESPONSE).is_err() {
                        return;
                    }
                }
                // Closed with something unread: the peer gets a reset.
                Fate::Reset => return,
            }
        }
    }
}

/// What the clients of a service see.
#[derive(Debug, Default)]
pub struct Truth {
    /// From the intended instant to the answer, nanoseconds, sorted.
    pub response: Vec<u64>,
    pub resets: u64,
}

impl Truth {
    /// The value that a share of the response times does not exceed, nanoseconds.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = (self.response.len() as f64 * share).ceil() as usize;
        self.response[rank.max(1) - 1]
    }
}

/// Requests at intended instants (nanoseconds), the `n`th on connection `n` modulo their number; on each one is sent
/// when the one before has ended. Neither the network nor the sender takes any time.
pub fn truth(service: &Service, connections: usize, intended: &[u64]) -> Truth {
    let mut queues: Vec<VecDeque<u64>> = vec![VecDeque::new(); connections];
    for (n, at) in intended.iter().enumerate() {
        queues[n % connections].push_back(*at);
    }
    let mut arrivals: BinaryHeap<Reverse<(u64, usize)>> =
        queues.iter().enumerate().filter_map(|(n, queue)| Some(Reverse((*queue.front()?, n)))).collect();
    let first = intended[0];
    let mut truth = Truth::default();
    let mut n = 0;
    while let Some(Reverse((at, connection))) = arrivals.pop() {
        let meant = queues[connection].pop_front().unwrap();
        let free = match service.fate(n, at - first) {
            Fate::Answered(after) => {
                truth.response.push(at + after - meant);
                at + after
            }
            Fate::Reset => {
                truth.resets += 1;
                at
            }
        };
        n += 1;
        if let Some(next) = queues[connection].front() {
            arrivals.push(Reverse((free.max(*next), connection)));
        }
    }
    truth.response.sort_unstable();
    truth
}
