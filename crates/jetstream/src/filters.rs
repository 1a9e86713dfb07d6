//! The distinct filters of a stream's consumers, with one counter each.
//!
//! ```text
//!   append "orders.eu" ──► Interest: filters that match ──► matched += 1, and whoever waits is woken
//!                          one lookup for all literal filters, a walk for those with wildcards
//! ```
//!
//! A hundred thousand consumers with one filter are one filter here, and a hundred thousand literal filters are one
//! lookup: an append touches the filters that match it and the consumers that wait, and nothing else.
//!
//! Invariants: a filter is there while somebody uses it; no two are equal; who waits uses the filter.

use firn_subject::interest::{Interest, Matches};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::{
    consumer::{FilterCounter, Removed},
    messages::Filter,
};

/// Which filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterId(usize);

/// Filters of one stream.
#[derive(Debug)]
pub struct Filters<W> {
    by_filter: HashMap<Filter, FilterId, RandomState>,
    /// Holes are in `free`.
    all: Vec<Option<Counted<W>>>,
    free: Vec<usize>,
    /// Every pattern of a filter that is not everything, with the filter's number.
    patterns: Interest<usize>,
    /// The filter of everything, if somebody uses it.
    everything: Option<usize>,
    matches: Matches<usize>,
}

#[derive(Debug)]
struct Counted<W> {
    filter: Filter,
    patterns: Vec<Box<[u8]>>,
    users: usize,
    counter: FilterCounter,
    waiting: Vec<W>,
}

impl<W> Default for Filters<W> {
    fn default() -> Self {
        Filters {
            by_filter: HashMap::default(),
            all: Vec::new(),
            free: Vec::new(),
            patterns: Interest::new(),
            everything: None,
            matches: Matches::new(),
        }
    }
}

