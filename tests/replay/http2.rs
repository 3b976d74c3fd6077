//! HTTP/2: requests of HTTP/1 captures as streams of one connection.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use standin::replay::profile::Span;
use standin::replay::{Failure, Mode, Options, Profile, Protocol, RunResult, run, target as embedded};
use standin::workload::Workload;
use standin::workload::hand::{self, Exchange};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::transports::Authority;
use super::{OK, fast, replay, shopping};

/// A request as it came: which connection, head, content, trailers.
pub struct Came {
    pub connection: usize,
    pub head: Request<()>,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Came {
    /// The number in its path.
    fn number(&self) -> usize {
        self.head.uri().path()[1..].parse().unwrap_or(usize::MAX)
    }
}

/// A target that speaks HTTP/2 without TLS, and answers with what `answer` does.
pub fn target<F: Future<Output = ()> + 'static>(
    builder: Builder,
    answer: impl Fn(Came, SendResponse<Bytes>) -> F + Send + 'static,
) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        local(async move {
            let (listener, answer) = (TcpListener::from_std(listener).unwrap(), Rc::new(answer));
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (builder, answer) = (builder.clone(), answer.clone());
                tokio::task::spawn_local(async move {
                    let Ok(mut streams) = builder.handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = streams.accept().await {
                        let answer = answer.clone();
                        tokio::task::spawn_local(async move {
                            if let Some(came) = whole(connection, request).await {
                                answer(came, respond).await;
                            }
                        });
                    }
                });
            }
        });
    });
    url(addr)
}

fn url(addr: SocketAddr) -> String {
    format!("http://{addr}")
}

fn local(work: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build_local(tokio::runtime::LocalOptions::default());
    runtime.unwrap().block_on(work);
}

/// Reads a request to its end.
async fn whole(connection: usize, request: Request<RecvStream>) -> Option<Came> {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece.ok()?;
        stream.flow_control().release_capacity(piece.len()).unwrap();
        body.extend_from_slice(&piece);
    }
    let trailers = stream.trailers().await.ok()?;
    Some(Came { connection, head: Request::from_parts(head, ()), body, trailers })
}

/// Answers with a content, in pieces that the windows allow.
async fn give(mut respond: SendResponse<Bytes>, response: Response<()>, mut body: Bytes, trailers: Option<HeaderMap>) {
    let Ok(mut stream) = respond.send_response(response, body.is_empty() && trailers.is_none()) else { return };
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return };
        let piece = body.split_to(room.min(body.len()));
        if stream.send_data(piece, body.is_empty() && trailers.is_none()).is_err() {
            return;
        }
    }
    if let Some(trailers) = trailers {
        let _ = stream.send_trailers(trailers);
    }
}

fn status(code: u16) -> Response<()> {
    Response::builder().status(code).body(()).unwrap()
}

/// `GET /0`, `GET /1` … of one connection, so far apart; each was answered 50 ms after it was sent.
fn gets(count: u64, gap_ms: u64) -> Workload {
    let requests: Vec<String> = (0..count).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n")).collect();
    sent(&requests.iter().map(String::as_str).collect::<Vec<_>>(), gap_ms)
}

/// Requests of one connection.
fn sent(requests: &[&str], gap_ms: u64) -> Workload {
    let exchanges: Vec<Exchange> = (0..)
        .zip(requests)
        .map(|(n, request)| Exchange { connection: 0, at_ms: n * gap_ms, request: request.as_bytes(), response: OK })
        .collect();
    hand::workload(&exchanges)
}

fn h2c(mode: Mode) -> Profile {
    Profile { mode, protocol: Protocol::H2c, abort_error_rate: 1.0, ..Profile::default() }
}

fn failed(result: &RunResult) -> BTreeMap<Failure, u64> {
    result.requests.failed.clone()
}

/// What became of each endpoint's requests: for messages.
fn of_each(result: &RunResult) -> Vec<(&str, u64, &BTreeMap<String, u64>)> {
    result.endpoints.iter().map(|one| (one.endpoint.as_str(), one.failed, &one.status)).collect()
}

