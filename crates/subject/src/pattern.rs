//! Patterns: a subject in which whole tokens may be `*` (one token) or, at the end, `>` (one token or more).
//!
//! The functions are the plain definition of matching, one token at a time. Many patterns at once are the task of
//! `interest`, which is tested against them.

use crate::subject;

/// A valid pattern, owned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<[u8]>);

/// These bytes are no pattern: a token is empty, `>` is not last, or there is white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid subject")]
pub struct InvalidPattern;

impl Pattern {
    /// Takes what a client may subscribe to.
    ///
    /// # Errors
    /// [`InvalidPattern`] if it is not one.
    pub fn parse(bytes: &[u8]) -> Result<Pattern, InvalidPattern> {
        if subject::is_valid_pattern(bytes) { Ok(Pattern(bytes.into())) } else { Err(InvalidPattern) }
    }

    /// The text it was parsed from.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Without wildcards.
    pub fn is_literal(&self) -> bool {
        subject::is_literal(&self.0)
    }

    /// Does it match this subject?
    pub fn matches(&self, subject: &[u8]) -> bool {
        matches(&self.0, subject)
    }
}

/// `pattern` matches the published `subject`, in which `*` and `>` are tokens like any other. A subject with an empty
/// token is matched by nothing.
pub fn matches(pattern: &[u8], subject: &[u8]) -> bool {
    if subject::has_empty_token(subject) {
        return false;
    }
    let mut wanted = subject::tokens(pattern);
    for token in subject::tokens(subject) {
        match wanted.next() {
            Some(b">") => return true,
            Some(b"*") => {}
            Some(same) if same == token => {}
            Some(_) | None => return false,
        }
    }
    wanted.next().is_none()
}

/// Each subject that `inner` matches is matched by `outer` too (`foo.*` within `foo.>`). Both are valid patterns.
pub fn is_subset(inner: &[u8], outer: &[u8]) -> bool {
    let mut outer = subject::tokens(outer);
    for token in subject::tokens(inner) {
        match outer.next() {
            Some(b">") => return true,
            Some(b"*") if token != b">" => {}
            Some(same) if same == token => {}
            Some(_) | None => return false,
        }
    }
    outer.next().is_none()
}

/// Some subject is matched by both. Both are valid patterns.
pub fn overlaps(a: &[u8], b: &[u8]) -> bool {
    let (mut a, mut b) = (subject::tokens(a), subject::tokens(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(b">"), Some(_)) | (Some(_), Some(b">")) => return true,
            (Some(a), Some(b)) if a == b || a == b"*" || b == b"*" => {}
            (Some(_), Some(_)) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_matches_token_by_token() {
        #[track_caller]
        fn check(pattern: &str, subject: &str, expected: bool) {
            assert_eq!(matches(pattern.as_bytes(), subject.as_bytes()), expected, "{pattern} {subject}");
        }
        check("a.b", "a.b", true);
        check("a.b", "a.c", false);
        check("a.b", "a", false);
        check("a", "a.b", false);
        check("a.*", "a.b", true);
        check("a.*", "a", false);
        check("a.*", "a.b.c", false);
        check("*.b", "a.b", true);
        check("a.>", "a", false);
        check("a.>", "a.b", true);
        check("a.>", "a.b.c.d", true);
        check(">", "a", true);
        check("*.>", "a", false);
        check("a.b*", "a.bc", false);
        check("a.b*", "a.b*", true);
        // A publish is not checked: its wildcards are plain tokens, and an empty token finds nobody.
        check("a.*", "a.>", true);
        check("a.>", "a.*.b", true);
        check("a.*.b", "a.>.b", true);
        check("a.b", "a.*", false);
        check(">", "a..b", false);
        check(">", "a.", false);
        check(">", "", false);
    }

    #[test]
    fn sets_of_subjects() {
        #[track_caller]
        fn check(a: &str, b: &str, a_in_b: bool, b_in_a: bool, both: bool) {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            assert_eq!((is_subset(a, b), is_subset(b, a)), (a_in_b, b_in_a));
            assert_eq!((overlaps(a, b), overlaps(b, a)), (both, both));
        }
        check("foo.*", "foo.>", true, false, true);
        check("foo.*", "foo.*", true, true, true);
        check("foo", "foo.>", false, false, false);
        check("foo.>", "foo.*.>", false, true, true);
        check("foo.*.bar", "foo.baz.*", false, false, true);
        check("*", ">", true, false, true);
        check("a.b", "a.*", true, false, true);
        check("a.b.c", "a.*", false, false, false);
        check("*.a", "*.b", false, false, false);
        check("*x.a", "b.a", false, false, false);
    }

    #[test]
    fn parse_keeps_what_is_valid() {
        let pattern = Pattern::parse(b"a.*").expect("valid");
        assert_eq!(pattern.as_bytes(), b"a.*");
        assert!(!pattern.is_literal() && pattern.matches(b"a.b") && !pattern.matches(b"a"));
        assert_eq!(Pattern::parse(b"a..b"), Err(InvalidPattern));
    }

    fn pattern() -> impl Strategy<Value = Vec<u8>> {
        ("([ab*]\\.){0,3}[ab*>]").prop_map(String::into_bytes)
    }

    /// All subjects of up to five tokens over three letters: `c` stands for every token that no pattern here spells out.
    fn subjects() -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()];
        let mut longest = all.clone();
        for _ in 1..5 {
            longest =
                longest.iter().flat_map(|head| b"abc".iter().map(|&c| [&head[..], b".", &[c]].concat())).collect();
            all.extend(longest.iter().cloned());
        }
        all
    }

    proptest! {
        #[test]
        fn subset_and_overlap_agree_with_the_subjects_matched(a in pattern(), b in pattern()) {
            let subjects = subjects();
            let all = subjects.iter().all(|subject| !matches(&a, subject) || matches(&b, subject));
            let any = subjects.iter().any(|subject| matches(&a, subject) && matches(&b, subject));
            prop_assert_eq!(is_subset(&a, &b), all);
            prop_assert_eq!(overlaps(&a, &b), any);
        }
    }
}
