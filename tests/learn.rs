//! `standin learn`: what is proposed, and what never is, whoever says it how often.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use standin::learn::{Learner, Proposal, openapi, write};
use standin::rules::Policy;
use tempfile::TempDir;

use crate::sanitize::wire::{From, Wire};

/// What a service hears and says.
struct Talk(Wire);

impl Talk {
    fn new() -> Talk {
        Talk(Wire::new())
    }

    /// A request on a connection of its own, and its answer.
    fn says(&mut self, client: [u8; 4], request: &str, response: &str) {
        self.0.addresses[0] = client;
        self.0.ports[0] = 10_000 + (self.0.ports[0] + 1) % 50_000;
        self.0.connect().say(From::Client, request).say(From::Server, response).close();
    }

    fn gets(&mut self, client: [u8; 4], target: &str, headers: &str) {
        self.says(client, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n"), OK);
    }

    fn posts(&mut self, client: [u8; 4], target: &str, headers: &str, json: &str, response: &str) {
        let head = format!("POST {target} HTTP/1.1\r\nHost: a\r\n{headers}Content-Type: application/json\r\n");
        self.says(client, &format!("{head}Content-Length: {}\r\n\r\n{json}", json.len()), response);
    }

    fn learned(&self, least: usize) -> Proposal {
        let mut learner = Learner::new(Arc::new(Policy::load(&[]).unwrap()));
        standin::dissect::run(Box::new(std::io::Cursor::new(self.0.file.clone())), &mut learner).unwrap();
        learner.finish(least)
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn json(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn people() -> impl Iterator<Item = (u8, [u8; 4])> {
    (1..=5).map(|n| (n, [10, 0, 0, n]))
}

/// Everything that would be kept.
fn kept(proposal: &Proposal) -> Vec<&str> {
    let choices = proposal.enumerations.iter().flat_map(|choice| &choice.words);
    proposal.words.iter().chain(choices).map(|word| word.text.as_str()).collect()
}

#[test]
fn what_many_clients_say_is_a_word_of_the_service() {
    let mut talk = Talk::new();
    for (_, client) in people() {
        talk.gets(client, "/gizmo-family/assembly-line?colour=teal-ish", "X-App: till-front\r\n");
        talk.posts(client, "/gizmo-family", "", r#"{"fit":"slim-cut","size":12}"#, &json(r#"{"fit":"slim-cut"}"#));
    }
    let proposal = talk.learned(5);
    assert_eq!((proposal.requests, proposal.clients), (10, 5));
    assert_eq!(kept(&proposal), ["assembly-line", "gizmo-family", "slim-cut", "12", "till-front", "teal-ish"]);
    let word = &proposal.words[1];
    assert_eq!((word.clients, word.occurrences), (5, 10));
    let fit = proposal.enumerations.iter().find(|choice| choice.name == "fit").unwrap();
    assert_eq!(fit.fields.iter().collect::<Vec<_>>(), ["http.request.body.json.fit", "http.response.body.json.fit"]);
    assert!(talk.learned(6).is_empty());
}

/// The service has the higher port, so the guess is wrong until a request tells.
#[test]
fn connections_whose_opening_was_not_captured_are_learned_from() {
    let mut talk = Talk::new();
    for (n, client) in people() {
        talk.0.addresses[0] = client;
        talk.0.ports = [1_000 + u16::from(n), 60_000];
        let request = "GET /gizmo-family HTTP/1.1\r\nHost: a\r\n\r\n";
        talk.0.say(From::Client, request).say(From::Server, json(r#"{"fit":"slim-cut"}"#)).close();
    }
    let proposal = talk.learned(5);
    assert_eq!((proposal.requests, proposal.clients), (5, 5));
    assert_eq!(kept(&proposal), ["gizmo-family"]);
}

#[test]
fn one_client_counts_once_however_often_it_says_something() {
    let mut talk = Talk::new();
    for n in 0..40 {
        // Anonymously, with a password, with tokens that it was given: always the same one.
        talk.gets([10, 0, 0, 1], "/hushhush", "");
        let token = format!("{{\"access_token\":\"kX93bfQ0zL{n:02}wPq71\"}}");
        talk.posts([10, 0, 0, 1], "/hushhush", "", r#"{"email":"zoe@quill.test","password":"x"}"#, &json(&token));
        talk.gets([10, 0, 0, n], "/hushhush", &format!("Authorization: Bearer kX93bfQ0zL{n:02}wPq71\r\n"));
    }
    for (_, client) in people().take(3) {
        talk.gets(client, "/hushhush", "X-Forwarded-For: 192.0.2.1\r\n");
    }
    let proposal = talk.learned(3);
    assert_eq!(kept(&proposal), [] as [&str; 0]);
    assert_eq!(kept(&talk.learned(2)), ["hushhush"]);
}

#[test]
fn clients_behind_one_address_are_told_apart() {
    let headers: [fn(u8) -> String; 4] = [
        |n| format!("Authorization: Bearer kX93bfQ0zL0{n}wPq71\r\n"),
        |n| format!("X-Forwarded-For: 198.51.100.{n}, 10.9.9.9\r\n"),
        |n| format!("Cookie: theme=dark; sessionid=kX93bfQ0zL0{n}\r\n"),
        |n| format!("Authorization: Basic {}\r\n", ["YTph", "Yjph", "Yzph", "ZDph", "ZTph"][usize::from(n) - 1]),
    ];
    for header in headers {
        let mut talk = Talk::new();
        people().for_each(|(n, _)| talk.gets([10, 0, 0, 77], "/gizmo-family", &header(n)));
        assert_eq!(kept(&talk.learned(5)), ["gizmo-family"], "{}", header(1));
    }
}

#[test]
fn nothing_about_anybody_is_proposed_though_all_say_it() {
    let mut talk = Talk::new();
    for (n, client) in people() {
        let all = r#"{"name":"gizmo","firstName":"gizmo","owner":"gizmo","city":"gizmo","password":"gizmo",
            "ref":"zoe@quill.test","note":"a whole sentence","card":"4111111111111111","who":"Quellwasser","town_hall":"berlin"}"#;
        talk.posts(client, "/users/gizmo", "X-User-Name: gizmo\r\n", all, OK);
        talk.gets(
            client,
            "/doctors/gizmo?q=miller&mail=zoe%40quill.test&n=181236&u=3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            "",
        );
        // An id that a response hands out is followed, not kept.
        talk.posts(client, "/gadgets", "", "{}", &json(r#"{"items":[{"id":"blue-gizmo"}]}"#));
        talk.gets(client, "/gadgets/blue-gizmo", &format!("X-Trace: trace-{n}\r\n"));
    }
    let proposal = talk.learned(5);
    assert_eq!(kept(&proposal), ["gadgets"], "{:?}", proposal.withheld);
    let text = write(&proposal, "a test", 5);
    for secret in ["gizmo", "zoe", "Quellwasser", "berlin", "miller", "181236", "sentence", "4111"] {
        assert!(!text.contains(secret), "{secret}:\n{text}");
    }
}

/// Popular ones of a large catalogue are not words, though they look like some.
#[test]
fn one_of_very_many_is_no_word() {
    let mut talk = Talk::new();
    for n in 0..300u32 {
        let slug: String = [n / 26, n % 26].iter().map(|d| char::from(b'a' + (*d % 26) as u8)).collect();
        talk.gets([10, 0, (n >> 8) as u8, n as u8], &format!("/gadgets/gizmo-{slug}"), "");
    }
    people().for_each(|(_, client)| talk.gets(client, "/gadgets/gizmo-aa", ""));
    assert_eq!(kept(&talk.learned(5)), ["gadgets"]);
}

const API: &str = r##"
openapi: 3.1.0
info: {title: Clinic, version: "2"}
servers: [{url: https://api.example.com/clinic-api/v2}]
paths:
  /gizmos/{gizmoId}/assemble:
    parameters:
      - {name: colour, in: query, schema: {type: string, enum: [teal-ish, orders]}}
      - {name: X-App, in: header, schema: {$ref: "#/components/schemas/App"}}
      - {name: "tag 2024", in: query, schema: {type: string}}
      - {name: gender, in: query, schema: {type: string, enum: [m-x, f-x]}}
    post:
      requestBody:
        content:
          application/json: {schema: {$ref: "#/components/schemas/Gizmo"}}
      responses:
        200: {description: ok, content: {application/json: {schema: {type: array, items: {$ref: "#/components/schemas/Gizmo"}}}}}
        404: {$ref: "other.yaml#/x"}
components:
  schemas:
    App: {type: string, enum: [till-front]}
    Gizmo:
      type: object
      properties:
        fit: {type: string, enum: [slim-cut]}
        parts: {type: array, items: {$ref: "#/components/schemas/Gizmo"}}
"##;

#[test]
fn a_description_gives_segments_choices_and_names() {
    let policy = Policy::load(&[]).unwrap();
    let mut proposal = Talk::new().learned(5);
    proposal.describe(openapi::read("api.yaml", API).unwrap(), &policy);
    let words: Vec<&str> = proposal.words.iter().map(|word| word.text.as_str()).collect();
    assert_eq!(words, ["assemble", "clinic-api", "gizmos"]);
    let choices: Vec<String> = proposal
        .enumerations
        .iter()
        .flat_map(|choice| choice.fields.iter().map(|field| format!("{field}={}", choice.words[0].text)))
        .collect();
    for expected in [
        "http.request.query.colour=teal-ish",
        "http.request.header.x-app=till-front",
        "http.request.body.json.fit=slim-cut",
        "http.response.body.json[].fit=slim-cut",
    ] {
        assert!(choices.iter().any(|choice| choice == expected), "{expected}: {choices:#?}");
    }
    assert!(proposal.names.contains("tag 2024") && proposal.notes.iter().any(|note| note.contains("not followed")));
    let text = write(&proposal, "a test", 5);
    assert!(!text.contains("m-x"), "{text}");
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, text).unwrap();
    let rules = Policy::load(&[path.display().to_string()]).unwrap();
    assert!(rules.is_vocabulary(b"assemble"));
    // The same in JSON.
    let json: serde_json::Value = serde_yaml::from_str(API).unwrap();
    assert_eq!(openapi::read("api.json", &json.to_string()).unwrap().words.len(), 4);
}

#[test]
fn what_is_no_description_is_refused() {
    for (text, said) in [
        ("swagger: '2.0'", "no OpenAPI description"),
        ("openapi: 2.0.0", "not OpenAPI 3"),
        ("openapi: [", "a.yaml:"),
        ("{\"openapi\": \"3.0.0\"", "a.yaml:"),
    ] {
        let error = openapi::read("a.yaml", text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    // Circles and deep references end.
    let circle = "openapi: 3.0.0\npaths: {/a: {get: {parameters: [{name: x, in: query, schema: {$ref: '#/s'}}]}}}\ns: {$ref: '#/s'}\n";
    assert!(openapi::read("a.yaml", circle).unwrap().choices.is_empty());
}

fn standin(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_standin")).args(arguments).output().unwrap()
}

/// The whole way: learned from the clinic's capture, checked, and masked with, requests reach their endpoints.
#[test]
fn learned_rules_pass_their_check_and_keep_endpoints() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let clinic = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/clinic.pcap").display().to_string();
    let learned = standin(&["learn", &clinic, "-o", &path("clinic.yaml")]);
    assert!(learned.status.success() && learned.stdout.is_empty(), "{}", String::from_utf8_lossy(&learned.stderr));
    assert!(standin(&["rules", "check", &path("clinic.yaml")]).status.success());
    assert!(
        standin(&["mask", &clinic, "-o", &path("safe.pcap"), "--rules", &path("clinic.yaml"), "-q"]).status.success()
    );
    let endpoints = |capture: &str| {
        let inspected = standin(&["replay", capture, "--allow-unmasked", "--target", "embedded", "--dry-run"]).stdout;
        let lines = String::from_utf8(inspected).unwrap();
        let mut paths: Vec<String> =
            lines.lines().filter_map(|line| Some(line.split([' ', '?']).nth(1)?.to_owned())).collect();
        paths.retain(|path| !path.bytes().any(|b| b.is_ascii_digit() && b != b'2'));
        paths.sort();
        paths.dedup();
        paths
    };
    let (before, after) = (endpoints(&clinic), endpoints(&path("safe.pcap")));
    for fixed in ["/v2/sessions/renew", "/v2/clinics", "/portal/signin", "/v2/patients/me/bookings"] {
        assert!(
            before.iter().any(|path| path == fixed) && after.iter().any(|path| path == fixed),
            "{fixed}: {after:?}"
        );
    }
    let audit = standin(&["audit", &clinic, &path("safe.pcap"), "--rules", &path("clinic.yaml")]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    // A wrong description is told before anything is read.
    std::fs::write(path("api.yaml"), "swagger: '2.0'").unwrap();
    let wrong = standin(&["learn", "/nowhere.pcap", "-o", &path("x.yaml"), "--openapi", &path("api.yaml")]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(!Path::new(&path("x.yaml")).exists());
}
