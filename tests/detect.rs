//! detect: every detector finds what it says, and nothing else.

use proptest::prelude::*;
use standin::detect::{self, DetectorId, Enabled, Finding, UserDetector, scan};

fn only(id: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let enabled = Enabled::NONE.with(DetectorId::named(id).unwrap());
    scan(text.as_bytes(), enabled, &[], &mut findings);
    findings
}

fn all(text: &str) -> Vec<(&'static str, &str)> {
    let mut findings = Vec::new();
    scan(text.as_bytes(), Enabled::ALL, &[], &mut findings);
    let name = |finding: &Finding| finding.detector.detector().unwrap().id();
    findings.iter().map(|finding| (name(finding), &text[finding.at.clone()])).collect()
}

#[test]
fn every_example_is_found_exactly_and_nothing_else() {
    for detector in detect::ALL {
        let examples = detector.examples();
        assert!(!examples.hits.is_empty() && !examples.misses.is_empty(), "{}", detector.id());
        for (text, value) in examples.hits {
            let found: Vec<_> = only(detector.id(), text).into_iter().map(|f| &text[f.at]).collect();
            assert_eq!(found, [*value], "{} in {text:?}", detector.id());
        }
        for text in examples.misses {
            assert_eq!(only(detector.id(), text), [], "{} in {text:?}", detector.id());
        }
    }
}

#[test]
fn every_kind_has_a_name_of_its_own_and_a_method_that_exists() {
    for (place, detector) in detect::ALL.iter().enumerate() {
        assert_eq!(DetectorId::named(detector.id()).unwrap().detector().unwrap().id(), detector.id());
        assert!(standin::mask::MethodId::named(detector.method()).is_some(), "{}", detector.method());
        assert!(detect::ALL[..place].iter().all(|other| other.id() != detector.id()));
    }
}

#[test]
fn the_first_in_the_catalogue_wins_where_findings_overlap() {
    assert_eq!(
        all("mail anna@acme.io or see https://anna@acme.io/x, card 4111 1111 1111 1111"),
        [("email", "anna@acme.io"), ("url", "https://anna@acme.io/x"), ("card", "4111 1111 1111 1111"),]
    );
}

#[test]
fn plain_values_hold_nothing() {
    for text in ["", "Anna Baker", "4711", "en-US", "shipped", "12.50", "order-4711", "Hello, world. Bye."] {
        assert_eq!(all(text), [], "{text}");
    }
}

#[test]
fn the_users_own_come_first_and_may_name_a_part() {
    let user =
        UserDetector { id: "staff".into(), regex: regex::bytes::Regex::new(r"staff:(?<value>\w+@\w+\.\w+)").unwrap() };
    let mut findings = Vec::new();
    scan(b"staff:anna@acme.io", Enabled::ALL, &[user], &mut findings);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].detector.user_place(), Some(0));
    assert_eq!(findings[0].at, 6..18);
}

proptest! {
    #[test]
    fn findings_are_in_order_and_apart_in_any_bytes(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&text)?;
    }

    #[test]
    fn findings_are_in_order_and_apart_in_likely_texts(text in "([0-9a-f:.@/ -]|eyJ|-----BEGIN |PRIVATE KEY|://|ghp_|DE89|\\+49|acme\\.io){0,60}") {
        check(text.as_bytes())?;
    }
}

fn check(text: &[u8]) -> Result<(), TestCaseError> {
    let mut findings = Vec::new();
    scan(text, Enabled::ALL, &[], &mut findings);
    let mut behind = 0;
    for Finding { at, .. } in findings {
        prop_assert!(behind <= at.start && at.start < at.end && at.end <= text.len());
        behind = at.end;
    }
    Ok(())
}
