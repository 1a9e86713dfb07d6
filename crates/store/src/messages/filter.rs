//! Which subjects somebody asks for: a set of patterns, of which one must match.
//!
//! Invariants: literals and wildcards are in byte order each, and no pattern is a subset of another; no patterns means
//! every subject, and then `>` is not spelled out. Two filters are equal when their patterns are, which is what "the same
//! filter" means to whoever counts per filter.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use firn_subject::interest::Interest;
use firn_subject::{pattern, subject};

/// A set of patterns; none means every subject. A clone shares everything.
#[derive(Clone)]
pub struct Filter {
    set: Arc<Set>,
}

#[derive(Default)]
struct Set {
    /// Patterns without wildcards, in byte order.
    literals: Vec<Box<[u8]>>,
    /// The others, in byte order.
    wildcards: Vec<Wildcard>,
    /// All of them once more, when comparing one by one would take longer.
    interest: Option<Interest<usize>>,
}

struct Wildcard {
    pattern: Box<[u8]>,
    /// The wildcards before it that have subjects in common with it.
    overlapping: Vec<usize>,
}

/// Up to so many patterns are compared one by one.
const COMPARED_MAX: usize = 4;

impl Filter {
    /// Every subject.
    pub fn all() -> Self {
        Filter { set: Arc::default() }
    }

    /// What one of the patterns matches, which are valid; every subject if there are none.
    pub fn new(patterns: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        let (mut literals, mut wildcards) = (Vec::new(), Vec::new());
        for pattern in patterns {
            let pattern = pattern.as_ref();
            debug_assert!(subject::is_valid_pattern(pattern), "patterns are checked where they come in");
            if pattern == b">" {
                return Filter::all();
            }
            let target = if subject::is_literal(pattern) { &mut literals } else { &mut wildcards };
            target.push(Box::from(pattern));
        }
        sort(&mut literals);
        sort(&mut wildcards);
        let all = interest(&wildcards);
        wildcards.retain(|inner| {
            let mut is_within = false;
            all.for_each_overlapping(inner, |outer, _, _| {
                is_within |= *outer != **inner && pattern::is_subset(inner, outer);
            });
            !is_within
        });
        let mut interest = interest(&wildcards);
        literals.retain(|literal| !interest.is_interested(literal));
        let overlapping = |index: usize, pattern: &[u8]| {
            let mut before = Vec::new();
            interest.for_each_overlapping(pattern, |_, _, other| before.extend((*other < index).then_some(*other)));
            before
        };
        let wildcards: Vec<Wildcard> = (0..)
            .zip(wildcards)
            .map(|(index, pattern)| Wildcard { overlapping: overlapping(index, &pattern), pattern })
            .collect();
        literals.iter().for_each(|literal| interest.insert(literal, None, 0));
        let interest = (literals.len() + wildcards.len() > COMPARED_MAX).then_some(interest);
        Filter { set: Arc::new(Set { literals, wildcards, interest }) }
    }

    /// Every subject.
    pub fn is_all(&self) -> bool {
        self.set.literals.is_empty() && self.set.wildcards.is_empty()
    }

    /// Does one of the patterns match this subject? O(tokens) however many patterns there are.
    pub fn matches(&self, subject: &[u8]) -> bool {
        let set = &*self.set;
        match &set.interest {
            Some(interest) => interest.is_interested(subject),
            None => {
                self.is_all()
                    || set.literals.iter().any(|literal| **literal == *subject)
                    || set.wildcards.iter().any(|wildcard| pattern::matches(&wildcard.pattern, subject))
            }
        }
    }

    /// The subjects it asks for, in byte order, if it names each one.
    pub fn literals(&self) -> Option<impl ExactSizeIterator<Item = &[u8]>> {
        (self.set.wildcards.is_empty() && !self.is_all()).then(|| self.set.literals.iter().map(|literal| &**literal))
    }

    /// All patterns that are left when those within others are left out; none means every subject.
    pub fn patterns(&self) -> impl Iterator<Item = &[u8]> {
        let wildcards = self.set.wildcards.iter().map(|wildcard| &*wildcard.pattern);
        self.set.literals.iter().map(|literal| &**literal).chain(wildcards)
    }

    /// The patterns without wildcards, by index.
    pub(super) fn literal(&self, index: usize) -> Option<&[u8]> {
        self.set.literals.get(index).map(|literal| &**literal)
    }

    /// The patterns with wildcards, by index.
    pub(super) fn wildcard(&self, index: usize) -> Option<&[u8]> {
        self.set.wildcards.get(index).map(|wildcard| &*wildcard.pattern)
    }

    /// Whether a wildcard of a lower index matches it too, when the one of this index does.
    pub(super) fn is_matched_before(&self, index: usize, subject: &[u8]) -> bool {
        let overlapping = self.set.wildcards.get(index).map_or(&[][..], |wildcard| &wildcard.overlapping);
        overlapping.iter().any(|other| self.wildcard(*other).is_some_and(|other| pattern::matches(other, subject)))
    }
}

/// Patterns to their indexes.
fn interest(patterns: &[Box<[u8]>]) -> Interest<usize> {
    let mut interest = Interest::new();
    (0..).zip(patterns).for_each(|(index, pattern)| interest.insert(pattern, None, index));
    interest
}

fn sort(patterns: &mut Vec<Box<[u8]>>) {
    patterns.sort_unstable();
    patterns.dedup();
}

impl Default for Filter {
    /// Every subject.
    fn default() -> Self {
        Filter::all()
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.set, &other.set) || self.patterns().eq(other.patterns())
    }
}

impl Eq for Filter {}

impl Hash for Filter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.patterns().for_each(|pattern| pattern.hash(state));
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.patterns().map(|pattern| pattern.escape_ascii().to_string())).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_filter_keeps_what_is_needed_in_one_order() {
        let filter = Filter::new(["b.1", "a.*", "a.1", "c.>", "c.*.d", "b.1", "b.0"]);
        let kept: Vec<&[u8]> = filter.patterns().collect();
        assert_eq!(kept, [&b"b.0"[..], b"b.1", b"a.*", b"c.>"]);
        assert!(filter.literals().is_none(), "not all are literal");
        assert_eq!(filter, Filter::new(["c.>", "b.0", "b.1", "a.*"]));
        assert_ne!(filter, Filter::new(["c.>", "b.0", "a.*"]));
        let literal = Filter::new(["b", "a"]);
        assert_eq!(literal.literals().map(Iterator::collect::<Vec<_>>), Some(vec![&b"a"[..], b"b"]));
    }

    #[test]
    fn no_pattern_and_the_widest_one_mean_every_subject() {
        let none: [&str; 0] = [];
        for filter in [Filter::all(), Filter::default(), Filter::new(none), Filter::new(["a", ">"])] {
            assert!(filter.is_all() && filter.matches(b"x.y") && filter.literals().is_none());
            assert_eq!(filter, Filter::all());
        }
    }

    proptest! {
        #[test]
        fn a_filter_matches_what_one_of_its_patterns_does(
            patterns in prop::collection::vec("([ab*]\\.){0,2}[ab*>]", 1..9),
            subject in "([abc]\\.){0,3}[abc]",
        ) {
            let expected = patterns.iter().any(|one| pattern::matches(one.as_bytes(), subject.as_bytes()));
            prop_assert_eq!(Filter::new(&patterns).matches(subject.as_bytes()), expected);
        }
    }
}
