//! Other programs' files: what is written is read again, what others wrote is understood, and hostile ones end in an error.

use std::io::{Cursor, Write};

use proptest::prelude::*;
use standin::workload::formats::{self, Format, FormatError, Keeps, Manner, Opened};
use standin::workload::{Connection, Request, Response, Session, Step, Workload, correlate};

fn format(id: &str) -> &'static Format {
    formats::find(id).unwrap()
}

fn written(format: &Format, workload: &Workload) -> (Vec<u8>, u64) {
    let mut file = Vec::new();
    let written = format.write.unwrap()(workload, &Manner::default(), &mut file).unwrap();
    assert_eq!(written.requests + written.left_out, workload.requests() as u64);
    (file, written.left_out)
}

fn read(id: &str, file: &[u8]) -> Result<Workload, FormatError> {
    formats::read(format(id), Box::new(Cursor::new(file.to_vec())))
}

/// The format that a file is taken for.
fn taken_for(file: &[u8]) -> Option<&'static str> {
    match formats::open(Box::new(Cursor::new(file.to_vec()))).unwrap() {
        Opened::Format(format, _) => Some(format.id),
        Opened::Other(_) => None,
    }
}

/// A request in its odd or even form; an answer as a file tells it: framed by its length, said last.
fn request(n: u8, host: bool, body: &[u8], odd: u8) -> Request {
    let host = if host { "Host: shop.example\r\n" } else { "" };
    let head = match odd {
        0 => format!("GET /a/{n}?x=%20{n}&y HTTP/1.1\r\n{host}Accept: */*\r\n"),
        1 => format!("get   /{n} HTTP/1.0\r\n{host}X-Odd:   two  spaces \r\nx-odd:again\r\n"),
        2 => format!("POST http://proxy.example/{n}#f HTTP/1.1\r\nx-a: \u{e9}\r\n{host}"),
        3 => "OPTIONS * HTTP/1.1\r\nHOST: [::1]:8080\r\n".to_owned(),
        _ => format!("PUT /{n} HTTP/1.1\r\n{host}Cookie: a=b; c=d\r\n"),
    };
    let mut bytes = head.into_bytes();
    match (odd, body.is_empty()) {
        (0 | 3, _) => bytes.extend(b"\r\n"),
        (2, _) => {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in body.chunks(7) {
                bytes.extend([format!("{:X};q\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
            }
            bytes.extend(b"0\r\n\r\n");
        }
        _ => bytes.extend([format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()),
    }
    Request::new(bytes).unwrap()
}

fn answer(at: u64, status: u16, waits: u64, lasts: u64, body: &[u8]) -> Response {
    let head = format!("HTTP/1.1 {status} So it is\r\nSet-Cookie: s={at}\r\nContent-Length: {}\r\n\r\n", body.len());
    Response {
        status,
        first_byte: at + waits,
        last_byte: at + waits + lasts,
        bytes: [head.as_bytes(), body].concat(),
        grpc: None,
        facts: None,
    }
}

/// Steps of a connection: (gap before, odd form, body, status, wait, duration); no status, no answer.
type Exchanges = Vec<(u64, u8, Vec<u8>, Option<u16>, u64, u64)>;

/// Connections of a few clients, in the order that reading gives them.
fn workload(connections: Vec<(u32, u64, Exchanges)>) -> Workload {
    let mut sessions: Vec<Session> = Vec::new();
    for (n, (client, opened, exchanges)) in (0_u64..).zip(connections) {
        let mut at = opened;
        let mut session = Session {
            client,
            connections: vec![Connection { opened, closed: None, http2: false }],
            ..Session::default()
        };
        for (gap, odd, body, status, waits, lasts) in exchanges {
            // No two at the same instant: which of them is first is nobody's business.
            at = (at + gap) / 16 * 16 + 16 + n;
            let expect = status.map(|status| answer(at, status, waits, lasts, &body));
            let request = request(n as u8, odd != 4, &body, odd);
            session.steps.push(Step { connection: 0, at, after: None, think: 0, request, expect, edges: vec![] });
        }
        sessions.push(session);
    }
    sessions.retain(|session| !session.steps.is_empty());
    sessions.sort_by_key(|session| session.steps[0].at);
    let mut known = Vec::new();
    for session in &mut sessions {
        let number = known.iter().position(|client| *client == session.client).unwrap_or_else(|| {
            known.push(session.client);
            known.len() - 1
        });
        session.client = number as u32;
    }
    Workload { sessions, started_ns: 1_790_000_000_123_456_789, ..Workload::default() }
}

fn workloads() -> impl Strategy<Value = Workload> {
    let body = prop_oneof![
        Just(vec![]),
        prop::collection::vec(any::<u8>(), 1..40),
        "[a-zé\"\\\\]{1,20}".prop_map(String::into_bytes)
    ];
    let status = prop::option::of(prop::sample::select(vec![200_u16, 201, 304, 404, 503]));
    let exchange = (0_u64..5_000_000_000, 0_u8..5, body, status, 0_u64..2_000_000_000, 0_u64..3_000_000_000);
    let connection = (0_u32..3, 0_u64..1_000_000_000, prop::collection::vec(exchange, 0..5));
    prop::collection::vec(connection, 0..6).prop_map(workload)
}

/// What a workload says, of what a format keeps: times by the wall clock.
fn said(workload: &Workload, keeps: Keeps) -> Vec<String> {
    let wall = |at: u64| workload.started_ns + i128::from(at);
    let step = |step: &Step| {
        let answer = step.expect.as_ref().filter(|answer| !keeps.answers || !answer.bytes.is_empty());
        let told = answer.map(|answer| (answer.status, wall(answer.first_byte), wall(answer.last_byte), &answer.bytes));
        format!("{} {:?} {told:?}", wall(step.at), String::from_utf8_lossy(&step.request.bytes))
    };
    let session = |session: &Session| {
        let opened = session.connections.iter().map(|connection| wall(connection.opened));
        let opened: Vec<_> = opened.filter(|_| keeps.opened).collect();
        format!("{} {opened:?} {:#?}", session.client, session.steps.iter().map(step).collect::<Vec<_>>())
    };
    workload.sessions.iter().map(session).collect()
}

/// Headers by name, each with its values.
type Headers = Vec<(String, Vec<String>)>;

/// Method, path, host, other headers by name, body: what a request means.
fn meant(request: &Request) -> (String, String, Headers, Vec<u8>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let end = request.bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = text(&request.bytes[..end]);
    let mut headers = Headers::new();
    for line in head.split("\r\n").skip(1) {
        let (name, value) = line.split_once(':').unwrap();
        if name != "Content-Length" && name != "Transfer-Encoding" {
            match headers.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) => values.push(value.trim().into()),
                None => headers.push((name.into(), vec![value.trim().into()])),
            }
        }
    }
    headers.sort();
    let mut body = request.bytes[end + 4..].to_vec();
    if head.contains("chunked") {
        let (mut rest, mut plain) = (&body[..], Vec::new());
        while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(text(&rest[..line]).split(';').next().unwrap(), 16).unwrap();
            plain.extend(&rest[line + 2..line + 2 + size]);
            rest = &rest[line + 4 + size..];
        }
        body = plain;
    }
    let target = text(request.target()).trim().to_owned();
    let path = target.strip_prefix("http://proxy.example").unwrap_or(&target).split('#').next().unwrap().to_owned();
    (text(request.method()), path, headers, body)
}

proptest! {
    #[test]
    fn har_and_gor_give_back_what_was_written(workload in workloads()) {
        for id in ["har", "gor"] {
            let (file, left_out) = written(format(id), &workload);
            prop_assert_eq!(left_out, 0);
            if workload.requests() > 0 {
                prop_assert_eq!(taken_for(&file), Some(id));
            }
            let again = read(id, &file).unwrap();
            let keeps = format(id).keeps;
            prop_assert_eq!(said(&again, keeps), said(&workload, keeps));
            prop_assert_eq!(again.left_out, Default::default());
        }
    }

    #[test]
    fn vegeta_gives_back_what_requests_mean(workload in workloads()) {
        let (file, left_out) = written(format("vegeta"), &workload);
        let mut again = read("vegeta", &file).unwrap();
        prop_assert!(again.untimed);
        let means = |workload: &Workload| {
            let steps = workload.sessions.iter().flat_map(|session| &session.steps);
            let mut means: Vec<_> = steps.map(|step| meant(&step.request)).collect();
            means.iter_mut().for_each(|(.., headers, _)| headers.retain(|(name, _)| name != "Host"));
            means.sort();
            means
        };
        // A URL cannot say `OPTIONS *`.
        let whole = means(&workload);
        let sayable: Vec<_> = whole.iter().filter(|(_, path, ..)| path != "*").cloned().collect();
        prop_assert_eq!(left_out as usize, whole.len() - sayable.len());
        prop_assert_eq!(means(&again), sayable);
        if !again.sessions.is_empty() {
            prop_assert_eq!(taken_for(&file), Some("vegeta"));
        }
        correlate(&mut again);
        for session in &again.sessions {
            let after: Vec<Option<u32>> = session.steps.iter().map(|step| step.after).collect();
            let before: Vec<Option<u32>> = (0..after.len() as u32).map(|n| n.checked_sub(1)).collect();
            prop_assert_eq!(after, before);
        }
    }

    /// Whatever is damaged, reading ends with a workload or an error that tells no value.
    #[test]
    fn damaged_files_do_no_harm(
        workload in workloads(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        id in prop::sample::select(vec!["har", "gor", "vegeta"]),
    ) {
        let (mut file, _) = written(format(id), &workload);
        for (at, byte) in damage {
            if !file.is_empty() {
                let at = at.index(file.len());
                file[at] = byte;
            }
        }
        file.truncate(cut.index(file.len() + 1));
        for reader in ["har", "gor", "vegeta", "access-log"] {
            if let Err(error) = read(reader, &file) {
                let said = error.to_string();
                prop_assert!(said.starts_with("line ") && !said.contains("shop.example"), "{}", said);
            }
        }
        let _ = taken_for(&file);
    }
}

#[test]
fn formats_are_found_by_name_and_ending_and_can_do_something() {
    for format in formats::ALL {
        assert_eq!(formats::find(format.id).unwrap().id, format.id);
        assert!(format.endings.iter().all(|ending| formats::find(ending).unwrap().id == format.id));
        assert!(
            !format.endings.is_empty() && (format.read.is_some() || format.write.is_some()) && !format.about.is_empty()
        );
        // The page about them tells what each one keeps.
        assert!(
            include_str!("../replay-profiles/FORMATS.md").contains(&row(format)),
            "FORMATS.md lacks\n{}",
            row(format)
        );
    }
}

/// The row of a format in the table of `FORMATS.md`.
fn row(format: &Format) -> String {
    let yes = |kept: bool| if kept { "yes" } else { "–" };
    let k = format.keeps;
    let cells = [k.bytes, k.times, k.connections, k.opened, k.status, k.answers].map(yes);
    let endings: Vec<String> = format.endings.iter().map(|ending| format!("`.{ending}`")).collect();
    let ways = match (&format.read, format.write) {
        (Some(_), Some(_)) => "in, out",
        (Some(_), None) => "in",
        _ => "out",
    };
    format!("| `{}` | {} | {ways} | {} |", format.id, endings.join(" "), cells.join(" | "))
}

#[test]
fn a_compressed_file_is_known_too() {
    let (file, _) = written(format("har"), &workload(vec![(0, 0, vec![(0, 0, vec![], Some(200), 1, 1)])]));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&file).unwrap();
    for packed in [packed.finish().unwrap(), zstd::encode_all(&*file, 1).unwrap()] {
        let Opened::Format(format, input) = formats::open(Box::new(Cursor::new(packed))).unwrap() else { panic!() };
        assert_eq!(formats::read(format, input).unwrap().requests(), 1);
    }
    for other in [&b"\xd4\xc3\xb2\xa1"[..], b"", b"{}", b"[1]", b"<html>", b"1 2 3", b"{\"method\":7}"] {
        assert_eq!(taken_for(other), None, "{other:?}");
    }
}

/// As a browser writes it: HTTP/2, a data URL, the cache, cookies, a form told as parameters, a body in base64.
const BROWSER: &str = r#"{"log":{"version":"1.2","creator":{"name":"WebInspector","version":"537.36"},"pages":[{"id":"page_1"}],"entries":[
{"_initiator":{"type":"other"},"connection":"443","pageref":"page_1","request":{"method":"GET","url":"https://shop.example/a?b=c#d","httpVersion":"h2",
 "headers":[{"name":":authority","value":"shop.example"},{"name":":path","value":"/a?b=c"},{"name":"accept-encoding","value":"br"}],"queryString":[],"cookies":[],"headersSize":-1,"bodySize":0},
 "response":{"status":200,"statusText":"","httpVersion":"h2","headers":[{"name":"set-cookie","value":"a=1\nb=2"},{"name":"content-encoding","value":"br"}],"cookies":[],
 "content":{"size":5,"mimeType":"text/plain","text":"aGVsbG8=","encoding":"base64"},"redirectURL":"","headersSize":-1,"bodySize":-1},
 "cache":{},"serverIPAddress":"10.0.0.1","startedDateTime":"2026-01-02T03:04:05.500Z","time":120.5,"timings":{"blocked":1,"send":0,"wait":100,"receive":20.5}},
{"connection":"443","request":{"method":"POST","url":"https://shop.example/form","httpVersion":"h2","headers":[{"name":"content-length","value":"999"}],
 "postData":{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"q","value":"a b"},{"name":"r","value":"%C3%A9"}]}},
 "response":{"status":0},"startedDateTime":"2026-01-02T03:04:05.550+00:00","time":null},
{"_fromCache":"memory","request":{"method":"GET","url":"https://shop.example/logo"},"startedDateTime":"2026-01-02T03:04:05.6Z"},
{"request":{"method":"GET","url":"data:text/plain,x"},"startedDateTime":"2026-01-02T03:04:05.6Z"},
{"request":{"method":"GET","url":"wss://shop.example/live"},"startedDateTime":"2026-01-02T03:04:05.6Z"},
{"request":{"method":"GET /smuggled","url":"https://shop.example/x"},"startedDateTime":"2026-01-02T03:04:05.6Z"},
{"request":{"method":"GET","url":"https://shop.example/x","headers":[{"name":"X","value":"1\r\nHost: evil"}]},"startedDateTime":"2026-01-02T03:04:05.6Z"}
]}}"#;

