//! How to get to the target: an address, TLS or not.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use super::notes::Notes;
use super::stream::{Socket, Stream};
use super::tls::Tls;

/// What the operating system connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and port.
    Tcp(SocketAddr),
    /// The path of a socket of this machine.
    Unix(PathBuf),
}

/// Which HTTP is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Speaks {
    /// HTTP/1.x.
    Http1,
    /// HTTP/2: chosen by ALPN under TLS, known beforehand without.
    Http2,
}

/// The way to the target, the same for all connections of a run.
pub struct Route {
    address: Address,
    tls: Option<Tls>,
    /// What the target is called, with its port where that is not the usual one.
    authority: String,
    /// What it did.
    pub notes: Notes,
    /// The connection that showed that somebody listens. It becomes the first one of the run: the target sees no
    /// connection that the capture has not.
    first: Mutex<Option<Knock>>,
}

/// A connection made outside of any runtime.
enum Knock {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Route {
    /// Connects once, to know that somebody listens.
    pub fn to(address: Address, authority: &str, tls: Option<Tls>, timeout: Duration) -> io::Result<Route> {
        let first = match &address {
            Address::Tcp(address) => {
                let stream = std::net::TcpStream::connect_timeout(address, timeout)?;
                stream.set_nonblocking(true)?;
                Knock::Tcp(stream)
            }
            Address::Unix(path) => {
                let stream = std::os::unix::net::UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Knock::Unix(stream)
            }
        };
        let (authority, notes, first) = (authority.into(), Notes::default(), Mutex::new(Some(first)));
        Ok(Route { address, tls, authority, notes, first })
    }

    /// Under TLS.
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// What the target is called.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// A new connection. Under TLS the target may have chosen to speak otherwise: see [`Stream::is_for`].
    pub async fn open(&self, speaks: Speaks) -> io::Result<Stream> {
        let socket = match self.known().await {
            Some(socket) => socket,
            None => self.connect().await?,
        };
        match &self.tls {
            None => Ok(Stream::Plain(socket)),
            Some(tls) => Ok(Stream::Tls(Box::new(tls.shake_hands(socket, speaks).await?))),
        }
    }

    async fn connect(&self) -> io::Result<Socket> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                let _ = stream.set_nodelay(true);
                Ok(Socket::Tcp(stream))
            }
            Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        }
    }

    /// The first connection, for who comes first, when the target has not hung up since.
    async fn known(&self) -> Option<Socket> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let socket = match first {
            Knock::Tcp(stream) => {
                let _ = stream.set_nodelay(true);
                Socket::Tcp(TcpStream::from_std(stream).ok()?)
            }
            Knock::Unix(stream) => Socket::Unix(UnixStream::from_std(stream).ok()?),
        };
        let mut stream = Stream::Plain(socket);
        let is_open = std::future::poll_fn(|cx| Poll::Ready(stream.is_silent(cx))).await;
        match stream {
            Stream::Plain(socket) if is_open => Some(socket),
            _ => None,
        }
    }
}
