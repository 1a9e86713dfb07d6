//! Flags that are members of a configuration in JSON: one table a kind of thing, one row a flag.
//!
//! ```text
//!   --max-age 1d --cluster east ──► {"max_age":86400000000000,"placement":{"cluster":"east"}}
//!                                                 │ merged over a file or what the server has; null removes
//!                                                 ▼
//!                                    the configuration that is sent
//! ```
//!
//! What no flag names stays as it is, so that a change loses nothing that this program does not know. Not here: whether
//! a configuration is allowed, which its server says.

use std::marker::PhantomData;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use serde_json::{Map, Value};

use crate::{duration, size};

/// A flag and the member that it is.
pub(crate) struct Row {
    pub(crate) flag: &'static str,
    pub(crate) kind: Kind,
    /// Its name, with a point before each name inside an object.
    pub(crate) member: &'static str,
    pub(crate) help: &'static str,
}

/// How a flag is written, and what stands in JSON.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A text.
    Text(&'static str),
    /// Texts, by commas or by repeating the flag.
    Texts(&'static str),
    /// Names of things, as objects with nothing but a name.
    Names(&'static str),
    /// A number; -1 is unlimited.
    Count,
    /// A number of bytes; -1 is unlimited.
    Size,
    /// A time, in nanoseconds.
    Span,
    /// One of these words; the first of a group is what stands in JSON, the others mean the same.
    Word(&'static [&'static [&'static str]]),
    /// `--flag` or `--no-flag`, which is given; where `is_inverted`, the member says the opposite.
    Switch { no: &'static str, is_inverted: bool },
    /// `K=V`, by repeating the flag.
    Pairs,
    /// Nothing follows it; the member goes away.
    Remove,
    /// Nothing follows it; these members have these values.
    Means(&'static [(&'static str, &'static str)]),
    /// Whatever members the function makes of the text.
    Other(&'static str, fn(&str) -> Result<Value, String>),
}

/// A row of kind [`Kind::Switch`].
macro_rules! switch {
    ($flag:literal, $member:literal, $help:literal) => {
        $crate::members::switch!($flag, $member, $help, false)
    };
    ($flag:literal, $member:literal, $help:literal, $is_inverted:literal) => {
        $crate::members::Row {
            flag: $flag,
            kind: $crate::members::Kind::Switch { no: concat!("no-", $flag), is_inverted: $is_inverted },
            member: $member,
            help: $help,
        }
    };
}
pub(crate) use switch;

/// A kind of thing that has a configuration.
pub(crate) trait Rows: 'static {
    /// Its flags.
    const ROWS: &'static [&'static [Row]];
}

/// The members that the flags of a command line are.
pub(crate) struct Members<R> {
    pub(crate) map: Map<String, Value>,
    rows: PhantomData<R>,
}

impl<R> std::fmt::Debug for Members<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.map.fmt(f)
    }
}

impl<R: Rows> Args for Members<R> {
    fn augment_args(command: Command) -> Command {
        R::ROWS.iter().copied().flatten().flat_map(Row::args).fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<R: Rows> FromArgMatches for Members<R> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut map = Map::new();
        for row in R::ROWS.iter().copied().flatten() {
            row.read(matches, &mut map);
        }
        Ok(Self { map, rows: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Row {
    fn args(&'static self) -> Vec<Arg> {
        let arg = Arg::new(self.flag).long(self.flag).help(self.help);
        match self.kind {
            Kind::Text(name) => vec![arg.value_name(name)],
            Kind::Texts(name) | Kind::Names(name) => vec![arg.value_name(name).action(ArgAction::Append)],
            Kind::Count => {
                vec![arg.value_name("COUNT").value_parser(ValueParser::new(count)).allow_negative_numbers(true)]
            }
            Kind::Size => {
                vec![arg.value_name("BYTES").value_parser(ValueParser::new(bytes)).allow_negative_numbers(true)]
            }
            Kind::Span => vec![arg.value_name("DURATION").value_parser(ValueParser::new(span))],
            Kind::Word(groups) => {
                let values = groups.iter().filter_map(|group| {
                    let (first, others) = group.split_first()?;
                    Some(PossibleValue::new(*first).aliases(others.iter().copied()))
                });
                let parser = PossibleValuesParser::new(values).map(move |word| meant(groups, &word));
                vec![arg.value_name("WORD").value_parser(parser)]
            }
            Kind::Switch { no, .. } => vec![
                arg.action(ArgAction::SetTrue).overrides_with(no),
                Arg::new(no).long(no).action(ArgAction::SetTrue).overrides_with(self.flag).hide(true),
            ],
            Kind::Pairs => {
                vec![arg.value_name("K=V").action(ArgAction::Append).value_parser(ValueParser::new(pair))]
            }
            Kind::Remove | Kind::Means(_) => vec![arg.action(ArgAction::SetTrue)],
            Kind::Other(name, read) => {
                vec![arg.value_name(name).value_parser(ValueParser::new(move |text: &str| read(text)))]
            }
        }
    }

    fn read(&self, matches: &ArgMatches, into: &mut Map<String, Value>) {
        let texts = || -> Vec<String> {
            let given = matches.get_many::<String>(self.flag).unwrap_or_default();
            let parts = given.flat_map(|text| text.split(',')).map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        };
        let value = match self.kind {
            Kind::Text(_) => matches.get_one::<String>(self.flag).map(|text| Value::from(text.as_str())),
            Kind::Texts(_) => some(texts()).map(Value::from),
            Kind::Names(_) => {
                some(texts()).map(|names| names.into_iter().map(|name| serde_json::json!({ "name": name })).collect())
            }
            Kind::Count | Kind::Size | Kind::Span | Kind::Word(_) => matches.get_one::<Value>(self.flag).cloned(),
            Kind::Switch { no, is_inverted } => match (matches.get_flag(self.flag), matches.get_flag(no)) {
                (false, false) => None,
                (is_set, _) => Some(Value::Bool(is_set != is_inverted)),
            },
            Kind::Pairs => {
                let pairs = matches.get_many::<(String, String)>(self.flag).unwrap_or_default();
                let pairs: Map<String, Value> =
                    pairs.map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
                (!pairs.is_empty()).then_some(Value::Object(pairs))
            }
            Kind::Remove => matches.get_flag(self.flag).then_some(Value::Null),
            Kind::Means(members) => {
                for (member, text) in members.iter().filter(|_| matches.get_flag(self.flag)) {
                    set(into, member, serde_json::from_str(text).expect("the table holds JSON"));
                }
                None
            }
            Kind::Other(..) => {
                if let Some(Value::Object(members)) = matches.get_one::<Value>(self.flag) {
                    into.extend(members.clone());
                }
                None
            }
        };
        if let Some(value) = value {
            set(into, self.member, value);
        }
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn count(text: &str) -> Result<Value, String> {
    text.parse::<i64>().map(Value::from).map_err(|_| format!("`{text}` is not a number"))
}

fn bytes(text: &str) -> Result<Value, String> {
    if text == "-1" { Ok(Value::from(-1)) } else { size::parse::<i64>(text).map(Value::from) }
}

fn span(text: &str) -> Result<Value, String> {
    let time = duration::parse(text)?;
    i64::try_from(time.as_nanos()).map(Value::from).map_err(|_| format!("`{text}` is too long"))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(['=', ':']).filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or_else(|| format!("`{text}` is not of the form K=V"))?;
    Ok((key.to_owned(), value.to_owned()))
}

fn meant(groups: &[&[&'static str]], word: &str) -> Value {
    let group = groups.iter().find(|group| group.contains(&word));
    Value::from(group.and_then(|group| group.first().copied()).unwrap_or_default())
}

/// Puts a value where `member` says.
fn set(map: &mut Map<String, Value>, member: &str, value: Value) {
    let Some((outer, inner)) = member.split_once('.') else {
        map.insert(member.to_owned(), value);
        return;
    };
    let outer = map.entry(outer).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(outer) = outer {
        set(outer, inner, value);
    }
}

/// Lays members over those that are there: objects grow together, null removes, anything else replaces.
pub(crate) fn merge(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (_, Value::Null) => {
                base.remove(key);
            }
            (Some(Value::Object(base)), Value::Object(over)) => merge(base, over),
            (_, value) => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The members in a file of JSON; `-` is standard input.
///
/// # Errors
/// It cannot be read, or is no object.
pub(crate) fn from_file(file: &Path) -> Result<Map<String, Value>> {
    let shown = file.display();
    let text =
        if file.as_os_str() == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text = text.with_context(|| format!("cannot read {shown}"))?;
    serde_json::from_str(&text).with_context(|| format!("{shown} holds no object of JSON"))
}

/// What differs, `member: before -> after` each.
pub(crate) fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let absent = Value::Null;
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let sides =
        keys.into_iter().map(|key| (key, before.get(key).unwrap_or(&absent), after.get(key).unwrap_or(&absent)));
    sides.filter(|(_, old, new)| old != new).map(|(key, old, new)| format!("{key}: {old} -> {new}")).collect()
}

#[cfg(test)]
mod tests {
    //! From flags to JSON.

    use clap::Parser;
    use serde_json::json;

    use super::*;

    struct Things;

    impl Rows for Things {
        const ROWS: &'static [&'static [Row]] = &[&[
            Row { flag: "text", kind: Kind::Text("TEXT"), member: "text", help: "" },
            Row { flag: "texts", kind: Kind::Texts("TEXT"), member: "in.texts", help: "" },
            Row { flag: "names", kind: Kind::Names("NAME"), member: "names", help: "" },
            Row { flag: "count", kind: Kind::Count, member: "in.count", help: "" },
            Row { flag: "size", kind: Kind::Size, member: "size", help: "" },
            Row { flag: "span", kind: Kind::Span, member: "span", help: "" },
            Row { flag: "word", kind: Kind::Word(&[&["file", "f"], &["memory"]]), member: "word", help: "" },
            switch!("switch", "switch", ""),
            switch!("ack", "no_ack", "", true),
            Row { flag: "pairs", kind: Kind::Pairs, member: "pairs", help: "" },
            Row { flag: "remove", kind: Kind::Remove, member: "gone", help: "" },
            Row { flag: "means", kind: Kind::Means(&[("a", "1"), ("b", "\"x\"")]), member: "", help: "" },
            Row { flag: "other", kind: Kind::Other("TEXT", |text| Ok(json!({ "o": text }))), member: "", help: "" },
        ]];
    }

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        members: Members<Things>,
    }

    fn parse(line: &str) -> Option<Value> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        Some(Value::Object(Line::try_parse_from(words).ok()?.members.map))
    }

    #[test]
    fn a_flag_is_a_member() {
        #[track_caller]
        fn check(line: &str, expected: Option<Value>) {
            assert_eq!(parse(line), expected, "{line}");
        }
        check("", Some(json!({})));
        check("--text a,b", Some(json!({ "text": "a,b" })));
        check("--texts a,b --texts c", Some(json!({ "in": { "texts": ["a", "b", "c"] } })));
        check("--names a,b", Some(json!({ "names": [{ "name": "a" }, { "name": "b" }] })));
        check("--count -1 --texts a", Some(json!({ "in": { "texts": ["a"], "count": -1 } })));
        check("--size 1KB", Some(json!({ "size": 1024 })));
        check("--size -1", Some(json!({ "size": -1 })));
        check("--span 1h30m", Some(json!({ "span": 5_400_000_000_000_i64 })));
        check("--word f", Some(json!({ "word": "file" })));
        check("--switch", Some(json!({ "switch": true })));
        check("--no-switch", Some(json!({ "switch": false })));
        check("--switch --no-switch", Some(json!({ "switch": false })));
        check("--no-switch --switch", Some(json!({ "switch": true })));
        check("--ack", Some(json!({ "no_ack": false })));
        check("--no-ack", Some(json!({ "no_ack": true })));
        check("--pairs a=b=c --pairs d:e", Some(json!({ "pairs": { "a": "b=c", "d": "e" } })));
        check("--remove", Some(json!({ "gone": null })));
        check("--means", Some(json!({ "a": 1, "b": "x" })));
        check("--other 7", Some(json!({ "o": "7" })));
        for broken in ["--count x", "--size 1X", "--size -2", "--span 7", "--word disk", "--pairs a", "--text"] {
            check(broken, None);
        }
    }

    #[test]
    fn members_are_laid_over_those_that_are_there() {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let mut base =
            map(json!({ "name": "S", "placement": { "cluster": "a", "tags": ["t"] }, "mirror": { "name": "M" } }));
        merge(&mut base, &map(json!({ "placement": { "cluster": "b" }, "mirror": null, "max_age": 1 })));
        assert_eq!(
            Value::Object(base),
            json!({ "name": "S", "placement": { "cluster": "b", "tags": ["t"] }, "max_age": 1 })
        );
    }

    #[test]
    fn differences_name_the_member_and_both_values() {
        let map = |value: Value| value.as_object().cloned().unwrap();
        let (before, after) = (map(json!({ "a": 1, "b": 2, "c": 3 })), map(json!({ "a": 1, "b": 4, "d": "x" })));
        assert_eq!(differences(&before, &after), ["b: 2 -> 4", "c: 3 -> null", "d: null -> \"x\""]);
    }
}
