//! The server's flags in the terms of clap, for completion scripts and nothing else: they are read by [`super::flags`].

use clap::{Arg, ArgAction, ValueHint};

use super::flags::{Row, SECTIONS};

/// Every flag of the server.
pub(crate) fn arguments() -> impl Iterator<Item = Arg> {
    SECTIONS.iter().flat_map(|(_, rows)| rows.iter()).map(argument)
}

fn argument(row: &Row) -> Arg {
    let (first, _) = row.names.split_first().expect("every flag has a name");
    let mut argument = Arg::new(*first).help(row.help);
    let (mut has_short, mut has_long) = (false, false);
    for name in row.names {
        let mut letters = name.chars();
        argument = match (letters.next(), letters.next()) {
            (Some(letter), None) if has_short => argument.visible_short_alias(letter),
            (Some(letter), None) => argument.short(letter),
            _ if has_long => argument.visible_alias(*name),
            _ => argument.long(*name),
        };
        (has_short, has_long) = (has_short || name.len() == 1, has_long || name.len() > 1);
    }
    let hint = match row.shown {
        shown if shown.contains("<file>") => ValueHint::FilePath,
        shown if shown.contains("<dir>") => ValueHint::DirPath,
        _ => ValueHint::Other,
    };
    if row.has_value() { argument.action(ArgAction::Set).value_hint(hint) } else { argument.action(ArgAction::SetTrue) }
}
