//! Patterns to values, as a persistent tree.
//!
//! Literal patterns live in one persistent hash map keyed by the whole subject, patterns with wildcards in a trie whose
//! child maps are the same kind of map: publishing to a subject that nobody spells out costs one miss and a small walk.
//! A clone shares everything; a change copies the path it touches, and nothing when no clone is alive.
//!
//! Not here: what a value is (a subscription, a route), and which member of a queue group gets the message.

use std::{mem, ops::ControlFlow, sync::Arc};

use self::{
    hash::HashKey,
    map::Map,
    presence::Presence,
    trie::Trie,
    values::{Place, Values},
};
use crate::{pattern, subject};

mod trie;

mod map;

mod hash;

mod presence;

mod values;

#[cfg(test)]
mod tests;

/// What tells the values under one pattern and queue group apart.
pub trait Identity {
    /// The same for a value and its clones, and another one for every other value that is there at the same time.
    fn identity(&self) -> usize;
}

/// Handles of one allocation are the same value.
impl<T> Identity for Arc<T> {
    fn identity(&self) -> usize {
        Arc::as_ptr(self).addr()
    }
}

/// A number is what it is.
impl Identity for usize {
    fn identity(&self) -> usize {
        *self
    }
}

/// Values under patterns; `Clone` is a snapshot in O(1).
#[derive(Clone, Debug)]
pub struct Interest<V> {
    hash_key: HashKey,
    /// Patterns without wildcards, by their whole text.
    literal: Map<Values<V>>,
    /// Tells of most other subjects that they are not in it.
    presence: Presence,
    /// Patterns with wildcards, up to [`TRIE_TOKENS_MAX`] tokens.
    wildcard: Arc<Trie<V>>,
    /// Patterns with wildcards and more tokens than that, by their whole text.
    deep: Map<Values<V>>,
    len: usize,
    literal_patterns: usize,
    wildcard_patterns: usize,
}

/// The trie recurses once per token, and a client may send a pattern of as many tokens as its control line holds.
/// Longer ones are compared one by one, and only with subjects that are as long.
const TRIE_TOKENS_MAX: usize = 128;

/// What a subject matches. Reuse it: matching again into the same one needs no allocation.
#[derive(Clone, Debug)]
pub struct Matches<V> {
    /// Values without a queue group, in no promised order.
    pub plain: Vec<V>,
    /// Per queue group name its members over all matching patterns; each name once, neither in a promised order.
    pub queues: Vec<(Arc<[u8]>, Vec<V>)>,
    /// Emptied member lists, for the next match.
    spare: Vec<Vec<V>>,
}

impl<V> Interest<V> {
    /// Empty, with a hash that anybody can predict: for subjects that no stranger chooses.
    pub fn new() -> Self {
        Self::with_seed(0)
    }

    /// Empty. A random seed keeps clients from choosing subjects whose hashes fall together.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            hash_key: HashKey::new(seed),
            literal: Map::default(),
            presence: Presence::NONE,
            wildcard: Arc::default(),
            deep: Map::default(),
            len: 0,
            literal_patterns: 0,
            wildcard_patterns: 0,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No value at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of different patterns without wildcards.
    pub fn literal_patterns(&self) -> usize {
        self.literal_patterns
    }

    /// Number of different patterns with wildcards.
    pub fn wildcard_patterns(&self) -> usize {
        self.wildcard_patterns
    }

    /// Whether anything matches this published subject.
    pub fn is_interested(&self, subject: &[u8]) -> bool {
        self.visit_matches(subject, &mut |_| ControlFlow::Break(())).is_break()
    }

    /// How many values match this published subject: without a queue group, and in one.
    pub fn count_matches(&self, subject: &[u8]) -> (usize, usize) {
        let (mut plain, mut queued) = (0, 0);
        let _ = self.visit_matches(subject, &mut |values| {
            let outside = values.plain_len();
            plain += outside;
            queued += values.len() - outside;
            ControlFlow::Continue(())
        });
        (plain, queued)
    }

    /// Every (pattern, queue group, value), in no promised order.
    pub fn for_each(&self, visit: impl FnMut(&[u8], Option<&[u8]>, &V)) {
        self.for_each_overlapping(b">", visit);
    }