#[test]
fn a_browser_s_file_is_understood() {
    assert_eq!(taken_for(BROWSER.as_bytes()), Some("har"));
    let workload = read("har", format!("\u{feff}{BROWSER}").as_bytes()).unwrap();
    let texts: Vec<String> = workload
        .sessions
        .iter()
        .flat_map(|session| &session.steps)
        .map(|step| String::from_utf8(step.request.bytes.clone()).unwrap())
        .collect();
    assert_eq!(
        texts,
        [
            "GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\naccept-encoding: br\r\n\r\n",
            "POST /form HTTP/1.1\r\nHost: shop.example\r\ncontent-length: 14\r\n\r\nq=a+b&r=%C3%A9",
        ]
    );
    assert_eq!(workload.left_out.unreadable, 2);
    // They overlap, so they have connections of their own; both are the browser's.
    assert!(workload.sessions.len() == 2 && workload.sessions.iter().all(|session| session.client == 0));
    let answer = workload.sessions[0].steps[0].expect.as_ref().unwrap();
    assert_eq!((answer.status, answer.first_byte, answer.last_byte), (200, 100_000_000, 120_500_000));
    let text = String::from_utf8_lossy(&answer.bytes);
    assert_eq!(text, "HTTP/1.1 200 \r\nset-cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 5\r\n\r\nhello");
    assert!(workload.sessions[1].steps[0].expect.is_none());
    assert_eq!(workload.hosts.into_iter().collect::<Vec<_>>(), ["shop.example"]);
}

