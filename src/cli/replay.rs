//! `standin replay`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::args::ReplayArgs;
use super::audit::rendered;
use super::effect;
use super::input::Stop;
use super::live::Shown;
use super::outcomes::Writing;
use super::text::{Talk, print, print_json, write_json, write_text};
use super::traffic::{self, only_if_masked};
use super::{Exit, Failure, identities};
use crate::replay::feed::Feed;
use crate::replay::profile::{Arrivals, Shard, Span};
use crate::replay::progress::Progress;
use crate::replay::{
    self, EnvSecret, Identities, Marker, Mode, Options, PlannedRequest, Profile, ReplayError, RunResult, SecretRule,
    Secrets, Who,
};
use crate::report::{self, Report, Results};
use crate::run::Saturation;

pub(super) fn run(args: &ReplayArgs, talk: &Talk) -> Result<Exit, Failure> {
    let profile = profile(args)?;
    effect::without(args, profile.mode).iter().for_each(|what| talk.warn(what));
    let start_at = args.start_at.as_deref().map(super::time::instant).transpose()?;
    let stop = Stop::listen().map_err(|e| Failure::system(format!("cannot listen to signals: {e}")))?;
    // Until something is sent there is nothing to lose.
    stop.at_once(true);
    let masked = only_if_masked(&args.capture, args.allow_unmasked)?;
    let identities = identities::of(&profile, &args.rules, masked.as_ref(), talk)?;
    let feed = feed(args, &profile, &stop, talk)?;
    if args.explain_correlation {
        return explain(feed, &profile, args, talk);
    }
    if args.dry_run {
        return dry_run(feed, &profile, identities.as_ref(), args, talk);
    }
    if profile.shard.is_some_and(|shard| shard.of > 1) && !feed.is_pipe() {
        talk.say("the capture is read once before, to tell which sessions are in this shard");
    }
    let (outcomes, writing) = args.outcomes.as_deref().map(Writing::begin).transpose()?.unzip();
    stop.at_once(false);
    let live = Arc::new(Progress::default());
    let shown = Shown::begin(live.clone(), &args.target, replay::mode_name(profile.mode), talk);
    let options = Options {
        cancel: stop.flag(),
        start_at,
        secrets: secrets(&profile),
        progress: Some(live),
        outcomes,
        identities,
        ..Options::new(&args.target, profile)
    };
    let result = replay::run(feed, options).map_err(|error| failure(error, &args.capture));
    drop(shown);
    let result = result?;
    writing.map_or(Ok(()), Writing::end)?;
    if let Some(path) = &args.output {
        write_json(path, &result)?;
    }
    if let Some(path) = &args.junit {
        write_junit(path, &args.capture, &result)?;
    }
    tell(&result, args.json)?;
    Ok(match result.is_good() {
        _ if stop.asked() => Exit::Interrupted,
        true => Exit::Clean,
        false => Exit::Negative,
    })
}

/// The result for CI servers, under the capture's name.
fn write_junit(path: &Path, capture: &Path, result: &RunResult) -> Result<(), Failure> {
    let bug = |what: String| Failure::system(what);
    let mut results = Results::new("");
    let json = serde_json::to_string(result).map_err(|e| bug(e.to_string()))?;
    let name = capture.file_name().unwrap_or_default().to_string_lossy();
    results.add(&name, &json).map_err(|e| bug(e.to_string()))?;
    let text = report::junit::Junit.render(&results).map_err(|e| bug(e.to_string()))?;
    write_text(path, &text)
}

/// The traffic to replay. Captured instants can be asked for only where there are some.
fn feed(args: &ReplayArgs, profile: &Profile, stop: &Stop, talk: &Talk) -> Result<Feed, Failure> {
    let traffic = traffic::open(&args.capture, &replay::wanted(&profile.checks), stop, talk)?;
    if traffic.untimed && profile.mode == Mode::Captured {
        return Err(Failure::usage(format!(
            "{}: there are no times in this format to replay at",
            args.capture.display()
        ))
        .hint("choose --mode rate, closed, or sessions (one after another)"));
    }
    Ok(traffic.feed)
}

/// The values of the environment variables that a profile names. One that is not set is missed by the run.
fn secrets(profile: &Profile) -> Secrets {
    let value = |rule: &SecretRule| Some((rule.env.clone(), EnvSecret::new(std::env::var_os(&rule.env)?.into_vec())));
    profile.secrets.iter().filter_map(value).collect()
}

fn failure(error: ReplayError, capture: &Path) -> Failure {
    let what = error.to_string();
    match error {
        ReplayError::Capture(error) => Failure::capture(capture, &error),
        ReplayError::Refused { .. } => Failure::usage(what).hint("--allow-host HOST allows a target by name"),
        ReplayError::Secret { .. } => {
            Failure::usage(what).hint("set it in the environment of this command (it is never printed or stored)")
        }
        ReplayError::Unreachable { .. } => Failure::system(what).hint("start the target, or check host and port"),
        ReplayError::Cancelled => Failure::interrupted(),
        _ if error.exit_code() == 2 => Failure::usage(what),
        _ => Failure::system(what),
    }
}

