//! The options of `permissions`: what a user may publish, subscribe to and answer.

use std::time::Duration;

use super::{PermissionsOptions, ResponsesOptions, SubjectsOptions};
use crate::{
    go,
    table::{Entry, Kind, Read, Reader, Reload::As, Row, Section, Unknown},
    value::{Node, Value},
};

type PermissionsRow = Row<PermissionsOptions>;
type SubjectsRow = Row<Subjects>;
type ResponsesRow = Row<ResponsesOptions>;

pub(super) static PERMISSIONS: Section<PermissionsOptions> = Section {
    unknown: Unknown::Parsing("permissions"),
    no_map: "Expected permissions to be a map/struct, got {value}",
    rows: &[
        PermissionsRow::new(
            "publish",
            Read::Own(Kind::TextOrBlock(&SUBJECTS), |p, entry, reader| p.publish = subjects(entry, reader, false)),
            "Subjects to publish to: one, a list, or `{allow, deny}`.",
        )
        .or(&["pub", "import"])
        .field("Users", As("authorization users")),
        PermissionsRow::new(
            "subscribe",
            Read::Own(Kind::TextOrBlock(&SUBJECTS), |p, entry, reader| p.subscribe = subjects(entry, reader, true)),
            "Subjects to subscribe to: one, a list, or `{allow, deny}`; a subject \
             may be followed by a queue group.",
        )
        .or(&["sub", "export"])
        .field("Users", As("authorization users")),
        PermissionsRow::new(
            "allow_responses",
            Read::Own(Kind::BoolOrBlock(&RESPONSES), |p, entry, reader| p.allow_responses = responses(entry, reader)),
            "May publish to the reply subjects of what it received; nothing else \
             unless publish allows it.",
        )
        .or(&["publish_allow_responses"])
        .default("false")
        .field("Users", As("authorization users")),
    ],
};

static SUBJECTS: Section<Subjects> = Section {
    unknown: Unknown::AllowOrDeny,
    no_map: "",
    rows: &[
        SubjectsRow::new(
            "allow",
            Read::Own(Kind::Texts, |s, entry, reader| s.allow = list(entry.node, reader, s.may_have_queue)),
            "Only these subjects.",
        )
        .field("Users", As("authorization users")),
        SubjectsRow::new(
            "deny",
            Read::Own(Kind::Texts, |s, entry, reader| s.deny = list(entry.node, reader, s.may_have_queue)),
            "Not these subjects.",
        )
        .field("Users", As("authorization users")),
    ],
};

static RESPONSES: Section<ResponsesOptions> = Section {
    unknown: Unknown::Parsing("permissions"),
    no_map: "error parsing response permissions, expected a boolean or a map",
    rows: &[
        ResponsesRow::new(
            "max",
            Read::Int(|r, n| {
                if n != 0 {
                    r.max = u64::try_from(n).ok();
                }
            }),
            "Messages for one reply subject; negative is any number.",
        )
        .or(&["max_msgs", "max_messages", "max_responses"])
        .default("1")
        .field("Users", As("authorization users")),
        ResponsesRow::new(
            "expires",
            Read::Own(Kind::Duration, expires),
            "Time from the request on, as a string; negative is for ever.",
        )
        .or(&["expiration", "ttl"])
        .default("2m")
        .field("Users", As("authorization users")),
    ],
};

/// `{allow, deny}` while it is read.
#[derive(Default)]
struct Subjects {
    allow: Vec<String>,
    deny: Vec<String>,
    may_have_queue: bool,
}

impl Default for ResponsesOptions {
    fn default() -> ResponsesOptions {
        ResponsesOptions { max: Some(1), expires: Some(Duration::from_mins(2)) }
    }
}