#[test]
fn a_shop_is_replayed_over_http2_with_ids_and_tokens_of_another_process() {
    let recorded = embedded::spawn().unwrap();
    let workload = shopping(recorded.addr).workload(20);
    for mode in [Mode::Sessions, Mode::Closed] {
        let fresh = embedded::spawn().unwrap();
        let result = replay(workload.clone(), &url(fresh.addr), Profile { protocol: Protocol::H2c, ..fast(mode) });
        assert!(result.valid, "{mode:?} {:?}", result.invalid_because);
        assert!(failed(&result).is_empty(), "{mode:?} {:?}", of_each(&result));
        assert_eq!(result.workload.status_agreement, Some(1.0), "{mode:?} {:?}", of_each(&result));
        assert_eq!(result.correlation.missed, 0, "{mode:?}");
        assert!(result.correlation.substituted > 10, "{mode:?}");
        assert!(result.connections.opened <= 2, "{mode:?}");
    }
}

/// Without a word in the profile, what spoke HTTP/2 when it was captured does again, and nothing else does.
#[test]
fn what_was_captured_as_http2_is_sent_as_http2() {
    let url = target(Builder::new(), |_, respond| give(respond, status(200), Bytes::new(), None));
    for mode in [Mode::Captured, Mode::Sessions, Mode::Closed] {
        let mut workload = gets(6, 2);
        let profile = Profile { protocol: Protocol::Auto, ..h2c(mode) };
        let as_http1 = replay(workload.clone(), &url, profile.clone());
        assert_eq!(as_http1.requests.answered, 0, "{mode:?} {:?}", of_each(&as_http1));
        workload.sessions.iter_mut().flat_map(|session| &mut session.connections).for_each(|one| one.http2 = true);
        let as_captured = replay(workload.clone(), &url, profile);
        assert_eq!(as_captured.requests.answered, 6, "{mode:?} {:?}", of_each(&as_captured));
        let by_profile = replay(workload, &url, Profile { protocol: Protocol::Http1, ..h2c(mode) });
        assert_eq!(by_profile.requests.answered, 0, "{mode:?} {:?}", of_each(&by_profile));
    }
}

