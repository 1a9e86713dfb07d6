//! Other programs that a command runs messages through: `--translate`, `--command`.
//!
//! No shell is involved: the line is split into words here, so that nothing a message holds is read as a command.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Runs `line` with `input` as its standard input and returns what it writes.
///
/// # Errors
/// It cannot be started, or does not succeed.
pub(crate) async fn filter(line: &str, input: &[u8]) -> Result<Vec<u8>> {
    let mut child = command(&words(line)?)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let mut stdin = child.stdin.take().context("a pipe to the command")?;
    // Both ways at once: a command that answers before it has read everything would wait for us otherwise.
    let (wrote, output) = tokio::join!(
        async move {
            let wrote = stdin.write_all(input).await;
            drop(stdin);
            wrote
        },
        child.wait_with_output()
    );
    let output = output?;
    ensure!(output.status.success(), "`{line}` failed: {}", output.status);
    // A command may end without reading all, as `head` does.
    drop(wrote);
    Ok(output.stdout)
}

/// Runs a line of words with the given environment on top and returns what it writes on either output.
///
/// # Errors
/// It cannot be started, or does not succeed.
pub(crate) async fn output(line: &[String], environment: &[(&str, &str)]) -> Result<Vec<u8>> {
    let shown = line.join(" ");
    let output = command(line)?
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| format!("cannot start `{shown}`"))?;
    ensure!(output.status.success(), "`{shown}` failed: {}", output.status);
    Ok([output.stdout, output.stderr].concat())
}

/// Splits a line as a shell does, with `'…'`, `"…"` and `\x`, and nothing else that a shell knows.
///
/// # Errors
/// A quote is left open.
pub(crate) fn words(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(chars.next().context("a command ends in a backslash")?),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<()> {
    while let Some(c) = chars.next() {
        match c {
            _ if c == quote => return Ok(()),
            '\\' if quote == '"' => word.push(chars.next().context("a command ends in a backslash")?),
            _ => word.push(c),
        }
    }
    bail!("a command with an open {quote}")
}

fn command(words: &[String]) -> Result<Command> {
    let (program, arguments) = words.split_first().context("an empty command")?;
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    Ok(command)
}

#[cfg(test)]
mod tests {
    //! Lines as people type them.

    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&[&str]>) {
        let words = words(line).ok();
        assert_eq!(
            words.as_deref(),
            expected.map(|words| words.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref(),
            "{line}"
        );
    }

    #[test]
    fn a_line_is_split_into_words() {
        check("jq .", Some(&["jq", "."]));
        check("  a  'b c' \"d e\" ", Some(&["a", "b c", "d e"]));
        check(r#"a\ b "\"" '\'"#, Some(&["a b", "\"", "\\"]));
        check("a''b ''", Some(&["ab", ""]));
        check("a $HOME;b", Some(&["a", "$HOME;b"]));
        check("'a", None);
        check("a\\", None);
        check("", Some(&[]));
    }
}
