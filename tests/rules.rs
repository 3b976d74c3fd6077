//! Rules: errors word for word, precedence, the packs, the documented examples, the schema, the vocabulary.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use standin::rules::{self, Action, Addresses, Decider, PACKS, Payload, Policy, Values};
use tempfile::TempDir;

/// Rules files in a folder of their own.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn load(&self, names: &[&str]) -> Result<Policy, String> {
        let names: Vec<String> = names.iter().map(|name| self.path(name)).collect();
        Policy::load(&names).map_err(|error| error.to_string().replace(&self.path(""), ""))
    }

    fn path(&self, name: &str) -> String {
        if PACKS.iter().any(|pack| pack.name == name) {
            name.to_owned()
        } else {
            self.0.path().join(name).display().to_string()
        }
    }
}

fn policy(yaml: &str) -> Policy {
    Files::new(&[("a.yaml", yaml)]).load(&["a.yaml"]).unwrap()
}

fn error(yaml: &str) -> String {
    Files::new(&[("a.yaml", yaml)]).load(&["a.yaml"]).unwrap_err()
}

/// The rule and action for a whole value.
fn ruling(policy: &Policy, path: &str, text: &str) -> Option<(String, Action)> {
    part(policy, path, text, None)
}

fn part(policy: &Policy, path: &str, text: &str, kind: Option<&str>) -> Option<(String, Action)> {
    let name = path.rsplit('.').next().unwrap().trim_end_matches("[]");
    let ruling = policy.decide(path, name).ruling(policy, text.as_bytes(), kind)?;
    Some((policy.rules()[usize::from(ruling.rule.0)].id.clone(), ruling.action))
}

fn is(id: &str, action: Action) -> Option<(String, Action)> {
    Some((id.to_owned(), action))
}

#[test]
fn errors_say_where_what_and_what_next() {
    let cases = [
        ("version: 2\n", "a.yaml:1:10: version: version 2 is not known; this standin reads version 1"),
        ("rules: []\n", "a.yaml:1:1: missing field `version`"),
        ("# nothing\n", "a.yaml:2:1: missing field `version`"),
        ("version: 1\nrulse: []\n", "a.yaml:2:1: rulse: unknown field `rulse`\nhint: did you mean `rules`?"),
        (
            "version: 1\naddresses: pseudonyms\n",
            "a.yaml:2:12: addresses: unknown variant `pseudonyms`\nhint: did you mean `pseudonym`?",
        ),
        ("version: 1\nvalues: blank\npayload: keep\nvalues: blank\n", "a.yaml:4:1: values: `values` stands twice"),
        (
            "version: 1\nrules:\n  - id: a\n    fields: [x]\n    method: keep\n    fields: [y]\n",
            "a.yaml:6:5: rules[0].fields: `fields` stands twice",
        ),
        (
            "version: 1\nrules:\n  - id: a\n    detect:\n      - email\n      - crad\n    method: blank\n",
            "a.yaml:6:9: rules[0].detect[1]: unknown detector `crad`\nhint: did you mean `card`?",
        ),
        (
            "version: 1\ndetectors: {disable: [phon]}\n",
            "a.yaml:2:23: detectors.disable[0]: unknown detector `phon`\nhint: did you mean `phone`?",
        ),
        (
            "version: 1\nrules:\n  - id: a\n    fields: [x]\n    method: pseudonim\n",
            "a.yaml:5:13: rules[0].method: unknown method `pseudonim`\nhint: did you mean `pseudonym`?",
        ),
        (
            "version: 1\npatterns:\n  - id: employee\n    why: badge\n    regex: 'E[0-9'\n",
            "a.yaml:5:12: patterns[0].regex: bad regex: unclosed character class",
        ),
        (
            "version: 1\npatterns:\n  - id: employee\n    regex: 'E*'\n",
            "a.yaml:4:12: patterns[0].regex: the regex matches the empty text\nhint: a pattern must find at least one byte: use `+` for `*`",
        ),
        (
            "version: 1\nrules:\n  - id: a\n    matches: '(((\\w{99}){99}){99})'\n    method: keep\n",
            "a.yaml:4:14: rules[0].matches: the regex needs more than 1048576 bytes",
        ),
        (
            "version: 1\nrules:\n  - id: a\n    fields: [x, a..b]\n    method: keep\n",
            "a.yaml:4:17: rules[0].fields[1]: `a..b` has an empty level",
        ),
        (
            "version: 1\nrules:\n  - {id: a, method: keep}\n",
            "a.yaml:3:5: rules[0]: the rule is about everything\nhint: give it `fields`, `detect`, `matches` or `equals`",
        ),
        (
            "version: 1\nrules:\n  - {id: a, fields: [x], method: keep}\n  - {id: a, fields: [y], method: keep}\n",
            "a.yaml:4:10: rules[1].id: rule `a` stands twice\nhint: give it another id",
        ),
        (
            "version: 1\nrules:\n  - {id: a, matches: x, equals: [y], method: keep}\n",
            "a.yaml:3:5: rules[0]: `detect`, `matches` and `equals` exclude each other\nhint: make several rules of it",
        ),
        ("version: 1\nvocabulary: [ok, '']\n", "a.yaml:2:18: vocabulary[1]: a word has 1 to 64 bytes"),
        ("version: 1\nextends: a.yaml\n", "a.yaml:2:10: extends: this file extends itself, over others or directly"),
        ("version: 1\nrules: {}\n", "a.yaml:2:8: rules: invalid type: map\nhint: expected a sequence"),
    ];
    for (yaml, expected) in cases {
        assert_eq!(error(yaml), expected, "\n{yaml}");
    }
}

