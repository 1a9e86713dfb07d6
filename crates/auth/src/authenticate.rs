//! Who is this? From the credentials of a `CONNECT` to an [`Identity`].
//!
//! In order, the first that applies decides: the proxy's signature · nobody needs credentials · an nkey, or a
//! `no_auth_user` that is one · the client certificate, where the listener maps it · a user and password, or
//! `no_auth_user` · the single token or user of the `authorization` block.
//!
//! A bcrypt hash takes milliseconds by design: it is not run here but handed out as a [`PasswordCheck`], to be run
//! where it delays nobody. A directory with any bcrypt hash hands one out for unknown users too, so that the time of a
//! refusal does not tell which users exist.
//!
//! Not here yet: JWTs, auth callout, leaf nodes.

mod certificate;
mod connection;
mod directory;
mod password;

use std::sync::Arc;

pub use self::{
    certificate::{CertificateNames, DistinguishedName},
    connection::{ConnectionType, ConnectionTypes, UnknownConnectionType},
    directory::{
        AccountSpec, AuthorizationSpec, Directory, DirectoryError, DirectorySpec, Login, SingleUserSpec, UserSpec,
    },
    password::{BcryptHash, PasswordCheck, Secret},
};
use crate::{account::AccountId, permission::Permissions};

/// What a connection shows of itself. Empty texts are as good as `None`.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// `user`
    pub user: Option<&'a str>,
    /// `pass`
    pub password: Option<&'a str>,
    /// `auth_token`
    pub token: Option<&'a str>,
    /// `nkey`
    pub nkey: Option<&'a str>,
    /// `sig`: the nkey's signature of the nonce.
    pub signature: Option<&'a str>,
    /// `proxy_sig`: a trusted proxy's signature of the nonce.
    pub proxy_signature: Option<&'a str>,
    /// `jwt`: ignored, as long as no operator is trusted.
    pub jwt: Option<&'a str>,
    /// What the server sent in its `INFO`.
    pub nonce: Option<&'a str>,
    /// Of the client, verified by TLS.
    pub certificate: Option<&'a CertificateNames>,
    /// How it is connected.
    pub connection_type: ConnectionType,
}

/// The result of [`Directory::authenticate`].
#[derive(Debug)]
pub enum Outcome {
    /// Let in.
    Accepted(Arc<Identity>),
    /// Let in without a name, because nobody needs credentials: to the global account, with all permissions.
    Anonymous,
    /// Told as `Authorization Violation`, whatever the reason.
    Rejected(Rejection),
    /// Run it, where it delays nobody, to know.
    VerifyPassword(PasswordCheck),
}

/// Who a connection is.
#[derive(Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whose subjects it sees.
    pub account: AccountId,
    /// What monitoring shows: the user name or nkey, `[REDACTED]` for a token.
    pub name: Box<str>,
    /// `None` is everything.
    pub permissions: Option<Arc<Permissions>>,
}

/// Why a connection was not let in: for the log, without secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Nothing of what is needed was sent.
    #[error("no credentials")]
    NoCredentials,
    /// Or it may not connect in this way.
    #[error("unknown user")]
    UnknownUser,
    /// Or it may not connect in this way.
    #[error("unknown nkey")]
    UnknownNkey,
    /// User and password, or token.
    #[error("wrong password or token")]
    WrongPassword,
    /// An nkey proves nothing by itself.
    #[error("signature missing")]
    SignatureMissing,
    /// Not base64, or not the nkey's.
    #[error("signature not verified")]
    SignatureInvalid,
    /// The listener maps certificates to users, and there is none.
    #[error("client certificate missing")]
    CertificateMissing,
    /// No user goes by any name in the certificate.
    #[error("no user for the client certificate")]
    CertificateUnknown,
    /// The user has no password because a certificate is meant to stand for it.
    #[error("user requires a client certificate")]
    CertificateRequired,
    /// Signed by no trusted proxy.
    #[error("proxy is not trusted")]
    ProxyNotTrusted,
    /// The user may only come by a proxy.
    #[error("proxy connection required")]
    ProxyRequired,
}
