//! The bytes below HTTP: TCP or a Unix socket, plain or under TLS. An enum, so that reading costs no call through a table
//! and no allocation.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::route::Speaks;

/// An open connection.
pub enum Stream {
    /// As it is.
    Plain(Socket),
    /// Under TLS.
    Tls(Box<TlsStream<Socket>>),
}

/// What the operating system connects.
pub enum Socket {
    /// To an address and port.
    Tcp(TcpStream),
    /// To a path.
    Unix(UnixStream),
}

impl Stream {
    /// Whether that may be spoken on it: without TLS the peer has no say.
    pub fn is_for(&self, speaks: Speaks) -> bool {
        let chosen = match self {
            Stream::Plain(_) => return true,
            Stream::Tls(tls) => tls.get_ref().1.alpn_protocol(),
        };
        (chosen == Some(b"h2")) == (speaks == Speaks::Http2)
    }

    /// Writes what can be written now, and takes it off.
    pub fn write_out(&mut self, unsent: &mut VecDeque<u8>, cx: &mut Context<'_>) -> io::Result<()> {
        while !unsent.is_empty() {
            match Pin::new(&mut *self).poll_write(cx, unsent.as_slices().0) {
                Poll::Ready(sent) => drop(unsent.drain(..sent?)),
                Poll::Pending => return Ok(()),
            }
        }
        match Pin::new(self).poll_flush(cx) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the peer has kept silent: neither bytes nor an end.
    pub fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0; 1];
        Pin::new(self).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

/// Calls the same of whichever it is.
macro_rules! either {
    ($self:expr, $kind:ident { $($variant:ident),+ }, $stream:ident => $call:expr) => {
        match $self.get_mut() { $($kind::$variant($stream) => { let $stream = Pin::new($stream); $call })+ }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, Socket { Tcp, Unix }, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, Socket { Tcp, Unix }, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, Socket { Tcp, Unix }, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, Socket { Tcp, Unix }, stream => stream.poll_shutdown(cx))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, Stream { Plain, Tls }, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, Stream { Plain, Tls }, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, Stream { Plain, Tls }, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, Stream { Plain, Tls }, stream => stream.poll_shutdown(cx))
    }
}
