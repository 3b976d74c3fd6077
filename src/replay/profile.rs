//! How to replay: a YAML file of knobs, each with a default that is safe.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::workload::Following;
use crate::yaml::{self, YamlError};

use super::checks::CheckRule;
use super::curve::Curve;
use super::edits::{Marker, Rewrite, SecretRule};
use super::felt::Watch;
use super::saturate::Saturate;
use super::slo::Objective;
use super::which::Filter;

/// The profiles that are compiled in: name and text.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("sessions", include_str!("../../replay-profiles/sessions.yaml")),
    ("captured", include_str!("../../replay-profiles/captured.yaml")),
    ("closed", include_str!("../../replay-profiles/closed.yaml")),
    ("rate", include_str!("../../replay-profiles/rate.yaml")),
];

/// Copies of the captured people, themselves included. Each has a memory of its pseudonyms.
pub const POPULATION_MAX: u32 = 1000;

/// All knobs. `replay-profiles/README.md` says what they do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Profile {
    /// One line for people.
    pub about: String,
    /// What decides when a request is sent.
    pub mode: Mode,
    /// 2 is twice as fast as captured.
    pub speed: f64,
    /// Factor on the time between a response and the next request of its connection (`sessions`).
    pub think_scale: f64,
    /// Factor on the times when connections are opened (`captured`, `sessions`).
    pub connect_scale: f64,
    /// Requests per second (`rate`).
    pub rate: Option<f64>,
    /// How that changes.
    pub curve: Curve,
    /// How those are spread.
    pub arrivals: Arrivals,
    /// How the highest rate is searched for (`saturate`).
    pub saturate: Saturate,
    /// So many times the captured people.
    pub population: u32,
    /// Time over which their copies begin (`captured`, `sessions`).
    pub population_spread: Option<Span>,
    /// Who the copies are.
    pub identities: Who,
    /// Connections (`closed`).
    pub connections: u32,
    /// Requests at a time on each of them: over HTTP/2 (`closed`).
    pub streams: u32,
    /// Requests after which the run ends.
    pub requests: Option<u64>,
    /// Time after which no request is begun.
    pub duration: Option<Span>,
    /// Longest wait for a connection, or for a whole response.
    pub timeout: Span,
    /// Time at the beginning that is left out of the distributions.
    pub warmup: Span,
    /// Only these methods are sent; all when empty.
    pub methods: Vec<String>,
    /// Of those, only these.
    pub filter: Filter,
    /// What is changed in them.
    pub rewrite: Vec<Rewrite>,
    /// Values that come from the environment.
    pub secrets: Vec<SecretRule>,
    /// A header that marks every request.
    pub marker: Option<Marker>,
    /// What to look at beside the process that listens at the target's address.
    pub target: Watch,
    /// What is said about which values follow which.
    pub correlation: Following,
    /// What answers are to be.
    pub checks: Vec<CheckRule>,
    /// What the run must reach.
    pub slo: Vec<Objective>,
    /// Requests per second never exceeded.
    pub max_rate: f64,
    /// Requests unanswered at a time never exceeded; those over it fail with `cap`.
    pub max_in_flight: u32,
    /// Share of recent requests that may fail before the run is aborted.
    pub abort_error_rate: f64,
    /// The run is aborted when the target takes no connection for so long.
    pub max_down: Span,
    /// Hosts that are never a target.
    pub deny_host: Vec<String>,
    /// Hosts that may be a target though they are neither loopback nor private.
    pub allow_host: Vec<String>,
    /// Seed of what is random.
    pub seed: u64,
    /// Threads that send; 0 means one per core.
    pub threads: usize,
    /// The sending threads do not sleep shortly before a request is due.
    pub spin: bool,
    /// Each of them stays on one processor.
    pub pin: bool,
    /// They go before everything that is not real-time.
    pub rt: bool,
    /// The part of the sessions that is replayed.
    pub shard: Option<Shard>,
    /// The run is invalid when the generator itself was later than this for 1 % of the requests.
    pub max_lateness: Span,
    /// The HTTP that is spoken to the target.
    pub protocol: Protocol,
    /// A socket of this machine to connect to, whatever address the target's name has.
    pub unix_socket: Option<PathBuf>,
    /// Certificate authorities to trust (PEM); those that this machine trusts when not given.
    pub cacert: Option<PathBuf>,
    /// Trust whatever certificate the target shows.
    pub insecure: bool,
    /// The client's certificate and those above it (PEM).
    pub cert: Option<PathBuf>,
    /// Its private key (PEM).
    pub cert_key: Option<PathBuf>,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile {
            about: String::new(),
            mode: Mode::Sessions,
            speed: 1.0,
            think_scale: 1.0,
            connect_scale: 1.0,
            rate: None,
            curve: Curve::default(),
            saturate: Saturate::default(),
            population: 1,
            population_spread: None,
            identities: Who::Other,
            arrivals: Arrivals::Poisson,
            connections: 8,
            streams: 1,
            requests: None,
            duration: None,
            timeout: Span(Duration::from_secs(10)),
            warmup: Span(Duration::ZERO),
            methods: Vec::new(),
            filter: Filter::default(),
            rewrite: Vec::new(),
            secrets: Vec::new(),
            marker: None,
            target: Watch::default(),
            correlation: Following::default(),
            checks: Vec::new(),
            slo: Vec::new(),
            max_rate: 20_000.0,
            max_in_flight: 1024,
            abort_error_rate: 0.5,
            max_down: Span(Duration::from_secs(3)),
            deny_host: Vec::new(),
            allow_host: Vec::new(),
            seed: 1,
            threads: 1,
            spin: false,
            pin: false,
            rt: false,
            shard: None,
            max_lateness: Span(Duration::from_millis(50)),
            protocol: Protocol::Auto,
            unix_socket: None,
            cacert: None,
            insecure: false,
            cert: None,
            cert_key: None,
        }
    }
}

