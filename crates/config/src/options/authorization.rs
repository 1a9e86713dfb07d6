//! The options of `authorization` and of the users in it and in accounts.

use super::{AuthorizationOptions, Options, UserAccount, UserOptions, permissions, seconds};
use crate::{
    Secret, go,
    table::{
        Entry, Kind, Read, Reader,
        Reload::{As, Refused},
        Row, Section, Unknown,
    },
    value::{Map, Node, Value},
};

type AuthorizationRow = Row<AuthorizationOptions>;
type UserRow = Row<UserOptions>;

pub(super) static AUTHORIZATION: Section<AuthorizationOptions> = Section {
    unknown: Unknown::Field,
    no_map: "",
    rows: &[
        AuthorizationRow::new("user", Read::Text(|a, text| a.user = super::some(text)), "Name of the only user.")
            .or(&["username"])
            .field("Username", As("authorization username")),
        AuthorizationRow::new(
            "password",
            Read::Text(|a, text| a.password = secret(text)),
            "Password of the only user, or its bcrypt hash.",
        )
        .or(&["pass"])
        .field("Password", As("authorization password")),
        AuthorizationRow::new(
            "token",
            Read::Text(|a, text| a.token = secret(text)),
            "What all clients must present instead of a name.",
        )
        .field("Authorization", As("authorization token")),
        AuthorizationRow::new(
            "timeout",
            Read::Own(Kind::Seconds, timeout),
            "Seconds a client may take to present itself.",
        )
        .default("2, with TLS one more than its timeout")
        .field("AuthTimeout", As("authorization timeout = {}")),
        AuthorizationRow::new(
            "users",
            Read::Own(Kind::Blocks(&USER), |a, entry, reader| a.users = users(entry.node, reader)),
            "Users and nkeys.",
        )
        .field("Users", As("authorization users")),
        AuthorizationRow::new(
            "default_permissions",
            Read::Own(Kind::Block(&permissions::PERMISSIONS), |a, entry, reader| {
                a.default_permissions = permissions::read(entry, reader);
            }),
            "Permissions of users without their own.",
        )
        .or(&["default_permission", "permissions"])
        .field("Users", As("authorization users")),
        AuthorizationRow::later("auth_callout", Kind::Block(&AUTH_CALLOUT), "Ask a service who a client is.")
            .or(&["auth_hook"])
            .field("AuthCallout", Refused),
        AuthorizationRow::later("proxy_required", Kind::Bool, "Clients must come through a trusted proxy.")
            .default("false")
            .field("ProxyRequired", Refused),
    ],
};

pub(super) static USER: Section<UserOptions> = Section {
    unknown: Unknown::Field,
    no_map: "Expected user entry to be a map/struct, got {value}",
    rows: &[
        UserRow::new("user", Read::Text(|u, text| text.clone_into(&mut u.name)), "Name.")
            .or(&["username"])
            .field("Users", As("authorization users")),
        UserRow::new("password", Read::Text(|u, text| u.password = secret(text)), "Password, or its bcrypt hash.")
            .or(&["pass"])
            .field("Users", As("authorization users")),
        UserRow::new(
            "nkey",
            Read::Text(|u, text| u.nkey = super::some(text)),
            "Public nkey instead of name and password.",
        )
        .field("Nkeys", As("authorization nkey users")),
        UserRow::new(
            "permissions",
            Read::Own(Kind::Block(&permissions::PERMISSIONS), |u, entry, reader| {
                u.permissions = permissions::read(entry, reader);
            }),
            "What the user may do; everything without it.",
        )
        .or(&["permission", "authorization"])
        .field("Users", As("authorization users")),
        UserRow::new(
            "allowed_connection_types",
            Read::Own(Kind::Texts, connection_types),
            "How the user may connect: STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, \
             MQTT, MQTT_WS, IN_PROCESS.",
        )
        .or(&["connection_types", "clients"])
        .field("Users", As("authorization users")),
        UserRow::later("proxy_required", Kind::Bool, "The user must come through a trusted proxy.")
            .default("false")
            .field("Users", As("authorization users")),
    ],
};

static AUTH_CALLOUT: Section<()> = Section {
    unknown: Unknown::Parsing("authorization callout"),
    no_map: "Expected authorization callout to be a map/struct, got {value}",
    rows: &[
        Row::later("issuer", Kind::Text, "Public nkey of the account that signs the answers."),
        Row::later("auth_users", Kind::List, "Users that are not asked about.").or(&["users"]),
        Row::later("account", Kind::Text, "Account of the service.").or(&["acc"]).default("$G"),
        Row::later("xkey", Kind::Text, "Public curve key to encrypt the questions for.").or(&["key"]),
        Row::later("allowed_accounts", Kind::List, "Accounts the answers may name."),
    ],
};

impl Default for UserOptions {
    fn default() -> UserOptions {
        UserOptions {
            name: String::new(),
            password: None,
            nkey: None,
            permissions: None,
            connection_types: Vec::new(),
            account: UserAccount::Global,
            position: None,
        }
    }
}

