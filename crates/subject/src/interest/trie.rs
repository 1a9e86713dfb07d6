//! Patterns with wildcards, as a trie by token.
//!
//! ```text
//!   (root) ─ foo ─► bar          `here`   of a node: the pattern that ends with its token
//!                 ├ *            `star`            : its pattern followed by `*`
//!                 ├ >            `tail`            : its pattern followed by `>`
//!                 └ * ─► baz ─►  `behind_star`     : patterns that go on after a `*`
//! ```
//!
//! Invariants: every node but the root holds a value or leads to one; no `here` in the root nor behind a star.
//!
//! Not here: literal patterns, and patterns of so many tokens that recursion would go deep.

use std::{ops::ControlFlow, sync::Arc};

use super::{
    Identity,
    hash::HashKey,
    map::Map,
    values::{Place, Values},
};
use crate::subject;

#[derive(Clone, Debug)]
pub(super) struct Trie<V> {
    /// Next tokens that are spelt out.
    literal: Map<Arc<Trie<V>>>,
    /// The next token is `*`, and others follow.
    behind_star: Option<Arc<Trie<V>>>,
    /// The next and last token is `*`. Kept here and not behind the star, because most stars are last and a node is large.
    star: Option<Values<V>>,
    /// The next and last token is `>`.
    tail: Option<Values<V>>,
    /// The pattern ends here.
    here: Option<Values<V>>,
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { literal: Map::default(), behind_star: None, star: None, tail: None, here: None }
    }
}

impl<V> Trie<V> {
    /// The values under exactly this pattern.
    pub(super) fn get(&self, hash_key: HashKey, pattern: &[u8]) -> Option<&Values<V>> {
        match subject::split_first(pattern) {
            (b">", None) => self.tail.as_ref(),
            (b"*", None) => self.star.as_ref(),
            (b"*", Some(rest)) => self.behind_star.as_ref()?.get(hash_key, rest),
            (token, None) => self.literal.get(hash_key, token)?.here.as_ref(),
            (token, Some(rest)) => self.literal.get(hash_key, token)?.get(hash_key, rest),
        }
    }