/// What decides when a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The capture's clock, whatever the target does.
    Captured,
    /// Connections begin as captured; inside, a request waits for the response before it, and the think time.
    Sessions,
    /// A number of connections, each as fast as it is answered.
    Closed,
    /// A rate.
    Rate,
    /// The highest rate that keeps the objectives: one run of [`Mode::Rate`] after another.
    Saturate,
}

/// Who the copies of the captured people are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Other people: what is personal in their requests has another pseudonym in each copy.
    Other,
    /// The captured ones again.
    Same,
}

/// How a rate is spread over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// At equal distances.
    Constant,
    /// At random, independently: many people who do not know of each other.
    Poisson,
}

/// The HTTP that is spoken to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", rename_all = "kebab-case")]
pub enum Protocol {
    /// As captured.
    Auto,
    /// HTTP/1.x, byte for byte.
    Http1,
    /// HTTP/2 without TLS, known beforehand.
    H2c,
    /// HTTP/2 under TLS, chosen by ALPN.
    H2,
}

impl FromStr for Protocol {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Protocol, &'static str> {
        match text {
            "auto" => Ok(Protocol::Auto),
            "http1" => Ok(Protocol::Http1),
            "h2c" => Ok(Protocol::H2c),
            "h2" => Ok(Protocol::H2),
            _ => Err("must be `auto` (as captured), `http1`, `h2c` (HTTP/2 without TLS) or `h2` (under TLS)"),
        }
    }
}

impl TryFrom<String> for Protocol {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Protocol, &'static str> {
        text.parse()
    }
}

/// A length of time: `500ms`, `30s`, `2m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// One of `of` equal parts, counted from 0: `0/4` … `3/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

/// A knob's value that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No such profile is compiled in.
    #[error("no built-in profile `{0}`; there are sessions, captured, closed and rate, or give a file")]
    Unknown(String),
    /// The file does not parse.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// A file of rates cannot be used.
    #[error("curve: {}: {why}", path.display())]
    Curve {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A value is out of range.
    #[error("{knob}: {what}")]
    Value {
        /// Its name in the file.
        knob: &'static str,
        /// What it should be.
        what: &'static str,
    },
}

impl Profile {
    /// One of [`BUILT_IN`].
    pub fn built_in(name: &str) -> Result<Profile, ProfileError> {
        let (_, text) =
            BUILT_IN.iter().find(|(known, _)| *known == name).ok_or_else(|| ProfileError::Unknown(name.into()))?;
        Profile::parse(name, text)
    }

    /// A profile from YAML; `file` is its name for messages.
    pub fn parse(file: &str, text: &str) -> Result<Profile, ProfileError> {
        let profile = Profile::unchecked(file, text)?;
        profile.check()?;
        Ok(profile)
    }

    /// The same, to be checked when all is known: what it leaves open may be said elsewhere.
    pub fn unchecked(file: &str, text: &str) -> Result<Profile, ProfileError> {
        Ok(yaml::parse(file, text)?)
    }

