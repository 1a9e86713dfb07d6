//! `CONNECT` and signing in.

use std::sync::Arc;

use firn_auth::authenticate::{Credentials, Identity, Outcome, PasswordCheck};
use firn_router::{Receiver, ReplyGrants};
use firn_wire::client::connect::Connect;

use crate::{Close, CloseReason, Link, Session, Settings, Turn};

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing but `CONNECT` will do.
    SignInFirst,
    /// Let in before `CONNECT` came.
    Open,
    /// A password is being checked.
    Verifying,
    /// `CONNECT` was taken.
    Connected,
}

/// The newest protocol version a client may speak.
const PROTOCOL_MAX: i64 = 1;

impl<P: Link> Session<P> {
    /// Who must sign in and begins with anything else is told so by its first byte, unless a user stands in for those
    /// without credentials.
    pub(crate) fn expect_connect(&mut self, input: &[u8], turn: &mut Turn<'_, P>) -> Result<(), Close> {
        match input.first() {
            None | Some(b'C' | b'c') => Ok(()),
            Some(_) if self.settings.directory.announces_auth() => Err(self.refuse_sign_in(turn)),
            Some(_) => match self.authenticate() {
                Outcome::Accepted(identity) => {
                    self.adopt(Some(identity))?;
                    self.timers.let_in();
                    self.stage = Stage::Open;
                    Ok(())
                }
                Outcome::Anonymous | Outcome::Rejected(_) | Outcome::VerifyPassword(_) => {
                    Err(self.refuse_sign_in(turn))
                }
            },
        }
    }

    /// Takes a `CONNECT`, the first or a further one. Gives back a password check that must be run elsewhere.
    pub(crate) fn sign_in(&mut self, json: &[u8], turn: &mut Turn<'_, P>) -> Result<Option<Box<PasswordCheck>>, Close> {
        if self.connect.update(json).is_err() {
            return Err(Close::silently(CloseReason::ProtocolViolation));
        }
        self.timers.heard_connect(turn.now);
        self.checked = None;
        // Whom a user stood in for counts as having sent a `CONNECT` before.
        if self.stage == Stage::Connected || self.identity.is_some() {
            self.drop_subscriptions();
        }
        match self.authenticate() {
            Outcome::Accepted(identity) => {
                self.accept(Some(identity), turn)?;
                Ok(None)
            }
            Outcome::Anonymous => {
                self.accept(None, turn)?;
                Ok(None)
            }
            Outcome::Rejected(reason) => {
                tracing::debug!(cid = self.origin.client_id, %reason, "sign-in refused");
                Err(self.refuse_sign_in(turn))
            }
            Outcome::VerifyPassword(check) => {
                self.stage = Stage::Verifying;
                self.checked = Some(check.hash());
                Ok(Some(Box::new(check)))
            }
        }
    }

    /// The outcome of a password check that [`Session::receive`] asked for.
    ///
    /// # Errors
    /// The password was wrong, or what the client asked for in `CONNECT` cannot be had.
    pub fn verified(&mut self, identity: Option<Arc<Identity>>, turn: &mut Turn<'_, P>) -> Result<(), Close> {
        match identity {
            Some(identity) => self.accept(Some(identity), turn),
            None => Err(self.refuse_sign_in(turn)),
        }
    }

    fn authenticate(&self) -> Outcome {
        let connect = &self.connect;
        self.settings.directory.authenticate(&Credentials {
            user: connect.user.as_deref(),
            password: connect.pass.as_deref(),
            token: connect.auth_token.as_deref(),
            nkey: connect.nkey.as_deref(),
            signature: connect.sig.as_deref(),
            jwt: connect.jwt.as_deref(),
            proxy_signature: connect.proxy_sig.as_deref(),
            nonce: self.origin.nonce.as_deref(),
            certificate: self.origin.certificate.as_deref(),
            connection_type: self.origin.connection_type,
        })
    }

    fn accept(&mut self, identity: Option<Arc<Identity>>, turn: &mut Turn<'_, P>) -> Result<(), Close> {
        if self.connect.account.is_some() || self.connect.new_account {
            return Err(self.refuse_sign_in(turn));
        }
        if !(0..=PROTOCOL_MAX).contains(&self.connect.protocol) {
            return Err(self.end(CloseReason::BadClientProtocolVersion, "invalid client protocol", turn));
        }
        self.connect.headers &= self.settings.headers;
        if self.connect.no_responders && !self.connect.headers {
            let text = "no responders requires headers support";
            return Err(self.end(CloseReason::NoRespondersRequiresHeaders, text, turn));
        }
        self.adopt(identity)?;
        self.port.set_headers(self.connect.headers);
        self.stage = Stage::Connected;
        let jitter = u32::try_from(self.picker.below(1000)).unwrap_or(0);
        self.timers.signed_in(turn.now, self.settings.ping_interval, jitter);
        self.ok_if_verbose(turn);
        Ok(())
    }