#[test]
fn too_large_and_exploding_files_are_refused() {
    let large = format!("version: 1\n# {}\n", "x".repeat(1 << 20));
    assert!(error(&large).contains("bytes are more than a file of this kind may have"), "{}", error(&large));
    let mut bomb = String::from("version: 1\nvocabulary:\n  - &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let prior = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("  - &a{level} [{prior}]\n"));
    }
    assert!(error(&bomb).contains("aliases (`*name`) expand to far more than the file holds"), "{}", error(&bomb));
}

#[test]
fn a_missing_file_names_the_packs() {
    let error = Policy::load(&["headers-onyl".to_owned()]).unwrap_err().to_string();
    assert!(error.starts_with("rules headers-onyl: "), "{error}");
    assert!(error.ends_with("hint: did you mean `headers-only`?"), "{error}");
}

#[test]
fn the_first_rule_that_applies_decides() {
    let policy = policy(
        "version: 1\nrules:
  - {id: digits, fields: ['**.code'], matches: '[0-9]+', method: keep}
  - {id: codes, fields: ['**.code'], method: blank}
  - {id: never, fields: ['**.code'], method: token}
  - {id: mails, detect: [email], method: email}
  - {id: words, fields: ['a.*'], equals: [x, y], method: keep}\n",
    );
    assert_eq!(ruling(&policy, "a.code", "123"), is("digits", Action::Keep));
    assert_eq!(ruling(&policy, "a.code", "123x"), is("codes", Action::Blank));
    assert_eq!(ruling(&policy, "a.code", "1\n"), is("codes", Action::Blank), "a match is of the whole value");
    assert_eq!(ruling(&policy, "a.b", "x"), is("words", Action::Keep));
    assert_eq!(ruling(&policy, "a.b", "z"), None);
    assert_eq!(part(&policy, "a.b", "q@example.org", Some("email")), is("mails", Action::Method("email")));
    assert_eq!(part(&policy, "a.b", "q@example.org", Some("host")), None);
    assert_eq!(part(&policy, "a.code", "q@example.org", Some("email")), is("codes", Action::Blank));
    assert!(policy.decide("a.code", "code").unconditional(&policy).is_none());
    assert!(policy.decide("b", "b").rules().len() == 1, "only `mails` is about every field");
}