#[test]
fn goreplay_s_file_is_understood() {
    let old = "f45590522cd1838b4a0d5c5aab80b77929dea3b3";
    let file = format!(
        "1 a2c40050c0a80001aaaaaaaa 1790000000000000500 0\nGET /1 HTTP/1.1\r\n\r\n\n🐵🙈🙉\n\
         2 a2c40050c0a80001aaaaaaaa 1790000000000001000 250\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\n🐵🙈🙉\n\
         3 a2c40050c0a80001aaaaaaaa 1790000000000002000 9\nHTTP/1.1 500 No\r\n\r\n\n🐵🙈🙉\n\
         1 a2c40050c0a80001bbbbbbbb 1790000000000003000 0\nPOST /2 HTTP/1.1\r\nContent-Length: 9\r\n\r\ncut\n🐵🙈🙉\n\
         1 a2c50050c0a80001bbbbbbbb 1790000000000000000 0\nGET /3 HTTP/1.1\r\n\r\n\n🐵🙈🙉\n\
         2 {old} 1790000000000001000 250\nHTTP/1.1 200 OK\r\n\r\n\n🐵🙈🙉\n\
         1 {old} 1790000000000005000\nGET /4 HTTP/1.1\r\nHost: h\r\n\r\n\n🐵🙈🙉\n\
         2 {old} 1500 1500\nHTTP/1.1 404 No\r\n\r\n"
    );
    assert_eq!(taken_for(file.as_bytes()), Some("gor"));
    let workload = read("gor", file.as_bytes()).unwrap();
    let steps =
        workload.sessions.iter().flat_map(|session| session.steps.iter().map(move |step| (session.client, step)));
    let told: Vec<_> = steps
        .map(|(client, step)| {
            let answer = step.expect.as_ref().map(|answer| (answer.status, answer.first_byte, answer.last_byte));
            (client, String::from_utf8_lossy(step.request.target()).into_owned(), step.at, answer)
        })
        .collect();
    assert_eq!(
        told,
        [
            (0, "/3".into(), 0, None),
            (0, "/1".into(), 500, Some((200, 1000, 1250))),
            (1, "/4".into(), 5000, Some((404, 6500, 8000)))
        ]
    );
    assert_eq!((workload.left_out.incomplete_requests, workload.left_out.orphan_responses), (1, 1));
}

