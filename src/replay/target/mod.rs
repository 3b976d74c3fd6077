//! The embedded target: a small shop with sessions and state, so that `demo` and the tests need no other service.
//!
//! Every id and token is drawn afresh in each process, so that a replay only succeeds when it correlates: it must send the
//! values that *this* process handed out. Only the shape of what people type is checked (a masked name is a name).
//!
//! # The API
//!
//! HTTP/1.1 with keep-alive, and HTTP/2 for who begins with its preface; a `Date` header on every answer. JSON is `application/json`. Ids are decimal JSON numbers of six to nine digits,
//! tokens 32 lower-case hex digits. *auth*: cookie `session=TOKEN`, or `Authorization: Bearer TOKEN`, or
//! `Authorization: Basic base64(email:password)`; without it 401 `{"error":"unauthorized"}` and `WWW-Authenticate: Bearer`.
//! Query parameters not named here are ignored. Numbers may come as JSON numbers or as strings of digits.
//!
//! | request | auth | body | answer |
//! |---|---|---|---|
//! | `GET /healthz` | | | 200 `text/plain` `ok` |
//! | `POST /api/v1/register` | | JSON `name`, `email`, `password` | 201 `{"user_id","name","email"}`, `Location: /api/v1/users/{user_id}`; 409 `email_taken` when the e-mail is known |
//! | `GET /api/v1/users/{user_id}` | yes | | 200 `{"user_id","name","email"}` for oneself; otherwise 404 |
//! | `POST /api/v1/login` | | JSON or form `email`, `password` | 200 `{"token","user_id","expires_in":3600}`, `Set-Cookie: session=TOKEN; Path=/; HttpOnly; SameSite=Lax`; 401 `bad_credentials`. The cookie and the token of one login are different values, both valid |
//! | `POST /api/v1/logout` | yes | none | 204, `Set-Cookie: session=; Path=/; Max-Age=0`; the session or token used is no longer valid |
//! | `GET /login` | | | 200 HTML form with `<input type="hidden" name="csrf" value="TOKEN">`; each page has a fresh token, valid once |
//! | `POST /login` | | form `csrf`, `email`, `password` | 303 `Location: /account`, `Set-Cookie: session=…` as above; 403 HTML for an unknown or missing `csrf`; 401 HTML for bad credentials |
//! | `GET /account` | cookie | | 200 HTML with name and e-mail (escaped); without a session 303 `Location: /login` |
//! | `GET /api/v1/products?page=P&limit=L` | | | 200 `{"items":[PRODUCT…],"page","pages","total","next"}`, `ETag`. 48 products; `limit` 1 to 50 (clamped), default 10; any `page` is valid: it wraps around (`(page-1) mod pages`), not a number means 1. `next` is the path and query of the next page. `If-None-Match` equal to the `ETag`: 304 without body |
//! | `GET /api/v1/products/{id}` | | | 200 PRODUCT `{"id","sku","name","price_cents","currency":"EUR","stock"}`, `ETag`, 304 as above; 404 unknown |
//! | `GET /api/v1/cart` | yes | | 200 `{"cart_id","items":[{"item_id","product_id","quantity"}],"total_cents"}` |
//! | `POST /api/v1/cart/items` | yes | JSON or form `product_id`, `quantity` | 201 `{"item_id","product_id","quantity"}`, `Location: /api/v1/cart/items/{item_id}`; 404 unknown product; 422 when one is missing or `quantity` is no positive whole number |
//! | `DELETE /api/v1/cart/items/{item_id}` | yes | | 204; 404 unknown |
//! | `DELETE /api/v1/cart` | yes | | 204; the cart is empty |
//! | `POST /api/v1/orders` | yes | JSON object (`address`, `card` and whatever else; not looked at) | 201 `{"order_id","status":"placed","total_cents","items":[…],"created"}` (RFC 3339), `Location: /api/v1/orders/{order_id}`, the cart becomes empty; 409 `cart_empty` |
//! | `GET /api/v1/orders` | yes | | 200 `{"items":[{"order_id","status","total_cents"}]}` |
//! | `GET /api/v1/orders/{order_id}` | yes | | 200 as at creation; 404 unknown or someone else's |
//! | `GET /api/v1/profile` | yes | | 200 `{"user_id","name","email","phone","birthday","newsletter"}` (`null` until set) |
//! | `PUT`, `PATCH /api/v1/profile` | yes | JSON object; `name`, `phone`, `birthday` (strings), `newsletter` | 200 as GET; `PUT` needs a non-empty `name`, else 422 |
//! | `POST /api/v1/upload` | yes | `multipart/form-data`, at least one part | 201 `{"upload_id","parts","bytes"}`, `Location: /api/v1/uploads/{upload_id}`; 415 for another type, 422 without a part |
//! | `GET /api/v1/export` | yes | | 200 `application/json`, **chunked**: one array, the products and then the user's orders, a chunk per element; never gzipped |
//!
//! Errors are `{"error":CODE}`, for 422 also `"fields":[NAME…]`: 400 `bad_json` (or a bad form), 401, 403, 404 `not_found`, 405
//! `method_not_allowed` with `Allow`, 409, 413 `too_large` (bodies over 1 MiB), 415 `unsupported_type`, 422 `invalid` (a field missing,
//! empty, of the wrong type, or an `email` without `@`).
//! Of very many users, tokens, orders and lines of a cart the latest are remembered.
//! `HEAD` is answered as GET, without body. With `Accept-Encoding: gzip`, bodies of more than 256 bytes of JSON or HTML are gzipped (`Content-Encoding: gzip`,
//! `Vary: Accept-Encoding`), with a `Content-Length`. Request bodies may be chunked; `Expect: 100-continue` is honoured over HTTP/1
//! (hyper has no way to say `100` over HTTP/2: there who waits for it sends the body after a second without).