#[test]
fn requests_go_out_together_and_each_gets_its_own_answer() {
    const COUNT: usize = 12;
    let came = Arc::new(Mutex::new(Vec::new()));
    let kept = came.clone();
    let url = target(Builder::new(), move |request, respond| {
        let kept = kept.clone();
        async move {
            let number = request.number();
            kept.lock().unwrap().push((request.connection, number));
            // Nobody is answered before all are there; then the last one first.
            while kept.lock().unwrap().len() < COUNT {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(Duration::from_millis((COUNT - number) as u64 * 2)).await;
            give(respond, status(200 + number as u16), Bytes::new(), None).await;
        }
    });
    let answers: Vec<String> =
        (0..COUNT).map(|n| format!("HTTP/1.1 {} x\r\nContent-Length: 0\r\n\r\n", 200 + n)).collect();
    let requests: Vec<String> = (0..COUNT).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n")).collect();
    let exchange = |n: usize| Exchange {
        connection: 0,
        at_ms: n as u64 * 3,
        request: requests[n].as_bytes(),
        response: answers[n].as_bytes(),
    };
    let workload = hand::workload(&(0..COUNT).map(exchange).collect::<Vec<_>>());
    for mode in [Mode::Captured, Mode::Rate] {
        came.lock().unwrap().clear();
        let result = replay(workload.clone(), &url, Profile { rate: Some(400.0), ..h2c(mode) });
        assert_eq!((result.requests.answered, result.connections.opened), (12, 1), "{:?}", result.requests);
        assert_eq!(result.workload.status_agreement, Some(1.0), "{mode:?}");
        let came = came.lock().unwrap();
        assert!(came.windows(2).all(|pair| pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1), "{came:?}");
    }
}

#[test]
fn no_more_streams_at_a_time_than_the_target_allows() {
    for most in [1, 3] {
        let (now, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (now.clone(), peak.clone());
        let mut builder = Builder::new();
        builder.max_concurrent_streams(most);
        let url = target(builder, move |_, respond| {
            let (now, peak) = counts.clone();
            async move {
                peak.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
                now.fetch_sub(1, Ordering::Relaxed);
                give(respond, status(200), Bytes::new(), None).await;
            }
        });
        let result = replay(gets(10, 0), &url, h2c(Mode::Captured));
        assert_eq!((result.requests.answered, result.connections.opened), (10, 1), "{:?}", result.requests);
        assert_eq!(peak.load(Ordering::Relaxed), most as usize);
        // It was the target that kept them, not the generator that was late.
        assert!(result.requests.held >= 10 - u64::from(most), "{}", result.requests.held);
    }
}

/// A closed loop of two connections with three streams each, to a target that answers when `wanted` are there.
#[test]
fn a_closed_loop_has_so_many_streams_on_each_connection() {
    const CONNECTIONS: usize = 2;
    const STREAMS: usize = 3;
    for most in [100, 2] {
        let wanted = CONNECTIONS * STREAMS.min(most as usize);
        let waiting = Arc::new(Mutex::new(BTreeMap::<usize, usize>::new()));
        let peak = Arc::new(Mutex::new(BTreeMap::<usize, usize>::new()));
        let (now, highest) = (waiting.clone(), peak.clone());
        let mut builder = Builder::new();
        builder.max_concurrent_streams(most);
        let url = target(builder, move |request, respond| {
            let (now, highest) = (now.clone(), highest.clone());
            async move {
                let count = |by: i64| {
                    let mut now = now.lock().unwrap();
                    let mine = now.entry(request.connection).or_default();
                    *mine = mine.checked_add_signed(by as isize).unwrap();
                    let mut highest = highest.lock().unwrap();
                    let most = highest.entry(request.connection).or_default();
                    *most = (*mine).max(*most);
                    highest.values().sum::<usize>()
                };
                count(1);
                // The first ones are not answered before all are there.
                while count(0) < wanted {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
                count(-1);
                give(respond, status(200), Bytes::new(), None).await;
            }
        });
        let profile = Profile {
            connections: CONNECTIONS as u32,
            streams: STREAMS as u32,
            threads: 2,
            requests: Some(60),
            ..h2c(Mode::Closed)
        };
        // Sessions of their own, so that whoever is free takes one.
        let request = b"GET /0 HTTP/1.1\r\nHost: x\r\n\r\n";
        let exchange = |connection| Exchange { connection, at_ms: 0, request, response: OK };
        let exchanges: Vec<Exchange> = (0..12).map(exchange).collect();
        let result = replay(hand::workload(&exchanges), &url, profile);
        assert_eq!((result.requests.answered, result.connections.opened), (60, 2), "{:?}", result.requests);
        let peak: Vec<usize> = peak.lock().unwrap().values().copied().collect();
        assert_eq!(peak, [STREAMS.min(most as usize); CONNECTIONS], "{most}");
        assert!(waiting.lock().unwrap().values().all(|count| *count == 0));
    }
}

#[test]
fn contents_and_trailers_of_any_size_go_both_ways() {
    const SIZE: usize = 3 << 20;
    let chunk = "0123456789abcdef".repeat(SIZE / 16);
    let request = format!(
        "POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{SIZE:x}\r\n{chunk}\r\n0\r\nX-Sum: 7\r\n\r\n"
    );
    let seen = Arc::new(Mutex::new(None));
    let kept = seen.clone();
    let url = target(Builder::new(), move |request, respond| {
        let told = (request.body.len(), request.trailers.map(|trailers| trailers["x-sum"].clone()));
        *kept.lock().unwrap() = Some(told);
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "9".parse().unwrap());
        give(respond, status(200), Bytes::from(vec![7; SIZE]), Some(trailers))
    });
    let result = replay(sent(&[&request], 0), &url, h2c(Mode::Captured));
    assert_eq!(result.requests.answered, 1, "{:?}", result.requests);
    assert_eq!(*seen.lock().unwrap(), Some((SIZE, Some("7".parse().unwrap()))));
    assert!(result.bytes.received > SIZE as u64 && result.bytes.received < SIZE as u64 + 200, "{:?}", result.bytes);
}

#[test]
fn a_request_is_what_its_text_says() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let url = target(Builder::new(), move |request, respond| {
        let headers = request.head.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let line = format!("{} {}", request.head.method(), request.head.uri());
        kept.lock().unwrap().push((line, headers.collect::<Vec<_>>()));
        give(respond, status(200), Bytes::new(), None)
    });
    let request = "PUT /a?b=c HTTP/1.1\r\nHost: captured.example\r\nX-Zed: 1\r\nConnection: keep-alive\r\nAccept: */*\r\nContent-Length: 2\r\n\r\nhi";
    let profile = Profile { marker: Some("X-Run: r1".parse().unwrap()), ..h2c(Mode::Captured) };
    replay(sent(&[request], 0), &url, profile);
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].0, format!("PUT {url}/a?b=c"));
    assert_eq!(seen[0].1, ["x-zed: 1", "accept: */*", "content-length: 2", "x-run: r1"]);
}

