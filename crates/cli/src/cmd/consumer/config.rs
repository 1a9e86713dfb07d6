//! `firn consumer add`, `edit`: configurations from flags and files.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use firn_api::consumer::{ConsumerCreated, ConsumerInfo};
use firn_api::subject::Operation;
use firn_api::time::Time;
use serde_json::{Map, Value, json};

use crate::duration;
use crate::jetstream::{Answer, JetStream};
use crate::members::{self, Kind, Members, Row, Rows, switch};
use crate::show;

use super::sheet;

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Name of the stream
    stream: String,

    /// Name of the consumer; may stand in the file instead
    consumer: Option<String>,

    /// Let it go when nobody uses it; without a name, it gets one
    #[arg(long)]
    ephemeral: bool,

    /// Begin with the configuration in a file of JSON; `-` is standard input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Write the configuration into a file, and create nothing
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Accepted for scripts of the nats CLI; nothing is asked
    #[arg(long, hide = true)]
    defaults: bool,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,

    #[command(flatten)]
    lists: Lists,

    #[command(flatten)]
    members: Members<NewConsumer>,
}

#[derive(Args, Debug)]
pub(crate) struct EditArgs {
    /// Name of the stream
    stream: String,

    /// Name of the consumer
    consumer: String,

    /// Take what a file of JSON says in place of what is there; `-` is standard input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Accepted for scripts of the nats CLI; nothing is asked
    #[arg(short, long, hide = true)]
    force: bool,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,

    #[command(flatten)]
    lists: Lists,

    #[command(flatten)]
    members: Members<ChangedConsumer>,
}

/// Flags of which several make one member.
#[derive(Args, Debug)]
struct Lists {
    /// Only messages whose subject is in this pattern; by commas or repeated
    #[arg(long = "filter", value_name = "PATTERN", value_delimiter = ',')]
    filters: Vec<String>,

    /// Longer and longer waits for an acknowledgement: linear, none, or times such as 1s,10s,1m
    #[arg(long, value_name = "MODE")]
    backoff: Option<String>,

    /// How many steps a linear backoff has
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    backoff_steps: u32,

    /// Its first step
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration::parse)]
    backoff_min: Duration,

    /// Its last step
    #[arg(long, value_name = "DURATION", default_value = "20m", value_parser = duration::parse)]
    backoff_max: Duration,
}

/// Flags of a consumer that is made.
#[derive(Debug)]
enum NewConsumer {}

/// Flags of a consumer that is changed.
#[derive(Debug)]
enum ChangedConsumer {}

impl Rows for NewConsumer {
    const ROWS: &'static [&'static [Row]] = &[ANY, NEW];
}

impl Rows for ChangedConsumer {
    const ROWS: &'static [&'static [Row]] = &[ANY];
}

const fn row(flag: &'static str, kind: Kind, member: &'static str, help: &'static str) -> Row {
    Row { flag, kind, member, help }
}

const ANY: &[Row] = &[
    row("description", Kind::Text("TEXT"), "description", "For people"),
    row("target", Kind::Text("SUBJECT"), "deliver_subject", "Push messages to this subject"),
    row("wait", Kind::Span, "ack_wait", "How long an acknowledgement may take"),
    row("max-deliver", Kind::Count, "max_deliver", "How often a message is sent"),
    row("max-pending", Kind::Count, "max_ack_pending", "How many messages may wait for an acknowledgement"),
    row("max-pull-batch", Kind::Count, "max_batch", "Most messages of a pull"),
    row("max-pull-expire", Kind::Span, "max_expires", "Longest wait of a pull"),
    row("max-pull-bytes", Kind::Size, "max_bytes", "Most bytes of a pull"),
    row("inactive-threshold", Kind::Span, "inactive_threshold", "Delete it when nobody used it for so long"),
    row("sample", Kind::Other("PERCENT", sample), "", "Of how many acknowledgements in a hundred a metric is sent"),
    row("replicas", Kind::Count, "num_replicas", "On how many servers, in place of the stream's"),
    switch!("headers-only", "headers_only", "Send no bodies"),
    row("metadata", Kind::Pairs, "metadata", "Free text of its owner; may be repeated"),
];

