//! Everybody who may connect. Immutable: a reload builds another and replaces it whole.

use std::{collections::HashMap, sync::Arc};

use super::{
    CertificateNames, ConnectionType, ConnectionTypes, Credentials, DistinguishedName, Identity, Outcome,
    PasswordCheck, Rejection, Secret,
    password::{BcryptHash, Stored},
};
use crate::{
    account::AccountId,
    nkey::{self, PublicKey, Role},
    permission::{InvalidPermission, Permissions, PermissionsSpec},
};

/// What the configuration says of users. The default is a server for everybody.
#[derive(Clone, Debug, Default)]
pub struct DirectorySpec {
    /// The `authorization` block.
    pub authorization: Option<AuthorizationSpec>,
    /// Every configured account, with or without users.
    pub accounts: Vec<AccountSpec>,
    /// The user or nkey of connections without credentials.
    pub no_auth_user: Option<String>,
    /// Connections whose certificate names the user (`verify_and_map`); `STANDARD` and `IN_PROCESS` for the main one.
    pub certificate_mapped: ConnectionTypes,
    /// Public nkeys of trusted proxies.
    pub trusted_proxies: Vec<String>,
}

/// One of a single user, a token, and a list of users.
#[derive(Clone, Debug, Default)]
pub struct AuthorizationSpec {
    /// `user` and `password`.
    pub single: Option<SingleUserSpec>,
    /// `token`.
    pub token: Option<Secret>,
    /// `users`; they belong to the global account.
    pub users: Option<Vec<UserSpec>>,
    /// For those of `users` that have none of their own.
    pub default_permissions: Option<PermissionsSpec>,
    /// For the single user and the token.
    pub proxy_required: bool,
}

/// The only user, who may do everything in the global account.
#[derive(Clone, Debug, Default)]
pub struct SingleUserSpec {
    /// Its name.
    pub user: String,
    /// As it is or hashed.
    pub password: Secret,
}

/// An account's users.
#[derive(Clone, Debug)]
pub struct AccountSpec {
    /// Which account.
    pub account: AccountId,
    /// Its users.
    pub users: Vec<UserSpec>,
    /// For those that have none of their own.
    pub default_permissions: Option<PermissionsSpec>,
}

/// A user.
#[derive(Clone, Debug)]
pub struct UserSpec {
    /// How it proves who it is.
    pub login: Login,
    /// `None` is the default permissions, if there are any, and else everything.
    pub permissions: Option<PermissionsSpec>,
    /// Empty is all.
    pub connection_types: ConnectionTypes,
    /// Only by a trusted proxy.
    pub proxy_required: bool,
}

/// How a user proves who it is.
#[derive(Clone, Debug)]
pub enum Login {
    /// By a password. No password at all is as good as an empty one.
    Password {
        /// Its name.
        user: String,
        /// As it is or hashed.
        password: Option<Secret>,
    },
    /// By signing the nonce with this user nkey.
    Nkey(String),
}

/// Why there can be no such directory: the operator's fault each, with nats-server's texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DirectoryError {
    #[error("Cannot have a user/pass and token")]
    SingleUserAndToken,
    #[error("Can not have a single user/pass and a users array")]
    SingleUserAndUsers,
    #[error("Can not have a token and a users array")]
    TokenAndUsers,
    #[error("User entry requires a user")]
    UserWithoutName,
    #[error("Not a valid public nkey for a user")]
    InvalidUserNkey,
    #[error("Duplicate user {0:?} detected")]
    DuplicateUser(String),
    #[error("Duplicate nkey {0:?} detected")]
    DuplicateNkey(String),
    #[error(transparent)]
    InvalidPermission(#[from] InvalidPermission),
    #[error("no_auth_user: \"{0}\" present, but users/nkeys are not defined")]
    NoAuthUserWithoutUsers(String),
    #[error("no_auth_user: \"{0}\" not present as user or nkey in authorization block or account configuration")]
    NoAuthUserUnknown(String),
    #[error("invalid proxy key {0:?}")]
    InvalidProxyKey(String),
}

