//! Which subjects an identity may publish to, subscribe to and be sent.
//!
//! ```text
//!   publish(s)           allow covers s                     and no deny covers s
//!   subscribe(p, queue)  allow covers p (for this queue)    and no deny covers p (for this queue)
//!   deliver(s, queue)                                           no deny covers s (for this queue)
//! ```
//!
//! A subscription with wildcards may reach further than what is denied; it is accepted as
//! [`SubscribeVerdict::AllowedFiltered`], and each of its deliveries is asked for. What a rule covers is decided the
//! strict way round: an allow must hold every subject of the subscription, so `foo.>` is not within `foo.*`; a deny is
//! taken token by token, so that a denied `foo.*` refuses a subscription to `foo.>` at once, as nats-server does.
//!
//! Each question takes time in the number of rules; who asks per message remembers answers.
//!
//! Not here: which replies were received and may be answered; a session counts them by [`Permissions::responses`].

use std::time::Duration;

use firn_subject::{
    pattern::{is_subset, matches, overlaps},
    subject::{is_literal, is_valid_pattern},
};

/// Permissions as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionsSpec {
    /// Patterns for publishing.
    pub publish: Option<RulesSpec>,
    /// Patterns for subscribing, each optionally followed by a queue group: `jobs.* workers`, `jobs.> w.*`.
    pub subscribe: Option<RulesSpec>,
    /// May answer on reply subjects that it received, though they are not among the patterns.
    pub responses: Option<ResponsesSpec>,
}

/// What is allowed, and what of it is denied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesSpec {
    /// `None` is everything. Some but empty is nothing for publishing and everything for subscribing.
    ///
    /// (`allow: []` in a configuration file of nats-server is no list at all: `None`.)
    pub allow: Option<Vec<String>>,
    /// Beats `allow`.
    pub deny: Vec<String>,
}

/// How far replies may be answered, as configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponsesSpec {
    /// Messages per reply subject; 0 is the default, 1; below is no limit.
    pub max: i64,
    /// How long after receiving the reply subject; zero is the default, 2 minutes; `None` is for ever.
    pub expires: Option<Duration>,
}

/// An entry that is no pattern, with nats-server's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPermission {
    /// The whole entry, or its first word when it has two.
    #[error("subject {0:?} is not a valid subject")]
    Subject(String),
    /// The entry's second word.
    #[error("queue {0:?} is not a valid queue")]
    Queue(String),
}

/// Compiled permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// `None` is everything.
    publish_allow: Option<Vec<Box<[u8]>>>,
    publish_deny: Vec<Box<[u8]>>,
    /// Empty is everything.
    subscribe_allow: Vec<Rule>,
    subscribe_deny: Vec<Rule>,
    responses: Option<Responses>,
}

/// How far replies may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responses {
    /// Messages per reply subject; below zero is no limit. Never zero.
    pub messages_max: i64,
    /// How long after receiving the reply subject; `None` is for ever.
    pub expires: Option<Duration>,
}

/// The answer to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeVerdict {
    /// With every message.
    Allowed,
    /// With each message that [`Permissions::may_deliver`] lets through.
    AllowedFiltered,
    /// Not at all.
    Denied,
}

/// A pattern, for every subscription or those of a queue group only.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: Box<[u8]>,
    queue: Option<Box<[u8]>>,
}

const RESPONSES_DEFAULT: Responses = Responses { messages_max: 1, expires: Some(Duration::from_secs(120)) };

impl Permissions {
    /// Compiles a specification.
    ///
    /// # Errors
    /// The operator's fault: an entry that is no pattern.
    pub fn compile(spec: &PermissionsSpec) -> Result<Permissions, InvalidPermission> {
        let (publish, subscribe) = (spec.publish.as_ref(), spec.subscribe.as_ref());
        let publish_allow = publish.and_then(|rules| rules.allow.as_deref());
        let publish_deny = publish.map_or(&[][..], |rules| &rules.deny);
        let subscribe_allow = subscribe.and_then(|rules| rules.allow.as_deref()).unwrap_or_default();
        let subscribe_deny = subscribe.map_or(&[][..], |rules| &rules.deny);

        let mut publish_allow = publish_allow.map(compile_patterns).transpose()?;
        // Who may only answer may not publish anything else by having no list.
        if spec.responses.is_some() && publish_allow.is_none() {
            publish_allow = Some(Vec::new());
        }
        Ok(Permissions {
            publish_allow,
            publish_deny: compile_patterns(publish_deny)?,
            subscribe_allow: compile_rules(subscribe_allow)?,
            subscribe_deny: compile_rules(subscribe_deny)?,
            responses: spec.responses.map(Responses::from),
        })
    }