mod message;
mod routes;
mod shop;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use message::{Reply, ReplyBody, Request};
use shop::Shop;

/// Larger request bodies are answered with 413.
const BODY_BYTES_MAX: usize = 1 << 20;

/// A running target; dropping it ends it.
pub struct Handle {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Handle {
    /// Ends the target and waits until it has ended.
    pub fn shutdown(mut self) {
        self.end();
    }

    /// Waits for the target's end, that is, for ever.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a target on a free port of 127.0.0.1, in a thread of its own.
pub fn spawn() -> io::Result<Handle> {
    spawn_at((Ipv4Addr::LOCALHOST, 0).into())
}

/// Starts a target at an address, in a thread of its own.
pub fn spawn_at(addr: SocketAddr) -> io::Result<Handle> {
    let listener = std::net::TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let serve = move || {
        runtime.block_on(async {
            tokio::select! { _ = accept(listener) => {}, _ = stopped => {} }
        });
    };
    let thread = std::thread::Builder::new().name("target".into()).spawn(serve)?;
    Ok(Handle { addr, stop: Some(stop), thread: Some(thread) })
}

async fn accept(listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let shop = Arc::new(Mutex::new(Shop::open()));
    loop {
        // A failed accept concerns one client, or passes (out of file descriptors).
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(stream, shop.clone()));
    }
}

async fn connection(stream: TcpStream, shop: Arc<Mutex<Shop>>) {
    let service = service_fn(move |request| serve(request, shop.clone()));
    let mut either = auto::Builder::new(TokioExecutor::new());
    either.http1().timer(TokioTimer::new());
    either.http2().timer(TokioTimer::new());
    // A connection's end, clean or not, is the client's affair.
    let _ = either.serve_connection(TokioIo::new(stream), service).await;
}

async fn serve(request: hyper::Request<Incoming>, shop: Arc<Mutex<Shop>>) -> Result<Response<ReplyBody>, Infallible> {
    let (head, body) = request.into_parts();
    let reply = match collect(body).await {
        None => Reply::error(StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Some(body) => {
            let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or("").to_owned());
            let request = Request { method: head.method, path, query, headers: head.headers, body };
            // HTTP/1 leaves it out by itself.
            let left_out = head.version == Version::HTTP_2 && request.method == Method::HEAD;
            let reply = routes::answer(&mut shop.lock().unwrap_or_else(PoisonError::into_inner), &request);
            if left_out { reply.without_content() } else { reply }
        }
    };
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    Ok(response
        .body(reply.body)
        .unwrap_or_else(|_| Response::new(Reply::empty(StatusCode::INTERNAL_SERVER_ERROR).body)))
}

/// The whole body; none when it is too large or breaks off.
async fn collect(body: Incoming) -> Option<Bytes> {
    let mut body = pin!(body);
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::as_mut(&mut body).poll_frame(cx)).await {
        if let Some(data) = frame.ok()?.data_ref() {
            all.extend_from_slice(data);
        }
        if all.len() > BODY_BYTES_MAX {
            return None;
        }
    }
    Some(all.freeze())
}
