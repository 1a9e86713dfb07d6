//! Every file that a document names exists: the code map and the flows of ARCHITECTURE.md stay true.
//!
//! A path may be shortened as the documents do it: `wire/client/decode.rs` is `crates/wire/src/client/decode.rs`.

use std::path::{Path, PathBuf};

use super::Finding;

/// Endings by which a word is taken for a file of ours.
const ENDINGS: [&str; 6] = [".rs", ".md", ".toml", ".txt", ".sh", "/"];

pub(crate) fn check(document: &Path, text: &str, files: &[PathBuf]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for path in named(line) {
            if !files.iter().any(|file| stands_for(&path, file)) {
                let what = format!("names `{path}`, which does not exist");
                findings.push(Finding { path: document.to_owned(), line: number, what });
            }
        }
    }
    findings
}

/// The paths in a line, with `{a,b}` written out.
fn named(line: &str) -> Vec<String> {
    line.split(|c: char| c.is_whitespace() || "`()[]\"'…".contains(c))
        .map(|word| word.trim_end_matches(['.', ',', ';', ':']).trim_start_matches("./"))
        .filter(|word| {
            !word.contains("://") && !word.contains(['<', '$', '*', '=', '~', '%']) && !word.starts_with('/')
        })
        .flat_map(spread)
        .filter(|word| ENDINGS.iter().any(|ending| word.ends_with(ending) && word.len() > ending.len()))
        .collect()
}

/// `conn/{read,write}.rs` names two files.
fn spread(word: &str) -> Vec<String> {
    let parts =
        word.split_once('{').and_then(|(head, rest)| rest.split_once('}').map(|(names, tail)| (head, names, tail)));
    match parts {
        Some((head, names, tail)) => names.split(',').map(|name| format!("{head}{name}{tail}")).collect(),
        None => vec![word.to_owned()],
    }
}

fn stands_for(named: &str, file: &Path) -> bool {
    let Some(file) = file.to_str() else { return false };
    let is = |file: &str| if named.ends_with('/') { file.starts_with(named) } else { file == named };
    // The tree of a code map names each entry below its folder, so any tail of a path at a folder's edge counts.
    let mut tail = Some(file);
    while let Some(path) = tail {
        if is(path) || is(&path.replacen("/src/", "/", 1)) {
            return true;
        }
        tail = path.split_once('/').map(|(_, rest)| rest);
    }
    false
}

#[cfg(test)]
mod tests {
    //! Documents that name files, and the files there are.

    use super::*;

    #[track_caller]
    fn check_line(line: &str, expected: &[&str]) {
        let files =
            ["crates/wire/src/client/decode.rs", "crates/server/src/conn/read.rs", "docs/adr/0001-x.md", "README.md"];
        let files = files.map(PathBuf::from);
        let found: Vec<String> =
            check(Path::new("MAP.md"), line, &files).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn a_named_file_must_exist() {
        check_line("`crates/wire/src/client/decode.rs` decodes", &[]);
        check_line("wire/client/decode.rs     Decoder::next", &[]);
        check_line("├── README.md    what it is; see docs/adr/ (decisions).", &[]);
        check_line("see https://example.org/no/such.rs", &[]);
        check_line("wire/client/encode.rs", &["names `wire/client/encode.rs`, which does not exist"]);
        check_line("server/conn/{read,write}.rs", &["names `server/conn/write.rs`, which does not exist"]);
        check_line("crates/none/", &["names `crates/none/`, which does not exist"]);
    }
}
