//! Checks of live answers: the status, the JSON shape, headers and body, as captured or as a rule says.

mod look;
mod rule;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::limits::{CHECK_REASONS_MAX, ENDPOINTS_MAX};
use crate::run::{Because, Check, Share};
use crate::workload::{Cut, Facts, Response, Shapes, Wanted};

use super::pattern::Pattern;
use super::slo::names;
use super::tally::Endpoints;
use look::json;

pub use rule::{BodyRule, CheckRule, HeaderRule, JsonRule, StatusRule};

/// One thing to look at.
#[derive(Clone, Debug)]
enum Look {
    Status(StatusRule),
    Json {
        more: bool,
    },
    /// The header's place among the wanted ones.
    Header(usize, HeaderRule),
    Body(BodyRule),
}

impl Look {
    /// Whether it is about what was too long to be kept, of the live answer or of the captured one that it is held against.
    fn is_about_missing(&self, captured: Option<&Facts>, live: &Facts) -> bool {
        let cut = [live.cut, captured.and_then(|captured| captured.cut)];
        match self {
            Look::Status(_) => false,
            Look::Header(..) => cut.contains(&Some(Cut::All)),
            // What the capture does not tell is not judged, and nothing is missing.
            Look::Json { .. } => {
                let told = captured.is_some_and(|captured| captured.cut.is_some() || captured.shape.is_some());
                told && cut != [None, None]
            }
            Look::Body(BodyRule::Is(_)) => live.cut.is_some(),
            Look::Body(_) => captured.is_some() && cut != [None, None],
        }
    }
}

/// A thing that a rule is about, and the check that holds for it; none: nothing is checked.
type Holds = ((u8, usize), Option<usize>);

/// The rules of a profile, laid out for the endpoints of a workload.
#[derive(Default)]
pub struct Checks {
    /// Name, what to look at, and the share that may be otherwise.
    list: Vec<(String, Look, Share)>,
    /// By rule: which endpoints, and the numbers of its checks (none for `any`) by what they look at.
    rules: Vec<(Option<Pattern>, Vec<Holds>)>,
    /// Which checks hold for an endpoint, by its number; found out when the first answer of the endpoint comes.
    of: Vec<OnceLock<Box<[usize]>>>,
    endpoints: Arc<Endpoints>,
    wanted: Wanted,
}

/// What one check saw.
#[derive(Clone, Debug, Default)]
pub struct CheckTally {
    passed: u64,
    failed: u64,
    unchecked: u64,
    because: BTreeMap<(u32, String), u64>,
}

/// The facts that a profile's checks need of every answer.
pub fn wanted(rules: &[CheckRule]) -> Wanted {
    let mut headers: Vec<Box<str>> =
        rules.iter().flat_map(|rule| rule.headers.keys()).map(|name| name.to_ascii_lowercase().into()).collect();
    headers.sort();
    headers.dedup();
    let json = |rule: &CheckRule| rule.json.is_some_and(|json| json != JsonRule::Any);
    let body = |rule: &CheckRule| rule.body.is_some_and(|body| body != BodyRule::Any);
    Wanted { shape: rules.iter().any(json), body: rules.iter().any(body), headers, ..Wanted::default() }
}

impl Checks {
    /// Checks for these endpoints, and those to come.
    pub fn new(rules: &[CheckRule], endpoints: Arc<Endpoints>) -> Checks {
        let of = if rules.is_empty() { Vec::new() } else { (0..=ENDPOINTS_MAX).map(|_| OnceLock::new()).collect() };
        let mut checks = Checks { wanted: wanted(rules), of, endpoints, ..Checks::default() };
        for rule in rules {
            let mut numbers = Vec::new();
            for (thing, what, look) in rule.looks(&checks.wanted) {
                let number = look.map(|look| {
                    let about = rule.endpoint.as_ref().map_or_else(String::new, |pattern| format!(" for {pattern}"));
                    checks.list.push((format!("{what}{about}"), look, rule.allow));
                    checks.list.len() - 1
                });
                numbers.push((thing, number));
            }
            checks.rules.push((rule.endpoint.clone(), numbers));
        }
        checks
    }

    /// The numbers of an endpoint's checks. For a thing, a later rule takes the place of an earlier one.
    fn of(&self, endpoint: u32) -> &[usize] {
        let Some(of) = self.of.get(endpoint as usize) else { return &[] };
        of.get_or_init(|| {
            let name = self.endpoints.name(endpoint);
            let mine = self.rules.iter().filter(|(which, _)| which.as_ref().is_none_or(|which| names(which, &name)));
            let holds: BTreeMap<_, _> = mine.flat_map(|(_, numbers)| numbers.iter().copied()).collect();
            holds.into_values().flatten().collect()
        })
    }

