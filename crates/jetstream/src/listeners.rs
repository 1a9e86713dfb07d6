//! Who listens: what a shard asks of whoever routes.

use firn_auth::account::AccountId;

/// Looks into the interest of accounts, as it is now.
pub trait Listeners: std::fmt::Debug + Send {
    /// Somebody would get what is published there.
    fn is_heard(&self, account: AccountId, subject: &[u8]) -> bool;

    /// Somebody would get an advisory or metric: without, none are made.
    fn is_observed(&self, account: AccountId) -> bool;
}

/// Somebody always listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everybody;

impl Listeners for Everybody {
    fn is_heard(&self, _: AccountId, _: &[u8]) -> bool {
        true
    }

    fn is_observed(&self, _: AccountId) -> bool {
        true
    }
}
