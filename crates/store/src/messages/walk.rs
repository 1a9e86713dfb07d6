//! Walking the subjects that match a filter, in the byte order of a sorted set, without looking at most of the others.
//!
//! From a subject that does not match, [`leap`] says how far the next one that may match is: past everything that begins
//! with the same tokens, up to a literal token, or to the end. It knows nothing of where the subjects lie, so that any
//! sorted table can be walked with it.
//!
//! Not here: matching itself, which is `firn_subject::pattern`'s.

use std::cell::Ref;
use std::ops::ControlFlow;

use firn_subject::subject;

use super::filter::Filter;
use super::order::{Cursor, Order};
use super::subjects::Subjects;

/// Where the next match may be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Leap {
    /// It matches.
    Here,
    /// Right behind it.
    Behind,
    /// At this subject or above it, which is above the one that was asked about.
    To(Vec<u8>),
    /// Nowhere.
    Nowhere,
}

/// After a leap so many subjects are looked at one by one before the place is looked up.
const STEPS: usize = 4;

/// The first subject that the pattern may match: its literal beginning.
fn beginning(pattern: &[u8]) -> &[u8] {
    let mut length = 0;
    for token in subject::tokens(pattern) {
        if token == b"*" || token == b">" {
            return pattern.get(..length).unwrap_or_default();
        }
        length += token.len() + 1;
    }
    pattern
}

/// What the place of `subject` says of the pattern's next match in byte order. The pattern has a wildcard.
fn leap(wanted: &[u8], subject: &[u8]) -> Leap {
    // Where the token behind the last `*` that matched begins: all that begins like this can be left out at once.
    let mut behind_star = None;
    // Where the token at hand begins.
    let mut begin = 0;
    let mut patterns = subject::tokens(wanted).peekable();
    let mut rest = Some(subject);
    while let Some(token) = patterns.next() {
        let Some(text) = rest else {
            // The subject ends too early. Longer ones come behind it, and others of its length between.
            return Leap::Behind;
        };
        if token == b">" {
            return Leap::Here;
        }
        let end = text.iter().position(|&byte| byte == b'.');
        let found = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
        rest = end.and_then(|end| text.get(end + 1..));
        if token == b"*" {
            if rest.is_some() {
                behind_star = Some(begin + found.len() + 1);
            }
        } else if token != found {
            // All that match with these tokens before it begin with this token, and a dot if more must follow.
            let dot: &[u8] = if patterns.peek().is_some() { b"." } else { b"" };
            let target = [subject.get(..begin).unwrap_or_default(), token, dot].concat();
            return if *subject < *target { Leap::To(target) } else { past(subject, behind_star) };
        }
        begin += found.len() + 1;
    }
    if rest.is_none() { Leap::Here } else { past(subject, behind_star) }
}

/// Past everything that begins with the first `length` bytes, of which the last is a dot.
fn past(subject: &[u8], length: Option<usize>) -> Leap {
    let Some(head) = length.and_then(|length| subject.get(..length - 1)) else { return Leap::Nowhere };
    Leap::To([head, &[b'.' + 1]].concat())
}

/// The ids that match a filter and have messages: first its literals, then one wildcard after the other, each id once.
pub(super) struct Walk<'a> {
    subjects: &'a Subjects,
    filter: &'a Filter,
    order: Option<Ref<'a, Order>>,
    literal: usize,
    wildcard: usize,
    /// In the wildcard at hand.
    cursor: Option<Cursor>,
    after: Option<&'a [u8]>,
}

impl<'a> Walk<'a> {
    /// All that match.
    pub(super) fn new(subjects: &'a Subjects, filter: &'a Filter) -> Self {
        Walk::after(subjects, filter, None)
    }

    /// Those behind `after`. Within a pattern they come in byte order.
    fn after(subjects: &'a Subjects, filter: &'a Filter, after: Option<&'a [u8]>) -> Self {
        Walk { subjects, filter, order: None, literal: 0, wildcard: 0, cursor: None, after }
    }

    /// The first `limit` of each pattern behind `after`, among which are the first of all.
    pub(super) fn page(subjects: &'a Subjects, filter: &'a Filter, after: Option<&'a [u8]>, limit: usize) -> Vec<u32> {
        let mut walk = Walk::after(subjects, filter, after);
        let (mut ids, mut at_hand, mut of_it) = (Vec::new(), None, 0);
        while limit > 0
            && let ControlFlow::Continue(found) = walk.step()
        {
            let Some(id) = found else { continue };
            // The literals are in byte order too, and count as one pattern.
            let wildcard = walk.cursor.map(|_| walk.wildcard);
            if at_hand != wildcard {
                (at_hand, of_it) = (wildcard, 0);
            }
            ids.push(id);
            of_it += 1;
            match wildcard {
                _ if of_it < limit => {}
                Some(_) => walk.next_wildcard(),
                None => walk.literal = usize::MAX,
            }
        }
        ids
    }