#[test]
fn what_cannot_be_said_is_not_sent() {
    let url = target(Builder::new(), |_, respond| give(respond, status(200), Bytes::new(), None));
    let odd = "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n";
    let result = replay(sent(&[odd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"], 5), &url, h2c(Mode::Captured));
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Unsendable, 1)]));
    assert_eq!((result.requests.answered, result.requests.sent), (1, 1));
}

#[test]
fn what_the_target_resets_is_told_with_its_reason() {
    let url = target(Builder::new(), |request, mut respond: SendResponse<Bytes>| async move {
        match request.number() {
            0 => respond.send_reset(Reason::INTERNAL_ERROR),
            1 => {
                let mut stream = respond.send_response(status(200), false).unwrap();
                stream.send_reset(Reason::CANCEL);
            }
            _ => give(respond, status(200), Bytes::new(), None).await,
        }
    });
    let result = replay(gets(4, 5), &url, h2c(Mode::Captured));
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Reset, 2)]));
    assert_eq!((result.requests.answered, result.connections.opened), (2, 1));
    let told = result.warnings.iter().any(|warning| warning.ends_with("1 INTERNAL_ERROR, 1 CANCEL"));
    assert!(told, "{:?}", result.warnings);
}

#[test]
fn what_the_target_did_nothing_with_is_sent_again() {
    let refused = Arc::new(AtomicUsize::new(0));
    let kept = refused.clone();
    let url = target(Builder::new(), move |request, mut respond: SendResponse<Bytes>| {
        let kept = kept.clone();
        async move {
            match request.number() {
                0 if kept.fetch_add(1, Ordering::Relaxed) < 3 => respond.send_reset(Reason::REFUSED_STREAM),
                // However often it comes.
                1 => respond.send_reset(Reason::REFUSED_STREAM),
                _ => give(respond, status(200), Bytes::new(), None).await,
            }
        }
    });
    for mode in [Mode::Captured, Mode::Closed] {
        refused.store(0, Ordering::Relaxed);
        let result = replay(gets(3, 5), &url, Profile { connections: 1, ..h2c(mode) });
        assert_eq!(failed(&result), BTreeMap::from([(Failure::Reset, 1)]), "{mode:?}");
        assert_eq!((result.requests.answered, result.requests.planned), (2, 3), "{mode:?}");
        assert_eq!(refused.load(Ordering::Relaxed), 4, "{mode:?}");
        let told = result.warnings.iter().any(|told| told.contains("did nothing with 1 requests"));
        assert!(told, "{:?}", result.warnings);
    }
}