/// Everybody who may connect. The default lets everybody in.
#[derive(Debug, Default)]
pub struct Directory {
    users: HashMap<Box<str>, User>,
    nkeys: HashMap<Box<str>, NkeyUser>,
    single: Option<Single>,
    /// A key of `users` or `nkeys`.
    no_auth_user: Option<Box<str>>,
    /// Only the system account has users: all others are anonymous.
    is_open_beside_system: bool,
    certificate_mapped: ConnectionTypes,
    /// User names that are distinguished names, in the order of their text; none if no certificate is mapped.
    distinguished: Vec<(DistinguishedName, Box<str>)>,
    trusted_proxies: Vec<PublicKey>,
    /// The costliest hash of all: the work for users that do not exist.
    decoy: Option<BcryptHash>,
}

#[derive(Debug)]
struct User {
    access: Access,
    password: Stored,
}

#[derive(Debug)]
struct NkeyUser {
    access: Access,
    key: PublicKey,
}

/// What users have in common.
#[derive(Debug)]
struct Access {
    identity: Arc<Identity>,
    /// Not empty.
    connection_types: ConnectionTypes,
    proxy_required: bool,
}

/// The single user or token.
#[derive(Debug)]
struct Single {
    /// `None` is a token.
    user: Option<Box<str>>,
    secret: Stored,
    access: Access,
}

/// A trusted proxy vouches for the connection.
type IsProxied = bool;

impl Directory {
    /// Checks and compiles a specification.
    ///
    /// # Errors
    /// The operator's fault each; nothing changes.
    pub fn new(spec: &DirectorySpec) -> Result<Directory, DirectoryError> {
        check_exclusions(spec)?;
        let mut directory = Directory {
            is_open_beside_system: is_open_beside_system(spec),
            certificate_mapped: spec.certificate_mapped,
            ..Directory::default()
        };
        for account in &spec.accounts {
            directory.add_users(account.account, &account.users, account.default_permissions.as_ref())?;
        }
        if let Some(authorization) = &spec.authorization {
            let users = authorization.users.as_deref().unwrap_or_default();
            directory.add_users(AccountId::GLOBAL, users, authorization.default_permissions.as_ref())?;
            directory.single = single(authorization);
        }
        if let Some(name) = &spec.no_auth_user {
            directory.set_no_auth_user(name)?;
        }
        for key in &spec.trusted_proxies {
            let invalid = |_| DirectoryError::InvalidProxyKey(key.clone());
            directory.trusted_proxies.push(PublicKey::parse(key).map_err(invalid)?);
        }
        directory.decoy = directory.costliest_hash();
        directory.distinguished = directory.distinguished_names();
        Ok(directory)
    }

    /// Who the credentials belong to. Microseconds; what takes longer is handed out.
    pub fn authenticate(&self, credentials: &Credentials<'_>) -> Outcome {
        match self.decide(credentials) {
            Ok(outcome) => outcome,
            Err(rejection) => self.refuse(rejection, credentials),
        }
    }

    /// Somebody needs credentials: a connection has to say who it is before anything else.
    pub fn is_required(&self) -> bool {
        !self.is_open()
    }

    /// Connections need credentials, and nobody stands in for those that have none: `auth_required` of `INFO`.
    pub fn announces_auth(&self) -> bool {
        !self.is_open() && self.no_auth_user.is_none()
    }

    /// This is the name or nkey in a list of users; a single user is in none.
    pub fn lists(&self, name: &str) -> bool {
        self.users.contains_key(name) || self.nkeys.contains_key(name)
    }

    /// Somebody may have to sign a nonce.
    pub fn needs_nonce(&self) -> bool {
        !self.nkeys.is_empty() || !self.trusted_proxies.is_empty()
    }

    /// Nobody needs credentials.
    fn is_open(&self) -> bool {
        self.users.is_empty() && self.nkeys.is_empty() && self.single.is_none()
    }

