//! `{{Count}}` and its kin in subjects, bodies and headers of messages that a command makes.
//!
//! The functions of the nats CLI without the rest of Go's template language: no pipes, no conditions.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};

use anyhow::{Context as _, Result, bail, ensure};
use firn_id::Timestamp;

use crate::show;

/// Said by `--help` of every command that takes templates.
pub(crate) const HELP: &str = "\
Subject, body and header values may hold template functions:

  {{Count}}         number of the message, from 1
  {{TimeStamp}}     the time as in RFC 3339, UTC
  {{Unix}}          seconds since 1970
  {{UnixNano}}      nanoseconds since 1970
  {{Time}}          the time of day, UTC: 3:04PM
  {{ID}}            a unique ID
  {{Random 10 100}} random text, 10 to 100 characters long
  {{Request}}       the request's body, in a reply";

/// What random text is made of.
const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Longest text that `Random` makes, in bytes.
const RANDOM_BYTES_MAX: usize = 64 << 20;

/// What the functions speak about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// Number of the message.
    pub(crate) count: u64,
    /// Body of the request, in a reply.
    pub(crate) request: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// The text with every `{{…}}` replaced; without any it is returned as it is.
///
/// # Errors
/// An unknown function, wrong arguments, or an open `{{`.
pub(crate) fn expand(text: &str, facts: Facts<'_>) -> Result<String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("{{") {
        expanded.push_str(before);
        let (call, tail) = tail.split_once("}}").with_context(|| format!("`{{{{{tail}` is not closed"))?;
        evaluate(call, facts, &mut expanded)?;
        rest = tail;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn evaluate(call: &str, facts: Facts<'_>, out: &mut String) -> Result<()> {
    let words: Vec<&str> = call.split_whitespace().collect();
    // `.Count` is the field of that name in Go's templates, and means the same.
    let Some((name, arguments)) = words.split_first().map(|(name, rest)| (name.trim_start_matches('.'), rest)) else {
        bail!("empty template `{{{{{call}}}}}`");
    };
    let wrote = match (name, arguments) {
        ("Count" | "Cnt", []) => write!(out, "{}", facts.count),
        ("Unix", []) => write!(out, "{}", facts.now.unix_seconds()),
        ("UnixNano", []) => write!(out, "{}", facts.now.unix_nanos()),
        ("TimeStamp", []) => out.write_str(&show::rfc3339(facts.now)),
        ("Time", []) => out.write_str(&kitchen(facts.now)),
        ("ID", []) => out.write_str(nuid::next().as_str()),
        ("Request", []) => out.write_str(facts.request.unwrap_or_default()),
        ("Random", [least, most]) => out.write_str(&random(least, most)?),
        _ => bail!("unknown template `{{{{{call}}}}}`"),
    };
    wrote.context("a String takes everything")
}

/// `3:04PM`.
fn kitchen(time: Timestamp) -> String {
    let (_, _, _, hour, minute, _) = time.civil(0);
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    format!("{hour}:{minute:02}{half}")
}

fn random(least: &str, most: &str) -> Result<String> {
    let number = |text: &str| text.parse::<usize>().with_context(|| format!("Random takes two lengths, not `{text}`"));
    let (least, most) = (number(least)?, number(most)?);
    ensure!(
        least <= most && most <= RANDOM_BYTES_MAX,
        "Random takes a shorter and a longer length, not {least} and {most}"
    );
    let length = least + dice(most - least + 1);
    Ok((0..length).filter_map(|_| LETTERS.get(dice(LETTERS.len()))).map(|letter| char::from(*letter)).collect())
}

/// A number below `end`, which is not 0; for filling and spreading, not for secrets.
pub(crate) fn dice(end: usize) -> usize {
    // Each state has keys of its own, drawn from the system once a thread.
    let roll = RandomState::new().hash_one(0);
    let end = u64::try_from(end).unwrap_or(u64::MAX);
    usize::try_from(roll % end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    //! Templates as people type them.

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_nanos(1_795_256_430_000_000_007);

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let facts = Facts { count: 7, request: Some("who"), now: NOW };
        assert_eq!(expand(text, facts).ok().as_deref(), expected, "{text}");
    }

    #[test]
    fn functions_are_replaced() {
        check("plain {text}", Some("plain {text}"));
        check("a{{Count}}b{{ .Cnt }}c", Some("a7b7c"));
        check("{{Unix}} {{UnixNano}}", Some("1795256430 1795256430000000007"));
        check("{{TimeStamp}} {{Time}}", Some("2026-11-21T10:20:30Z 10:20AM"));
        check("{{Request}}?", Some("who?"));
        check("{{Random 0 0}}", Some(""));
        check("{{Random 2}}", None);
        check("{{Random 3 2}}", None);
        check("{{Random a b}}", None);
        check("{{Nope}}", None);
        check("{{}}", None);
        check("{{Count", None);
    }

    #[test]
    fn random_text_is_as_long_as_asked() {
        let facts = Facts { count: 1, request: None, now: NOW };
        for _ in 0..100 {
            let length = expand("{{Random 10 100}}", facts).unwrap().len();
            assert!((10..=100).contains(&length), "{length}");
        }
        assert_ne!(expand("{{ID}}", facts).unwrap(), expand("{{ID}}", facts).unwrap());
    }

    #[test]
    fn noon_and_midnight_are_twelve() {
        let at = |hour: i64| kitchen(Timestamp::from_unix_nanos(hour * 3_600_000_000_000));
        assert_eq!([0, 1, 12, 23].map(at), ["12:00AM", "1:00AM", "12:00PM", "11:00PM"]);
    }
}
