//! HTTP/2: requests of HTTP/1 captures as streams of one connection.

mod calls;
mod frames;
mod refusing;
mod secure;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io::Read;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{HeaderMap, Request, Response};
use standin::replay::{Failure, Mode, Profile, Protocol, RunResult, run, target as embedded};
use standin::workload::Workload;
use standin::workload::hand::{self, Exchange};
use tokio::net::TcpListener;

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
