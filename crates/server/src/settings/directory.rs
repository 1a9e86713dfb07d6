//! Who may sign in, from the words of the configuration to those of the directory.

use firn_auth::{
    account::AccountId,
    authenticate::{
        AccountSpec, AuthorizationSpec, ConnectionType, ConnectionTypes, DirectorySpec, Login, Secret, SingleUserSpec,
        UserSpec,
    },
    permission::{PermissionsSpec, ResponsesSpec, RulesSpec},
};
use firn_config::{Options, PermissionsOptions, ResponsesOptions, SubjectsOptions, UserAccount, UserOptions};

/// What the directory is made of.
///
/// # Errors
/// The operator's fault: a connection type that there is none of.
pub(super) fn spec(options: &Options) -> Result<DirectorySpec, String> {
    let authorization = &options.authorization;
    let users_of = |account: UserAccount| -> Result<Vec<UserSpec>, String> {
        authorization.users.iter().flatten().filter(|user| user.account == account).map(user).collect()
    };
    let (users, system_users) = (users_of(UserAccount::Global)?, users_of(UserAccount::System)?);
    let has_users = authorization.users.is_some() && (!users.is_empty() || system_users.is_empty());
    let token = authorization.token.as_ref().map(secret);
    // A file cannot name both, so one of them is a flag; the token is what holds then.
    let is_configured = token.is_none() && (authorization.user.is_some() || authorization.password.is_some());
    let single = is_configured.then(|| SingleUserSpec {
        user: authorization.user.clone().unwrap_or_default(),
        password: authorization.password.as_ref().map(secret).unwrap_or_default(),
    });
    let is_block = single.is_some() || token.is_some() || has_users;
    let maps_certificates = options.tls.as_ref().is_some_and(|tls| tls.verify_and_map);
    Ok(DirectorySpec {
        authorization: is_block.then(|| AuthorizationSpec {
            single,
            token,
            users: has_users.then_some(users),
            // Users have been given them already.
            default_permissions: None,
            proxy_required: false,
        }),
        accounts: (!system_users.is_empty())
            .then_some(AccountSpec { account: AccountId::SYSTEM, users: system_users, default_permissions: None })
            .into_iter()
            .collect(),
        no_auth_user: options.no_auth_user.clone(),
        certificate_mapped: if maps_certificates {
            ConnectionTypes::NONE.with(ConnectionType::Standard).with(ConnectionType::InProcess)
        } else {
            ConnectionTypes::NONE
        },
        trusted_proxies: Vec::new(),
    })
}

/// Both options make the same directory.
pub(super) fn is_same(old: &Options, new: &Options) -> bool {
    let maps_certificates = |options: &Options| options.tls.as_ref().is_some_and(|tls| tls.verify_and_map);
    old.authorization == new.authorization
        && old.no_auth_user == new.no_auth_user
        && maps_certificates(old) == maps_certificates(new)
}

fn user(options: &UserOptions) -> Result<UserSpec, String> {
    let mut connection_types = ConnectionTypes::NONE;
    for name in &options.connection_types {
        connection_types = connection_types.with(name.parse().map_err(|error| format!("{error}"))?);
    }
    Ok(UserSpec {
        login: match &options.nkey {
            Some(nkey) => Login::Nkey(nkey.clone()),
            None => Login::Password { user: options.name.clone(), password: options.password.as_ref().map(secret) },
        },
        permissions: options.permissions.as_ref().map(permissions),
        connection_types,
        proxy_required: false,
    })
}

fn secret(secret: &firn_config::Secret) -> Secret {
    secret.expose().into()
}

fn permissions(options: &PermissionsOptions) -> PermissionsSpec {
    PermissionsSpec {
        publish: Some(rules(&options.publish)),
        subscribe: Some(rules(&options.subscribe)),
        responses: options.allow_responses.map(responses),
    }
}

fn rules(options: &SubjectsOptions) -> RulesSpec {
    RulesSpec { allow: options.allow.clone(), deny: options.deny.clone() }
}

fn responses(options: ResponsesOptions) -> ResponsesSpec {
    // Below zero is no limit.
    let max = options.max.map_or(-1, |max| i64::try_from(max).unwrap_or(-1));
    ResponsesSpec { max, expires: options.expires }
}