#[test]
fn later_files_override_earlier_ones_and_what_they_extend() {
    let files = Files::new(&[
        (
            "base.yaml",
            "version: 1\naddresses: keep\npayload: blank\nrules:\n  - {id: one, fields: [x], method: blank}\n  - {id: two, fields: [y], method: blank}\n",
        ),
        (
            "mid.yaml",
            "version: 1\nextends: base.yaml\npayload: dissect\nrules:\n  - {id: three, fields: [x], method: keep}\n",
        ),
        ("top.yaml", "version: 1\nvalues: blank\nrules:\n  - {id: two, fields: [y], method: token}\n"),
    ]);
    let policy = files.load(&["mid.yaml", "top.yaml"]).unwrap();
    assert_eq!((policy.addresses, policy.payload, policy.values), (Addresses::Keep, Payload::Dissect, Values::Blank));
    let ids: Vec<&str> = policy.rules().iter().map(|rule| &*rule.id).collect();
    assert_eq!(ids, ["two", "three", "one"]);
    assert_eq!(ruling(&policy, "x", ""), is("three", Action::Keep));
    assert_eq!(ruling(&policy, "y", ""), is("two", Action::Token));
    let alone = files.load(&["top.yaml"]).unwrap();
    assert_eq!((alone.addresses, alone.payload), (Addresses::Pseudonym, Payload::Dissect));
    assert!(ruling(&alone, "http.request.query.page", "1").is_none(), "a file without `extends` stands alone");
}

#[test]
fn a_pattern_is_a_kind_like_a_detector() {
    let policy = policy(
        "version: 1\npatterns:
  - {id: employee, regex: 'E[0-9]{6}', method: token}
  - {id: quiet, regex: 'Q[0-9]+'}
rules:
  - {id: kept, fields: [badge], detect: [employee], method: keep}\n",
    );
    assert_eq!(part(&policy, "note", "E123456", Some("employee")), is("pattern:employee", Action::Token));
    assert_eq!(part(&policy, "badge", "E123456", Some("employee")), is("kept", Action::Keep));
    assert_eq!(part(&policy, "note", "Q1", Some("quiet")), None);
    assert_eq!(policy.patterns.len(), 2);
    assert!(policy.patterns[0].regex.is_match(b"badge E123456."));
}

#[test]
fn the_packs_are_what_they_say() {
    let load = |name: &str| Policy::load(&[name.to_owned()]).unwrap();
    let settings = |policy: &Policy| (policy.addresses, policy.payload, policy.values);
    assert_eq!(settings(&load("default")), (Addresses::Pseudonym, Payload::Dissect, Values::Pseudonym));
    assert_eq!(settings(&load("blank")), (Addresses::Blank, Payload::Dissect, Values::Blank));
    assert_eq!((load("headers-only").addresses, load("headers-only").payload), (Addresses::Pseudonym, Payload::Blank));
    assert_eq!(
        (load("addresses-only").addresses, load("addresses-only").payload),
        (Addresses::Pseudonym, Payload::Keep)
    );
    assert!(load("blank").rules().is_empty() && !load("blank").is_vocabulary(b"shipped"));
    assert_eq!(load("default").digest(), Policy::load(&[]).unwrap().digest());
    let digests: HashSet<String> = PACKS.iter().map(|pack| load(pack.name).digest().to_owned()).collect();
    assert_eq!(digests.len(), PACKS.len());
}

/// What `default` keeps by rule must have a harmless form, whatever the field is used for.
#[test]
fn the_default_pack_keeps_nothing_without_looking_at_it() {
    let policy = Policy::load(&[]).unwrap();
    for rule in &serde_yaml::from_str::<Value>(PACKS[0].yaml).unwrap()["rules"].as_array().unwrap().clone() {
        assert!(rule["method"] != "keep" || rule["matches"].is_string() || rule["equals"].is_array(), "{}", rule["id"]);
    }
    assert_eq!(ruling(&policy, "http.request.query.page", "2"), is("paging", Action::Keep));
    assert_eq!(ruling(&policy, "http.request.query.page", "anna@example.org"), None);
    assert_eq!(ruling(&policy, "http.response.header.retry-after", "120"), is("waiting", Action::Keep));
}

#[test]
fn words_are_public_names_are_not() {
    let policy = policy("version: 1\nvocabulary: [sku-family, 'Widget Pro']\n");
    for word in [
        "api",
        "v1",
        "orders",
        "checkout",
        "shipped",
        "Shipped",
        "SHIPPED",
        "en-US",
        "EUR",
        "true",
        "sku-family",
        "Widget Pro",
    ] {
        assert!(policy.is_vocabulary(word.as_bytes()), "{word}");
    }
    for text in ["Anna", "Baker", "London", "shipped to", "x7f3", "12345", "", "j@example.org", "sHipped"] {
        assert!(!policy.is_vocabulary(text.as_bytes()), "{text}");
    }
    assert!(policy.name_like("customerName") && policy.name_like("city") && !policy.name_like("status"));
    assert!(policy.keeps_name(b"created_at") && policy.keeps_name(b"X-Request-ID") && policy.keeps_name(b"2xl"));
    assert!(!policy.keeps_name(b"jane doe") && !policy.keeps_name(b"user20231124"));
}

