//! gRPC calls: a status of their own.

use super::*;

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