#[test]
fn a_target_that_goes_away_is_connected_to_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    let came = Arc::new(Mutex::new(Vec::new()));
    let kept = came.clone();
    thread::spawn(move || {
        local(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let kept = kept.clone();
                tokio::task::spawn_local(async move {
                    let mut streams = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = streams.accept().await {
                        kept.lock().unwrap().push((connection, request.uri().path().to_owned()));
                        // Three on each connection, slowly answered; then it goes.
                        if kept.lock().unwrap().len() % 3 == 0 {
                            streams.graceful_shutdown();
                        }
                        tokio::task::spawn_local(async move {
                            tokio::time::sleep(Duration::from_millis(30)).await;
                            give(respond, status(200), Bytes::new(), None).await;
                        });
                    }
                });
            }
        });
    });
    let result = replay(gets(9, 10), &url(addr), h2c(Mode::Captured));
    assert_eq!((result.requests.answered, result.requests.sent), (9, 9), "{:?}", result.requests);
    assert!(result.connections.reopened >= 2, "{:?}", result.connections);
    assert_eq!(result.connections.opened, result.connections.reopened + 1);
    let mut paths: Vec<_> = came.lock().unwrap().iter().map(|(_, path)| path.clone()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 9, "each came exactly once: {came:?}");
    assert_eq!(came.lock().unwrap().len(), 9);
}

#[test]
fn who_is_not_answered_in_time_does_not_keep_the_others() {
    let url = target(Builder::new(), |request, respond| async move {
        match request.number() {
            2 => std::future::pending().await,
            _ => give(respond, status(200), Bytes::new(), None).await,
        }
    });
    let profile = Profile { timeout: Span(Duration::from_millis(700)), ..h2c(Mode::Captured) };
    let result = replay(gets(6, 10), &url, profile);
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Timeout, 1)]));
    assert_eq!((result.requests.answered, result.connections.opened), (5, 1));
}

/// A gRPC call of a method that was answered so in the capture.
fn call(method: &str) -> String {
    format!(
        "POST /svc.Echo/{method} HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc\r\nTE: trailers\r\nContent-Length: 7\r\n\r\n\0\0\0\0\u{2}hi"
    )
}

#[test]
fn the_status_of_a_call_stands_in_its_trailers() {
    let url = target(Builder::new(), |request, respond| async move {
        assert_eq!(request.head.headers()["te"], "trailers");
        let response = Response::builder().header("content-type", "application/grpc");
        let mut trailers = HeaderMap::new();
        let path = request.head.uri().path().to_owned();
        match path.as_str() {
            // Nothing but a head.
            "/svc.Echo/Gone" => {
                give(respond, response.header("grpc-status", "5").body(()).unwrap(), Bytes::new(), None).await
            }
            _ => {
                trailers.insert("grpc-status", if path.ends_with("Odd") { "77" } else { "0" }.parse().unwrap());
                give(respond, response.body(()).unwrap(), Bytes::from(request.body), Some(trailers)).await;
            }
        }
    });
    let answer = |code: u32| {
        format!(
            "HTTP/1.1 200 \r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n0\r\ngrpc-status: {code}\r\n\r\n"
        )
    };
    let calls: Vec<(String, String)> = [("Say", 0), ("Say", 0), ("Gone", 5), ("Gone", 0), ("Odd", 0)]
        .into_iter()
        .map(|(method, code)| (call(method), answer(code)))
        .collect();
    let exchange = |(n, (request, response)): (u64, &(String, String))| (n, request.clone(), response.clone());
    let all: Vec<(u64, String, String)> = (0..).zip(&calls).map(exchange).collect();
    let exchanges: Vec<Exchange> = all
        .iter()
        .map(|(n, request, response)| Exchange {
            connection: 0,
            at_ms: n * 5,
            request: request.as_bytes(),
            response: response.as_bytes(),
        })
        .collect();
    let checks = Profile::parse("test", "checks: [{status: captured}]").unwrap().checks;
    let result = replay(hand::workload(&exchanges), &url, Profile { checks, ..h2c(Mode::Captured) });
    assert_eq!((result.requests.answered, result.status["200"]), (5, 5), "{:?}", result.requests);
    let counts = [("0", 2), ("2", 1), ("5", 2)].map(|(code, n)| (code.to_owned(), n));
    assert_eq!(result.grpc, BTreeMap::from(counts));
    // Two calls failed that had not.
    assert_eq!((result.requests.errors, result.workload.agreed, result.workload.compared), (2, 3, 5));
    assert_eq!((result.checks[0].passed, result.checks[0].failed), (3, 2), "{:?}", result.checks);
}

