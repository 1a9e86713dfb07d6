//! Accounts by number. Names are looked up once, at sign-in; everything later is keyed by [`AccountId`].

/// Which account: an index into the directory of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u32);

impl AccountId {
    /// `$G`, the account of everybody who is given no other.
    pub const GLOBAL: AccountId = AccountId(0);
    /// `$SYS`, where the server itself speaks.
    pub const SYSTEM: AccountId = AccountId(1);
}
