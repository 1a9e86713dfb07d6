//! Every configuration of `configurations.txt` gives what the NATS server said of it, as recorded by `record.py`, and
//! every pair of `reloads.txt` what it logged when one replaced the other, as recorded by `record_reloads.py`.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use firn_config::{Checks, Options, Source};

/// A case of `configurations.txt`: files and variables in memory.
#[derive(Default)]
struct Case {
    name: String,
    files: BTreeMap<String, Vec<u8>>,
    variables: BTreeMap<String, String>,
}

impl Source for Case {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let path = path.to_str().ok_or("not a path")?;
        if path == "." {
            return Err("read .: is a directory".to_owned());
        }
        self.files.get(path).cloned().ok_or_else(|| format!("open {path}: no such file or directory"))
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut file = String::new();
    let mut lines: Vec<&str> = Vec::new();
    let finish = |case: Option<&mut Case>, file: &str, lines: &mut Vec<&str>| {
        if let Some(case) = case {
            case.files.insert(file.to_owned(), unescaped(&lines.join("\n")));
        }
        lines.clear();
    };
    for line in include_str!("configurations.txt").split('\n') {
        if let Some(name) = line.strip_prefix("=== ") {
            finish(cases.last_mut(), &file, &mut lines);
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            file = "c.conf".to_owned();
        } else if let Some(name) = line.strip_prefix("--- file ") {
            finish(cases.last_mut(), &file, &mut lines);
            file = name.to_owned();
        } else if let Some(variable) = line.strip_prefix("--- env ") {
            let (name, value) = variable.split_once('=').expect("a variable has a value");
            let value = String::from_utf8(unescaped(value)).expect("a variable is text");
            cases.last_mut().expect("a case came before").variables.insert(name.to_owned(), value);
        } else if !cases.is_empty() {
            lines.push(line);
        }
    }
    finish(cases.last_mut(), &file, &mut lines);
    cases
}

/// `~xHH` is a byte, `~~` a tilde, `~` and a newline are nothing.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        rest = match rest {
            [] => return bytes,
            [b'~', b'x', high, low, after @ ..] => {
                let digits = [*high, *low];
                let digits = str::from_utf8(&digits).expect("hexadecimal digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
                after
            }
            [b'~', b'\n', after @ ..] => after,
            [b'~', b'~', after @ ..] => {
                bytes.push(b'~');
                after
            }
            [byte, after @ ..] => {
                bytes.push(*byte);
                after
            }
        }
    }
}

