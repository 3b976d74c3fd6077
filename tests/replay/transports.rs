//! Ways to the target other than one request after another over plain TCP.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use standin::replay::profile::Span;
use standin::replay::{Failure, Mode, Options, Profile, run};
use standin::workload::Workload;
use standin::workload::hand::{self, Exchange};
use tempfile::TempDir;

use super::{OK, replay, server};

/// Requests for `/0`, `/1` and so on. Each was sent at the same instant, so before any was answered.
fn at_once(count: u32, connections: u32) -> Workload {
    let requests: Vec<String> = (0..count).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n")).collect();
    let exchanges: Vec<Exchange> = (0..)
        .zip(&requests)
        .map(|(n, request)| Exchange {
            connection: n % connections,
            at_ms: 0,
            request: request.as_bytes(),
            response: OK,
        })
        .collect();
    hand::workload(&exchanges)
}

fn captured() -> Profile {
    Profile { mode: Mode::Captured, abort_error_rate: 1.0, ..Profile::default() }
}

/// A target that answers the requests of a connection when `wanted` of them are there; and when each of them was.
fn gathering(wanted: usize) -> (String, Arc<Mutex<Vec<Instant>>>) {
    let came = Arc::new(Mutex::new(Vec::new()));
    let kept = came.clone();
    let addr = server(move |_, _, stream| {
        let mut came = kept.lock().unwrap();
        came.push(Instant::now());
        came.len() != wanted || stream.write_all(&OK.repeat(wanted)).is_ok()
    });
    (format!("http://{addr}"), came)
}

#[test]
fn pipelined_requests_keep_to_the_greatest_rate() {
    const COUNT: u32 = 12;
    let (url, came) = gathering(COUNT as usize);
    let begun = Instant::now();
    let result = replay(at_once(COUNT, 1), &url, Profile { max_rate: 50.0, ..captured() });
    assert_eq!((result.requests.answered, result.connections.opened), (COUNT.into(), 1), "{:?}", result.requests);
    for (n, came) in (0..).zip(came.lock().unwrap().iter()) {
        let after = came.duration_since(begun);
        assert!(after >= Duration::from_millis(20) * n, "{n} after {after:?}");
    }
}

#[test]
fn pipelined_requests_count_as_in_flight() {
    let (url, came) = gathering(usize::MAX);
    let profile = Profile { max_in_flight: 2, timeout: Span(Duration::from_secs(1)), ..captured() };
    let result = replay(at_once(5, 1), &url, profile);
    assert_eq!(result.requests.failed, BTreeMap::from([(Failure::Timeout, 2), (Failure::Cap, 3)]));
    assert_eq!(came.lock().unwrap().len(), 2);
}

#[test]
fn who_waits_for_room_in_the_rate_is_not_sent_when_the_run_is_cancelled() {
    for connections in [1, 5] {
        let cancel = Arc::new(AtomicBool::new(false));
        let (heard, first) = (Arc::new(Mutex::new(0)), cancel.clone());
        let kept = heard.clone();
        let addr = server(move |_, _, _| {
            *kept.lock().unwrap() += 1;
            first.store(true, Ordering::Relaxed);
            true
        });
        // So far apart that no second one is due, however slow the machine.
        let profile = Profile { max_rate: 0.01, ..captured() };
        let options = Options { cancel, ..Options::new(&format!("http://{addr}"), profile) };
        run(Arc::new(at_once(5, connections)), options).unwrap();
        assert_eq!(*heard.lock().unwrap(), 1, "{connections} connections");
    }
}

/// A target on any stream: reads heads, answers each.
fn answer(stream: &mut (impl Read + Write)) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            if stream.write_all(OK).and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
    }
}

#[test]
fn a_socket_of_this_machine_is_a_way_to_the_target() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("s.sock");
    let socket = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in socket.incoming() {
            thread::spawn(move || answer(&mut stream.unwrap()));
        }
    });
    let profile = Profile { unix_socket: Some(path), ..captured() };
    // Nobody listens at the port: it is a name only.
    let result = replay(at_once(6, 3), "http://127.0.0.1:9", profile);
    assert_eq!((result.requests.answered, result.connections.opened), (6, 3), "{:?}", result.requests);
}

