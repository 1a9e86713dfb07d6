//! Who receives a subject: given an account and a subject, the subscriptions and queue groups that match.
//!
//! ```text
//!   SUB / UNSUB ──► Account::insert/remove ──(staged)──► Account::publish ──► snapshot + generations
//!                                                                                    │
//!   PUB ──► Cache::find (per connection, no lock) ──hit: stamp still current─────────┤
//!                     └──miss──► Account::route ◄── matches the snapshot ◄───────────┘
//! ```
//!
//! Not here: sockets, what a target does with a message (the [`Port`] knows), who may publish.
//!
//! Invariant: a cached route is used only while the sum of the generations that could change it is what it was when
//! the route was made; a change raises its generation after the snapshot that holds it became visible.

mod account;
mod cache;
mod generation;
mod port;
mod queue;
mod subscription;

pub use account::{Account, Route, Statistics};
pub use cache::{Cache, Found};
pub use generation::{Generations, Place};
pub use port::{Body, Delivered, Message, Port, deliver_each};
pub use queue::Picker;
pub use subscription::{Receiver, ReplyGrants, Subscription};

#[cfg(test)]
mod tests;