/// The answers of a file that `record.py` or `record_reloads.py` wrote.
fn recorded(text: &'static str) -> BTreeMap<&'static str, String> {
    let mut answers: BTreeMap<&str, String> = BTreeMap::new();
    let mut name = "";
    for line in text.lines() {
        match line.strip_prefix("=== ") {
            Some(next) => name = next,
            None => writeln!(answers.entry(name).or_default(), "{line}").expect("a String takes all"),
        }
    }
    answers
}

/// Answers that are meant to differ from the NATS server, and why.
const OTHER_ANSWERS: [(&str, &str); 5] = [
    ("subjects of a wrong type", "there without a position"),
    ("subjects that are none", "there without a position"),
    ("a queue for publishing", "there without a position"),
    ("a queue that is none", "there without a position"),
    ("a subject with a queue that is none", "there without a position"),
];

/// What `-t` would print, its lines sorted. A case named `later: …` is about features that do not exist yet: it must
/// be refused for that, and the answer is what else there is to say.
fn answer(case: &Case) -> String {
    let (mut code, mut lines) = match firn_config::read("c.conf", case, &Checks::FORM) {
        Ok(read) if read.warnings.is_empty() => {
            (0, vec![format!("configuration file c.conf is valid ({})", read.digest)])
        }
        Ok(read) => (1, read.warnings.iter().map(ToString::to_string).collect()),
        Err(rejection) => (1, rejection.to_string().lines().map(str::to_owned).collect()),
    };
    if case.name.starts_with("later: ") {
        let all = lines.len();
        lines.retain(|line| !line.starts_with("not supported yet: "));
        assert!(lines.len() < all, "{} was not refused", case.name);
    }
    if code == 1 && lines.is_empty() {
        let tree = firn_config::tree("c.conf", case).unwrap_or_else(|rejection| panic!("{rejection}"));
        (code, lines) = (0, vec![format!("configuration file c.conf is valid ({})", firn_config::digest(&tree))]);
    }
    for line in &mut lines {
        *line = line.replace('\r', "~x0d").replace('\0', "~x00");
    }
    lines.sort();
    lines.dedup();
    format!("exit {code}\n{}\n", lines.join("\n"))
}

#[test]
fn configurations_get_the_recorded_answers() {
    let recorded = recorded(include_str!("recorded.txt"));
    let mut differences = String::new();
    for case in cases() {
        let expected = recorded.get(case.name.as_str()).map_or("", String::as_str);
        let found = answer(&case);
        if OTHER_ANSWERS.iter().any(|(other, _)| *other == case.name) {
            assert_ne!(found, expected, "{} does not differ any more", case.name);
        } else if found != expected {
            write!(differences, "=== {}\n{expected}--- but found\n{found}", case.name).expect("a String takes all");
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}

/// Reloads that are meant to differ from the NATS server, and why.
const OTHER_RELOADS: [(&str, &str); 1] =
    [("system_account by its own name", "naming the account it has anyway changes nothing")];

/// What a reload logs.
fn reload(before: &str, after: &str) -> String {
    let options = |text: &str| {
        let text = text.replace("CERT", "\"c.pem\"").replace("KEY", "\"c.key\"");
        let text = format!("host: 127.0.0.1\n{text}");
        let files = BTreeMap::from([("c.conf".to_owned(), text.into_bytes())]);
        let case = Case { files, ..Case::default() };
        match firn_config::read("c.conf", &case, &Checks::FORM) {
            Ok(read) => read.options,
            Err(rejection) => panic!("{rejection}"),
        }
    };
    let old = Options { port: 40823, ..options(before) };
    // The file says −1 unless the case says more.
    let new = options(after);
    let new = if new.port == 4222 { Options { port: -1, ..new } } else { new };
    let failed = |error: String| format!("ERR Failed to reload server configuration: {error}\n");
    if let Err(errors) = firn_config::validate(&new) {
        return failed(errors.first().expect("there is an error").to_string());
    }
    match firn_config::diff(&old, &new) {
        Ok(changes) => {
            let items = changes.iter().filter_map(|change| change.item.as_ref());
            items.map(|item| format!("INF Reloaded: {item}\n")).collect()
        }
        Err(error) => failed(error.to_string()),
    }
}

/// Without what only the real server knows: the port that was open, and whether certificates are the same.
fn comparable(name: &str, lines: &str) -> String {
    let lines = lines.lines().map(|line| match line.split_once("Port: old=") {
        Some((before, after)) => {
            format!("{before}Port: {}\n", after.split_once(", ").map_or("", |(_, new)| new))
        }
        None => format!("{line}\n"),
    });
    let is_compared = |line: &String| !name.starts_with("tls ") || !line.ends_with("tls = enabled\n");
    lines.filter(is_compared).collect()
}

#[test]
fn reloads_log_the_recorded_lines() {
    let recorded = recorded(include_str!("recorded_reloads.txt"));
    let mut differences = String::new();
    for case in include_str!("reloads.txt").split("\n=== ").skip(1) {
        let (name, texts) = case.split_once('\n').expect("a case has a name");
        let texts = format!("\n{texts}\n");
        let (before, after) = texts.split_once("\n--- then\n").expect("a case has two configurations");
        let expected = comparable(name, &recorded[name]);
        let found = comparable(name, &reload(before, after));
        if OTHER_RELOADS.iter().any(|(other, _)| *other == name) {
            assert_ne!(found, expected, "{name} does not differ any more");
        } else if found != expected {
            write!(differences, "=== {name}\n{expected}--- but found\n{found}").expect("a String takes all");
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
}