    fn decide(&self, credentials: &Credentials<'_>) -> Result<Outcome, Rejection> {
        let is_proxied = self.check_proxy(credentials)?;
        if self.is_open() {
            return Ok(Outcome::Anonymous);
        }
        let user = credentials.user.unwrap_or_default();
        let sent_nkey = credentials.nkey.unwrap_or_default();
        let is_anonymous = [credentials.user, credentials.password, credentials.token]
            .into_iter()
            .all(|text| text.unwrap_or_default().is_empty());
        let no_auth_user = self.no_auth_user.as_deref().filter(|_| is_anonymous);

        if !self.nkeys.is_empty() {
            if !sent_nkey.is_empty() {
                return self.by_nkey(sent_nkey, credentials, is_proxied);
            }
            if let Some(nkey) = no_auth_user.filter(|name| self.nkeys.contains_key(*name)) {
                return self.by_nkey(nkey, credentials, is_proxied);
            }
        }
        if self.certificate_mapped.contains(credentials.connection_type) && !self.users.is_empty() {
            return self.by_certificate(credentials, is_proxied);
        }
        if let Some(user) = no_auth_user.and_then(|name| self.users.get(name)) {
            user.access.check(credentials.connection_type, is_proxied, Rejection::UnknownUser)?;
            return Ok(Outcome::Accepted(Arc::clone(&user.access.identity)));
        }
        if is_anonymous && self.is_open_beside_system {
            return Ok(Outcome::Anonymous);
        }
        if !self.users.is_empty() && !user.is_empty() {
            return self.by_password(user, credentials, is_proxied);
        }
        match &self.single {
            Some(single) => single.verify(credentials, is_proxied),
            None => Err(Rejection::NoCredentials),
        }
    }

    /// Where a password would have been hashed for another user, one is hashed for this one too.
    fn refuse(&self, rejection: Rejection, credentials: &Credentials<'_>) -> Outcome {
        let is_guess = matches!(rejection, Rejection::UnknownUser | Rejection::WrongPassword);
        match self.decoy.filter(|_| is_guess) {
            Some(hash) => {
                let password = credentials.password.or(credentials.token).unwrap_or_default();
                Outcome::VerifyPassword(PasswordCheck::new(password, hash, None))
            }
            None => Outcome::Rejected(rejection),
        }
    }

    fn check_proxy(&self, credentials: &Credentials<'_>) -> Result<IsProxied, Rejection> {
        let signature = credentials.proxy_signature.unwrap_or_default();
        if signature.is_empty() || self.trusted_proxies.is_empty() {
            return Ok(false);
        }
        let signature = nkey::decode_signature(signature).ok_or(Rejection::ProxyNotTrusted)?;
        if self.trusted_proxies.iter().any(|key| is_signed_by(key, credentials, &signature)) {
            return Ok(true);
        }
        Err(Rejection::ProxyNotTrusted)
    }

    fn by_nkey(&self, nkey: &str, credentials: &Credentials<'_>, is_proxied: IsProxied) -> Result<Outcome, Rejection> {
        let user = self.nkeys.get(nkey).ok_or(Rejection::UnknownNkey)?;
        user.access.check(credentials.connection_type, is_proxied, Rejection::UnknownNkey)?;
        if self.no_auth_user.as_deref() != Some(nkey) {
            let signature = credentials.signature.filter(|sig| !sig.is_empty()).ok_or(Rejection::SignatureMissing)?;
            let signature = nkey::decode_signature(signature).ok_or(Rejection::SignatureInvalid)?;
            if !is_signed_by(&user.key, credentials, &signature) {
                return Err(Rejection::SignatureInvalid);
            }
        }
        Ok(Outcome::Accepted(Arc::clone(&user.access.identity)))
    }

    fn by_password(
        &self,
        name: &str,
        credentials: &Credentials<'_>,
        is_proxied: IsProxied,
    ) -> Result<Outcome, Rejection> {
        let user = self.users.get(name).ok_or(Rejection::UnknownUser)?;
        user.access.check(credentials.connection_type, is_proxied, Rejection::UnknownUser)?;
        // Without a password a certificate is meant to stand for the user, on whichever listener maps them.
        let mapped = self.certificate_mapped.without(ConnectionType::InProcess);
        if user.password.is_empty()
            && user.access.connection_types.intersects(mapped)
            && self.no_auth_user.as_deref() != Some(name)
        {
            return Err(Rejection::CertificateRequired);
        }
        verify(&user.password, credentials.password, &user.access.identity)
    }

    fn by_certificate(&self, credentials: &Credentials<'_>, is_proxied: IsProxied) -> Result<Outcome, Rejection> {
        let certificate = credentials.certificate.ok_or(Rejection::CertificateMissing)?;
        let user =
            self.user_of_certificate(certificate, credentials.connection_type).ok_or(Rejection::CertificateUnknown)?;
        user.access.check(credentials.connection_type, is_proxied, Rejection::CertificateUnknown)?;
        verify(&user.password, credentials.password, &user.access.identity)
    }

