//! `/subsz`: the subscriptions of all accounts, the server's own included.

use std::{ops, sync::atomic::Ordering::Relaxed};

use firn_router::Account;
use firn_subject::{pattern, subject};
use serde::{Deserialize, Serialize};

use super::{
    connz::{Detail, LIMIT, Page},
    json::Float,
    query::{Query, Refusal},
};
use crate::{clock, conn::port::Port, state::State};

/// What is asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    offset: i64,
    limit: i64,
    subscriptions: bool,
    account: String,
    test: String,
}

impl Options {
    pub(crate) fn from_query(query: &Query) -> Result<Options, Refusal> {
        Ok(Options {
            subscriptions: query.flag("subs")?,
            offset: query.int("offset")?,
            limit: query.int("limit")?,
            account: query.text("acc").to_owned(),
            test: query.text("test").to_owned(),
        })
    }

    /// All subscriptions of one account.
    pub(crate) fn list_of(account: &str) -> Options {
        Options { subscriptions: true, account: account.to_owned(), ..Options::default() }
    }
}

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Subsz {
    server_id: Box<str>,
    now: String,
    #[serde(flatten)]
    pub(crate) numbers: Numbers,
    pub(crate) total: usize,
    pub(crate) offset: i64,
    pub(crate) limit: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<Detail>,
}

/// Numbers of the interest of one account or more.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Numbers {
    pub(crate) num_subscriptions: u64,
    /// Routes are cached by each connection for itself, and uncounted there.
    pub(crate) num_cache: u64,
    pub(crate) num_inserts: u64,
    pub(crate) num_removes: u64,
    /// Subjects looked up: one a message.
    pub(crate) num_matches: u64,
    /// The share of them that a cache answered.
    pub(crate) cache_hit_rate: Float,
    pub(crate) max_fanout: u64,
    pub(crate) avg_fanout: Float,
    #[serde(skip)]
    searches: u64,
}

impl Numbers {
    /// Of one account.
    pub(crate) fn of(state: &State, account: &Account<Port>) -> Numbers {
        let statistics = account.statistics();
        let published = state.totals.of_account(account.id).in_messages.load(Relaxed);
        Numbers {
            num_subscriptions: statistics.subscriptions,
            num_inserts: statistics.inserts,
            num_removes: statistics.removes,
            // The server's own messages are searched too, but not published by a client.
            num_matches: published.max(statistics.matches),
            searches: statistics.matches,
            ..Numbers::default()
        }
        .with_rate()
    }

    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
    fn with_rate(self) -> Numbers {
        let hits = self.num_matches - self.searches;
        let rate = if self.num_matches > 0 { hits as f64 / self.num_matches as f64 } else { 0.0 };
        Numbers { cache_hit_rate: Float(rate), ..self }
    }
}

impl ops::Add for Numbers {
    type Output = Numbers;

    fn add(self, other: Numbers) -> Numbers {
        Numbers {
            num_subscriptions: self.num_subscriptions + other.num_subscriptions,
            num_inserts: self.num_inserts + other.num_inserts,
            num_removes: self.num_removes + other.num_removes,
            num_matches: self.num_matches + other.num_matches,
            searches: self.searches + other.searches,
            ..Numbers::default()
        }
        .with_rate()
    }
}

/// Shows the subscriptions that the options ask for.
///
/// # Errors
/// `test` is no subject to publish to.
pub(crate) fn subsz(state: &State, options: &Options) -> Result<Subsz, Refusal> {
    let test = options.test.as_bytes();
    if !test.is_empty() && !subject::is_valid_literal(test) {
        let text = format!("invalid test subject, must be valid publish subject: {}", options.test);
        return Err(Refusal(text));
    }
    let page = Page { offset: options.offset.max(0), limit: if options.limit <= 0 { LIMIT } else { options.limit } };
    let mut numbers = Numbers::default();
    let mut list = Vec::new();
    for account in state.accounts.iter() {
        if !options.account.is_empty() && *account.name != *options.account {
            continue;
        }
        numbers = numbers + Numbers::of(state, account);
        if options.subscriptions {
            account.interest().for_each(|subject, _, subscription| {
                if test.is_empty() || pattern::matches(subject, test) {
                    list.push(Detail::of(subscription).in_account(&account.name));
                }
            });
        }
    }
    // Pages of one list must have one order.
    list.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(Subsz {
        server_id: state.keys.id.clone(),
        now: clock::timestamp().to_string(),
        numbers,
        total: list.len(),
        offset: page.offset,
        limit: page.limit,
        subscriptions_list: page.of(&list).to_vec(),
    })
}
