//! The options of accounts. Only `$SYS` with a list of users does something; all else is checked and refused.

use super::{Options, UserAccount, UserOptions, authorization, jetstream, permissions};
use crate::table::{Entry, Kind, Read, Reader, Row, Section, Table as _, Unknown};

const SYSTEM: &str = "$SYS";

/// An account while it is read.
#[derive(Default)]
pub(super) struct Account {
    users: Vec<UserOptions>,
}

type AccountRow = Row<Account>;

pub(super) static ACCOUNT: Section<Account> = Section {
    unknown: Unknown::Field,
    no_map: "Expected map entries for accounts",
    rows: &[
        AccountRow::new(
            "users",
            Read::Own(Kind::Blocks(&authorization::USER), |account, entry, reader| {
                account.users = authorization::users(entry.node, reader).unwrap_or_default();
            }),
            "Users and nkeys of the account.",
        ),
        AccountRow::later("nkey", Kind::Text, "Public nkey of the account."),
        AccountRow::later(
            "default_permissions",
            Kind::Block(&permissions::PERMISSIONS),
            "Permissions of users without their own.",
        ),
        AccountRow::later("limits", Kind::Block(&LIMITS), "What the account may use at most."),
        AccountRow::later("mappings", Kind::Special, "As at the top level.").or(&["maps"]),
        AccountRow::later("exports", Kind::Blocks(&EXPORT), "Subjects other accounts may use."),
        AccountRow::later("imports", Kind::Blocks(&IMPORT), "Subjects of other accounts."),
        AccountRow::later("msg_trace", Kind::TextOrBlock(&MSG_TRACE), "Where traces of messages go.")
            .or(&["trace_dest"]),
        AccountRow::later("jetstream", Kind::SwitchOrBlock(&jetstream::ACCOUNT_JETSTREAM), "Streams of the account."),
    ],
};

static LIMITS: Section<()> = Section {
    unknown: Unknown::Parsing("account limits"),
    no_map: "Expected account limits to be a map/struct, got {value}",
    rows: &[
        Row::later("max_connections", Kind::Int, "Clients at a time.").or(&["max_conn"]),
        Row::later("max_subscriptions", Kind::Int, "Subscriptions of all clients.").or(&["max_subs"]),
        Row::later("max_payload", Kind::Int, "Bytes of a message.").or(&["max_pay"]),
        Row::later("max_leafnodes", Kind::Int, "Leaf nodes at a time.").or(&["max_leafs"]),
    ],
};

static EXPORT: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Export Items should be a map with type entry, got {type}",
    rows: &[
        Row::later("stream", Kind::Text, "Subject of messages."),
        Row::later("service", Kind::Text, "Subject of requests."),
        Row::later("accounts", Kind::List, "Only for these accounts."),
        Row::later("response_type", Kind::Text, "singleton, stream or chunked.").or(&["response"]),
        Row::later("threshold", Kind::Duration, "Time an answer may take.").or(&[
            "response_threshold",
            "response_max_time",
            "response_time",
        ]),
        Row::later("latency", Kind::Special, "Where measured latencies go: a subject or `{subject, sampling}`."),
        Row::later("account_token_position", Kind::Int, "Token of the subject that names the importing account."),
        Row::later("allow_trace", Kind::Bool, "Traces may continue in this account."),
    ],
};

static IMPORT: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Import Items should be a map with type entry, got {type}",
    rows: &[
        Row::later("stream", Kind::Block(&IMPORTED), "Messages of another account."),
        Row::later("service", Kind::Block(&IMPORTED), "A service of another account."),
        Row::later("prefix", Kind::Text, "What the subjects begin with here."),
        Row::later("to", Kind::Text, "The subject here."),
        Row::later("share", Kind::Bool, "Tell the service who asks."),
        Row::later("allow_trace", Kind::Bool, "Traces may continue in the other account."),
    ],
};

static IMPORTED: Section<()> = Section {
    unknown: Unknown::Field,
    no_map: "Stream entry should be an account map, got {type}",
    rows: &[Row::later("account", Kind::Text, "The other account."), Row::later("subject", Kind::Text, "Its subject.")],
};

static MSG_TRACE: Section<()> = Section {
    unknown: Unknown::Parsing("account message trace"),
    no_map: "Expected account message trace to be a string or a map/struct, got {type}",
    rows: &[
        Row::later("dest", Kind::Text, "Where traces go."),
        Row::later("sampling", Kind::Special, "Percentage of messages to trace."),
    ],
};

pub(super) fn read(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    if let Some(names) = entry.node.value.as_list()
        && !names.is_empty()
    {
        reader.not_yet(entry, |reader| {
            for name in names {
                reader.text(name);
            }
        });
    }
    // The server passes over any other value without a word.
    let Some(accounts) = entry.node.value.as_map() else { return };
    for (name, node) in accounts.iter().filter(|(_, node)| !node.is_used) {
        reader.within(node, |reader| {
            if name == "$G" {
                return reader.error(node, "\"$G\" is a Reserved Account");
            }
            if name != SYSTEM {
                let account = Entry { key: &format!("{}.{name}", entry.key), node };
                return reader.not_yet(&account, |reader| ACCOUNT.check(node, reader));
            }
            let mut account = Account::default();
            ACCOUNT.read(node, &mut account, reader);
            add_system_users(options, account.users);
        });
    }
}

fn add_system_users(options: &mut Options, users: Vec<UserOptions>) {
    if users.is_empty() {
        return;
    }
    let all = options.authorization.users.get_or_insert_default();
    all.extend(users.into_iter().map(|user| UserOptions { account: UserAccount::System, ..user }));
}

/// Supported is the name the server's own account has anyway.
pub(super) fn system_account(_: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    match entry.node.value.as_text() {
        Some(name) if name.is_empty() || name == SYSTEM => {}
        Some(_) => reader.not_yet(entry, |_| {}),
        None => reader.error(entry.node, "system account name must be a string"),
    }
}
