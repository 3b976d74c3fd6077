//! The sender to be measured against: a loop of its own over epoll and a timerfd, that does nothing but send on time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use serde_json::json;

use super::{capture, now, quantile, tell};
use crate::pacing::{CONNECTIONS, LEAD_NS, instants};

/// Sends `count` requests at a rate; prints how late they were, in microseconds.
pub fn run(server: &str, rate: usize, count: usize) -> io::Result<bool> {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &timer, epoll::EventData::new_u64(u64::MAX), epoll::EventFlags::IN)?;
    let mut connections = Vec::new();
    for n in 0..CONNECTIONS {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(&poll, &stream, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)?;
        connections.push(stream);
    }
    let start = now() + LEAD_NS;
    let due: Vec<u64> = instants(rate, count).into_iter().map(|at| start + at).collect();
    let requests: Vec<Vec<u8>> = (0..count).map(capture::request).collect();
    let mut late = Vec::with_capacity(count);
    let mut events = Vec::with_capacity(256);
    let mut buffer = [0; 16 << 10];
    let mut next = 0;
    let mut answered = 0;
    while answered < count {
        while next < count && due[next] <= now() {
            late.push(now() - due[next]);
            connections[next % CONNECTIONS].write_all(&requests[next])?;
            next += 1;
        }
        if let Some(due) = due.get(next) {
            let at = Timespec { tv_sec: (due / 1_000_000_000) as i64, tv_nsec: (due % 1_000_000_000) as i64 };
            let never = Timespec { tv_sec: 0, tv_nsec: 0 };
            timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval: never, it_value: at })?;
        }
        events.clear();
        epoll::wait(&poll, spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                u64::MAX => drop(rustix::io::read(&timer, &mut [0; 8])),
                n => answered += connections[n as usize].read(&mut buffer).unwrap_or(0) / super::server::RESPONSE.len(),
            }
        }
    }
    late.sort_unstable();
    let at = |share| quantile(&late, share) / 1000;
    tell(&json!({"p50": at(0.5), "p99": at(0.99), "p99_9": at(0.999), "max": at(1.0)}).to_string());
    Ok(true)
}
