//! From a capture's events to sessions, and which values go from response to request.

use std::net::{IpAddr, Ipv4Addr};

use standin::capture::PacketId;
use standin::decode::{Layers, Transport};
use standin::dissect::{Packet, Stream, Visitor};
use standin::protocol::{Mark, Side};
use standin::workload::hand::{Exchange, workload};
use standin::workload::{Collector, Workload};

const MS: i128 = 1_000_000;

/// Plays events as the loop would.
struct Play {
    collector: Collector,
    now: i128,
    at: [u64; 2],
    flow: u64,
    packets: u64,
    client: IpAddr,
}

impl Play {
    fn new() -> Play {
        let mut play = Play {
            collector: Collector::new(),
            now: 1_000_000 * MS,
            at: [0; 2],
            flow: 0,
            packets: 0,
            client: Ipv4Addr::LOCALHOST.into(),
        };
        play.connect(0, [10, 0, 0, 1]);
        play
    }

    fn packet(&mut self, from: Side) {
        let server = (Ipv4Addr::new(10, 9, 9, 9).into(), 80);
        let client = (self.client, 4000 + self.flow as u16);
        let (src, dst) = if from == Side::Client { (client, server) } else { (server, client) };
        let layers = Layers {
            transport: Some(Transport { src, dst, payload: 0..0, wire_payload: 0, tcp: None }),
            ..Layers::default()
        };
        let packet = Packet { id: PacketId(self.packets), time_ns: self.now, link: 1, frame: &[], wire_len: 0 };
        self.packets += 1;
        self.collector.packet(&packet, &layers);
    }

    fn connect(&mut self, flow: u64, client: [u8; 4]) {
        (self.flow, self.client, self.at) = (flow, Ipv4Addr::from(client).into(), [0; 2]);
        self.packet(Side::Client);
        self.collector.open(flow, &Layers::default());
    }

    fn wait(&mut self, ms: i128) {
        self.now += ms * MS;
    }

    /// A packet of stream bytes; the place where they begin.
    fn bytes(&mut self, side: Side, bytes: &[u8]) -> u64 {
        self.packet(side);
        let at = self.at[side as usize];
        self.collector.bytes(Stream { flow: self.flow, side }, at, bytes);
        self.at[side as usize] += bytes.len() as u64;
        at
    }

    fn mark(&mut self, side: Side, mark: Mark<'_>) {
        self.collector.mark(Stream { flow: self.flow, side }, mark, self.now);
    }

    fn request(&mut self, text: &str) {
        let at = self.bytes(Side::Client, text.as_bytes());
        self.mark(Side::Client, Mark::Request { method: b"GET", target: b"/", at });
        self.mark(Side::Client, Mark::End { end: at + text.len() as u64 });
    }

    fn response(&mut self, status: u16, text: &str) {
        let at = self.bytes(Side::Server, text.as_bytes());
        self.mark(Side::Server, Mark::Response { status, at });
        self.mark(Side::Server, Mark::End { end: at + text.len() as u64 });
    }

