//! Requests that the target resets, refuses, leaves unanswered or goes away from.

use super::*;
use h2::Reason;
use standin::replay::profile::Span;

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