    /// The next one, or where the work of looking at one subject led.
    pub(super) fn step(&mut self) -> ControlFlow<(), Option<u32>> {
        if let Some(literal) = self.filter.literal(self.literal) {
            self.literal += 1;
            let id = self.subjects.find(literal).filter(|_| self.after.is_none_or(|after| literal > after));
            return ControlFlow::Continue(id.filter(|id| self.subjects.state(*id).is_some()));
        }
        let pattern = match self.filter.wildcard(self.wildcard) {
            Some(pattern) => pattern,
            None if self.filter.is_all() && self.wildcard == 0 => b">",
            None => return ControlFlow::Break(()),
        };
        let subjects = self.subjects;
        let order = self.order.get_or_insert_with(|| subjects.order());
        let name_of = |id: u32| subjects.name(id);
        let mut cursor = match self.cursor {
            Some(cursor) => cursor,
            None => match self.after {
                Some(after) if after >= beginning(pattern) => {
                    let cursor = order.seek(after, name_of);
                    if order.get(cursor).is_some_and(|id| name_of(id) == after) {
                        order.advance(cursor)
                    } else {
                        cursor
                    }
                }
                _ => order.seek(beginning(pattern), name_of),
            },
        };
        let Some(id) = order.get(cursor) else {
            self.next_wildcard();
            return ControlFlow::Continue(None);
        };
        let name = name_of(id);
        let found = match leap(pattern, name) {
            Leap::Here => {
                cursor = order.advance(cursor);
                let is_new = !self.filter.is_matched_before(self.wildcard, name);
                (is_new && subjects.state(id).is_some()).then_some(id)
            }
            Leap::Behind => {
                cursor = order.advance(cursor);
                None
            }
            Leap::To(target) => {
                let mut steps = 0;
                while order.get(cursor).is_some_and(|id| *name_of(id) < *target) {
                    cursor = if steps < STEPS { order.advance(cursor) } else { order.seek(&target, name_of) };
                    steps += 1;
                }
                None
            }
            Leap::Nowhere => {
                self.next_wildcard();
                return ControlFlow::Continue(None);
            }
        };
        self.cursor = Some(cursor);
        ControlFlow::Continue(found)
    }

    fn next_wildcard(&mut self) {
        self.wildcard += 1;
        self.cursor = None;
    }
}

impl Iterator for Walk<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            match self.step() {
                ControlFlow::Continue(Some(id)) => return Some(id),
                ControlFlow::Continue(None) => {}
                ControlFlow::Break(()) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use firn_subject::pattern;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_leap_leaves_out_what_cannot_match() {
        #[track_caller]
        fn check(pattern: &str, subject: &str, expected: &str) {
            let found = match leap(pattern.as_bytes(), subject.as_bytes()) {
                Leap::Here => "here".to_owned(),
                Leap::Behind => "behind".to_owned(),
                Leap::To(target) => String::from_utf8(target).unwrap(),
                Leap::Nowhere => "nowhere".to_owned(),
            };
            assert_eq!(found, expected, "{pattern} {subject}");
        }
        check("a.*", "a.b", "here");
        check("a.>", "a.b.c", "here");
        check("a.*", "a.b.c", "a.b/");
        check("a.*", "b", "nowhere");
        check("b.*", "a.x", "b.");
        check("a.*.c", "a.x.b", "a.x.c");
        check("a.*.c", "a.x.d", "a.x/");
        check("a.*.c.*", "a.x.b", "a.x.c.");
        // "c-" is above "c" and below "c.".
        check("a.*.c.*", "a.x.c-", "a.x.c.");
        check("a.*.c", "a.x", "behind");
        check("*.b", "a.c", "a/");
        check("a.>", "a", "behind");
    }

    /// All subjects of up to four tokens; `-` is below a dot and `0` above one.
    fn universe() -> Vec<Vec<u8>> {
        let tokens = ["a", "a-", "b", "-", "a0"];
        let mut all: Vec<String> = tokens.iter().map(|&token| token.to_owned()).collect();
        let mut longest = all.clone();
        for _ in 1..4 {
            longest = longest.iter().flat_map(|head| tokens.map(|token| format!("{head}.{token}"))).collect();
            all.extend(longest.iter().cloned());
        }
        all.sort();
        all.into_iter().map(String::into_bytes).collect()
    }

    proptest! {
        #[test]
        fn no_leap_leaves_a_match_out(wanted in "((a|a-|b|\\*)\\.){0,3}(a|b|\\*|>)") {
            let wanted = wanted.as_bytes();
            prop_assume!(!subject::is_literal(wanted));
            let all = universe();
            let matching: Vec<&Vec<u8>> = all.iter().filter(|one| pattern::matches(wanted, one)).collect();
            let begin = beginning(wanted);
            prop_assert!(matching.iter().all(|one| ***one >= *begin));
            // Anything at all may stand where a leap begins; matches lie at or behind the beginning.
            for one in all.iter().filter(|one| ***one >= *begin) {
                let next = matching.iter().find(|other| **other > one);
                match leap(wanted, one) {
                    Leap::Here => prop_assert!(matching.contains(&one)),
                    Leap::Behind => prop_assert!(!matching.contains(&one)),
                    Leap::To(target) => {
                        prop_assert!(!matching.contains(&one) && target > *one);
                        prop_assert!(next.is_none_or(|next| **next >= target));
                    }
                    Leap::Nowhere => prop_assert!(!matching.contains(&one) && next.is_none()),
                }
            }
        }
    }
}