/// A target under TLS that offers these protocols, and speaks HTTP/2.
fn secure(authority: &Authority, offers: &[&str]) -> String {
    authority.vouch("localhost");
    let certificate = CertificateDer::from_pem_file(authority.path("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(authority.path("localhost.key")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = offers.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        local(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                tokio::task::spawn_local(async move {
                    let Ok(mut streams) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = streams.accept().await {
                        assert_eq!(request.uri().scheme_str(), Some("https"));
                        give(respond, status(200), Bytes::new(), None).await;
                    }
                });
            }
        });
    });
    format!("https://localhost:{port}")
}

#[test]
fn under_tls_http2_is_agreed_on_or_it_is_told() {
    let authority = Authority::new();
    let profile = Profile { protocol: Protocol::H2, cacert: Some(authority.path("ca.pem")), ..h2c(Mode::Captured) };
    let result = replay(gets(4, 3), &secure(&authority, &["http/1.1", "h2"]), profile.clone());
    assert_eq!((result.requests.answered, result.connections.opened), (4, 1), "{:?}", result.requests);
    // One has another protocol and says so, the other has never heard of choosing one.
    for offers in [&["http/1.1"][..], &[]] {
        let result = replay(gets(2, 3), &secure(&authority, offers), profile.clone());
        assert_eq!(failed(&result), BTreeMap::from([(Failure::Protocol, 2)]), "{offers:?}");
        assert!(result.warnings.iter().any(|told| told.contains("did not speak HTTP/2")), "{:?}", result.warnings);
    }
    for (url, protocol) in [("https://localhost:9", Protocol::H2c), ("http://localhost:9", Protocol::H2)] {
        let options = Options::new(url, Profile { protocol, ..Profile::default() });
        assert_eq!(run(Arc::new(gets(1, 0)), options).unwrap_err().exit_code(), 2);
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (payload.len() as u32).to_be_bytes();
    [&[a, b, c, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

/// What a hostile target sends at once, when it was asked, and then again and again until it is hung up on.
fn flood(once: Vec<u8>, asked: Vec<u8>, again: Vec<u8>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, once, asked, again) = (stream.unwrap(), once.clone(), asked.clone(), again.repeat(200));
            thread::spawn(move || {
                let (mut buffer, mut heard) = ([0; 4096], Vec::new());
                if stream.write_all(&once).is_err() {
                    return;
                }
                // The request comes when the settings are there: headers on stream 1.
                while !heard.windows(6).any(|head: &[u8]| head[0] == 1 && head[2..] == [0, 0, 0, 1]) {
                    match stream.read(&mut buffer) {
                        Ok(n) if n > 0 => heard.extend_from_slice(&buffer[..n]),
                        _ => return,
                    }
                }
                if stream.write_all(&asked).is_err() {
                    return;
                }
                while !again.is_empty() && stream.write_all(&again).is_ok() {}
            });
        }
    });
    url(addr)
}

/// A target that serves each of its connections so.
fn serving(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, serve) = (listener.local_addr().unwrap(), Arc::new(serve));
    thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let (mut stream, serve) = (stream.unwrap(), serve.clone());
            thread::spawn(move || {
                if stream.read_exact(&mut [0; 24]).is_ok() {
                    serve(connection, stream);
                }
            });
        }
    });
    url(addr)
}

/// The stream of the next request; none at the end.
fn asked(mut stream: &TcpStream) -> Option<u8> {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; len as usize]).ok()?;
        if head[3] == 1 {
            return Some(head[8]);
        }
    }
}

/// Says these frames; whether that went.
fn say(mut stream: &TcpStream, frames: &[Vec<u8>]) -> bool {
    stream.write_all(&frames.concat()).is_ok()
}

/// Answers all that comes.
fn answer(stream: &TcpStream) {
    while asked(stream).is_some_and(|asked| say(stream, &[frame(1, 5, asked, &[0x88])])) {}
}