    /// May publish to this subject, apart from answering replies.
    pub fn may_publish(&self, subject: &[u8]) -> bool {
        self.publish_allow.as_ref().is_none_or(|allow| allow.iter().any(|pattern| matches(pattern, subject)))
            && !self.publish_deny.iter().any(|pattern| matches(pattern, subject))
    }

    /// May subscribe to this pattern, in this queue group.
    pub fn may_subscribe(&self, pattern: &[u8], queue: Option<&[u8]>) -> SubscribeVerdict {
        if !self.allows(pattern, queue) || !self.may_deliver(pattern, queue) {
            return SubscribeVerdict::Denied;
        }
        let reaches_denied =
            || self.subscribe_deny.iter().any(|rule| rule.is_for(queue) && overlaps(&rule.pattern, pattern));
        if !is_literal(pattern) && reaches_denied() {
            return SubscribeVerdict::AllowedFiltered;
        }
        SubscribeVerdict::Allowed
    }

    /// May be sent a message on this subject by a subscription of this queue group that was accepted.
    pub fn may_deliver(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        !self.subscribe_deny.iter().any(|rule| rule.is_for(queue) && matches(&rule.pattern, subject))
    }

    /// May answer replies, and how far.
    pub fn responses(&self) -> Option<Responses> {
        self.responses
    }

    /// Allow rules with a queue group that hold the subscription decide over the plain ones for queue subscriptions.
    fn allows(&self, pattern: &[u8], queue: Option<&[u8]>) -> bool {
        if self.subscribe_allow.is_empty() {
            return true;
        }
        let covering = || self.subscribe_allow.iter().filter(|rule| is_subset(pattern, &rule.pattern));
        if queue.is_some() && covering().any(|rule| rule.queue.is_some()) {
            return covering().any(|rule| rule.queue.is_some() && rule.is_for(queue));
        }
        covering().any(|rule| rule.queue.is_none())
    }
}

impl From<ResponsesSpec> for Responses {
    fn from(spec: ResponsesSpec) -> Responses {
        let messages_max = match spec.max {
            0 => RESPONSES_DEFAULT.messages_max,
            max => max,
        };
        let expires = match spec.expires {
            Some(Duration::ZERO) => RESPONSES_DEFAULT.expires,
            expires => expires,
        };
        Responses { messages_max, expires }
    }
}

impl Rule {
    /// The rule speaks of a subscription in this queue group. Group names with wildcards may be meant literally too.
    fn is_for(&self, queue: Option<&[u8]>) -> bool {
        match (&self.queue, queue) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(rule), Some(queue)) => **rule == *queue || is_subset(queue, rule),
        }
    }
}

fn compile_patterns(entries: &[String]) -> Result<Vec<Box<[u8]>>, InvalidPermission> {
    let compile = |entry: &String| match is_valid_pattern(entry.as_bytes()) {
        true => Ok(entry.as_bytes().into()),
        false => Err(InvalidPermission::Subject(entry.clone())),
    };
    entries.iter().map(compile).collect()
}

fn compile_rules(entries: &[String]) -> Result<Vec<Rule>, InvalidPermission> {
    entries.iter().map(|entry| compile_rule(entry)).collect()
}

/// `pattern [queue]`.
fn compile_rule(entry: &str) -> Result<Rule, InvalidPermission> {
    let mut words = entry.split_whitespace();
    let (pattern, queue) = match (words.next(), words.next(), words.next()) {
        (Some(pattern), Some(queue), None) => (pattern, Some(queue)),
        _ => (entry, None),
    };
    if !is_valid_pattern(pattern.as_bytes()) {
        return Err(InvalidPermission::Subject(pattern.to_owned()));
    }
    if let Some(queue) = queue.filter(|queue| !is_valid_pattern(queue.as_bytes())) {
        return Err(InvalidPermission::Queue(queue.to_owned()));
    }
    Ok(Rule { pattern: pattern.as_bytes().into(), queue: queue.map(|queue| queue.as_bytes().into()) })
}

#[cfg(test)]
mod tests;