const NEW: &[Row] = &[
    row("pull", Kind::Means(&[]), "", "Let clients ask for messages; so it is without --target"),
    row(
        "ack",
        Kind::Word(&[&["explicit"], &["none"], &["all"], &["flow_control"]]),
        "ack_policy",
        "What a client acknowledges: explicit is usual for pull, none for push",
    ),
    row("deliver", Kind::Other("POLICY", deliver), "", "Begin with all, new, last, subject, 1h (ago), or a sequence"),
    row("deliver-group", Kind::Text("NAME"), "deliver_group", "Queue group of those that are pushed to"),
    row("replay", Kind::Word(&[&["instant"], &["original"]]), "replay_policy", "How fast old messages are sent"),
    switch!("flow-control", "flow_control", "Ask the receiver of a push whether it keeps up"),
    row("heartbeat", Kind::Span, "idle_heartbeat", "Push a sign of life when there is no message for so long"),
    row("bps", Kind::Count, "rate_limit_bps", "Bits a second"),
    row("max-waiting", Kind::Count, "max_waiting", "How many pulls may wait"),
    switch!("memory", "mem_storage", "Keep its state in memory"),
    row("pause", Kind::Other("UNTIL", pause), "", "Let it rest at first: 1h, or a time"),
    row(
        "pinned-groups",
        Kind::Other("NAMES", pinned),
        "",
        "Serve one client of each of these groups, as long as it asks",
    ),
    row("pinned-ttl", Kind::Span, "priority_timeout", "How long it may not ask and stay the one"),
    row("overflow-groups", Kind::Other("NAMES", overflow), "", "Serve these groups when enough has piled up"),
    row("prioritized-groups", Kind::Other("NAMES", prioritized), "", "Serve the client of the lowest priority first"),
];

/// # Errors
/// The file or a flag cannot be used, or the server refuses.
pub(crate) async fn add(args: &AddArgs, jetstream: &JetStream) -> Result<()> {
    let mut config = match &args.config {
        Some(file) => members::from_file(file)?,
        None => Map::new(),
    };
    members::merge(&mut config, &args.members.map);
    args.lists.put(&mut config)?;
    if !config.contains_key("ack_policy") {
        // As the nats CLI does.
        let policy = if text(&config, "deliver_subject").is_empty() { "explicit" } else { "none" };
        config.insert("ack_policy".to_owned(), Value::from(policy));
    }
    name(args, &mut config)?;
    if let Some(file) = &args.output {
        let shown = serde_json::to_string_pretty(&config)?;
        return std::fs::write(file, shown + "\n").with_context(|| format!("cannot write {}", file.display()));
    }
    let answer = send(&args.stream, &config, "create", jetstream).await?;
    if args.json {
        return show::json(&answer.raw);
    }
    show::note(format_args!("Created consumer {} of stream {}", answer.body.name, args.stream));
    Ok(show::line(sheet::of(&answer.body))?)
}

/// # Errors
/// The file or a flag cannot be used, there is no such consumer, or the server refuses the change.
pub(crate) async fn edit(args: &EditArgs, jetstream: &JetStream) -> Result<()> {
    let EditArgs { stream, consumer, .. } = args;
    let answer = super::describe(stream, consumer, jetstream).await?;
    let before = answer.raw.get("config").and_then(Value::as_object).cloned();
    let before = before.context("the answer holds no configuration")?;
    let mut after = match &args.config {
        Some(file) => members::from_file(file)?,
        None => before.clone(),
    };
    members::merge(&mut after, &args.members.map);
    args.lists.put(&mut after)?;
    after.insert("name".to_owned(), Value::from(consumer.as_str()));
    let differences = members::differences(&before, &after);
    if differences.is_empty() {
        show::note(format_args!("Nothing changes in consumer {consumer} of stream {stream}"));
        return Ok(());
    }
    if args.dry_run {
        return Ok(show::line(differences.join("\n"))?);
    }
    let answer = send(stream, &after, "update", jetstream).await?;
    if args.json {
        return show::json(&answer.raw);
    }
    for difference in differences {
        show::note(difference);
    }
    show::note(format_args!("Changed consumer {consumer} of stream {stream}"));
    Ok(show::line(sheet::of(&answer.body))?)
}

