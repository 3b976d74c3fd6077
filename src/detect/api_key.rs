//! Keys of well-known services, told by their prefix.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{Detector, Examples, Signs, text};

/// The kind `api_key`.
pub(super) struct ApiKey;

/// Prefixes, and how many characters follow at least. All at least three bytes long: shorter ones slow the search.
const PREFIXES: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("ghp_", 30),
    ("gho_", 30),
    ("ghu_", 30),
    ("ghs_", 30),
    ("ghr_", 30),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("npm_", 30),
    ("pypi-", 30),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("pk_live_", 16),
    ("whsec_", 16),
    ("sk-ant-", 20),
    ("sk-proj-", 20),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("xoxs-", 10),
    ("SG.", 30),
    ("hf_", 30),
    ("dop_v1_", 30),
    ("shpat_", 20),
    ("ya29.", 20),
    ("EAACEdEose0cBA", 10),
    ("key_live_", 16),
    ("key_test_", 16),
    ("key-", 32),
];

static SEARCH: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(PREFIXES.iter().map(|(prefix, _)| prefix)).ok());

impl Detector for ApiKey {
    fn id(&self) -> &'static str {
        "api_key"
    }

    fn about(&self) -> &'static str {
        "keys of well-known services: AKIA…, ghp_…, sk_live_…, xoxb-…, AIza…"
    }

    fn method(&self) -> &'static str {
        "token"
    }

    fn needs(&self) -> &'static [Signs] {
        &[Signs::LONG_16]
    }

    fn examples(&self) -> Examples {
        Examples {
            hits: &[
                ("id AKIAIOSFODNN7EXAMPLE,", "AKIAIOSFODNN7EXAMPLE"),
                ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
                (
                    "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",
                    "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",
                ),
            ],
            misses: &["AKIA-short-but-long-text", "taskAKIAIOSFODNN7EXAMPLE", "npm_config_registry_is_here"],
        }
    }

    fn find(&self, text: &[u8], found: &mut Vec<Range<usize>>) {
        let Some(search) = &*SEARCH else { return };
        let mut behind = 0;
        for hit in search.find_iter(text) {
            let dotted = text[hit.range()].ends_with(b".");
            let belongs =
                |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || dotted && byte == b'.';
            let end = text::forth(text, hit.end(), belongs);
            let (prefix, least) = PREFIXES[hit.pattern().as_usize()];
            // Keys of capitals and digits only: the others of their form are words.
            let strict = matches!(prefix, "AKIA" | "ASIA");
            let body = &text[hit.end()..end];
            let fits = body.len() >= least && (!strict || body.iter().all(u8::is_ascii_alphanumeric));
            if hit.start() >= behind && fits && text::stands_alone(text, &(hit.start()..end)) {
                found.push(hit.start()..end);
                behind = end;
            }
        }
    }
}