    /// Visits the values of every pattern that matches `subject` until told to stop.
    pub(super) fn matches<'a>(
        &'a self,
        hash_key: HashKey,
        subject: &[u8],
        visit: &mut impl FnMut(&'a Values<V>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (token, rest) = subject::split_first(subject);
        if token.is_empty() {
            return ControlFlow::Continue(());
        }
        if let Some(values) = &self.tail
            && !rest.is_some_and(subject::has_empty_token)
        {
            visit(values)?;
        }
        let child = self.literal.get(hash_key, token);
        if let Some(rest) = rest {
            for child in self.behind_star.iter().chain(child) {
                child.matches(hash_key, rest, visit)?;
            }
        } else {
            for values in self.star.iter().chain(child.and_then(|child| child.here.as_ref())) {
                visit(values)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits every pattern that overlaps with the rest of a pattern; `path` is what led here.
    pub(super) fn overlapping(
        &self,
        hash_key: HashKey,
        path: &mut Vec<u8>,
        pattern: &[u8],
        visit: &mut impl FnMut(&[u8], &Values<V>),
    ) {
        let (token, rest) = match subject::split_first(pattern) {
            // It stands for one token here and for those that follow.
            (b">", _) => (&b">"[..], Some(pattern)),
            split => split,
        };
        let may_end = token == b">" || rest.is_none();
        if let Some(values) = &self.tail {
            with_token(path, b">", |path| visit(path, values));
        }
        if let Some(values) = &self.star
            && may_end
        {
            with_token(path, b"*", |path| visit(path, values));
        }
        let mut descend = |token_here: &[u8], child: &Trie<V>| {
            with_token(path, token_here, |path| {
                if let Some(values) = &child.here
                    && may_end
                {
                    visit(path, values);
                }
                if let Some(rest) = rest {
                    child.overlapping(hash_key, path, rest, visit);
                }
            });
        };
        if let Some(child) = &self.behind_star {
            descend(b"*", child);
        }
        if matches!(token, b"*" | b">") {
            self.literal.for_each(&mut |token_here, child| descend(token_here, child));
        } else if let Some(child) = self.literal.get(hash_key, token) {
            descend(token, child);
        }
    }

    fn is_empty(&self) -> bool {
        let Self { literal, behind_star, star, tail, here } = self;
        literal.is_empty() && behind_star.is_none() && star.is_none() && tail.is_none() && here.is_none()
    }
}

impl<V: Identity> Trie<V> {
    /// Panics if an invariant of the module does not hold, below the root.
    pub(super) fn check_invariants(&self, hash_key: HashKey) {
        assert!(self.here.is_none(), "a pattern ends where none can end");
        self.check_node(hash_key);
    }

    fn check_node(&self, hash_key: HashKey) {
        self.literal.check_invariants(hash_key);
        self.literal.for_each(&mut |_, child| {
            assert!(!child.is_empty(), "an empty branch is left");
            child.check_node(hash_key);
        });
        if let Some(child) = &self.behind_star {
            assert!(!child.is_empty(), "an empty branch is left");
            child.check_invariants(hash_key);
        }
        for values in self.star.iter().chain(&self.tail).chain(&self.here) {
            values.check_invariants(hash_key);
        }
    }
}

impl<V: Clone + Identity> Trie<V> {
    /// The slot of a pattern, made unless it is there.
    pub(super) fn slot(&mut self, hash_key: HashKey, pattern: &[u8]) -> &mut Option<Values<V>> {
        match subject::split_first(pattern) {
            (b">", None) => &mut self.tail,
            (b"*", None) => &mut self.star,
            (b"*", Some(rest)) => Arc::make_mut(self.behind_star.get_or_insert_default()).slot(hash_key, rest),
            (token, rest) => {
                let child = Arc::make_mut(self.literal.get_or_insert_with(hash_key, token, Arc::default));
                match rest {
                    None => &mut child.here,
                    Some(rest) => child.slot(hash_key, rest),
                }
            }
        }
    }

    /// Takes out the value at a place that is held under this pattern, and the branches that lead nowhere then.
    pub(super) fn remove(&mut self, pattern: &[u8], place: Place<'_>) -> V {
        let found = "the place was found behind it";
        match subject::split_first(pattern) {
            (b">", None) => take(&mut self.tail, place),
            (b"*", None) => take(&mut self.star, place),
            (b"*", Some(rest)) => {
                let child = Arc::make_mut(self.behind_star.as_mut().expect(found));
                let value = child.remove(rest, place);
                if child.is_empty() {
                    self.behind_star = None;
                }
                value
            }
            (token, rest) => {
                let child = self.literal.get_or_insert_with(place.hash_key, token, || unreachable!("{found}"));
                let child = Arc::make_mut(child);
                let value = match rest {
                    None => take(&mut child.here, place),
                    Some(rest) => child.remove(rest, place),
                };
                if child.is_empty() {
                    self.literal.remove(place.hash_key, token);
                }
                value
            }
        }
    }
}

/// Takes a value that is there out of a slot, which is empty after the last.
fn take<V: Clone + Identity>(slot: &mut Option<Values<V>>, place: Place<'_>) -> V {
    let values = slot.as_mut().expect("the place was found in it");
    if values.len() > 1 {
        return values.take(place);
    }
    slot.take().expect("seen above").into_last()
}

/// Lends out `path` with one token more.
fn with_token(path: &mut Vec<u8>, token: &[u8], run: impl FnOnce(&mut Vec<u8>)) {
    let length = path.len();
    if length > 0 {
        path.push(b'.');
    }
    path.extend_from_slice(token);
    run(path);
    path.truncate(length);
}