fn profile(args: &ReplayArgs) -> Result<Profile, Failure> {
    let usage = |what: String| Failure::usage(what);
    let path = Path::new(&args.profile);
    let mut profile = if path.extension().is_some() || path.exists() {
        let text = std::fs::read_to_string(path)
            .map_err(|e| usage(format!("cannot read the profile {}: {e}", args.profile)))?;
        // Flags may say what it leaves open, and unsay what does not fit.
        Profile::unchecked(&args.profile, &text)
    } else {
        Profile::built_in(&args.profile)
    }
    .map_err(|e| usage(e.to_string()))?;
    let span = |text: &String| Span::from_str(text).map_err(|e| usage(format!("{text}: {e}")));
    if let Some(mode) = &args.mode {
        profile.mode = match mode.as_str() {
            "captured" => Mode::Captured,
            "closed" => Mode::Closed,
            "rate" => Mode::Rate,
            "saturate" => Mode::Saturate,
            _ => Mode::Sessions,
        };
    } else if args.rate.is_some() {
        // Whoever names a rate wants it.
        profile.mode = Mode::Rate;
    }
    if let Some(arrivals) = &args.arrivals {
        profile.arrivals = if arrivals == "constant" { Arrivals::Constant } else { Arrivals::Poisson };
    }
    if let Some(shard) = &args.shard {
        profile.shard = Some(Shard::from_str(shard).map_err(|e| usage(format!("{shard}: {e}")))?);
    }
    profile.speed = args.speed.unwrap_or(profile.speed);
    profile.rate = args.rate.or(profile.rate);
    profile.connections = args.connections.map_or(profile.connections, |n| u32::try_from(n).unwrap_or(u32::MAX));
    profile.streams = args.streams.unwrap_or(profile.streams);
    profile.duration = args.duration.as_ref().map(span).transpose()?.or(profile.duration);
    profile.timeout = args.timeout.as_ref().map(span).transpose()?.unwrap_or(profile.timeout);
    profile.warmup = args.warmup.as_ref().map(span).transpose()?.unwrap_or(profile.warmup);
    profile.population = args.population.unwrap_or(profile.population);
    if let Some(who) = &args.identities {
        profile.identities = if who == "same" { Who::Same } else { Who::Other };
    }
    profile.requests = args.requests.or(profile.requests);
    profile.seed = args.seed.unwrap_or(profile.seed);
    profile.threads = args.threads.unwrap_or(profile.threads);
    profile.spin |= args.spin;
    profile.pin |= args.pin;
    profile.rt |= args.rt;
    profile.max_rate = args.max_rate.unwrap_or(profile.max_rate);
    profile.max_in_flight = args.max_in_flight.map_or(profile.max_in_flight, |n| u32::try_from(n).unwrap_or(u32::MAX));
    profile.abort_error_rate = args.abort_error_rate.unwrap_or(profile.abort_error_rate);
    if !args.methods.is_empty() {
        profile.methods.clone_from(&args.methods);
    }
    connect(args, &mut profile);
    profile.target.pid = args.pid.or(profile.target.pid);
    profile.target.metrics = args.metrics.clone().or(profile.target.metrics);
    if let Some(marker) = &args.marker {
        profile.marker = Some(Marker::from_str(marker).map_err(|e| usage(format!("--marker {marker}: {e}")))?);
    }
    profile.allow_host.extend(args.allow_host.iter().cloned());
    profile.deny_host.extend(args.deny_host.iter().cloned());
    profile.check().map_err(|e| usage(e.to_string()))?;
    Ok(profile)
}

/// How connections are made.
fn connect(args: &ReplayArgs, profile: &mut Profile) {
    profile.protocol = args.protocol.unwrap_or(profile.protocol);
    let files = [
        (&args.unix_socket, &mut profile.unix_socket),
        (&args.cacert, &mut profile.cacert),
        (&args.cert, &mut profile.cert),
        (&args.cert_key, &mut profile.cert_key),
    ];
    for (given, knob) in files {
        if given.is_some() {
            knob.clone_from(given);
        }
    }
    // Each of the two says whom to trust, and the command line has the last word.
    if args.insecure {
        (profile.insecure, profile.cacert) = (true, None);
    } else if args.cacert.is_some() {
        profile.insecure = false;
    }
}

/// Says what would be sent, request by request as the capture is read.
fn dry_run(
    feed: Feed,
    profile: &Profile,
    identities: Option<&Identities>,
    args: &ReplayArgs,
    talk: &Talk,
) -> Result<Exit, Failure> {
    each_planned(feed, profile, identities, (args, talk), &|_| true, &|request| {
        format!("{}  ({} replacements)\n", super::text::harmless(&request.line), request.replacements.len())
    })
}