    /// By email, DNS name and URI, by the subject as a distinguished name, in order and reordered, and by its texts.
    fn user_of_certificate(&self, certificate: &CertificateNames, connection: ConnectionType) -> Option<&User> {
        let by_name =
            |name: &str| self.users.get(name).filter(|user| user.access.connection_types.contains(connection));
        let by_subject = |is_same: &dyn Fn(&DistinguishedName) -> bool| {
            self.distinguished.iter().filter(|(known, _)| is_same(known)).find_map(|(_, name)| by_name(name))
        };
        certificate
            .names
            .iter()
            .find_map(|name| by_name(name))
            .or_else(|| {
                let subject = certificate.subject.as_ref()?;
                by_subject(&|known| known == subject).or_else(|| by_subject(&|known| known.is_reordering_of(subject)))
            })
            .or_else(|| certificate.subject_texts.iter().find_map(|text| by_name(text)))
    }

    fn add_users(
        &mut self,
        account: AccountId,
        users: &[UserSpec],
        default_permissions: Option<&PermissionsSpec>,
    ) -> Result<(), DirectoryError> {
        for spec in users {
            let permissions =
                spec.permissions.as_ref().or(default_permissions).map(Permissions::compile).transpose()?;
            let name = match &spec.login {
                Login::Password { user, .. } => user,
                Login::Nkey(nkey) => nkey,
            };
            let access = Access {
                identity: Arc::new(Identity {
                    account,
                    name: name.as_str().into(),
                    permissions: permissions.map(Arc::new),
                }),
                connection_types: match spec.connection_types.is_empty() {
                    true => ConnectionTypes::ALL,
                    false => spec.connection_types,
                },
                proxy_required: spec.proxy_required,
            };
            match &spec.login {
                Login::Password { user, password } => {
                    self.add_user(user, password.clone().unwrap_or_default(), access)?
                }
                Login::Nkey(nkey) => self.add_nkey(nkey, access)?,
            }
        }
        Ok(())
    }

    fn add_user(&mut self, name: &str, password: Secret, access: Access) -> Result<(), DirectoryError> {
        if name.is_empty() {
            return Err(DirectoryError::UserWithoutName);
        }
        if self.is_known(name) {
            return Err(DirectoryError::DuplicateUser(name.to_owned()));
        }
        self.users.insert(name.into(), User { access, password: Stored::new(password) });
        Ok(())
    }

    fn add_nkey(&mut self, nkey: &str, access: Access) -> Result<(), DirectoryError> {
        let key = PublicKey::parse(nkey).ok().filter(|key| key.role() == Role::User);
        let key = key.ok_or(DirectoryError::InvalidUserNkey)?;
        if self.is_known(nkey) {
            return Err(DirectoryError::DuplicateNkey(nkey.to_owned()));
        }
        self.nkeys.insert(nkey.into(), NkeyUser { access, key });
        Ok(())
    }

    fn set_no_auth_user(&mut self, name: &str) -> Result<(), DirectoryError> {
        if self.users.is_empty() && self.nkeys.is_empty() {
            return Err(DirectoryError::NoAuthUserWithoutUsers(name.to_owned()));
        }
        if !self.is_known(name) {
            return Err(DirectoryError::NoAuthUserUnknown(name.to_owned()));
        }
        self.no_auth_user = Some(name.into());
        Ok(())
    }

    /// As a user or an nkey; they share their names.
    fn is_known(&self, name: &str) -> bool {
        self.users.contains_key(name) || self.nkeys.contains_key(name)
    }

    fn costliest_hash(&self) -> Option<BcryptHash> {
        let secrets = self.users.values().map(|user| &user.password).chain(self.single.iter().map(|one| &one.secret));
        let hashes = secrets.filter_map(|secret| match secret {
            Stored::Bcrypt(hash) => Some(*hash),
            Stored::Plain(_) | Stored::Unmatchable => None,
        });
        hashes.reduce(BcryptHash::costlier)
    }

    fn distinguished_names(&self) -> Vec<(DistinguishedName, Box<str>)> {
        if self.certificate_mapped.is_empty() {
            return Vec::new();
        }
        let mut names: Vec<_> =
            self.users.keys().filter_map(|name| Some((DistinguishedName::parse(name)?, name.clone()))).collect();
        names.sort_unstable_by(|(_, a), (_, b)| a.cmp(b));
        names
    }
}

