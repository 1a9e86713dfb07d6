//! Compares what two servers' monitoring pages look like: which members they have, and of which types.
//!
//! Values are not compared; most of them are times, sizes and identities. What the members mean is for the transcripts.
//! Differences that are meant are listed in `conformance/differences.txt`, each with its reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::environment;
use crate::server::Page;

/// Members of a document by their path, such as `.connections[].cid`, with the types seen there.
pub type Shape = BTreeMap<String, BTreeSet<&'static str>>;

/// Something about a page that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// Which page.
    pub page: String,
    /// Which member of it, or `status` or `type` of the answer itself.
    pub path: String,
    /// What it is with the first server.
    pub first: String,
    /// What it is with the second server.
    pub second: String,
}

/// A difference that is meant.
#[derive(Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Which page, or `*` for all.
    pub page: String,
    /// Which member; everything below it is allowed too.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Everything that is not the same about a page.
#[must_use]
pub fn compare(page: &str, first: &Page, second: &Page) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut note = |path: &str, first: String, second: String| {
        if first != second {
            differences.push(Difference { page: page.to_owned(), path: path.to_owned(), first, second });
        }
    };
    note("status", first.status.to_string(), second.status.to_string());
    note("type", first.content_type.clone(), second.content_type.clone());
    let (first, second) = (shape_of_body(&first.body), shape_of_body(&second.body));
    let paths: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    for path in paths {
        // A member is missing once: what would be below it is not told again.
        if parent(path).is_some_and(|parent| first.contains_key(parent) != second.contains_key(parent)) {
            continue;
        }
        note(path, describe(first.get(path)), describe(second.get(path)));
    }
    differences
}

/// The shape of a document. All elements of an array count as one.
#[must_use]
pub fn shape(document: &Value) -> Shape {
    let mut shape = Shape::new();
    collect(document, String::new(), &mut shape);
    shape
}

/// The differences that nobody allows, and the allowances that nothing needs.
#[must_use]
pub fn judge(differences: &[Difference], allowed: &[Allowed]) -> Vec<String> {
    let is_met = |difference: &Difference, allowance: &Allowed| {
        (allowance.page == "*" || allowance.page == difference.page)
            && difference
                .path
                .strip_prefix(&allowance.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let unexpected = differences
        .iter()
        .filter(|difference| !allowed.iter().any(|allowance| is_met(difference, allowance)))
        .map(|d| format!("{} {}: {} became {}", d.page, d.path, d.first, d.second));
    let unneeded = allowed
        .iter()
        .filter(|allowance| !differences.iter().any(|difference| is_met(difference, allowance)))
        .map(|a| format!("{} {}: is allowed to differ, and does not", a.page, a.path));
    unexpected.chain(unneeded).collect()
}

/// The differences that are meant, from `conformance/differences.txt`.
///
/// # Panics
/// If a line there is not `PAGE PATH: REASON`.
#[must_use]
pub fn allowed() -> Vec<Allowed> {
    let path = environment::repository().join("conformance/differences.txt");
    parse_allowed(&std::fs::read_to_string(path).expect("the list of differences is part of the repository"))
}

fn parse_allowed(text: &str) -> Vec<Allowed> {
    let parse = |line: &str| {
        let (place, reason) = line.split_once(": ")?;
        let (page, path) = place.split_once(' ')?;
        Some(Allowed { page: page.to_owned(), path: path.trim().to_owned(), reason: reason.to_owned() })
    };
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| parse(line).unwrap_or_else(|| panic!("not `PAGE PATH: REASON`: {line}")))
        .collect()
}

/// The shape of JSON; a page of another kind has none.
fn shape_of_body(body: &[u8]) -> Shape {
    serde_json::from_slice(body).map(|document| shape(&document)).unwrap_or_default()
}

fn collect(value: &Value, path: String, shape: &mut Shape) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match value {
        Value::Array(elements) => {
            for element in elements {
                collect(element, format!("{path}[]"), shape);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                collect(member, format!("{path}.{key}"), shape);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    shape.entry(path).or_default().insert(kind);
}

/// The path of what a member belongs to.
fn parent(path: &str) -> Option<&str> {
    path.rfind(['.', '[']).map(|at| &path[..at])
}

fn describe(types: Option<&BTreeSet<&'static str>>) -> String {
    types.map_or_else(|| "nothing".to_owned(), |types| types.iter().copied().collect::<Vec<_>>().join(" or "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(document: &Value) -> Page {
        Page { status: 200, content_type: "application/json".to_owned(), body: document.to_string().into_bytes() }
    }

    /// Compares two documents; the expectation is one line a difference.
    fn check(first: &Value, second: &Value, expected: &[&str]) {
        let found: Vec<String> = compare("/p", &page(first), &page(second))
            .into_iter()
            .map(|d| format!("{}: {} became {}", d.path, d.first, d.second))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn shapes_differ_in_members_and_types() {
        check(&json!({"a": 1}), &json!({"a": 2}), &[]);
        check(&json!({"a": 1}), &json!({}), &[".a: number became nothing"]);
        check(&json!({"a": 1}), &json!({"a": "1"}), &[".a: number became string"]);
        check(&json!({}), &json!({"a": {"b": 1}}), &[".a: nothing became object"]);
        check(&json!([{"a": 1}, {"b": 1}]), &json!([{"a": 1, "b": 1}]), &[]);
        check(&json!([{"a": 1}]), &json!([{"a": 1, "b": 1}]), &["[].b: nothing became number"]);
    }

    #[test]
    fn allowances_cover_what_they_name_and_have_to_be_needed() {
        let differences = compare("/p", &page(&json!({"a": {"x": 1}, "b": 1})), &page(&json!({"a": {}})));
        let allowed = parse_allowed("# Comment\n/p .a: reason\n* .b: reason\n");
        assert_eq!(judge(&differences, &allowed), [""; 0]);
        let allowed = parse_allowed("/p .a: reason\n/q .b: reason\n");
        assert_eq!(
            judge(&differences, &allowed),
            ["/p .b: number became nothing", "/q .b: is allowed to differ, and does not"]
        );
    }
}