async fn send(
    stream: &str,
    config: &Map<String, Value>,
    action: &str,
    jetstream: &JetStream,
) -> Result<Answer<ConsumerInfo>> {
    let (consumer, filter) = (text(config, "name"), text(config, "filter_subject"));
    let operation = match filter {
        "" => Operation::ConsumerCreate { stream, consumer },
        filter => Operation::ConsumerCreateFiltered { stream, consumer, filter },
    };
    let request = serde_json::to_vec(&json!({ "stream_name": stream, "config": config, "action": action }))?;
    let Answer { body, raw } = jetstream.ask::<ConsumerCreated>(operation, request).await?;
    Ok(Answer { body: body.info.context("the answer holds no consumer")?, raw })
}

/// Its name, and whether it stays when nobody uses it.
fn name(args: &AddArgs, config: &mut Map<String, Value>) -> Result<()> {
    let in_file = || Some(text(config, "name")).filter(|name| !name.is_empty()).or(Some(text(config, "durable_name")));
    let name = match args.consumer.as_deref().or_else(in_file).filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None if args.ephemeral => nuid::next().to_string(),
        None => bail!("the consumer has no name; give one, or --ephemeral"),
    };
    if args.ephemeral {
        config.remove("durable_name");
    } else if args.config.is_none() || args.consumer.is_some() {
        config.insert("durable_name".to_owned(), Value::from(name.as_str()));
    }
    config.insert("name".to_owned(), Value::from(name));
    Ok(())
}

fn text<'a>(config: &'a Map<String, Value>, member: &str) -> &'a str {
    config.get(member).and_then(Value::as_str).unwrap_or_default()
}

impl Lists {
    /// Puts what was given where it belongs.
    fn put(&self, config: &mut Map<String, Value>) -> Result<()> {
        match self.filters.as_slice() {
            [] => {}
            [one] => {
                config.remove("filter_subjects");
                config.insert("filter_subject".to_owned(), Value::from(one.as_str()));
            }
            several => {
                config.remove("filter_subject");
                config.insert("filter_subjects".to_owned(), Value::from(several));
            }
        }
        match self.backoff.as_deref() {
            None => {}
            Some("none") => {
                config.remove("backoff");
            }
            Some(mode) => {
                let waits: Vec<Value> = self.waits(mode)?.into_iter().map(nanos).collect::<Result<_>>()?;
                config.insert("backoff".to_owned(), Value::from(waits));
            }
        }
        Ok(())
    }

    fn waits(&self, mode: &str) -> Result<Vec<Duration>> {
        if mode != "linear" {
            let waits = mode.split(',').map(|wait| duration::parse(wait).map_err(anyhow::Error::msg));
            return waits.collect::<Result<_>>().context("--backoff is linear, none, or times");
        }
        let (steps, least, most) = (self.backoff_steps, self.backoff_min, self.backoff_max);
        ensure!(steps > 0, "a backoff needs a step");
        ensure!(least <= most, "--backoff-min is above --backoff-max");
        let between = (most - least) / (steps - 1).max(1);
        Ok((0..steps).map(|step| least + between * step).collect())
    }
}

fn nanos(time: Duration) -> Result<Value> {
    Ok(Value::from(i64::try_from(time.as_nanos())?))
}

fn sample(text: &str) -> Result<Value, String> {
    let percent = text.trim_end_matches('%').parse::<u8>().ok().filter(|percent| *percent <= 100);
    let percent = percent.ok_or_else(|| format!("`{text}` is not a percentage"))?;
    Ok(json!({ "sample_freq": format!("{percent}%") }))
}

fn deliver(text: &str) -> Result<Value, String> {
    let policy = match text {
        "all" | "last" | "new" => text,
        "next" => "new",
        "subject" | "last_per_subject" => "last_per_subject",
        _ => {
            if let Ok(seq) = text.parse::<u64>() {
                return Ok(json!({ "deliver_policy": "by_start_sequence", "opt_start_seq": seq }));
            }
            let wrong = || format!("`{text}` is none of all, new, last, subject, a duration, a sequence");
            let ago = duration::parse(text).map_err(|_| wrong())?;
            let start = Time::from(show::before(show::now(), ago));
            return Ok(json!({ "deliver_policy": "by_start_time", "opt_start_time": start }));
        }
    };
    Ok(json!({ "deliver_policy": policy }))
}