#[test]
fn what_a_format_cannot_hold_is_counted() {
    let monkeys = "a\n🐵🙈🙉\nb".as_bytes().to_vec();
    let workload = workload(vec![(0, 0, vec![(0, 4, monkeys, None, 0, 0), (0, 0, vec![], None, 0, 0)])]);
    assert_eq!(written(format("gor"), &workload).1, 1);
    assert_eq!(written(format("har"), &workload).1, 0);
}

#[test]
fn errors_tell_lines_and_no_values() {
    let error = |id: &str, file: &str| read(id, file.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        error("vegeta", "{\"method\":\"GET\",\"url\":\"http://h/\"}\n\n{\"method\":5}\n"),
        "line 3: no vegeta target"
    );
    assert_eq!(error("vegeta", "{\"method\":\"GET\",\"url\":\"h\"}"), "line 1: the URL is none of http or https");
    assert_eq!(
        error("vegeta", "{\"method\":\"GET\",\"url\":\"http://h\",\"body\":\"%\"}"),
        "line 1: the body is no base64"
    );
    assert!(error("har", "{\"log\":{\"entries\":[\n\n{\"secret\":").starts_with("line 3: the JSON breaks off"));
    assert_eq!(error("har", "{\"log\":\n\"secret\"}"), "line 2: not what stands here in a HAR file");
    assert_eq!(error("har", "{\"log\":{}}\nsecret"), "line 2: no valid JSON");
    let gor = "1 aa 5 0\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\nsecret\n🐵🙈🙉\n";
    assert_eq!(error("gor", gor), "line 6: not the first line of a GoReplay record");
    let deep = format!("{{\"log\":{{\"entries\":[{}", "[".repeat(100_000));
    assert!(error("har", &deep).starts_with("line 1: "));
}