pub(super) fn read(entry: &Entry<'_>, reader: &mut Reader<'_>) -> Option<PermissionsOptions> {
    let Value::Map(_) = entry.node.value else {
        PERMISSIONS.read(entry.node, &mut PermissionsOptions::default(), reader);
        return None;
    };
    let mut permissions = PermissionsOptions::default();
    PERMISSIONS.read(entry.node, &mut permissions, reader);
    // Who may answer may publish nothing else, unless it is allowed by name.
    if permissions.allow_responses.is_some() {
        permissions.publish.allow.get_or_insert_default();
    }
    Some(permissions)
}

/// An empty list of allowed subjects allows all, like no list.
fn subjects(entry: &Entry<'_>, reader: &mut Reader<'_>, may_have_queue: bool) -> SubjectsOptions {
    let mut subjects = Subjects { may_have_queue, ..Subjects::default() };
    if let Value::Map(map) = &entry.node.value {
        SUBJECTS.read_map(map, &mut subjects, reader);
    } else {
        subjects.allow = list(entry.node, reader, may_have_queue);
    }
    SubjectsOptions { allow: Some(subjects.allow).filter(|allow| !allow.is_empty()), deny: subjects.deny }
}

/// One subject or a list of them; a list with a wrong one is dropped.
fn list(node: &Node, reader: &mut Reader<'_>, may_have_queue: bool) -> Vec<String> {
    let Some(nodes) = node.as_list_or_text() else {
        let found = node.value.go_type();
        let text = format!("Expected subject permissions to be a subject, or array of subjects, got {found}");
        reader.error(node, text);
        return Vec::new();
    };
    let mut subjects = Vec::with_capacity(nodes.len());
    for element in nodes {
        let Value::Text(subject) = &element.value else {
            reader.error(element, "Subject in permissions array cannot be cast to string");
            return Vec::new();
        };
        subjects.push(subject.clone());
    }
    let is_subject = reader.checks.is_subject;
    match subjects.iter().find_map(|subject| wrong_subject(subject, may_have_queue, is_subject)) {
        Some(text) => {
            reader.error(node, text);
            Vec::new()
        }
        None => subjects,
    }
}

/// What is wrong with `subject` or `subject queue`.
fn wrong_subject(subject: &str, may_have_queue: bool, is_subject: fn(&str) -> bool) -> Option<String> {
    if is_subject(subject) {
        return None;
    }
    let parts: Vec<&str> = subject.split_whitespace().collect();
    let [name, queue] = parts.as_slice() else {
        return Some(format!("subject {} is not a valid subject", go::quote(subject)));
    };
    match () {
        () if !may_have_queue => Some(format!("subject {} is not a valid subject", go::quote(subject))),
        () if !is_subject(name) => Some(format!("subject {} is not a valid subject", go::quote(name))),
        () if !is_subject(queue) => Some(format!("queue {} is not a valid queue", go::quote(queue))),
        () => None,
    }
}

fn responses(entry: &Entry<'_>, reader: &mut Reader<'_>) -> Option<ResponsesOptions> {
    match &entry.node.value {
        Value::Bool(is_on) => is_on.then(ResponsesOptions::default),
        Value::Map(map) => {
            let mut responses = ResponsesOptions::default();
            RESPONSES.read_map(map, &mut responses, reader);
            Some(responses)
        }
        Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Datetime(_) | Value::List(_) => {
            reader.error(entry.node, RESPONSES.no_map);
            None
        }
    }
}

fn expires(responses: &mut ResponsesOptions, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Value::Text(text) = &entry.node.value else {
        return reader.error(entry.node, "error parsing expires, not a duration string");
    };
    let positive = text.strip_prefix('-');
    match go::parse_duration(positive.unwrap_or(text)) {
        Ok(duration) if duration.is_zero() => {}
        Ok(duration) => responses.expires = positive.is_none().then_some(duration),
        Err(_) => {
            let error = go::parse_duration(text).err().unwrap_or_default();
            reader.error(entry.node, format!("error parsing expires: {error}"));
        }
    }
}