fn goaway(last: u8) -> Vec<u8> {
    frame(7, 0, 0, &[0, 0, 0, last, 0, 0, 0, 0])
}

#[test]
fn nothing_is_sent_to_who_greets_with_a_farewell() {
    let profile = Profile { timeout: Span(Duration::from_secs(10)), ..h2c(Mode::Captured) };
    for mode in [Mode::Captured, Mode::Closed] {
        let came = Arc::new(AtomicUsize::new(0));
        let kept = came.clone();
        let url = serving(move |connection, stream| {
            if connection > 0 {
                say(&stream, &[frame(4, 0, 0, &[])]);
                return answer(&stream);
            }
            say(&stream, &[frame(4, 0, 0, &[]), goaway(0)]);
            while asked(&stream).is_some() {
                kept.fetch_add(1, Ordering::Relaxed);
            }
        });
        let result = replay(gets(3, 5), &url, Profile { mode, connections: 1, ..profile.clone() });
        assert_eq!((result.requests.answered, came.load(Ordering::Relaxed)), (3, 0), "{:?}", result.requests);
        // The first one was a connection too.
        let connections = [result.connections.opened, result.connections.reopened];
        assert_eq!(connections, [2, 1], "{mode:?}");
    }
    // One that always does has no connection to offer; that is found out soon.
    let (opened, counted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (opened.clone(), counted.clone());
    let url = serving(move |_, stream| {
        counts.0.fetch_add(1, Ordering::Relaxed);
        say(&stream, &[frame(4, 0, 0, &[]), goaway(0)]);
        while asked(&stream).is_some() {
            counts.1.fetch_add(1, Ordering::Relaxed);
        }
    });
    let result = replay(gets(1, 0), &url, profile);
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Connect, 1)]));
    assert_eq!((result.requests.sent, counted.load(Ordering::Relaxed)), (0, 0));
    let opened = opened.load(Ordering::Relaxed) as u64;
    assert!(opened < 10 && result.connections.opened == opened, "{opened} {:?}", result.connections);
}

/// A request that was refused is sent again, and has no more time then than one that is sent once.
#[test]
fn a_request_that_is_sent_again_does_not_have_its_time_again() {
    const RESET: u8 = 3;
    let resets = Arc::new(Mutex::new(Vec::new()));
    let kept = resets.clone();
    let url = serving(move |_, mut stream| {
        say(&stream, &[frame(4, 0, 0, &[])]);
        let Some(first) = asked(&stream) else { return };
        thread::sleep(Duration::from_millis(1000));
        // REFUSED_STREAM.
        say(&stream, &[frame(RESET, 0, first, &[0, 0, 0, 7])]);
        let mut head = [0; 9];
        while stream.read_exact(&mut head).is_ok() {
            stream.read_exact(&mut vec![0; usize::from(head[2])]).unwrap();
            if head[3] == RESET {
                kept.lock().unwrap().push(head[8]);
            }
        }
    });
    let profile = Profile { timeout: Span(Duration::from_secs(2)), ..h2c(Mode::Captured) };
    let result = replay(gets(2, 600), &url, profile);
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Timeout, 2)]));
    // Stream 3 is the second request, 5 the first one again. It was there before the second one.
    assert_eq!(resets.lock().unwrap().first(), Some(&5), "{resets:?}");
}

#[test]
fn what_waits_behind_others_and_never_goes_out_is_not_sent() {
    let url = serving(|_, stream| {
        let most = [0x7f, 0xff, 0xff, 0xff];
        let windows = [frame(4, 0, 0, &[&[0, 4][..], &most].concat()), frame(8, 0, 0, &[0x7f, 0, 0, 0])];
        say(&stream, &windows);
        // It takes anything, and reads nothing.
        thread::sleep(Duration::from_secs(60));
    });
    // More than sockets hold, and less than is dealt ahead.
    let large = "x".repeat(7 << 20);
    let large = format!("POST /0 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{large}", large.len());
    let profile = Profile { timeout: Span(Duration::from_secs(2)), ..h2c(Mode::Captured) };
    let result = replay(sent(&[&large, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"], 300), &url, profile);
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Timeout, 2)]));
    assert_eq!((result.requests.sent, result.requests.planned), (1, 2), "{:?}", result.requests);
}