#[test]
fn the_digest_stands_for_all_that_is_said() {
    let base = "version: 1\nrules: [{id: a, fields: [x], method: keep}]\n";
    let same = policy(&format!("# a comment\n{base}"));
    let others = [
        "version: 1\nvocabulary: [zzz]\n",
        "version: 1\naddresses: keep\n",
        "version: 1\nrules: [{id: a, fields: [y], method: keep}]\n",
    ];
    let load = |yaml: &str| Policy::load(&[Files::new(&[]).path(yaml)]).is_ok();
    assert!(!load("missing.yaml"));
    assert_eq!(same.digest(), policy(base).digest());
    assert_eq!(same.digest().len(), 64);
    for other in others {
        assert_ne!(same.digest(), policy(other).digest(), "{other}");
    }
}

#[test]
fn a_decider_remembers_and_stays_right() {
    let policy = Arc::new(Policy::load(&[]).unwrap());
    let mut decider = Decider::new(Arc::clone(&policy));
    for round in 0..3 {
        for n in 0..20_000 {
            let path = format!("http.request.query.p{n}");
            assert!(decider.decide(&path, "p").is_empty(), "{round}");
        }
        assert!(!decider.decide("http.request.query.page", "page").is_empty());
        assert!(!decider.decide("a.b.c", "b.c").name_like());
        assert!(decider.decide("a.b.name", "name").name_like());
        assert!(!decider.decide("a.b.name", "other").name_like(), "the name counts, not only the path");
        assert!(decider.decide(&"x.".repeat(1000), "city").name_like());
    }
}

#[test]
fn explanations_name_rule_file_and_reason() {
    let files = Files::new(&[(
        "shop.yaml",
        "version: 1\nextends: default\nrules:\n  - {id: all, fields: ['http.request.query.*'], method: blank, why: not needed}\n",
    )]);
    let policy = files.load(&["shop.yaml"]).unwrap();
    let explained = rules::explain(&policy, "http.request.query.page");
    let seen: Vec<(&str, &str, bool)> = explained
        .rules
        .iter()
        .map(|rule| (&*rule.id, &*rule.file, rule.overridden))
        .map(|(a, b, c)| (a, b.rsplit('/').next().unwrap(), c))
        .collect();
    assert_eq!(seen, [("all", "shop.yaml", false), ("paging", "default", true)]);
    let text = explained.to_string();
    assert!(
        text.contains("any value -> blank\n") && text.contains("why: not needed") && text.contains("(overridden)"),
        "{text}"
    );
    let open = rules::explain(&policy, "http.request.body.json.customer.city").to_string();
    assert_eq!(
        open,
        "http.request.body.json.customer.city\n  otherwise: a pseudonym; public words do not count under this name\n"
    );
}

