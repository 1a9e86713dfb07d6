//! From credentials to an identity with permissions: who may do what.
//!
//! ```text
//!   DirectorySpec (configuration) ──> Directory ──authenticate(Credentials)──> Accepted(Identity)
//!                                                                            ├─> Rejected(reason for the log)
//!                                                                            └─> VerifyPassword(a bcrypt to run elsewhere)
//!   Identity ──> Permissions: may publish, subscribe, deliver
//! ```
//!
//! Not here: how credentials arrived, the disk, the network, entropy (a nonce is handed in), the clock.

pub mod account;
pub mod authenticate;
pub mod fuzzing;
pub mod nkey;
pub mod permission;