impl<W: PartialEq> Filters<W> {
    /// One more uses the filter of these patterns; none is everything.
    pub fn add<P: AsRef<[u8]>>(&mut self, patterns: &[P]) -> FilterId {
        let filter = Filter::new(patterns);
        if let Some(id) = self.by_filter.get(&filter) {
            if let Some(Some(counted)) = self.all.get_mut(id.0) {
                counted.users += 1;
            }
            return *id;
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() - 1
        });
        let mut own: Vec<Box<[u8]>> = Vec::new();
        if filter.is_all() {
            self.everything = Some(index);
        } else {
            for pattern in patterns {
                if !own.iter().any(|known| **known == *pattern.as_ref()) {
                    self.patterns.insert(pattern.as_ref(), None, index);
                    own.push(pattern.as_ref().into());
                }
            }
        }
        self.by_filter.insert(filter.clone(), FilterId(index));
        let counted = Counted { filter, patterns: own, users: 1, counter: FilterCounter::new(), waiting: Vec::new() };
        *self.all.get_mut(index).expect("the hole was found or made") = Some(counted);
        FilterId(index)
    }

    /// One less uses it.
    pub fn remove(&mut self, id: FilterId) {
        let Some(place) = self.all.get_mut(id.0) else { return };
        let Some(counted) = place else { return };
        counted.users -= 1;
        if counted.users > 0 {
            return;
        }
        let Some(counted) = place.take() else { return };
        for pattern in &counted.patterns {
            self.patterns.remove(pattern, None, id.0);
        }
        if counted.filter.is_all() {
            self.everything = None;
        }
        self.by_filter.remove(&counted.filter);
        self.free.push(id.0);
    }

    /// It wants to hear of the next message that matches, once.
    pub fn wait(&mut self, id: FilterId, who: W) {
        if let Some(Some(counted)) = self.all.get_mut(id.0)
            && !counted.waiting.contains(&who)
        {
            counted.waiting.push(who);
        }
    }

    /// It does not want to hear any more.
    pub fn stop_waiting(&mut self, id: FilterId, who: &W) {
        if let Some(Some(counted)) = self.all.get_mut(id.0) {
            counted.waiting.retain(|other| other != who);
        }
    }

    /// A message of this subject was appended: counts it, and hands over who waited for it.
    pub fn appended(&mut self, subject: &[u8], woken: &mut Vec<W>) {
        self.touch(subject, |counted| {
            counted.counter.appended();
            woken.append(&mut counted.waiting);
        });
    }

    /// A message of this subject was removed.
    pub fn removed(&mut self, subject: &[u8], what: Removed) {
        self.touch(subject, |counted| counted.counter.removed(what));
    }

    /// Visits the filters that match, each once.
    fn touch(&mut self, subject: &[u8], mut visit: impl FnMut(&mut Counted<W>)) {
        if self.by_filter.is_empty() {
            return;
        }
        self.patterns.matches(subject, &mut self.matches);
        // A filter with several patterns is touched once.
        self.matches.plain.sort_unstable();
        self.matches.plain.dedup();
        for index in self.everything.into_iter().chain(self.matches.plain.iter().copied()) {
            if let Some(Some(counted)) = self.all.get_mut(index) {
                visit(counted);
            }
        }
    }

    /// What was counted for a filter that is there.
    ///
    /// # Panics
    /// When it is not.
    pub fn counter(&self, id: FilterId) -> &FilterCounter {
        let counted = self.all.get(id.0).and_then(Option::as_ref);
        &counted.expect("whoever asks uses the filter").counter
    }

    /// Does any filter match this subject?
    pub fn is_wanted(&self, subject: &[u8]) -> bool {
        self.everything.is_some() || self.patterns.is_interested(subject)
    }

    /// How many different filters there are.
    pub fn len(&self) -> usize {
        self.by_filter.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.by_filter.is_empty()
    }

    /// What must hold between any two calls.
    ///
    /// # Panics
    /// When it does not.
    pub fn check_invariants(&self) {
        let used = self.all.iter().flatten().count();
        assert_eq!(used, self.by_filter.len(), "each filter has one place");
        assert_eq!(used + self.free.len(), self.all.len(), "a place is used or free");
        for counted in self.all.iter().flatten() {
            assert!(counted.users > 0, "a filter is used");
        }
        self.patterns.check_invariants();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn woken(filters: &mut Filters<u32>, subject: &str) -> Vec<u32> {
        let mut woken = Vec::new();
        filters.appended(subject.as_bytes(), &mut woken);
        filters.check_invariants();
        woken
    }

    #[test]
    fn equal_filters_are_one() {
        let mut filters = Filters::<u32>::default();
        let none: [&str; 0] = [];
        let (a, b) = (filters.add(&["a.*"]), filters.add(&["a.*"]));
        let (all, any) = (filters.add(&none), filters.add(&[">"]));
        assert_eq!((a, all, filters.len()), (b, any, 2));
        filters.remove(a);
        assert!(filters.is_wanted(b"a.b"));
        filters.remove(all);
        filters.remove(any);
        assert!(filters.is_wanted(b"a.b") && !filters.is_wanted(b"b"));
        filters.remove(b);
        assert!(filters.is_empty() && !filters.is_wanted(b"a.b"));
        filters.check_invariants();
    }

    #[test]
    fn who_waits_is_woken_once() {
        let mut filters = Filters::default();
        let (some, all) = (filters.add(&["a", "b.>", "b.*"]), filters.add(&[">"]));
        filters.wait(some, 1);
        filters.wait(some, 1);
        filters.wait(all, 2);
        assert_eq!(woken(&mut filters, "c"), [2]);
        assert_eq!(woken(&mut filters, "b.x"), [1]);
        assert!(woken(&mut filters, "a").is_empty());
        filters.wait(some, 7);
        filters.stop_waiting(some, &7);
        assert!(woken(&mut filters, "a").is_empty());
    }

    /// What an append costs is the number of filters it touches, however many there are and however many use them.
    #[test]
    fn an_append_touches_only_what_matches() {
        let mut filters = Filters::<u32>::default();
        for n in 0..100_000 {
            filters.add(&[format!("k.{n}")]);
        }
        for _ in 0..100_000 {
            filters.add(&[">"]);
        }
        assert_eq!(filters.len(), 100_001);
        for _ in 0..100_000 {
            assert!(woken_fast(&mut filters, b"k.77"));
        }
    }

    fn woken_fast(filters: &mut Filters<u32>, subject: &[u8]) -> bool {
        let mut woken = Vec::new();
        filters.appended(subject, &mut woken);
        woken.is_empty()
    }
}