    /// Takes on an identity: its account and its rules. Cached routes belong to the one before.
    fn adopt(&mut self, identity: Option<Arc<Identity>>) -> Result<(), Close> {
        let account = match &identity {
            Some(identity) => self.accounts.by_id(identity.account),
            None => Some(self.accounts.global()),
        };
        let Some(account) = account.map(Arc::clone) else {
            return Err(Close::silently(CloseReason::MissingAccount));
        };
        if !Arc::ptr_eq(&self.account, &account) {
            self.drop_subscriptions();
        }
        self.account = account;
        self.receiver = identity.as_ref().and_then(|identity| identity.permissions.as_ref()).map(|permissions| {
            let grants = permissions.responses().map(|rule| ReplyGrants::new(rule.messages_max, rule.expires));
            Arc::new(Receiver { filter: Some(Arc::clone(permissions)), grants })
        });
        self.identity = identity;
        self.cache.clear();
        Ok(())
    }

    /// After the first `PONG`, clients that understand it learn what signing in changed.
    pub(crate) fn after_first_pong(&mut self, turn: &mut Turn<'_, P>) {
        if self.connect.protocol < 1 || self.stage != Stage::Connected {
            return;
        }
        self.say_info(true, turn);
    }

    fn say_info(&self, about_connection: bool, turn: &mut Turn<'_, P>) {
        let mut info = self.settings.info_for(&self.origin);
        // There is nothing to sign any more.
        info.nonce.clear();
        if about_connection {
            info.connect_info = true;
            info.remote_account = self.account.name.to_string();
            info.acc_is_sys = self.account.id == firn_auth::account::AccountId::SYSTEM;
        }
        let mut text = Vec::new();
        info.encode(&mut text);
        self.port.write(&text, turn.batch);
    }

    /// The settings changed: the client's identity and each of its subscriptions must still be allowed. Gives back a
    /// password check that must be run elsewhere, whose outcome is then passed to [`Session::reverified`].
    ///
    /// # Errors
    /// The client may not stay.
    pub fn reload(
        &mut self,
        settings: Arc<Settings>,
        turn: &mut Turn<'_, P>,
    ) -> Result<Option<Box<PasswordCheck>>, Close> {
        let has_same_users = Arc::ptr_eq(&self.settings.directory, &settings.directory);
        self.settings = settings;
        // Who was let in without a `CONNECT` holds subscriptions too. Others are judged when they sign in.
        if matches!(self.stage, Stage::SignInFirst | Stage::Verifying) || has_same_users {
            return Ok(None);
        }
        match self.authenticate() {
            Outcome::Accepted(identity) => self.reverified(Some(identity), turn).map(|()| None),
            Outcome::Anonymous => self.readopt(None, turn).map(|()| None),
            Outcome::Rejected(_) => Err(self.refuse_after_reload(turn)),
            Outcome::VerifyPassword(check) => match self.checked.and_then(|hash| check.matched_before(hash)) {
                Some(identity) => self.reverified(Some(identity), turn).map(|()| None),
                None => {
                    self.checked = Some(check.hash());
                    Ok(Some(Box::new(check)))
                }
            },
        }
    }

    /// The outcome of a password check that [`Session::reload`] asked for.
    ///
    /// # Errors
    /// The client may not stay.
    pub fn reverified(&mut self, identity: Option<Arc<Identity>>, turn: &mut Turn<'_, P>) -> Result<(), Close> {
        match identity {
            Some(identity) => self.readopt(Some(identity), turn),
            None => Err(self.refuse_after_reload(turn)),
        }
    }

    fn readopt(&mut self, identity: Option<Arc<Identity>>, turn: &mut Turn<'_, P>) -> Result<(), Close> {
        let account = identity.as_ref().map_or(firn_auth::account::AccountId::GLOBAL, |identity| identity.account);
        if account != self.account.id {
            return Err(Close::silently(CloseReason::ClientClosed));
        }
        self.adopt(identity)?;
        self.recheck_subscriptions(turn);
        self.show_interest();
        Ok(())
    }

    /// Who is no longer listed by the name it gave is closed without a word; everybody else is told.
    #[cold]
    fn refuse_after_reload(&self, turn: &mut Turn<'_, P>) -> Close {
        let Connect { user, nkey, .. } = &self.connect;
        let name = nkey.as_deref().or(user.as_deref()).filter(|name| !name.is_empty());
        match name {
            Some(name) if !self.settings.directory.lists(name) => Close::silently(CloseReason::ClientClosed),
            Some(_) | None => self.refuse_sign_in(turn),
        }
    }

    /// Tells clients that understand it what the settings say now: after a [`Session::reload`] with those of a server
    /// that winds down, to look for another one.
    pub fn announce(&self, turn: &mut Turn<'_, P>) {
        if self.connect.protocol >= 1 && self.stage == Stage::Connected {
            self.say_info(false, turn);
        }
    }

    /// Tells this client alone to look for another server.
    pub fn ask_to_leave(&self, turn: &mut Turn<'_, P>) {
        let mut info = self.settings.info_for(&self.origin);
        info.ldm = true;
        let mut text = Vec::new();
        info.encode(&mut text);
        self.port.write(&text, turn.batch);
    }

    #[cold]
    fn refuse_sign_in(&self, turn: &mut Turn<'_, P>) -> Close {
        self.end(CloseReason::AuthenticationViolation, "Authorization Violation", turn)
    }
}
