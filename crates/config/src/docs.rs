//! The option table as Markdown, for the page of options in the manual.

use std::fmt::Write as _;

use crate::{
    options::sections,
    table::{Kind, Reload, RowInfo, Support},
};

/// One table a block, the top level first. Options that are known but do not work yet are marked.
pub fn options() -> String {
    let mut page = String::new();
    for (path, section) in sections() {
        let title = if path.is_empty() { "Top level".to_owned() } else { format!("`{path}`") };
        let head = "| Option | Value | Default | Reload | Meaning |\n|---|---|---|---|---|";
        line(&mut page, format_args!("## {title}\n\n{head}"));
        for row in section.rows() {
            line(&mut page, format_args!("{}", cells(&row)));
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a String takes all that is written");
}

fn cells(row: &RowInfo) -> String {
    let mut name = format!("`{}`", row.name);
    for alias in row.aliases {
        name.push_str(&format!(", `{alias}`"));
    }
    let default = if row.default.is_empty() { String::new() } else { format!("`{}`", row.default) };
    let reload = match (row.support, row.fields) {
        (Support::NotYet, _) => "",
        (Support::Now, [Some((_, Reload::As(_) | Reload::Silently)), _]) => "yes",
        (Support::Now, _) => "no",
    };
    let mark = match row.support {
        Support::Now => "",
        Support::NotYet => "*Not supported yet.* ",
    };
    let meaning = format!("{mark}{}", row.doc).replace('|', "\\|");
    format!("| {name} | {} | {default} | {reload} | {meaning} |", value(row.kind))
}

fn value(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "boolean",
        Kind::Int => "integer",
        Kind::Text => "string",
        Kind::Listen => "port or `host:port`",
        Kind::Duration => "duration",
        Kind::LooseDuration => "duration or seconds",
        Kind::Seconds => "seconds or duration",
        Kind::Size => "bytes",
        Kind::Texts => "string or list of strings",
        Kind::List => "list of strings",
        Kind::TextMap => "map of strings",
        Kind::BoolMap => "map of booleans",
        Kind::Block(_) => "block",
        Kind::Blocks(_) => "list of blocks",
        Kind::NamedBlocks(_) => "map of blocks",
        Kind::BoolOrBlock(_) => "boolean or block",
        Kind::TextOrBlock(_) => "string or block",
        Kind::SwitchOrBlock(_) => "boolean, string or block",
        Kind::Special => "see there",
    }
}