#[test]
fn who_waits_for_room_goes_elsewhere_when_the_target_goes_away() {
    let elsewhere = Arc::new(AtomicUsize::new(0));
    let url = serving(move |connection, stream| {
        // One stream at a time.
        say(&stream, &[frame(4, 0, 0, &[0, 3, 0, 0, 0, 1])]);
        if connection == 0 {
            let Some(first) = asked(&stream) else { return };
            // The others wait by now.
            thread::sleep(Duration::from_millis(100));
            say(&stream, &[goaway(first)]);
            while elsewhere.load(Ordering::Relaxed) == 0 {
                thread::sleep(Duration::from_millis(2));
            }
            say(&stream, &[frame(1, 5, first, &[0x88])]);
        }
        while asked(&stream).is_some_and(|asked| {
            elsewhere.fetch_add(1, Ordering::Relaxed);
            say(&stream, &[frame(1, 5, asked, &[0x88])])
        }) {}
    });
    let profile = Profile { timeout: Span(Duration::from_secs(10)), ..h2c(Mode::Captured) };
    let result = replay(gets(3, 0), &url, profile);
    assert_eq!((result.requests.answered, result.connections.opened), (3, 2), "{:?}", result.requests);
}

#[test]
fn a_connection_that_has_fallen_silent_is_given_up() {
    let url = serving(|connection, stream| {
        say(&stream, &[frame(4, 0, 0, &[])]);
        if connection > 0 {
            return answer(&stream);
        }
        if let Some(first) = asked(&stream) {
            say(&stream, &[frame(1, 5, first, &[0x88])]);
        }
        while asked(&stream).is_some() {}
    });
    let profile = Profile {
        timeout: Span(Duration::from_secs(2)),
        connections: 1,
        streams: 1,
        requests: Some(5),
        ..h2c(Mode::Closed)
    };
    let result = replay(gets(5, 1), &url, profile);
    assert_eq!(failed(&result), BTreeMap::from([(Failure::Timeout, 1)]));
    assert_eq!((result.requests.answered, result.connections.opened), (4, 2), "{:?}", result.connections);
}

#[test]
fn who_floods_or_speaks_something_else_has_failed_the_protocol() {
    let settings = frame(4, 0, 0, &[]);
    let continued = frame(9, 0, 1, &[b'x'; 4000]);
    let endless = frame(1, 0, 1, &[0x88]);
    let informational = frame(1, 4, 1, &[0x08, 3, b'1', b'0', b'3']);
    let large = [&[0x88, 0x00, 1, b'a', 0x7f, 0x81, 0xff, 0x03][..], &[b'v'; 65_536]].concat();
    let large =
        [frame(1, 0, 1, &large[..16_000]), frame(9, 0, 1, &large[16_000..32_000]), frame(9, 4, 1, &large[32_000..])];
    for (what, once, asked, again) in [
        ("pings", settings.clone(), Vec::new(), frame(6, 0, 0, &[0; 8])),
        ("settings", settings.clone(), Vec::new(), settings.clone()),
        ("unknown", settings.clone(), Vec::new(), frame(77, 0, 0, &[])),
        ("endless headers", settings.clone(), endless, continued),
        ("informational", settings.clone(), Vec::new(), informational),
        ("large headers", settings.clone(), Vec::new(), large.concat()),
        ("http1", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n".to_vec(), Vec::new(), Vec::new()),
    ] {
        let profile = Profile { timeout: Span(Duration::from_secs(20)), ..h2c(Mode::Captured) };
        let result = replay(gets(1, 0), &flood(once, asked, again), profile);
        assert_eq!(failed(&result), BTreeMap::from([(Failure::Protocol, 1)]), "{what}");
        let told = result.warnings.iter().any(|told| told.contains("did not speak HTTP/2"));
        assert_eq!(told, what == "http1", "{what} {:?}", result.warnings);
    }
}