    /// Whether the values make sense, alone and together.
    pub fn check(&self) -> Result<(), ProfileError> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let rules = [
            ("speed", positive(self.speed), "must be greater than 0"),
            ("think-scale", self.think_scale.is_finite() && self.think_scale >= 0.0, "must not be negative"),
            ("connect-scale", self.connect_scale.is_finite() && self.connect_scale >= 0.0, "must not be negative"),
            ("rate", self.rate.is_none_or(positive), "must be greater than 0"),
            (
                "rate",
                self.mode != Mode::Rate || self.rate.is_some() || self.curve.has_its_own(),
                "is needed in mode `rate` (requests per second)",
            ),
            (
                "rate",
                self.mode != Mode::Rate || self.rate.is_none_or(|rate| rate <= self.max_rate),
                "is over `max-rate`; raise that too, if you mean it",
            ),
            (
                "shard",
                self.mode != Mode::Saturate || self.shard.is_none(),
                "is no part of a search: a part of the sessions saturates nothing",
            ),
            ("saturate.from", positive(self.saturate.from), "must be greater than 0"),
            ("saturate.trial", !self.saturate.trial.0.is_zero(), "must be greater than 0"),
            ("saturate.repeats", (1..=99).contains(&self.saturate.repeats), "must be from 1 to 99"),
            (
                "saturate.precision",
                positive(self.saturate.precision) && self.saturate.precision <= 1.0,
                "must be greater than 0, and at most 1",
            ),
            (
                "population",
                (1..=POPULATION_MAX).contains(&self.population),
                "must be from 1 (nobody but the captured people) to 1000",
            ),
            ("connections", self.connections > 0, "must be at least 1"),
            ("streams", self.streams > 0, "must be at least 1"),
            (
                "streams",
                self.streams == 1 || matches!(self.protocol, Protocol::H2c | Protocol::H2),
                "more than one at a time on a connection take HTTP/2: choose protocol `h2c` (http://) or `h2` (https://) too",
            ),
            ("timeout", !self.timeout.0.is_zero(), "must be greater than 0"),
            ("max-rate", positive(self.max_rate), "must be greater than 0"),
            ("max-in-flight", self.max_in_flight > 0, "must be at least 1"),
            (
                "abort-error-rate",
                (0.0..=1.0).contains(&self.abort_error_rate),
                "must be between 0 and 1 (1 never aborts)",
            ),
            ("cert", self.cert.is_some() == self.cert_key.is_some(), "and `cert-key` go together"),
            ("insecure", !self.insecure || self.cacert.is_none(), "trusts anybody: leave it or `cacert` out"),
            (
                "secrets",
                self.secrets.iter().all(|rule| rule.header.is_some() != rule.field.is_some()),
                "each needs `env` and either `header` or `field`",
            ),
            (
                "secrets",
                self.secrets.iter().all(|rule| is_variable(&rule.env)),
                "`env` is the name of an environment variable: letters, digits and `_`",
            ),
            ("shard", self.shard.is_none_or(|shard| shard.index < shard.of), "must be I/N with I from 0 to N-1"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            None => Ok(()),
            Some((knob, _, what)) => Err(ProfileError::Value { knob, what }),
        }
    }

    /// The factor on times inside a connection.
    pub fn inside_scale(&self) -> f64 {
        if self.mode == Mode::Sessions { self.think_scale } else { 1.0 }
    }

    /// Whether requests are due in another order than that in which they were captured.
    pub fn reorders(&self) -> bool {
        matches!(self.mode, Mode::Captured | Mode::Sessions) && self.connect_scale != self.inside_scale()
    }

    /// Requests of a closed loop that are on their way at a time.
    pub fn users(&self) -> u32 {
        self.connections.saturating_mul(self.streams)
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Text that is no length of time.
#[derive(Debug, thiserror::Error)]
#[error("a length of time is a number and a unit: 500ms, 30s, 2m, 1h")]
pub struct SpanError;

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Span, SpanError> {
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or(SpanError)?;
        let (number, unit) = text.split_at(unit_at);
        let seconds = match unit {
            "us" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(SpanError),
        };
        let number: f64 = number.trim().parse().map_err(|_| SpanError)?;
        Duration::try_from_secs_f64(number * seconds).map(Span).map_err(|_| SpanError)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match micros {
            _ if micros.is_multiple_of(1_000_000) => write!(f, "{}s", micros / 1_000_000),
            _ if micros.is_multiple_of(1000) => write!(f, "{}ms", micros / 1000),
            _ => write!(f, "{micros}us"),
        }
    }
}

/// Text that is no shard.
#[derive(Debug, thiserror::Error)]
#[error("a shard is I/N with I from 0 to N-1, such as 0/4")]
pub struct ShardError;

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let (index, of) = text.split_once('/').ok_or(ShardError)?;
        let shard = Shard { index: index.parse().map_err(|_| ShardError)?, of: of.parse().map_err(|_| ShardError)? };
        if shard.index < shard.of { Ok(shard) } else { Err(ShardError) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// Serde by way of text.
macro_rules! as_text {
    ($($name:ty),*) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

pub(super) use as_text;

as_text!(Span, Shard);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_ones_are_valid_and_of_their_mode() {
        for ((name, text), mode) in BUILT_IN.iter().zip([Mode::Sessions, Mode::Captured, Mode::Closed, Mode::Rate]) {
            let profile = Profile::parse(name, text).unwrap();
            assert_eq!(profile.mode, mode);
            assert!(!profile.about.is_empty());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "sped: 2",
            "speed: 0",
            "mode: rate",
            "timeout: 5",
            "shard: 4/4",
            "mode: rate\nrate: 1e9",
            "abort-error-rate: 2",
            "protocol: h2c\nstreams: 0",
            "streams: 2",
            "protocol: http1\nstreams: 2",
            "mode: fast",
        ] {
            assert!(Profile::parse("test", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_and_shards_come_back() {
        for text in ["500ms", "30s", "1500us", "120s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("2m".parse::<Span>().unwrap(), Span(Duration::from_secs(120)));
        assert_eq!("0/4".parse::<Shard>().unwrap().to_string(), "0/4");
        assert!("5".parse::<Span>().is_err() && "-1s".parse::<Span>().is_err() && "4".parse::<Shard>().is_err());
    }
}