#[test]
fn the_list_has_every_pack_detector_and_method() {
    let list: BTreeMap<_, _> = rules::list().into_iter().collect();
    assert_eq!(
        list["packs"].iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        ["default", "blank", "headers-only", "addresses-only"]
    );
    assert_eq!(list["detectors"].len(), rules::detectors().count());
    assert!(list["methods"].iter().any(|(id, about)| *id == "keep" && !about.is_empty()));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The YAML examples of rules/README.md.
fn documented() -> Vec<String> {
    let readme = fs::read_to_string(root().join("rules/README.md")).unwrap();
    readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn documented_examples_do_what_they_say() {
    let examples = documented();
    assert_eq!(examples.len(), 5);
    let first = policy(&examples[0]);
    assert_eq!(ruling(&first, "http.response.body.json.items[].price.currency", "EUR"), is("currency", Action::Keep));
    assert_eq!(ruling(&first, "http.response.body.json.currency", "Anna"), None);
    assert_eq!(ruling(&first, "http.request.body.form.note", "whatever"), is("notes", Action::Blank));
    assert_eq!(ruling(&first, "http.request.query.page", "1234"), is("paging", Action::Keep));
    let beside = policy(&examples[1]);
    assert_eq!(ruling(&beside, "pcapng.decryption_secrets", "CLIENT_RANDOM"), is("keys-stay", Action::Keep));
    assert_eq!(ruling(&beside, "pcapng.comment", "whatever"), is("no-comments", Action::Blank));
    let second = policy(&examples[2]);
    assert!(second.is_vocabulary(b"widget-pro"));
    assert_eq!(part(&second, "a.note", "E123456", Some("employee")), is("mail-in-notes", Action::Blank));
    assert_eq!(part(&second, "a.text", "E123456", Some("employee")), is("pattern:employee", Action::Token));
    assert_eq!(ruling(&second, "http.request.body.json.cart[].size", "small"), is("sizes", Action::Keep));
    assert_eq!(ruling(&second, "http.request.query.page", "1234"), None, "replaces default's rule");
    let kinds = policy(&examples[3]);
    assert_eq!(ruling(&kinds, "http.request.body.json.type", "say"), is("kinds-of-messages", Action::Keep));
    assert_eq!(ruling(&kinds, "http.request.body.json.type", "Say"), None);
    let third = policy(&examples[4]);
    assert_eq!(third.addresses, Addresses::Keep);
    assert!(!third.enables("date") && third.enables("email"));
    assert_eq!(third.enabled_detectors().count() + 1, rules::detectors().count());
}

/// `STANDIN_WRITE=1 cargo test` writes the file anew.
#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = root().join("rules/schema.json");
    let generated = serde_json::to_string_pretty(&rules::schema()).unwrap() + "\n";
    if std::env::var_os("STANDIN_WRITE").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == generated,
        "rules/schema.json is old: STANDIN_WRITE=1 cargo test schema"
    );
}

#[test]
fn the_schema_accepts_what_we_accept_and_refuses_what_we_refuse() {
    let schema = jsonschema::validator_for(&rules::schema()).unwrap();
    let valid = |yaml: &str| schema.is_valid(&serde_yaml::from_str::<Value>(yaml).unwrap());
    PACKS.iter().for_each(|pack| assert!(valid(pack.yaml), "{}", pack.name));
    documented().iter().for_each(|example| assert!(valid(example), "{example}"));
    for bad in [
        "rules: []",
        "{version: 1, rulse: []}",
        "{version: 1, addresses: none}",
        "{version: 1, detectors: {disable: [nothing]}}",
        "{version: 1, rules: [{id: a, method: keep}]}",
        "{version: 1, rules: [{id: a, fields: [x], method: nothing}]}",
        "{version: 1, patterns: [{id: a}]}",
    ] {
        assert!(!valid(bad), "the schema takes {bad}");
        error(bad);
    }
}

/// Words that are names as well, and yet public. Each must be worth it.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("page", "every list is asked for by page, as a path segment and as a parameter"),
    ("true", "a literal of JSON, forms and queries"),
    ("null", "a literal of JSON, forms and queries"),
    ("home", "the first path of most sites"),
    ("media", "the folder that most sites serve uploads from; the town has 6000 people"),
];

#[test]
fn public_words_are_nobodys_names() {
    let allowed: HashSet<&str> = EXCEPTIONS.iter().map(|(word, _)| *word).collect();
    let mut public: HashSet<String> = HashSet::new();
    for (theme, text) in rules::THEMES {
        for word in rules::words(text) {
            assert!(word.len() <= 64 && word.is_ascii(), "{theme}: {word}");
            public.insert(word.to_ascii_lowercase());
        }
    }
    assert!(public.len() > 800, "{}", public.len());
    let mut used = HashSet::new();
    for (list, least) in [("surnames", 500), ("given", 400), ("cities", 300)] {
        let text = fs::read_to_string(root().join(format!("rules/people/{list}.txt"))).unwrap();
        let names: HashSet<String> = rules::words(&text).map(|name| name.to_lowercase().replace('_', " ")).collect();
        assert!(names.len() >= least, "{list}: {}", names.len());
        for name in names.intersection(&public) {
            assert!(allowed.contains(name.as_str()), "`{name}` is a public word and stands in {list}.txt");
            used.insert(name.clone());
        }
    }
    assert_eq!(used.len(), EXCEPTIONS.len(), "an exception that is none");
}