    /// Whether the bytes of an endpoint's answers are needed.
    pub fn want_bytes(&self, endpoint: u32) -> bool {
        self.of(endpoint).iter().filter_map(|n| self.list.get(*n)).any(|(_, look, _)| !matches!(look, Look::Status(_)))
    }

    /// Looks at an answer.
    pub fn look(
        &self,
        endpoint: u32,
        expect: Option<&Response>,
        (status, grpc): (u16, Option<u32>),
        answer: &[u8],
        tallies: &mut Vec<CheckTally>,
    ) {
        let of = self.of(endpoint);
        if of.is_empty() {
            return;
        }
        tallies.resize(self.list.len(), CheckTally::default());
        let live = self.want_bytes(endpoint).then(|| Facts::of(answer, &self.wanted, &mut Shapes::default()));
        let live = live.unwrap_or_default();
        let captured = expect.and_then(|expect| expect.facts.as_deref());
        for &n in of {
            if self.list[n].1.is_about_missing(captured, &live) {
                tallies[n].unchecked += 1;
                continue;
            }
            let seen = match &self.list[n].1 {
                Look::Status(rule) => {
                    let seen = rule.look(expect.map(|expect| expect.status), status);
                    let captured = expect.and_then(|expect| expect.grpc);
                    seen.map(|seen| seen.and_then(|()| rule.look_at_call(captured, grpc)))
                }
                Look::Json { more } => json(captured, &live, *more),
                Look::Header(at, rule) => rule.look(captured, &live, *at),
                Look::Body(rule) => rule.look(captured, &live),
            };
            let tally = &mut tallies[n];
            match seen {
                None => {}
                Some(Ok(())) => tally.passed += 1,
                Some(Err(what)) => tally.fail((endpoint, what), 1),
            }
        }
    }

    /// The results, in the order of the rules. A check that no answer was there for is met.
    pub fn results(&self, tallies: &[CheckTally]) -> Vec<Check> {
        let none = CheckTally::default();
        let tallies = tallies.iter().chain(std::iter::repeat(&none));
        let result = |((name, _, allow), tally): (&(String, Look, Share), &CheckTally)| {
            let because = tally.because.iter().map(|((endpoint, what), times)| Because {
                endpoint: self.endpoints.name(*endpoint),
                what: what.clone(),
                times: *times,
            });
            let mut because: Vec<Because> = because.collect();
            because.sort_by_key(|because| std::cmp::Reverse(because.times));
            let met = allow.is_kept(tally.passed, tally.failed);
            Check {
                name: name.clone(),
                allow: *allow,
                passed: tally.passed,
                failed: tally.failed,
                unchecked: tally.unchecked,
                met,
                because,
            }
        };
        self.list.iter().zip(tallies).map(result).collect()
    }
}

impl CheckRule {
    /// Everything that the rule says: the thing, its name, and what to look at (nothing for `any`).
    fn looks(&self, wanted: &Wanted) -> Vec<((u8, usize), String, Option<Look>)> {
        let mut looks = Vec::new();
        if let Some(rule) = &self.status {
            let look = (*rule != StatusRule::Any).then(|| Look::Status(rule.clone()));
            looks.push(((0, 0), format!("status {rule}"), look));
        }
        if let Some(rule) = self.json {
            let look = (rule != JsonRule::Any).then_some(Look::Json { more: rule == JsonRule::Superset });
            looks.push(((1, 0), format!("json {rule}"), look));
        }
        for (name, rule) in &self.headers {
            let at = wanted.headers.iter().position(|known| known.eq_ignore_ascii_case(name)).unwrap_or(usize::MAX);
            let look = (*rule != HeaderRule::Any).then(|| Look::Header(at, rule.clone()));
            looks.push(((2, at), format!("header {name} {rule}"), look));
        }
        if let Some(rule) = self.body {
            let look = (rule != BodyRule::Any).then_some(Look::Body(rule));
            looks.push(((3, 0), format!("body {rule}"), look));
        }
        looks
    }
}