impl Access {
    /// `unknown` is the answer where the user may not connect in this way, as if it did not exist.
    fn check(&self, connection: ConnectionType, is_proxied: IsProxied, unknown: Rejection) -> Result<(), Rejection> {
        if !self.connection_types.contains(connection) {
            return Err(unknown);
        }
        if self.proxy_required && !is_proxied {
            return Err(Rejection::ProxyRequired);
        }
        Ok(())
    }
}

impl Single {
    fn verify(&self, credentials: &Credentials<'_>, is_proxied: IsProxied) -> Result<Outcome, Rejection> {
        self.access.check(credentials.connection_type, is_proxied, Rejection::UnknownUser)?;
        let candidate = match self.user.as_deref() {
            None => credentials.token,
            Some(user) if credentials.user == Some(user) => credentials.password,
            Some(_) => return Err(Rejection::UnknownUser),
        };
        verify(&self.secret, candidate, &self.access.identity)
    }
}

/// Without a nonce there is nothing to sign: a signature of nothing could be used again.
fn is_signed_by(key: &PublicKey, credentials: &Credentials<'_>, signature: &[u8; nkey::SIGNATURE_BYTES]) -> bool {
    let nonce = credentials.nonce.filter(|nonce| !nonce.is_empty());
    nonce.is_some_and(|nonce| key.verifies(nonce.as_bytes(), signature))
}

fn verify(stored: &Stored, candidate: Option<&str>, identity: &Arc<Identity>) -> Result<Outcome, Rejection> {
    let candidate = candidate.unwrap_or_default();
    match stored {
        Stored::Plain(secret) if secret.matches(candidate) => Ok(Outcome::Accepted(Arc::clone(identity))),
        Stored::Plain(_) | Stored::Unmatchable => Err(Rejection::WrongPassword),
        Stored::Bcrypt(hash) => {
            Ok(Outcome::VerifyPassword(PasswordCheck::new(candidate, *hash, Some(Arc::clone(identity)))))
        }
    }
}

/// What an `authorization` block may not have together. Users of accounts count as if they were in the block.
fn check_exclusions(spec: &DirectorySpec) -> Result<(), DirectoryError> {
    let Some(authorization) = &spec.authorization else { return Ok(()) };
    let has_users = authorization.users.is_some() || spec.accounts.iter().any(|account| !account.users.is_empty());
    let has_single = authorization.single.as_ref().is_some_and(|single| !single.user.is_empty());
    match (&authorization.single, &authorization.token) {
        (Some(_), Some(_)) => Err(DirectoryError::SingleUserAndToken),
        (Some(_), None) if has_single && has_users => Err(DirectoryError::SingleUserAndUsers),
        (None, Some(_)) if has_users => Err(DirectoryError::TokenAndUsers),
        (Some(_), None) | (None, _) => Ok(()),
    }
}

/// Giving the system account users shall not lock everybody else out, unless the configuration speaks of others.
fn is_open_beside_system(spec: &DirectorySpec) -> bool {
    let mut others = spec.accounts.iter().filter(|account| account.account != AccountId::SYSTEM);
    let has_system_users =
        spec.accounts.iter().any(|account| account.account == AccountId::SYSTEM && !account.users.is_empty());
    has_system_users && others.next().is_none() && spec.authorization.is_none() && spec.no_auth_user.is_none()
}

fn single(authorization: &AuthorizationSpec) -> Option<Single> {
    let (user, secret) = match (&authorization.token, &authorization.single) {
        (Some(token), _) => (None, token),
        // A password without a user protects nothing, in nats-server neither.
        (None, Some(single)) if single.user.is_empty() => return None,
        (None, Some(single)) => (Some(single.user.as_str().into()), &single.password),
        (None, None) => return None,
    };
    let access = Access {
        identity: everything_in_global_account(user.as_deref().unwrap_or("[REDACTED]")),
        connection_types: ConnectionTypes::ALL,
        proxy_required: authorization.proxy_required,
    };
    Some(Single { user, secret: Stored::new(secret.clone()), access })
}

fn everything_in_global_account(user: &str) -> Arc<Identity> {
    Arc::new(Identity { account: AccountId::GLOBAL, name: user.into(), permissions: None })
}

#[cfg(test)]
mod tests;