/// Which values of requests follow which of responses: each of them, and how often each pair of fields.
fn explain(feed: Feed, profile: &Profile, args: &ReplayArgs, talk: &Talk) -> Result<Exit, Failure> {
    // What copies do was done by those whose copies they are.
    let profile = &Profile { population: 1, ..profile.clone() };
    let pairs = RefCell::new(BTreeMap::<(String, String), u64>::new());
    let exit =
        each_planned(feed, profile, None, (args, talk), &|request| !request.replacements.is_empty(), &|request| {
            let mut text = format!("{}\n", super::text::harmless(&request.endpoint));
            for replacement in &request.replacements {
                let of = replacement.to.as_deref().map_or_else(String::new, |to| format!(", {to},"));
                let from = replacement
                    .from_step
                    .map_or_else(String::new, |number| format!(" of the response to request {number} of the capture"));
                text.push_str(&super::text::harmless(&format!(
                    "  {} bytes at {}{of} follow {}{from}\n",
                    replacement.len, replacement.at, replacement.with
                )));
                if let (Some(to), Some(_)) = (&replacement.to, replacement.from_step) {
                    // `a.b[].c[2]`: the field without the number of the value.
                    let from = replacement.with.rsplit_once('[').map_or(&*replacement.with, |(field, _)| field);
                    *pairs.borrow_mut().entry((from.to_owned(), to.clone())).or_default() += 1;
                }
            }
            text
        })?;
    if !args.json {
        let pairs = pairs.into_inner();
        print(&format!("\n{} values follow earlier responses, by fields:\n", pairs.values().sum::<u64>()))?;
        for ((from, to), times) in pairs {
            print(&super::text::harmless(&format!("{times:>7}  {from} -> {to}\n")))?;
        }
    }
    Ok(exit)
}

/// Prints the planned requests that are wanted, as a JSON array or as text.
fn each_planned(
    feed: Feed,
    profile: &Profile,
    identities: Option<&Identities>,
    (args, talk): (&ReplayArgs, &Talk),
    wanted: &dyn Fn(&PlannedRequest) -> bool,
    text: &dyn Fn(&PlannedRequest) -> String,
) -> Result<Exit, Failure> {
    let (mut printed, mut any) = (Ok(()), false);
    let planned = replay::plan(feed, profile, identities, &mut |request| {
        if wanted(&request) {
            printed = match args.json {
                true => print(if any { "," } else { "[" }).and_then(|()| print(&json(&request))),
                false => print(&text(&request)),
            };
            any = true;
        }
        printed.is_ok()
    });
    printed?;
    let unsaid = planned.map_err(|error| failure(error, &args.capture))?;
    if unsaid > 0 {
        talk.warn(&format!(
            "{unsaid} WebSocket messages are left out: a closed loop sends requests only; the other modes send messages"
        ));
    }
    if args.json {
        print(if any { "]\n" } else { "[]\n" })?;
    }
    Ok(Exit::Clean)
}

fn json(request: &PlannedRequest) -> String {
    serde_json::to_string(request).unwrap_or_default()
}

fn tell(result: &RunResult, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(result);
    }
    if let Some(saturation) = &result.saturation {
        print(&found(saturation))?;
    }
    print(&rendered("Replay", &[("run", result)])?)
}

/// What a search found, in a sentence; the figures behind it are those of the last trial at that rate.
fn found(saturation: &Saturation) -> String {
    let rate = saturation.rps.map_or_else(|| "none of those tried".to_owned(), |rps| format!("{rps:.1} requests/s"));
    let interval = saturation
        .ci95
        .map_or_else(String::new, |[low, high]| format!(", with 95 % confidence from {low:.1} to {high:.1}"));
    let objectives = super::text::harmless(&saturation.objectives.join(", "));
    format!("Highest rate that keeps {objectives}: {rate}{interval} ({} trials)\n\n", saturation.steps.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Ended;

    #[test]
    fn what_a_search_found_is_a_sentence() {
        let saturation = |rps, ci95, ended| Saturation {
            rps,
            ci95,
            ended,
            objectives: vec!["p99 <= 50ms".into(), "error rate < 0.1 %".into()],
            steps: Vec::new(),
        };
        for (saturation, text) in [
            (
                saturation(Some(361.26), Some([351.2, 371.04]), Ended::Found),
                "Highest rate that keeps p99 <= 50ms, error rate < 0.1 %: 361.3 requests/s, with 95 % confidence from 351.2 to 371.0 (0 trials)\n\n",
            ),
            (
                saturation(Some(80.0), None, Ended::MaxRate),
                "Highest rate that keeps p99 <= 50ms, error rate < 0.1 %: 80.0 requests/s (0 trials)\n\n",
            ),
            (
                saturation(None, None, Ended::TooLow),
                "Highest rate that keeps p99 <= 50ms, error rate < 0.1 %: none of those tried (0 trials)\n\n",
            ),
        ] {
            assert_eq!(found(&saturation), text);
        }
    }
}