/// The checks of several shards as those of one run. Shards have the same profile, so the same checks in one order; two of
/// them may have one name.
pub fn merged(shards: &[&[Check]]) -> Vec<Check> {
    let mut all: Vec<Check> = shards.first().map(|first| first.to_vec()).unwrap_or_default();
    for shard in shards.iter().skip(1) {
        let same = all.iter_mut().zip(*shard).filter(|(mine, check)| mine.name == check.name);
        same.for_each(|(mine, check)| add(mine, check));
    }
    for check in &mut all {
        check.met = check.allow.is_kept(check.passed, check.failed);
        check.because.sort_by_key(|because| std::cmp::Reverse(because.times));
    }
    all
}

fn add(mine: &mut Check, check: &Check) {
    mine.passed = mine.passed.saturating_add(check.passed);
    mine.failed = mine.failed.saturating_add(check.failed);
    mine.unchecked = mine.unchecked.saturating_add(check.unchecked);
    for because in &check.because {
        let same = |known: &&mut Because| known.endpoint == because.endpoint && known.what == because.what;
        if let Some(known) = mine.because.iter_mut().find(same) {
            known.times = known.times.saturating_add(because.times);
        } else if mine.because.len() < CHECK_REASONS_MAX {
            mine.because.push(because.clone());
        }
    }
}

impl CheckTally {
    fn fail(&mut self, because: (u32, String), times: u64) {
        self.failed += times;
        self.because(because, times);
    }

    fn because(&mut self, because: (u32, String), times: u64) {
        if let Some(known) = self.because.get_mut(&because) {
            *known += times;
        } else if self.because.len() < CHECK_REASONS_MAX {
            self.because.insert(because, times);
        }
    }

