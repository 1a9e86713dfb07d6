//! Licences and sources of every package that is built, against two short lists.
//!
//! Not here: advisories and yanked versions. `deny.toml` says the same lists to cargo-deny, which knows those too.
#![expect(clippy::print_stdout, reason = "reports to the person who runs it")]

use anyhow::{Result, ensure};

use crate::metadata::{self, Package};

/// SPDX names we may link and pass on under Apache-2.0.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "OpenSSL",
    "Unicode-3.0",
    "Zlib",
];

/// Packages with another licence, each with its reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Where packages may come from, beside our own folders.
const SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks this workspace and prints what it finds.
///
/// # Errors
/// A package under a licence or from a source that is not listed.
pub fn run() -> Result<()> {
    let packages = metadata::read()?;
    let findings: Vec<String> = packages.iter().filter_map(finding).collect();
    for finding in &findings {
        println!("{finding}");
    }
    ensure!(findings.is_empty(), "{} packages with a licence or source that is not listed", findings.len());
    println!("licences: {} packages", packages.len());
    Ok(())
}

/// What is wrong with a package, if anything is.
#[must_use]
pub fn finding(package: &Package) -> Option<String> {
    let Package { name, version, licence, source, .. } = package;
    if let Some(source) = source.as_deref().filter(|source| *source != SOURCE) {
        return Some(format!("{name} {version}: comes from {source}"));
    }
    if EXCEPTIONS.iter().any(|(excepted, _)| excepted == name) {
        return None;
    }
    match licence.as_deref() {
        None => Some(format!("{name} {version}: names no licence")),
        Some(expression) if is_allowed(expression) => None,
        Some(expression) => Some(format!("{name} {version}: licence {expression}")),
    }
}

/// Whether an SPDX expression can be met with the allowed licences alone: one side of each `OR`, both of each `AND`.
fn is_allowed(expression: &str) -> bool {
    // Old manifests write `MIT/Apache-2.0`.
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut rest = words.as_slice();
    let allowed = either(&mut rest);
    allowed && rest.is_empty()
}

fn either(rest: &mut &[&str]) -> bool {
    let mut allowed = both(rest);
    while let Some(("OR", tail)) = rest.split_first().map(|(word, tail)| (*word, tail)) {
        *rest = tail;
        let other = both(rest);
        allowed = allowed || other;
    }
    allowed
}

fn both(rest: &mut &[&str]) -> bool {
    let mut allowed = one(rest);
    while let Some(("AND", tail)) = rest.split_first().map(|(word, tail)| (*word, tail)) {
        *rest = tail;
        let other = one(rest);
        allowed = allowed && other;
    }
    allowed
}

fn one(rest: &mut &[&str]) -> bool {
    match **rest {
        ["(", ref tail @ ..] => {
            *rest = tail;
            let allowed = either(rest);
            let closed = rest.first() == Some(&")");
            *rest = rest.get(1..).unwrap_or_default();
            allowed && closed
        }
        [name, "WITH", exception, ref tail @ ..] => {
            *rest = tail;
            ALLOWED.contains(&format!("{name} WITH {exception}").as_str())
        }
        [name, ref tail @ ..] => {
            *rest = tail;
            ALLOWED.contains(&name)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    //! Expressions as they occur in manifests.

    use super::*;

    #[track_caller]
    fn check(expression: &str, expected: bool) {
        assert_eq!(is_allowed(expression), expected, "{expression}");
    }

    #[test]
    fn an_expression_is_met_by_allowed_licences_alone() {
        check("MIT", true);
        check("GPL-3.0", false);
        check("MIT OR GPL-3.0", true);
        check("MIT/Apache-2.0", true);
        check("MIT AND GPL-3.0", false);
        check("GPL-3.0 OR MIT AND ISC", true);
        check("(GPL-3.0 OR MIT) AND ISC", true);
        check("(MIT OR Apache-2.0) AND GPL-3.0", false);
        check("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true);
        check("GPL-3.0 WITH LLVM-exception", false);
        check("(MIT", false);
        check("MIT ISC", false);
        check("", false);
    }

    #[test]
    fn a_package_is_judged_by_source_and_licence() {
        let package = |licence: Option<&str>, source: &str| Package {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
            source: Some(source.to_owned()),
            ours: Vec::new(),
        };
        assert_eq!(finding(&package(Some("MIT"), SOURCE)), None);
        assert_eq!(finding(&package(None, SOURCE)).unwrap(), "a 1.0.0: names no licence");
        assert_eq!(finding(&package(Some("AGPL-3.0"), SOURCE)).unwrap(), "a 1.0.0: licence AGPL-3.0");
        let git = package(Some("MIT"), "git+https://example.org/a");
        assert_eq!(finding(&git).unwrap(), "a 1.0.0: comes from git+https://example.org/a");
    }
}