    /// Every (pattern, queue group, value) whose pattern has a subject in common with the valid pattern `pattern`, in no
    /// promised order. Looks at all literal patterns if `pattern` has wildcards.
    pub fn for_each_overlapping(&self, pattern: &[u8], mut visit: impl FnMut(&[u8], Option<&[u8]>, &V)) {
        let mut visit_values = |pattern: &[u8], values: &Values<V>| {
            values.for_each_plain(|value| visit(pattern, None, value));
            values.for_each_group(|name, members| members.for_each(|value| visit(pattern, Some(name), value)));
        };
        if subject::is_literal(pattern) {
            if let Some(values) = self.literal.get(self.hash_key, pattern) {
                visit_values(pattern, values);
            }
        } else {
            self.literal.for_each(&mut |literal, values| {
                if pattern::matches(pattern, literal) {
                    visit_values(literal, values);
                }
            });
        }
        self.wildcard.overlapping(self.hash_key, &mut Vec::new(), pattern, &mut visit_values);
        self.deep.for_each(&mut |deep, values| {
            if pattern::overlaps(deep, pattern) {
                visit_values(deep, values);
            }
        });
    }

    /// Visits the values of every pattern that matches, until told to stop.
    fn visit_matches<'a>(
        &'a self,
        subject: &[u8],
        visit: &mut impl FnMut(&'a Values<V>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if !self.literal.is_empty() {
            let hash = self.hash_key.hash(subject);
            if self.presence.may_hold(hash)
                && let Some(values) = self.literal.get_hashed(hash, subject)
            {
                visit(values)?;
            }
        }
        self.wildcard.matches(self.hash_key, subject, visit)?;
        let mut flow = ControlFlow::Continue(());
        if !self.deep.is_empty() && subject::token_count(subject) > TRIE_TOKENS_MAX {
            self.deep.for_each(&mut |pattern, values| {
                if flow.is_continue() && pattern::matches(pattern, subject) {
                    flow = visit(values);
                }
            });
        }
        flow
    }
}

impl<V: Identity> Interest<V> {
    /// Panics if the inside contradicts itself. Walks everything: for tests.
    pub fn check_invariants(&self) {
        self.wildcard.check_invariants(self.hash_key);
        let (mut len, mut literal_patterns, mut wildcard_patterns) = (0, 0, 0);
        for (map, is_literal) in [(&self.literal, true), (&self.deep, false)] {
            map.check_invariants(self.hash_key);
            map.for_each(&mut |pattern, values| {
                assert!(subject::is_valid_pattern(pattern), "a pattern is not valid");
                assert_eq!(subject::is_literal(pattern), is_literal, "a pattern is in the wrong map");
                assert!(is_literal || is_deep(pattern), "a shallow pattern is not in the trie");
                let may_be_there = self.presence.may_hold(self.hash_key.hash(pattern));
                assert!(may_be_there || !is_literal, "a literal pattern was not noted");
                values.check_invariants(self.hash_key);
                len += values.len();
                literal_patterns += usize::from(is_literal);
                wildcard_patterns += usize::from(!is_literal);
            });
        }
        self.wildcard.overlapping(self.hash_key, &mut Vec::new(), b">", &mut |_, values| {
            len += values.len();
            wildcard_patterns += 1;
        });
        assert_eq!(
            (len, literal_patterns, wildcard_patterns),
            (self.len, self.literal_patterns, self.wildcard_patterns),
            "counts differ from what is there"
        );
    }
}

impl<V: Clone + Identity> Interest<V> {
    /// Adds a value under a valid pattern and an optional queue group.
    ///
    /// # Panics
    /// If the pattern is not valid: nobody could publish to it, and `>` would be lost in the middle. If a value of this
    /// identity is there already.
    pub fn insert(&mut self, pattern: &[u8], queue: Option<&[u8]>, value: V) {
        assert!(subject::is_valid_pattern(pattern), "not a pattern: {}", pattern.escape_ascii());
        let part = Part::of(pattern);
        let is_new = match part {
            Part::Literal => insert_into(&mut self.literal, self.hash_key, pattern, queue, value),
            Part::Deep => insert_into(&mut self.deep, self.hash_key, pattern, queue, value),
            Part::Wildcard => match Arc::make_mut(&mut self.wildcard).slot(self.hash_key, pattern) {
                Some(values) => {
                    values.insert(self.hash_key, queue, value);
                    false
                }
                slot => {
                    *slot = Some(Values::new(queue, value));
                    true
                }
            },
        };
        self.len += 1;
        *self.patterns_mut(part) += usize::from(is_new);
        if is_new && matches!(part, Part::Literal) {
            self.note(pattern);
        }
    }

    /// Notes that a literal pattern is there; once in a while, all of them.
    fn note(&mut self, pattern: &[u8]) {
        if self.presence.note(self.hash_key.hash(pattern)) {
            return;
        }
        let mut presence = Presence::with_room_for(self.literal_patterns);
        if presence.takes_notes() {
            self.literal.for_each(&mut |pattern, _| {
                presence.note(self.hash_key.hash(pattern));
            });
        }
        self.presence = presence;
    }