    /// Adds what another thread saw.
    pub fn merge(all: &mut Vec<CheckTally>, other: Vec<CheckTally>) {
        all.resize(all.len().max(other.len()), CheckTally::default());
        for (mine, other) in all.iter_mut().zip(other) {
            mine.passed += other.passed;
            mine.failed += other.failed;
            mine.unchecked += other.unchecked;
            other.because.into_iter().for_each(|(because, times)| mine.because(because, times));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &[u8] = b"HTTP/1.1 200 OK\r\nETag: a\r\nContent-Length: 8\r\n\r\n{\"id\":1}";

    fn rules(yaml: &str) -> Vec<CheckRule> {
        super::super::Profile::parse("test", &format!("checks: [{yaml}]")).unwrap().checks
    }

    fn endpoints() -> Arc<Endpoints> {
        let endpoints = Endpoints::default();
        assert_eq!(["GET /a", "POST /b"].map(|name| endpoints.number(name.into())), [0, 1]);
        Arc::new(endpoints)
    }

    /// What comes of the checks for one answer of `GET /a`.
    fn results(yaml: &str, captured: &[u8], status: u16, live: &[u8]) -> Vec<Check> {
        let rules = rules(yaml);
        let checks = Checks::new(&rules, endpoints());
        let facts = Facts::of(captured, &wanted(&rules), &mut Shapes::default());
        let expect = Response {
            status: 200,
            grpc: None,
            first_byte: 0,
            last_byte: 0,
            bytes: Vec::new(),
            facts: Some(Arc::new(facts)),
        };
        let mut tallies = Vec::new();
        checks.look(0, Some(&expect), (status, None), live, &mut tallies);
        checks.results(&tallies)
    }

    /// (passed, failed, what was wrong) of each of them.
    fn checked(yaml: &str, captured: &[u8], status: u16, live: &[u8]) -> Vec<(u64, u64, String)> {
        let what = |check: &Check| check.because.first().map(|because| because.what.clone()).unwrap_or_default();
        let checks = results(yaml, captured, status, live);
        checks.iter().map(|check| (check.passed, check.failed, what(check))).collect()
    }

    fn live(head: &str, body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}").into_bytes()
    }

    #[test]
    fn answers_are_held_against_the_capture_and_the_rules() {
        let same = live("etag: a\r\n", "{\"id\":1}");
        let other = live("etag: b\r\n", "{\"id\":7}");
        let text = live("", "{\"id\":\"x\"}");
        for (yaml, status, answer, told) in [
            ("{status: captured}", 200, &same, None),
            ("{status: captured}", 404, &same, Some("404 where 200 was")),
            ("{status: 2xx 304}", 304, &same, None),
            ("{status: 404}", 200, &same, Some("200")),
            ("{json: shape}", 200, &other, None),
            ("{json: shape}", 200, &text, Some(".id: a string where a number was")),
            ("{json: shape}", 200, &live("", "<p>"), Some("no JSON")),
            ("{json: shape}", 200, &live("", "{\"id\":1,\"x\":1}"), Some(".x: was not there")),
            ("{json: superset}", 200, &live("", "{\"id\":1,\"x\":1}"), None),
            ("{headers: {ETag: captured}}", 200, &same, None),
            ("{headers: {ETag: captured}}", 200, &other, Some("another value")),
            ("{headers: {ETag: captured}}", 200, &text, Some("missing")),
            ("{headers: {x: captured}}", 200, &live("X: 1\r\n", ""), Some("was not there")),
            ("{headers: {etag: present}}", 200, &other, None),
            ("{headers: {etag: absent}}", 200, &other, Some("present")),
            ("{headers: {etag: = b}}", 200, &other, None),
            ("{headers: {etag: = b}}", 200, &same, Some("another value")),
            ("{body: captured}", 200, &same, None),
            ("{body: captured}", 200, &other, Some("another content")),
        ] {
            let expected = match told {
                None => vec![(1, 0, String::new())],
                Some(what) => vec![(0, 1, what.to_owned())],
            };
            assert_eq!(checked(yaml, JSON, status, answer), expected, "{yaml}");
        }
        let digest = blake3::hash(b"{\"id\":7}").to_hex();
        assert_eq!(checked(&format!("{{body: 'blake3:{digest}'}}"), JSON, 200, &other), [(1, 0, String::new())]);
        // What the capture does not tell is not judged.
        assert_eq!(checked("{json: shape}", &live("", "text"), 200, &same), [(0, 0, String::new())]);
    }

    #[test]
    fn what_is_too_long_to_be_kept_is_not_judged_and_told() {
        let cut = live("Content-Length: 100\r\n", "{\"id\":");
        let digest = blake3::hash(b"x").to_hex();
        for yaml in ["{json: shape}", "{body: captured}", &format!("{{body: 'blake3:{digest}'}}")] {
            assert_eq!(checked(yaml, JSON, 200, &cut), [(0, 0, String::new())], "{yaml}");
        }
        assert_eq!(checked("{json: shape}", &cut, 200, JSON), [(0, 0, String::new())]);
        assert_eq!(checked("{headers: {etag: present}}", JSON, 200, b""), [(0, 0, String::new())]);
        let result = &results("{json: shape}", JSON, 200, &cut)[0];
        assert_eq!((result.unchecked, result.met), (1, true));
    }

    #[test]
    fn the_last_rule_for_an_endpoint_holds() {
        let seen = |yaml: &str| checked(yaml, JSON, 404, JSON).into_iter().map(|(p, f, _)| (p, f)).collect::<Vec<_>>();
        assert_eq!(seen("{status: captured}, {for: GET /a, status: 4xx}"), [(0, 0), (1, 0)]);
        assert_eq!(seen("{status: captured}, {for: /b, status: 4xx}"), [(0, 1), (0, 0)]);
        assert_eq!(seen("{status: captured}, {for: '*', status: any}"), [(0, 0)]);
        assert_eq!(seen("{status: captured, json: shape}, {json: any}"), [(0, 1), (0, 0)]);
    }

    #[test]
    fn a_share_may_be_allowed() {
        let checks = Checks::new(&rules("{status: 200, allow: 25 %}"), endpoints());
        let mut tallies = Vec::new();
        for status in [200, 200, 200, 500] {
            checks.look(0, None, (status, None), &[], &mut tallies);
        }
        assert!(checks.results(&tallies)[0].met);
        let mut more = Vec::new();
        checks.look(0, None, (500, None), &[], &mut more);
        let (one, two) = (checks.results(&tallies), checks.results(&more));
        CheckTally::merge(&mut tallies, more);
        assert_eq!(merged(&[&one, &two]), checks.results(&tallies));
        let twice = Checks::new(&rules("{status: 200}, {status: 200}"), endpoints());
        let mut later = Vec::new();
        twice.look(0, None, (500, None), &[], &mut later);
        let shard = twice.results(&later);
        let counts: Vec<_> = merged(&[&shard, &shard]).iter().map(|check| check.failed).collect();
        assert_eq!(counts, [0, 2], "the first of two rules that say the same holds for nothing");
        let result = &checks.results(&tallies)[0];
        assert_eq!((result.passed, result.failed, result.met, result.because[0].times), (3, 2, false, 2));
        assert!(!checks.want_bytes(0));
        assert!(Checks::new(&rules("{json: shape}"), endpoints()).want_bytes(0));
    }
}
