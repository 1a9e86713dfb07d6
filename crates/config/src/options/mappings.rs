//! The options of `mappings`: where messages for a subject really go.

use std::collections::{BTreeMap, BTreeSet};

use super::{MappingDestination, MappingOptions, Options};
use crate::{
    go,
    table::{Entry, Kind, Read, Reader, Row, Section, Unknown},
    value::{Node, Value},
};

/// One `{destination, weight, cluster}` while it is read.
#[derive(Default)]
struct Destination {
    subject: String,
    weight: Option<u8>,
    cluster: String,
}

type DestinationRow = Row<Destination>;

static DESTINATION: Section<Destination> = Section {
    unknown: Unknown::Destination,
    no_map: "Expected an entry for the mapping destination",
    rows: &[
        DestinationRow::new("destination", Read::Text(|d, text| text.clone_into(&mut d.subject)), "The subject.")
            .or(&["dest"]),
        DestinationRow::new("weight", Read::Own(Kind::Special, weight), "Share of the messages: 0 to 100, or \"30%\"."),
        DestinationRow::new(
            "cluster",
            Read::Text(|d, text| text.clone_into(&mut d.cluster)),
            "Only for servers of this cluster.",
        ),
    ],
};

pub(super) fn read(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(map) = reader.map(entry.node) else { return };
    for (source, node) in map.iter() {
        if !(reader.checks.is_subject)(source) {
            reader.error(entry.node, format!("Subject {} is not a valid subject", go::quote(source)));
            continue;
        }
        let position = reader.position(node);
        let mut destinations = Vec::new();
        reader.within(node, |reader| destinations = of_source(source, node, reader));
        options.mappings.push(MappingOptions { source: source.to_owned(), destinations, position });
    }
}

fn of_source(source: &str, node: &Node, reader: &mut Reader<'_>) -> Vec<MappingDestination> {
    let quoted = go::quote(source);
    let destinations: Vec<MappingDestination> = match &node.value {
        Value::Text(subject) => {
            if let Err(error) = (reader.checks.mapping)(source, subject) {
                let subject = go::quote(subject);
                reader.error(node, format!("Error adding mapping for {quoted} to {subject} : {error}"));
            }
            return vec![MappingDestination { subject: subject.clone(), weight: 100, cluster: String::new() }];
        }
        Value::List(nodes) => nodes.iter().filter_map(|node| destination(node, reader)).collect(),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Datetime(_) | Value::Map(_) => {
            destination(node, reader).into_iter().collect()
        }
    };
    if let Err(error) = check_weighted(source, &destinations, reader) {
        reader.error(node, format!("Error adding mapping for {quoted} : {error}"));
    }
    destinations
}

/// No destination twice, and all weights of a cluster within 100 percent.
fn check_weighted(source: &str, destinations: &[MappingDestination], reader: &Reader<'_>) -> Result<(), String> {
    let mut subjects = BTreeSet::new();
    let mut weights: BTreeMap<&str, u32> = BTreeMap::new();
    for destination in destinations {
        if !subjects.insert(&destination.subject) {
            return Err(format!("duplicate entry for {}", go::quote(&destination.subject)));
        }
        let weight = weights.entry(&destination.cluster).or_default();
        *weight += u32::from(destination.weight);
        if *weight > 100 {
            return Err("total weight needs to be <= 100".to_owned());
        }
        (reader.checks.mapping)(source, &destination.subject)?;
    }
    Ok(())
}

fn destination(node: &Node, reader: &mut Reader<'_>) -> Option<MappingDestination> {
    let mut destination = Destination::default();
    let errors = reader.errors.len();
    DESTINATION.read(node, &mut destination, reader);
    if reader.errors.len() > errors {
        return None;
    }
    let Some(weight) = destination.weight else {
        let subject = go::quote(&destination.subject);
        reader.error(node, format!("Missing weight for mapping destination {subject}"));
        return None;
    };
    Some(MappingDestination { subject: destination.subject, weight, cluster: destination.cluster })
}

fn weight(destination: &mut Destination, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let value = &entry.node.value;
    let percent = value.as_text().map(|text| text.strip_suffix('%').unwrap_or(text));
    let number = match percent {
        Some(digits) => digits.parse().ok(),
        None => value.as_int(),
    };
    let problem = match (number.map(u8::try_from), number, percent) {
        (Some(Ok(weight @ 0..=100)), ..) => return destination.weight = Some(weight),
        (_, Some(number), _) => format!("Invalid weight {number} for mapping destination"),
        (_, None, Some(text)) => {
            format!("Invalid weight {} for mapping destination", go::quote(text))
        }
        (_, None, None) => format!("Unknown entry type for weight of {}", value.go_value()),
    };
    reader.error(entry.node, problem);
}