    fn finish(self) -> Workload {
        self.collector.finish().unwrap()
    }
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: Shop.Example:8080\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[test]
fn exchanges_with_their_times() {
    let mut play = Play::new();
    play.wait(5);
    play.request(GET);
    play.wait(7);
    play.response(200, OK);
    play.wait(11);
    play.request(GET);
    let workload = play.finish();
    assert_eq!(workload.hosts.iter().collect::<Vec<_>>(), ["shop.example"]);
    let [session] = &workload.sessions[..] else { panic!() };
    let [first, second] = &session.steps[..] else { panic!() };
    assert_eq!((first.at, first.think, second.at, second.think), (5_000_000, 5_000_000, 23_000_000, 11_000_000));
    let response = first.expect.as_ref().unwrap();
    assert_eq!((response.status, response.first_byte, &response.bytes[..]), (200, 12_000_000, OK.as_bytes()));
    assert_eq!((first.request.bytes.as_slice(), first.request.target()), (GET.as_bytes(), b"/a".as_slice()));
    assert!(second.expect.is_none());
}

#[test]
fn pipelined_requests_are_paired_in_order() {
    let mut play = Play::new();
    let both = format!("{GET}POST /b HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
    let at = play.bytes(Side::Client, both.as_bytes());
    let (middle, end) = (at + GET.len() as u64, at + both.len() as u64);
    play.mark(Side::Client, Mark::Request { method: b"GET", target: b"/a", at });
    play.mark(Side::Client, Mark::End { end: middle });
    play.mark(Side::Client, Mark::Request { method: b"POST", target: b"/b", at: middle });
    play.mark(Side::Client, Mark::End { end });
    play.wait(1);
    // An informational response stands before the final one.
    play.bytes(Side::Server, b"HTTP/1.1 103 Early Hints\r\n\r\n");
    play.response(201, OK);
    play.response(404, OK);
    let workload = play.finish();
    let steps = &workload.sessions[0].steps;
    assert_eq!(steps.iter().map(|step| step.expect.as_ref().unwrap().status).collect::<Vec<_>>(), [201, 404]);
    assert_eq!(steps[0].expect.as_ref().unwrap().bytes, OK.as_bytes());
    assert_eq!(steps[1].request.method(), b"POST");
    assert_eq!(steps[1].think, 0);
}

#[test]
fn the_first_message_tells_who_asks_when_the_opening_was_not_captured() {
    let (asks, answers) = (Side::Server, Side::Client);
    for answer_first in [false, true] {
        let mut play = Play::new();
        if answer_first {
            let at = play.bytes(answers, OK.as_bytes());
            play.mark(answers, Mark::Response { status: 500, at });
            play.mark(answers, Mark::End { end: at + OK.len() as u64 });
        }
        for part in [&GET[..9], &GET[9..]] {
            play.bytes(asks, part.as_bytes());
        }
        play.mark(asks, Mark::Request { method: b"GET", target: b"/a", at: 0 });
        play.mark(asks, Mark::End { end: GET.len() as u64 });
        let at = play.bytes(answers, OK.as_bytes());
        play.mark(answers, Mark::Response { status: 203, at });
        play.mark(answers, Mark::End { end: at + OK.len() as u64 });
        // Another connection of the one who asks, which `Play` calls the server.
        play.connect(1, [10, 9, 9, 9]);
        play.request(GET);
        let workload = play.finish();
        let steps: Vec<_> = workload.sessions.iter().flat_map(|session| &session.steps).collect();
        let [first, second] = &steps[..] else { panic!("{:?}", workload.sessions) };
        assert_eq!(first.request.bytes, GET.as_bytes());
        let response = first.expect.as_ref().unwrap();
        assert_eq!((response.status, &response.bytes[..]), (203, OK.as_bytes()));
        assert!(second.expect.is_none());
        assert_eq!(workload.left_out.orphan_responses, u64::from(answer_first));
        assert_eq!(workload.left_out.incomplete_requests, 0);
        assert_eq!(workload.sessions.iter().map(|session| session.client).collect::<Vec<_>>(), [0, 0]);
    }
}

#[test]
fn hosts_are_those_of_requests_to_a_proxy_too() {
    let mut play = Play::new();
    for request in [
        GET,
        "GET http://me:word@Prod.Example:8080/a?to=http://not.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n",
        "GET http://[2001:DB8::7]/ HTTP/1.1\r\n\r\n",
        "CONNECT Tunnel.Example:443 HTTP/1.1\r\nHost: tunnel.example:443\r\n\r\n",
        "GET /go?to=http://not.example/ HTTP/1.1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
    ] {
        play.request(request);
    }
    let hosts = play.finish().hosts;
    let expected = ["2001:db8::7", "other.example", "prod.example", "shop.example", "tunnel.example"];
    assert_eq!(hosts.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_missing_is_counted_and_shifts_nothing() {
    let mut play = Play::new();
    // The answer to a request from before the capture.
    play.response(500, OK);
    // A request that a hole cuts off, answered all the same.
    let at = play.bytes(Side::Client, b"POST /cut HTTP/1.1\r\nContent-Length: 99\r\n\r\nab");
    play.mark(Side::Client, Mark::Request { method: b"POST", target: b"/cut", at });
    play.at[Side::Client as usize] += 97;
    play.response(202, OK);
    play.request(GET);
    play.response(203, OK);
    let workload = play.finish();
    let [step] = &workload.sessions[0].steps[..] else { panic!("{:?}", workload.sessions) };
    assert_eq!(step.expect.as_ref().unwrap().status, 203);
    assert_eq!((workload.left_out.incomplete_requests, workload.left_out.orphan_responses), (1, 1));
}

#[test]
fn a_flow_that_is_no_http_takes_no_memory_and_no_part() {
    let mut play = Play::new();
    for _ in 0..2000 {
        play.bytes(Side::Client, &[7; 1400]);
    }
    play.connect(1, [10, 0, 0, 2]);
    play.request(GET);
    assert_eq!(play.finish().sessions.len(), 1);
}

#[test]
fn clients_are_told_apart_by_address() {
    let mut play = Play::new();
    play.request(GET);
    play.connect(1, [10, 0, 0, 2]);
    play.request(GET);
    play.connect(2, [10, 0, 0, 1]);
    play.request(GET);
    let clients: Vec<u32> = play.finish().sessions.iter().map(|session| session.client).collect();
    assert_eq!(clients, [0, 1, 0]);
}

fn exchange<'a>(connection: u32, at_ms: u64, request: &'a str, response: &'a str) -> Exchange<'a> {
    Exchange { connection, at_ms, request: request.as_bytes(), response: response.as_bytes() }
}

/// The values that come from a response, as (request number, text).
fn edges(workload: &Workload) -> Vec<(usize, String)> {
    let steps = workload.sessions.iter().flat_map(|session| &session.steps).enumerate();
    steps
        .flat_map(|(n, step)| {
            step.edges
                .iter()
                .map(move |edge| (n, String::from_utf8(step.request.bytes[edge.at.clone()].to_vec()).unwrap()))
        })
        .collect()
}

fn answer(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn cookies_tokens_ids_and_form_tokens_are_found() {
    let login = answer(
        "Set-Cookie: sid=a1B2c3D4; Path=/\r\nContent-Type: application/json\r\n",
        r#"{"token":"eyX9-77_q","user_id":17}"#,
    );
    let page =
        answer("Content-Type: text/html\r\n", r#"<form><input type="hidden" name="csrf" value="f00d+4/bar=="></form>"#);
    let all = [
        exchange(0, 0, "POST /login HTTP/1.1\r\nHost: a\r\n\r\n", &login),
        exchange(
            0,
            10,
            "GET /users/17 HTTP/1.1\r\nCookie: x=1; sid=a1B2c3D4\r\nAuthorization: Bearer eyX9-77_q\r\n\r\n",
            &page,
        ),
        exchange(
            1,
            20,
            "POST /f HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 26\r\n\r\ncsrf=f00d%2B4%2Fbar%3D%3D",
            OK,
        ),
    ];
    let workload = workload(&all);
    let found = edges(&workload);
    assert_eq!(
        found,
        [(1, "17".into()), (1, "a1B2c3D4".into()), (1, "eyX9-77_q".into()), (2, "f00d%2B4%2Fbar%3D%3D".into())]
    );
    // A value went from one connection to the other: they are one session now.
    assert_eq!((workload.sessions.len(), workload.sessions[0].connections.len()), (1, 2));
}

#[test]
fn what_the_client_said_first_is_its_own() {
    let body = r#"{"email":"zoe@quill.test","status":"shipped","page":2,"total":40}"#;
    let echo = answer("Content-Type: application/json\r\nETag: \"abcdef12\"\r\n", body);
    let all = [
        exchange(0, 0, "GET /a?who=zoe%40quill.test HTTP/1.1\r\nAccept: application/json\r\n\r\n", &echo),
        exchange(
            0,
            10,
            "GET /b?mail=zoe%40quill.test&state=shipped&page=2&limit=40 HTTP/1.1\r\nAccept: application/json\r\nContent-Type: application/json\r\n\r\n",
            &echo,
        ),
    ];
    assert_eq!(edges(&workload(&all)), []);
}

#[test]
fn codes_of_letters_and_middling_numbers_go_between_fields_of_one_name() {
    let list = answer(
        "Content-Type: application/json\r\n",
        r#"{"openings":[{"slot":"kqwertzuio"}],"practitioner_id":481276,"wait":731,"title":"Anna Baker"}"#,
    );
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\n\r\n");
    let targets = ["/o?slot=kqwertzuio", "/o?state=kqwertzuio", "/o?practitioner=481276", "/o?wait=731", "/o?page=731"];
    let texts: Vec<String> = targets.map(ask).into();
    let mut all = vec![exchange(0, 0, "GET /openings HTTP/1.1\r\n\r\n", &list)];
    all.extend((1..).zip(&texts).map(|(n, text)| exchange(0, 10 * n, text, OK)));
    let found = edges(&workload(&all));
    assert_eq!(found, [(1, "kqwertzuio".into()), (3, "481276".into()), (4, "731".into())]);
}

/// The name was told, but not as a note: in the answer the note is what the client wrote.
#[test]
fn an_echo_of_words_that_were_told_elsewhere_is_no_source() {
    let who = answer("Content-Type: application/json\r\n", r#"{"title":"Marta"}"#);
    let echo = answer("Content-Type: application/json\r\n", r#"{"note":"Marta"}"#);
    let ask = "GET /b?note=Marta HTTP/1.1\r\n\r\n";
    let all = [exchange(0, 0, "GET /a HTTP/1.1\r\n\r\n", &who), exchange(0, 10, ask, &echo), exchange(0, 20, ask, OK)];
    assert_eq!(edges(&workload(&all)), []);
}

#[test]
fn short_numbers_need_a_likeness_of_names() {
    let list = answer("Content-Type: application/json\r\n", r#"{"user_id":1,"items":[{"id":1},{"id":2}],"count":2}"#);
    let all = [
        exchange(0, 0, "GET /products HTTP/1.1\r\n\r\n", &list),
        exchange(
            0,
            10,
            "POST /cart HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n{\"product_id\":2, \"quantity\": 2}",
            OK,
        ),
        exchange(0, 20, "GET /products/1 HTTP/1.1\r\n\r\n", OK),
        exchange(0, 30, "GET /years/1 HTTP/1.1\r\n\r\n", OK),
    ];
    let workload = workload(&all);
    let session = &workload.sessions[0];
    let sources: Vec<_> =
        session.steps.iter().flat_map(|step| &step.edges).map(|edge| &session.sources[edge.source as usize]).collect();
    let places: Vec<_> = sources.iter().map(|source| (&source.path[source.path.len() - 2..], source.ordinal)).collect();
    assert_eq!(edges(&workload), [(1, "2".to_owned()), (2, "1".to_owned())], "{sources:?}");
    assert_eq!(places, [("id", 1), ("id", 0)], "{sources:?}");
    assert!(sources.iter().all(|source| source.path.contains("items")), "{sources:?}");
}
