//! The same over HTTP/2: one thread on a processor of its own, which answers at once.

use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http::Response;
use tokio::net::{TcpListener, TcpStream};

use super::server::Stamps;
use super::{now, stay_on};

/// Starts the service.
pub fn start() -> io::Result<(SocketAddr, Stamps)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let (address, stamps) = (listener.local_addr()?, Stamps::default());
    let noted = stamps.clone();
    std::thread::spawn(move || listen(listener, &noted));
    Ok((address, stamps))
}

/// Takes connections for ever.
fn listen(listener: std::net::TcpListener, stamps: &Stamps) -> io::Result<()> {
    stay_on(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(serve(stream, stamps.clone()));
        }
    })
}

/// Answers the requests of a connection, until its end.
async fn serve(stream: TcpStream, stamps: Stamps) {
    let Ok(mut streams) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((_, mut respond))) = streams.accept().await {
        stamps.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((usize::MAX, now()));
        let head = Response::builder().header("content-type", "text/plain").header("content-length", "2");
        if let Ok(head) = head.body(())
            && let Ok(mut content) = respond.send_response(head, false)
        {
            let _ = content.send_data(Bytes::from_static(b"ok"), true);
        }
    }
}