fn pause(text: &str) -> Result<Value, String> {
    Ok(json!({ "pause_until": super::until(text)? }))
}

fn pinned(text: &str) -> Result<Value, String> {
    Ok(groups("pinned_client", text))
}

fn overflow(text: &str) -> Result<Value, String> {
    Ok(groups("overflow", text))
}

fn prioritized(text: &str) -> Result<Value, String> {
    Ok(groups("prioritized", text))
}

fn groups(policy: &str, names: &str) -> Value {
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    json!({ "priority_policy": policy, "priority_groups": names })
}

#[cfg(test)]
mod tests {
    //! From flags to a configuration.

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        add: AddArgs,
    }

    fn config(line: &str) -> Option<Value> {
        let words = ["add", "S"].into_iter().chain(line.split_whitespace());
        let args = Line::try_parse_from(words).ok()?.add;
        let mut config = args.members.map.clone();
        args.lists.put(&mut config).ok()?;
        name(&args, &mut config).ok()?;
        Some(Value::Object(config))
    }

    #[track_caller]
    fn check(line: &str, expected: Value) {
        assert_eq!(config(line), Some(expected), "{line}");
    }

    #[test]
    fn a_consumer_is_durable_unless_it_is_ephemeral() {
        check("C", json!({ "name": "C", "durable_name": "C" }));
        check("C --ephemeral", json!({ "name": "C" }));
        assert!(config("--ephemeral").unwrap()["name"].as_str().unwrap().len() > 20, "a name is made");
        assert_eq!(config(""), None);
    }

    #[test]
    fn filters_are_one_or_several() {
        check("C --filter a.b --ephemeral", json!({ "name": "C", "filter_subject": "a.b" }));
        check("C --filter a,b --filter c --ephemeral", json!({ "name": "C", "filter_subjects": ["a", "b", "c"] }));
    }

    #[test]
    fn a_start_is_a_word_a_sequence_or_a_time() {
        check("C --ephemeral --deliver new", json!({ "name": "C", "deliver_policy": "new" }));
        check("C --ephemeral --deliver subject", json!({ "name": "C", "deliver_policy": "last_per_subject" }));
        check(
            "C --ephemeral --deliver 7",
            json!({ "name": "C", "deliver_policy": "by_start_sequence", "opt_start_seq": 7 }),
        );
        let since = config("C --deliver 1h").unwrap();
        assert_eq!(since["deliver_policy"], "by_start_time");
        let start = Time::parse(since["opt_start_time"].as_str().unwrap()).unwrap().timestamp().unwrap();
        assert!((3600..3610).contains(&show::now().since(start).as_secs()));
        assert_eq!(config("C --deliver sometimes"), None);
    }

    #[test]
    fn waits_grow_from_the_least_to_the_most() {
        let waits = |line: &str| config(line).map(|config| config["backoff"].clone());
        let seconds =
            |list: &[u64]| Some(Value::from(list.iter().map(|wait| wait * 1_000_000_000).collect::<Vec<_>>()));
        let linear = "C --backoff linear --backoff-min 1s --backoff-max 7s --backoff-steps";
        assert_eq!(waits(&format!("{linear} 4")), seconds(&[1, 3, 5, 7]));
        assert_eq!(waits(&format!("{linear} 1")), seconds(&[1]));
        assert_eq!(waits("C --backoff 1s,10s,1m"), seconds(&[1, 10, 60]));
        assert_eq!(waits("C --backoff none"), Some(Value::Null));
        for broken in
            ["C --backoff soon", &format!("{linear} 0"), "C --backoff linear --backoff-min 1h --backoff-max 1m"]
        {
            assert_eq!(waits(broken), None, "{broken}");
        }
    }

    #[test]
    fn groups_have_a_policy() {
        check(
            "C --ephemeral --pinned-groups a,b --pinned-ttl 1m --sample 50",
            json!({
                "name": "C", "priority_policy": "pinned_client", "priority_groups": ["a", "b"],
                "priority_timeout": 60_000_000_000_i64, "sample_freq": "50%",
            }),
        );
        assert_eq!(config("C --sample 101"), None);
    }
}