#[test]
fn one_record_is_not_the_whole_memory() {
    let endless = |text: &'static [u8]| Box::new(text.chain(std::io::repeat(b'a')));
    use std::io::Read;
    for (id, begins) in [
        ("vegeta", &b"{\"method\":\"GET\",\"url\":\"http://h/"[..]),
        ("har", b"{\"log\":{\"entries\":[{\"x\":\""),
        ("gor", b"1 aa 5 0\n"),
        ("access-log", b"10.0.0.1 - - ["),
    ] {
        let error = formats::read(format(id), endless(begins)).unwrap_err();
        assert!(matches!(error, FormatError::RecordTooLong { line: 1 | 2 }), "{id}: {error}");
    }
}

#[test]
fn a_script_holds_the_sessions_as_data() {
    let workload = workload(vec![
        (0, 0, vec![(0, 4, b"</script>\xff".to_vec(), Some(404), 1, 1), (2_000_000, 3, vec![], None, 0, 0)]),
        (1, 9, vec![(7_000_000, 1, b"'`${x}\\".to_vec(), Some(200), 1, 1)]),
    ]);
    let mut script = Vec::new();
    let manner = Manner { base: Some("http://127.0.0.1:1/it's".into()), comment: "two\nlines".into() };
    let written = format("k6").write.unwrap()(&workload, &manner, &mut script).unwrap();
    assert_eq!((written.requests, written.left_out), (2, 1));
    let script = String::from_utf8(script).unwrap();
    assert!(script.lines().next().unwrap().ends_with("two lines") && script.contains(r"'http://127.0.0.1:1/it\'s'"));
    let data = script.split("const sessions = ").nth(1).unwrap().split("];").next().unwrap();
    let data: serde_json::Value =
        serde_json::from_str(&(data.trim_end().trim_end_matches(',').to_owned() + "]")).unwrap();
    assert_eq!(data[0][0][1], "PUT");
    assert_eq!(data[0][0][4], "PC9zY3JpcHQ+/w==");
    assert_eq!(data[1][0][3]["X-Odd"], "two  spaces");
    assert_eq!((&data[0][0][5], &data[1][0][5]), (&404.into(), &200.into()));
}
