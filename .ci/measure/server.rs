//! A service that answers at once and notes when each request came: one thread, one epoll loop, on a processor of its own.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::{now, stay_on};

pub const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

/// (number of the request, instant) of all requests, in order of arrival. Requests without a number have the largest.
pub type Stamps = Arc<Mutex<Vec<(usize, u64)>>>;

/// Starts the service.
pub fn start() -> io::Result<(SocketAddr, Stamps)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, stamps) = (listener.local_addr()?, Stamps::default());
    let noted = stamps.clone();
    std::thread::spawn(move || serve(&listener, &noted));
    Ok((address, stamps))
}

fn serve(listener: &TcpListener, stamps: &Stamps) -> io::Result<()> {
    stay_on(1);
    listener.set_nonblocking(true)?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let readable = epoll::EventFlags::IN;
    epoll::add(&poll, listener, epoll::EventData::new_u64(u64::MAX), readable)?;
    let mut connections: HashMap<u64, TcpStream> = HashMap::new();
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        for event in &events {
            match event.data.u64() {
                u64::MAX => {
                    while let Ok((stream, _)) = listener.accept() {
                        stream.set_nonblocking(true)?;
                        stream.set_nodelay(true)?;
                        let key = stream.as_raw_fd() as u64;
                        epoll::add(&poll, &stream, epoll::EventData::new_u64(key), readable)?;
                        connections.insert(key, stream);
                    }
                }
                key => {
                    let open = connections.get_mut(&key).is_some_and(|stream| answer(stream, stamps));
                    if !open {
                        connections.remove(&key);
                    }
                }
            }
        }
    }
}

/// Reads what is there and answers each request in it; false when the connection is over. Requests come whole: they are
/// small.
fn answer(stream: &mut TcpStream, stamps: &Stamps) -> bool {
    let mut buffer = [0; 16 << 10];
    let read = match stream.read(&mut buffer) {
        Ok(0) => return false,
        Ok(read) => read,
        Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
    };
    let at = now();
    let mut stamps = stamps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let requests = buffer[..read].split_inclusive(|&b| b == b'\n').filter(|line| line.starts_with(b"GET "));
    requests.fold(true, |open, line| {
        let number = line.get(7..17).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        stamps.push((number.unwrap_or(usize::MAX), at));
        open && stream.write_all(RESPONSE).is_ok()
    })
}
