//! What `cargo metadata` says, reduced to what the chores ask.
//!
//! Not here: which features a package is built with. Cargo unites them over the whole workspace in this view, so
//! questions about what a package reaches go to `cargo tree -p`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run;

/// One package that the workspace builds, ours or not.
#[derive(Debug)]
pub struct Package {
    /// As in its manifest, `firn-wire`.
    pub name: String,
    /// As in its manifest.
    pub version: String,
    /// The SPDX expression; a package may have a licence file instead.
    pub licence: Option<String>,
    /// Where it comes from; none means a path of ours.
    pub source: Option<String>,
    /// Names of our packages it names itself, outside of tests.
    pub ours: Vec<String>,
}

/// Reads the metadata of this workspace for the machine it runs on.
///
/// # Errors
/// Cargo fails, or says something else than it used to.
pub fn read() -> Result<Vec<Package>> {
    let text = run::output("cargo", &["metadata", "--format-version=1", "--locked", "--filter-platform", &host()?])?;
    parse(&text)
}

/// Takes the packages out of the JSON of `cargo metadata`.
///
/// # Errors
/// The JSON does not have cargo's shape.
pub fn parse(text: &str) -> Result<Vec<Package>> {
    let metadata: Value = serde_json::from_str(text).context("cargo metadata is not JSON")?;
    let nodes = edges(&metadata)?;
    let packages = array(&metadata, "packages")?;
    let ours: BTreeMap<&str, &str> = packages
        .iter()
        .filter(|package| package.get("source").is_none_or(Value::is_null))
        .map(|package| Ok((string(package, "id")?, string(package, "name")?)))
        .collect::<Result<_>>()?;

    let mut found = Vec::new();
    for package in packages {
        let id = string(package, "id")?;
        // A package without a node is for another platform.
        let Some(named) = nodes.get(id) else { continue };
        found.push(Package {
            name: string(package, "name")?.to_owned(),
            version: string(package, "version")?.to_owned(),
            licence: package.get("license").and_then(Value::as_str).map(str::to_owned),
            source: package.get("source").and_then(Value::as_str).map(str::to_owned),
            ours: named.iter().filter_map(|id| ours.get(id)).map(|name| (*name).to_owned()).collect(),
        });
    }
    Ok(found)
}

/// From each package's id to the ids it depends on as a normal or build dependency.
fn edges(metadata: &Value) -> Result<BTreeMap<&str, Vec<&str>>> {
    let resolve = metadata.get("resolve").context("cargo metadata without `resolve`")?;
    let mut edges = BTreeMap::new();
    for node in array(resolve, "nodes")? {
        let mut named = Vec::new();
        for dependency in array(node, "deps")? {
            let tests_only = array(dependency, "dep_kinds")?
                .iter()
                .all(|kind| kind.get("kind").and_then(Value::as_str) == Some("dev"));
            if !tests_only {
                named.push(string(dependency, "pkg")?);
            }
        }
        edges.insert(string(node, "id")?, named);
    }
    Ok(edges)
}

fn host() -> Result<String> {
    let version = run::output("rustc", &["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

fn array<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value.get(key).and_then(Value::as_array).with_context(|| format!("cargo metadata without a list `{key}`"))
}

fn string<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("cargo metadata without a text `{key}`"))
}