#[test]
fn pipelined_requests_go_out_before_an_answer_and_get_their_own() {
    // Sizes tell answers apart: who gets another's has another number of bytes or another status.
    const ANSWERS: [(u16, &str); 3] = [
        (201, "HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabc"),
        (404, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        (200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    ];
    let asked = Mutex::new(Vec::new());
    let addr = server(move |_, head, stream| {
        let mut asked = asked.lock().unwrap();
        asked.push(usize::from(head[b"GET /".len()] - b'0'));
        // Only when all are there; whoever waits for an answer first never gets one.
        asked.len() < ANSWERS.len() || asked.iter().all(|n| stream.write_all(ANSWERS[*n].1.as_bytes()).is_ok())
    });
    let requests: Vec<String> = (0..3).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: x\r\n\r\n")).collect();
    let exchanges: Vec<Exchange> = requests
        .iter()
        .zip(ANSWERS)
        .map(|(request, (_, response))| Exchange {
            connection: 0,
            at_ms: 0,
            request: request.as_bytes(),
            response: response.as_bytes(),
        })
        .collect();
    let result = replay(hand::workload(&exchanges), &format!("http://{addr}"), captured());
    assert_eq!((result.requests.answered, result.connections.opened), (3, 1), "{:?}", result.requests);
    // Each status is the one that its own request had in the capture.
    assert_eq!(result.workload.status_agreement, Some(1.0));
}

const UP: &str = "POST /up HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";

/// A request on one connection that asks for leave to send its body, perhaps behind another one that is not answered yet,
/// and later one on another connection. `pause`: how long the captured body waited, nanoseconds.
fn asking_for_leave(behind: bool, pause: u64) -> Workload {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").into_bytes();
    let (first, up, late) = (get("/first"), UP.as_bytes().to_vec(), get("/late"));
    let all = [(0, 0, &first), (0, 0, &up), (1, 30, &late)];
    let exchanges: Vec<Exchange> = all[usize::from(!behind)..]
        .iter()
        .map(|(connection, at_ms, request)| Exchange { connection: *connection, at_ms: *at_ms, request, response: OK })
        .collect();
    let mut workload = hand::workload(&exchanges);
    let steps = workload.sessions.iter_mut().flat_map(|session| &mut session.steps);
    steps.filter(|step| step.request.method() == b"POST").for_each(|step| step.request.pause = pause);
    workload
}

#[test]
fn a_body_waits_for_leave_when_it_did() {
    const MINUTE: u64 = 60_000_000_000;
    for (behind, pause, waits) in [(false, MINUTE, true), (false, 0, false), (true, MINUTE, true), (true, 0, false)] {
        let (tell, told) = mpsc::channel();
        let (told, early) = (Mutex::new(told), Arc::new(AtomicBool::new(false)));
        let seen = early.clone();
        let addr = server(move |_, head, stream| {
            if head.starts_with(b"GET /first") {
                return true;
            }
            if head.starts_with(b"GET /late") {
                return tell.send(()).is_ok() && stream.write_all(OK).is_ok();
            }
            // Whoever sends one thing after another has sent the body by now, if it does not wait.
            told.lock().unwrap().recv().unwrap();
            let mut body = [0; 5];
            stream.set_nonblocking(true).unwrap();
            seen.store(stream.read(&mut body[..1]).is_ok(), Ordering::Relaxed);
            stream.set_nonblocking(false).unwrap();
            let before = if behind { OK } else { b"" };
            stream.write_all(&[before, b"HTTP/1.1 100 Continue\r\n\r\n"].concat()).unwrap();
            let rest = usize::from(seen.load(Ordering::Relaxed));
            stream.read_exact(&mut body[rest..]).is_ok() && stream.write_all(OK).is_ok()
        });
        let result = replay(asking_for_leave(behind, pause), &format!("http://{addr}"), captured());
        let case = format!("behind another: {behind}, captured pause {pause} ns: {:?}", result.requests);
        assert_eq!(result.requests.answered, 2 + u64::from(behind), "{case}");
        assert_eq!(result.connections.opened, 2, "{case}");
        assert_eq!(early.load(Ordering::Relaxed), !waits, "{case}");
    }
}

#[test]
fn a_body_that_got_no_leave_is_not_sent() {
    for behind in [false, true] {
        let body = Arc::new(Mutex::new(None));
        let kept = body.clone();
        let addr = server(move |_, head, stream| {
            if head.starts_with(b"GET /first") {
                return true;
            }
            if head.starts_with(b"GET /late") {
                return stream.write_all(OK).is_ok();
            }
            let before = if behind { OK } else { b"" };
            let no = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(&[before, no].concat()).unwrap();
            let mut rest = Vec::new();
            // Until the client hangs up, as it must: what it would send next could be taken for the body.
            let _ = stream.read_to_end(&mut rest);
            *kept.lock().unwrap() = Some(rest);
            false
        });
        let result = replay(asking_for_leave(behind, 1), &format!("http://{addr}"), captured());
        assert_eq!(result.requests.answered, 2 + u64::from(behind), "{:?}", result.requests);
        assert_eq!(result.status.get("417"), Some(&1));
        let heard = loop {
            if let Some(heard) = body.lock().unwrap().take() {
                break heard;
            }
            thread::sleep(Duration::from_millis(5));
        };
        assert!(heard.is_empty(), "{}", String::from_utf8_lossy(&heard));
    }
}

/// An authority and those whom it vouches for, in files of a folder.
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Authority { folder, issuer: Issuer::new(params, key) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes `NAME.pem` and `NAME.key`.
    pub fn vouch(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// What a target saw of a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shaken {
    name: Option<String>,
    protocol: Option<Vec<u8>>,
    certified: bool,
}

/// A target that speaks TLS as `localhost`, by its own choice HTTP/2; with `clients`, only to those whom it vouches for.
fn secure(authority: &Authority, clients: bool) -> (String, Arc<Mutex<Vec<Shaken>>>) {
    authority.vouch("localhost");
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        false => builder.with_no_client_auth(),
        true => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(authority.path("ca.pem")).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    let certificate = CertificateDer::from_pem_file(authority.path("localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(authority.path("localhost.key")).unwrap();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let shaken = Arc::new(Mutex::new(Vec::new()));
    let kept = shaken.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, config, kept) = (stream.unwrap(), config.clone(), kept.clone());
            thread::spawn(move || {
                let mut tls = ServerConnection::new(config).unwrap();
                while tls.is_handshaking() {
                    if tls.complete_io(&mut stream).is_err() {
                        return;
                    }
                }
                kept.lock().unwrap().push(Shaken {
                    name: tls.server_name().map(str::to_owned),
                    protocol: tls.alpn_protocol().map(<[u8]>::to_vec),
                    certified: tls.peer_certificates().is_some(),
                });
                answer(&mut StreamOwned::new(tls, stream));
            });
        }
    });
    (url, shaken)
}

#[test]
fn who_the_target_is_is_asked_for_under_tls() {
    let (known, other) = (Authority::new(), Authority::new());
    let (url, shaken) = secure(&known, false);
    let trusting = |authority: &Authority| Profile { cacert: Some(authority.path("ca.pem")), ..captured() };
    let hello = Shaken { name: Some("localhost".into()), protocol: Some(b"http/1.1".to_vec()), certified: false };

    let result = replay(at_once(6, 2), &url, trusting(&known));
    assert_eq!((result.requests.answered, result.connections.opened), (6, 2), "{:?}", result.requests);
    assert_eq!(*shaken.lock().unwrap(), vec![hello.clone(); 2]);

    let result = replay(at_once(2, 2), &url, trusting(&other));
    assert_eq!(result.requests.failed, BTreeMap::from([(Failure::Connect, 2)]));
    assert_eq!(result.requests.sent, 0);

    let result = replay(at_once(2, 2), &url, Profile { insecure: true, ..captured() });
    assert_eq!(result.requests.answered, 2, "{:?}", result.requests);
    assert_eq!(*shaken.lock().unwrap(), vec![hello; 4], "nobody else got through");
}

#[test]
fn a_client_shows_its_certificate() {
    let (known, other) = (Authority::new(), Authority::new());
    let (url, shaken) = secure(&known, true);
    known.vouch("client");
    other.vouch("client");
    let showing = |authority: &Authority| Profile {
        cacert: Some(known.path("ca.pem")),
        cert: Some(authority.path("client.pem")),
        cert_key: Some(authority.path("client.key")),
        ..captured()
    };
    let result = replay(at_once(2, 1), &url, showing(&known));
    assert_eq!(result.requests.answered, 2, "{:?}", result.requests);
    assert!(shaken.lock().unwrap().iter().all(|shaken| shaken.certified));

    let nobody = Profile { cert: None, cert_key: None, ..showing(&known) };
    for profile in [showing(&other), nobody] {
        let result = replay(at_once(1, 1), &url, profile);
        assert_eq!(result.requests.answered, 0, "{:?}", result.requests);
    }
    assert_eq!(shaken.lock().unwrap().len(), 1);
}