pub(super) fn read(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let mut authorization = AuthorizationOptions::default();
    AUTHORIZATION.read(entry.node, &mut authorization, reader);
    for user in authorization.users.iter_mut().flatten() {
        if user.permissions.is_none() {
            user.permissions.clone_from(&authorization.default_permissions);
        }
    }
    let of_accounts = options.authorization.users.take();
    if let Some(of_accounts) = of_accounts {
        authorization.users.get_or_insert_default().extend(of_accounts);
    }
    let (has_user, has_token) = (authorization.user.is_some(), authorization.token.is_some());
    if (has_user || authorization.password.is_some()) && has_token {
        reader.error(entry.node, "Cannot have a user/pass and token");
    }
    options.authorization = authorization;
}

/// What can only be said of all users: no name comes twice, and there is a list of users or a single one.
pub(super) fn check_users(options: &Options, root: &Map, reader: &mut Reader<'_>) {
    let authorization = &options.authorization;
    let Some(users) = &authorization.users else { return };
    let block = root.iter().find(|(key, _)| key.eq_ignore_ascii_case("authorization")).map(|(_, node)| node);
    if let Some(block) = block {
        if authorization.user.is_some() {
            reader.error(block, "Can not have a single user/pass and a users array");
        }
        if authorization.token.is_some() {
            reader.error(block, "Can not have a token and a users array");
        }
    }
    let mut names: Vec<(&str, &UserOptions)> = users.iter().map(|user| (user.identity(), user)).collect();
    names.sort_by_key(|(name, _)| *name);
    let twins = names.windows(2).filter_map(|pair| match pair {
        [(name, _), (twin, user)] if name == twin => Some(*user),
        _ => None,
    });
    for user in twins {
        let what = if user.nkey.is_some() { "nkey" } else { "user" };
        let node = block.map_or_else(|| Node::unplaced(Value::Bool(true)), Clone::clone);
        reader.error(&node, format!("Duplicate {what} {} detected", go::quote(user.identity())));
    }
}

impl UserOptions {
    /// The name or the nkey.
    pub fn identity(&self) -> &str {
        self.nkey.as_deref().unwrap_or(&self.name)
    }
}

/// A list of users; `None` if it cannot be used.
pub(super) fn users(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<UserOptions>> {
    let Value::List(nodes) = &node.value else {
        let found = node.value.go_value();
        reader.error(node, format!("Expected users field to be an array, got {found}"));
        return None;
    };
    let mut users = Vec::with_capacity(nodes.len());
    for node in nodes {
        reader.within(node, |reader| users.extend(user(node, reader)));
    }
    Some(users)
}

fn user(node: &Node, reader: &mut Reader<'_>) -> Option<UserOptions> {
    let mut user = UserOptions { position: reader.position(node), ..UserOptions::default() };
    let errors = reader.errors.len();
    USER.read(node, &mut user, reader);
    let Value::Map(map) = &node.value else { return None };
    // What the user as a whole lacks is reported at its last key.
    let last = map.iter().last().map_or(node, |(_, node)| node);
    match &user.nkey {
        None if user.name.is_empty() => {
            // A wrong name was reported already.
            if reader.errors.len() == errors {
                reader.error(last, "User entry requires a user");
            }
            return None;
        }
        None => {}
        Some(nkey) if !(reader.checks.is_user_nkey)(nkey) => {
            reader.error(last, "Not a valid public nkey for a user");
            return None;
        }
        Some(_) if !user.name.is_empty() || user.password.is_some() => {
            reader.error(last, "Nkey users do not take usernames or passwords");
            return None;
        }
        Some(_) => {}
    }
    Some(user)
}

fn connection_types(user: &mut UserOptions, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    const TYPES: [&str; 7] = ["STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS"];
    let Some(names) = reader.texts(entry.node, "allowed connection types") else { return };
    let names = names.iter().map(|name| name.to_uppercase());
    let (known, unknown): (Vec<String>, Vec<String>) = names.partition(|name| TYPES.contains(&name.as_str()));
    if !unknown.is_empty() {
        let unknown: Vec<String> = unknown.iter().map(|name| go::quote(name)).collect();
        reader.error(entry.node, format!("invalid connection types [{}]", unknown.join(" ")));
    }
    user.connection_types = known;
}

fn timeout(authorization: &mut AuthorizationOptions, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(timeout) = reader.seconds(entry.node, "authorization") else { return };
    if timeout > 60.0 {
        let shown = entry.node.value.go_value();
        reader.warn(
            entry,
            format!(
                "timeout of {shown} ({timeout:.6} seconds) is high, consider keeping it under 60 seconds. \
                 possibly caused by unquoted duration; use '1m' instead of 1m, for example"
            ),
        );
    }
    authorization.timeout = seconds(timeout);
}

fn secret(text: &str) -> Option<Secret> {
    (!text.is_empty()).then(|| Secret::new(text))
}
