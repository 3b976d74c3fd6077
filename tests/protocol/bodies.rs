//! Bodies by their types: fields, parts of long values, windows of packed ones.

use super::{C, HTML, MULTIPART, S, Talk, XML, chunked, content, gzip};

/// The fields of a body of a type, without their common root.
fn body_fields(media: &str, body: &[u8]) -> Vec<String> {
    let seen = content(media, body).whole();
    let told = |root: &'static str| {
        let fields = seen.fields.iter().filter_map(move |field| field.strip_prefix(root));
        fields.map(str::to_string).collect::<Vec<_>>()
    };
    let (sent, received) = (told("http.request.body."), told("http.response.body."));
    assert_eq!(sent, received, "chunks change nothing");
    sent
}

#[test]
fn fields_of_contents() {
    assert_eq!(
        body_fields("text/html", HTML),
        [
            "html.html=by anna",
            "html.a.href.path=orders",
            "html.a.href.path=42",
            "html.a.href.query.x=1",
            "html.a=My &eacute;  order",
            "html.input.value=tok-1",
            r"html.script=let t = \'secret\';",
            "html.p.title=a > b",
            "html.p=1",
            "html.p=<",
            "html.p=2",
        ]
    );
    assert_eq!(body_fields("application/xml", XML), ["xml.o.id=anna", "xml.e-mail=a@b.example", "xml=x <y>"]);
    assert_eq!(
        body_fields("multipart/form-data; boundary=xyz", MULTIPART),
        [
            "multipart.user=anna",
            "multipart.header.content-disposition.filename=cv.json",
            "multipart.doc.json.a=b",
            "multipart.header.content-disposition.filename=x",
            "multipart=end",
        ]
    );
    let seen = content("multipart/form-data; boundary=xyz", MULTIPART).whole();
    assert_eq!(seen.fields.iter().filter(|field| *field == "http.request.header.content-type.boundary=xyz").count(), 5);
    assert_eq!(
        body_fields("text/csv", b"name,mail\r\n\"Baker, Anna\",a@b.example\r\nBob,c"),
        [
            "csv.name=name",
            "csv.mail=mail",
            "csv.name=Baker, Anna",
            "csv.mail=a@b.example",
            "csv.name=Bob",
            "csv.mail=c"
        ]
    );
    assert_eq!(
        body_fields("text/event-stream", b"event: order\ndata: {\"id\":42}\nid: 7\n\ndata: hi anna\nretry: 10\n"),
        ["events.data.id=42", "events.id=7", "events.data=hi anna"]
    );
    assert_eq!(
        body_fields("application/json", b"{\"a\":1}\n[2]\nnothing {\"b\":3}\n"),
        ["json.a=1", "json[]=2", r#"json=nothing {\"b\":3}"#]
    );
    assert_eq!(body_fields("image/png", b"\x89PNG\r\n\x1a\nrest of it").len(), 0);
    assert_eq!(body_fields("", b"  [1,\"a\"]"), ["json[]=1", "json[]=a"]);
}

/// Nothing is left for more than a value's length, however long it is.
#[test]
fn long_values_come_in_parts() {
    let long = "x".repeat(3 * standin::limits::VALUE_BYTES_MAX);
    for (media, body) in [
        ("application/json", format!("{{\"a\":\"{long}\",\"b\":\"c\"}}")),
        ("application/x-www-form-urlencoded", format!("a={long}&b=c")),
        ("text/plain", format!("{long}\nc")),
        ("text/html", format!("<p title='{long}'>{long}</p>")),
        ("text/csv", format!("a,b\n1,\"{long}\"\n")),
        ("text/event-stream", format!("data: {long}\n")),
        ("multipart/form-data; boundary=xyz", format!("--xyz\r\n\r\n{long}\r\n--xyz--\r\n")),
    ] {
        let seen = content(media, body.as_bytes()).hear(|| 1448);
        let masked: usize = seen.fields.iter().map(|field| field.matches('x').count()).sum();
        assert!(masked >= 2 * long.len(), "{media}");
    }
}

#[test]
fn long_values_are_parted_alike_however_they_arrive() {
    let long = "Anna & Bob \\u00e9 %41 <b> were here; ".repeat(6_000);
    let plain = long.replace(['\\', '%', '<', '&'], "_");
    for (media, body) in [
        ("application/json", format!("[1,{{\"a\":\"{long}\"}},\"{long}\",{}]", "7".repeat(100_000))),
        ("text/plain", format!("short\n{long}\nshort\n{long}")),
        ("application/x-www-form-urlencoded", format!("a=b&c={plain}&{plain}=d&e=f")),
        ("text/html", format!("<p>{plain}</p><p title=\"{plain}\">x</p><script>{long}</script><!-- {plain} -->")),
        ("text/csv", format!("a,b\n\"{plain}\",c\nd,e\n")),
        ("text/event-stream", format!("data: {plain}\ndata: {plain}\n\n")),
        (
            "multipart/form-data; boundary=xyz",
            format!("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{long}\r\n--xyz--\r\n"),
        ),
    ] {
        let head = format!("PUT / HTTP/1.1\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n", body.len());
        let talk = Talk::new(&[(C, &[head.as_bytes(), body.as_bytes()].concat())]);
        let whole = talk.whole();
        assert!(whole.fields.len() > 3, "{media}");
        for len in [1460, 9_000, 65_536, 70_001] {
            let parted = talk.hear(|| len);
            assert!(parted.fields == whole.fields, "{media} in segments of {len}");
            assert!(parted.story() == whole.story(), "{media} in segments of {len}");
        }
    }
}

#[test]
fn windows_hold_the_inflated_body() {
    let mut state = 1u64;
    let mut body = b"[".to_vec();
    for i in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        body.extend_from_slice(format!("{}{{\"id\":\"{:x}\"}}", if i == 0 { "" } else { "," }, state).as_bytes());
    }
    body.push(b']');
    let packed = gzip(&body);
    assert!(packed.len() > 3 * standin::limits::WINDOW_BYTES);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let plain = [&head[..], format!("Content-Length: {}\r\n\r\n", packed.len()).as_bytes(), &packed].concat();
    let chunks = [&head[..], b"Transfer-Encoding: chunked\r\n\r\n", &chunked(&packed, 1000)].concat();
    for response in [plain, chunks] {
        let mut seen = Talk::new(&[(S, &response)]).hear(|| 1448);
        assert!(seen.plain == body, "the plain bytes are the body");
        assert_eq!(seen.fields.len(), 20_000);
        assert!(seen.fields.pop().is_some_and(|field| field.starts_with("http.response.body.json[].id=")));
    }
}

#[test]
fn a_bomb_is_opaque() {
    let packed = gzip(&vec![b' '; 4 << 20]);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n";
    let seen = Talk::new(&[(S, &[&head[..], &packed].concat())]).whole();
    assert!(seen.story().iter().any(|(_, what)| what.contains("too large")));
    assert!(seen.plain.is_empty());
}
