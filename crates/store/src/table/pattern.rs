//! Walking the subjects that match patterns, in byte order, without looking at most of the others.
//!
//! Subjects that begin with the same tokens `P` lie together, from `P.` up to `P/` (`/` is the byte behind `.`). So
//! where a token differs from the one that a pattern spells out, the next subject that can match is known:
//!
//! ```text
//!   pattern a.*.c     at a.x.b     next is a.x.c             the token is too low
//!                     at a.x.d     next is a.x/  …           the token is too high: nothing more below a.x
//!                     at a.x.c.e   next is a.x.c/ …          too many tokens
//! ```

use firn_subject::pattern;

/// What a pattern says about a subject.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Matches,
    /// It does not match. The one behind it may.
    Next,
    /// It does not match, and nothing does before this.
    From(Vec<u8>),
    /// Neither it nor anything behind it matches.
    End,
}

/// The first subject that can match.
pub(super) fn start(pattern: &[u8]) -> Vec<u8> {
    let mut start = Vec::new();
    for token in pattern.split(|byte| *byte == b'.') {
        if token == b"*" || token == b">" {
            return start;
        }
        start.extend_from_slice(token);
        start.push(b'.');
    }
    start.pop();
    start
}

/// What `pattern`, a valid one, says about `subject`.
pub(super) fn judge(pattern: &[u8], subject: &[u8]) -> Verdict {
    if pattern::matches(pattern, subject) {
        return Verdict::Matches;
    }
    // Bytes of the subject that are matched by tokens of the pattern.
    let mut matched = 0;
    let mut tokens = pattern.split(|byte| *byte == b'.').peekable();
    while let Some(token) = tokens.next() {
        let separator = usize::from(matched > 0);
        let Some(rest) = subject.get(matched + separator..) else {
            // The subject has too few tokens. One that is longer, or whose last token is longer, comes next.
            return Verdict::Next;
        };
        let end = rest.iter().position(|byte| *byte == b'.').unwrap_or(rest.len());
        let found = rest.get(..end).unwrap_or_default();
        if found.is_empty() {
            return Verdict::Next;
        }
        if token == b">" {
            // All that it stands for is there, and the whole did not match: some later token is empty.
            return Verdict::Next;
        }
        if token != b"*" && token != found {
            let before = subject.get(..matched).unwrap_or_default();
            return differs(before, token, tokens.peek().is_some(), subject);
        }
        matched += separator + end;
        if token != b"*" && tokens.peek().is_some() && matched == subject.len() {
            return Verdict::From([subject, b"."].concat());
        }
    }
    behind(subject.get(..matched).unwrap_or_default())
}

/// `before` is matched, and then the subject has another token than `token`.
fn differs(before: &[u8], token: &[u8], has_more: bool, subject: &[u8]) -> Verdict {
    let mut target = before.to_vec();
    if !before.is_empty() {
        target.push(b'.');
    }
    target.extend_from_slice(token);
    if has_more {
        target.push(b'.');
    }
    if target.as_slice() > subject { Verdict::From(target) } else { behind(before) }
}

/// Nothing matches below `tokens` any more.
fn behind(tokens: &[u8]) -> Verdict {
    if tokens.is_empty() { Verdict::End } else { Verdict::From([tokens, b"/"].concat()) }
}

#[cfg(test)]
mod tests {
    //! What comes next, and that nothing is skipped.

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_verdict_says_where_to_go_on() {
        #[track_caller]
        fn check(pattern: &str, subject: &str, expected: &str) {
            let verdict = match judge(pattern.as_bytes(), subject.as_bytes()) {
                Verdict::Matches => "matches".to_owned(),
                Verdict::Next => "next".to_owned(),
                Verdict::From(target) => String::from_utf8(target).unwrap(),
                Verdict::End => "end".to_owned(),
            };
            assert_eq!(verdict, expected, "{pattern} at {subject}");
        }
        check("a.*.c", "a.x.c", "matches");
        check("a.*.c", "a.x.b", "a.x.c");
        check("a.*.c", "a.x.d", "a.x/");
        check("a.*.c", "a.x.c.e", "a.x.c/");
        check("a.*.c", "a.x", "next");
        check("a.*.c", "a", "a.");
        check("a.*.c", "Z", "a.");
        check("a.*.c", "b.x", "end");
        check("a.b", "a.b.c", "a.b/");
        check("a.b.c", "a.b!x", "a.b.");
        check("a.b.>", "a.b!x", "a.b.");
        check("a.b.>", "a.b/x", "a/");
        check(">", "a", "matches");
        check("*", "a.b", "a/");
        check("*.c", "a.b", "a.c");
        check("a", "b", "end");
    }

    #[test]
    fn a_walk_starts_where_the_pattern_has_its_first_wildcard() {
        for (pattern, expected) in [("a.b", "a.b"), ("a.*.c", "a."), (">", ""), ("*.a", ""), ("a.b.>", "a.b.")] {
            assert_eq!(start(pattern.as_bytes()), expected.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn nothing_that_matches_is_skipped(
            pattern in "([ab*]{1,2}\\.){0,3}([ab*]|>)",
            subjects in prop::collection::btree_set("[ab]{1,2}([.!/][ab]{1,2}){0,4}", 1..60),
        ) {
            prop_assume!(firn_subject::subject::is_valid_pattern(pattern.as_bytes()));
            let pattern = pattern.as_bytes();
            for subject in &subjects {
                let verdict = judge(pattern, subject.as_bytes());
                let matches = |other: &&String| pattern::matches(pattern, other.as_bytes());
                let next = subjects.range(subject.clone()..).find(matches);
                match verdict {
                    Verdict::Matches => prop_assert_eq!(next, Some(subject)),
                    Verdict::Next => prop_assert!(next != Some(subject)),
                    Verdict::From(target) => {
                        prop_assert!(&target[..] > subject.as_bytes(), "a walk goes on");
                        prop_assert!(next.is_none_or(|next| next.as_bytes() >= &target[..]));
                    }
                    Verdict::End => prop_assert_eq!(next, None),
                }
            }
        }
    }
}