    /// Takes out the value of this identity under exactly this pattern and queue group.
    pub fn remove(&mut self, pattern: &[u8], queue: Option<&[u8]>, identity: usize) -> Option<V> {
        let part = Part::of(pattern);
        let place = Place { hash_key: self.hash_key, queue, identity };
        let values = match part {
            Part::Literal => self.literal.get(self.hash_key, pattern)?,
            Part::Deep => self.deep.get(self.hash_key, pattern)?,
            Part::Wildcard => self.wildcard.get(self.hash_key, pattern)?,
        };
        if !values.holds(place) {
            return None;
        }
        let is_last = values.len() == 1;
        let value = match part {
            Part::Literal => remove_from(&mut self.literal, pattern, place, is_last),
            Part::Deep => remove_from(&mut self.deep, pattern, place, is_last),
            Part::Wildcard => Arc::make_mut(&mut self.wildcard).remove(pattern, place),
        };
        self.len -= 1;
        *self.patterns_mut(part) -= usize::from(is_last);
        Some(value)
    }

    /// All that a published subject matches; `out` is cleared first.
    pub fn matches(&self, subject: &[u8], out: &mut Matches<V>) {
        out.clear();
        let mut with_queues = 0;
        let _ = self.visit_matches(subject, &mut |values| {
            out.plain.reserve(values.plain_len());
            values.for_each_plain(|value| out.plain.push(value.clone()));
            with_queues += usize::from(values.has_groups());
            values.for_each_group(|name, members| {
                let mut found = out.spare.pop().unwrap_or_default();
                found.reserve(members.len());
                members.for_each(|value| found.push(value.clone()));
                out.queues.push((Arc::clone(name), found));
            });
            ControlFlow::Continue(())
        });
        if with_queues > 1 {
            out.merge_queues();
        }
    }

    /// The count that a new pattern of this kind adds to.
    fn patterns_mut(&mut self, part: Part) -> &mut usize {
        match part {
            Part::Literal => &mut self.literal_patterns,
            Part::Wildcard | Part::Deep => &mut self.wildcard_patterns,
        }
    }
}

impl<V> Default for Interest<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Matches<V> {
    /// Nothing matched yet.
    pub fn new() -> Self {
        Self { plain: Vec::new(), queues: Vec::new(), spare: Vec::new() }
    }

    /// Nobody is interested.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.queues.is_empty()
    }

    /// Forgets what matched and keeps the memory.
    pub fn clear(&mut self) {
        self.plain.clear();
        for (_, mut members) in self.queues.drain(..) {
            members.clear();
            self.spare.push(members);
        }
    }

    /// Joins the groups of one name that different patterns brought.
    fn merge_queues(&mut self) {
        self.queues.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let spare = &mut self.spare;
        self.queues.dedup_by(|(name, members), (kept_name, kept)| {
            let same = name == kept_name;
            if same {
                kept.append(members);
                spare.push(mem::take(members));
            }
            same
        });
    }
}

impl<V> Default for Matches<V> {
    fn default() -> Self {
        Self::new()
    }
}

/// Which part of an [`Interest`] holds a pattern.
#[derive(Clone, Copy)]
enum Part {
    Literal,
    Wildcard,
    Deep,
}

impl Part {
    fn of(pattern: &[u8]) -> Self {
        match (subject::is_literal(pattern), is_deep(pattern)) {
            (true, _) => Part::Literal,
            (false, false) => Part::Wildcard,
            (false, true) => Part::Deep,
        }
    }
}

fn is_deep(pattern: &[u8]) -> bool {
    subject::token_count(pattern) > TRIE_TOKENS_MAX
}

/// Returns whether the pattern is new.
fn insert_into<V: Clone + Identity>(
    map: &mut Map<Values<V>>,
    hash_key: HashKey,
    pattern: &[u8],
    queue: Option<&[u8]>,
    value: V,
) -> bool {
    let mut value = Some(value);
    let mut take = || value.take().expect("taken once: a pattern is new or it is not");
    let values = map.get_or_insert_with(hash_key, pattern, || Values::new(queue, take()));
    match value {
        Some(value) => {
            values.insert(hash_key, queue, value);
            false
        }
        None => true,
    }
}

/// Takes out the value at a place that is held under this pattern.
fn remove_from<V: Clone + Identity>(map: &mut Map<Values<V>>, pattern: &[u8], place: Place<'_>, is_last: bool) -> V {
    if is_last {
        return map.remove(place.hash_key, pattern).expect("the place was found in it").into_last();
    }
    map.get_or_insert_with(place.hash_key, pattern, || unreachable!("the place was found in it")).take(place)
}
