//! Entry points for fuzzers: arbitrary bytes in, a panic if an invariant does not hold.

use crate::{
    interest::{Interest, Matches},
    mapping::{Destination, Mappings, Transform},
    pattern, subject,
};

/// A pattern, a queue group and a value.
type Entry<'a> = (&'a [u8], Option<&'a [u8]>, usize);

/// Reads lines of which the first byte says what to do with the rest, and checks the tree against the plain definition.
pub fn patterns(data: &[u8]) {
    let mut interest = Interest::new();
    let mut snapshot = interest.clone();
    let mut model: Vec<Entry<'_>> = Vec::new();
    let mut mappings = Mappings::default();
    for (i, line) in data.split(|&byte| byte == b'\n').enumerate() {
        let Some((&action, text)) = line.split_first() else { continue };
        let queue = if action & 1 == 0 { None } else { Some(&b"queue"[..]) };
        let (left, right) = text.split_at(text.iter().position(|&byte| byte == b' ').unwrap_or(text.len()));
        let right = right.get(1..).unwrap_or_default();
        match action >> 1 & 7 {
            0 | 1 if subject::is_valid_pattern(text) => {
                interest.insert(text, queue, i);
                model.push((text, queue, i));
            }
            2 => {
                let first = model.iter().position(|&(pattern, group, _)| (pattern, group) == (text, queue));
                let expected = first.map(|at| model.remove(at).2);
                let removed = interest.remove(text, queue, expected.unwrap_or(i));
                assert_eq!(removed, expected, "removed what was not there, or did not find what was");
            }
            3 => snapshot = interest.clone(),
            4 => sets(left, right),
            5 => transforms(left, right, i as u64),
            6 => {
                let to = Destination { subject: right.into(), weight: action % 101, cluster: None };
                if mappings.add(left, &[to]).is_ok() {
                    mappings.apply(left, None, i as u64);
                }
            }
            _ => {}
        }
        check_matches(&interest, &model, text);
        mappings.apply(text, None, i as u64);
    }
    interest.check_invariants();
    snapshot.check_invariants();
    for (pattern, queue, value) in model {
        assert_eq!(interest.remove(pattern, queue, value), Some(value), "a value is gone");
    }
    interest.check_invariants();
    assert!(interest.is_empty(), "something is left");
}

fn check_matches(interest: &Interest<usize>, model: &[Entry<'_>], subject: &[u8]) {
    let mut found = Matches::new();
    interest.matches(subject, &mut found);
    let mut found: Vec<usize> =
        found.plain.into_iter().chain(found.queues.into_iter().flat_map(|(_, members)| members)).collect();
    found.sort_unstable();
    let hits = model.iter().filter(|(pattern, ..)| pattern::matches(pattern, subject));
    let mut expected: Vec<usize> = hits.map(|&(.., value)| value).collect();
    expected.sort_unstable();
    assert_eq!(found, expected, "the tree disagrees with the definition");
    assert_eq!(interest.is_interested(subject), !expected.is_empty(), "interest disagrees with the matches");
}

/// Laws of subsets and overlaps.
fn sets(a: &[u8], b: &[u8]) {
    if !subject::is_valid_pattern(a) || !subject::is_valid_pattern(b) {
        return;
    }
    assert!(pattern::is_subset(a, a) && pattern::overlaps(a, a), "a pattern is a subset of itself");
    assert_eq!(pattern::overlaps(a, b), pattern::overlaps(b, a), "overlap has a direction");
    assert!(!pattern::is_subset(a, b) || pattern::overlaps(a, b), "a subset has nothing in common with its whole");
    if subject::is_literal(a) {
        assert_eq!(pattern::matches(b, a), pattern::is_subset(a, b), "a literal is a set of one");
        assert_eq!(pattern::matches(b, a), pattern::overlaps(a, b), "a literal is a set of one");
    }
}

fn transforms(source: &[u8], destination: &[u8], random: u64) {
    let reversible = Transform::reversible(source, destination).is_ok();
    match Transform::new(source, destination) {
        Ok(transform) => {
            let applies = transform.apply(source, random).is_some();
            assert_eq!(applies, subject::tokens(source).all(|token| !token.is_empty()) && subject::is_literal(source));
        }
        Err(error) => {
            assert!(!reversible, "what is reversible is a transform");
            assert!(error.0.starts_with("invalid "), "an error without its beginning");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn a_session_of_every_action_passes() {
        let lines: &[&[u8]] = &[
            b"\x00a.*",
            b"\x01a.*",
            b"\x02a.b",
            b"\x06",
            b"\x04a.*",
            b"\x05a.b",
            b"\x08a.* a.>",
            b"\x0aa.* b.$1",
            b"\x0ca.* b.$1",
        ];
        super::patterns(&lines.join(&b'\n'));
    }

    proptest! {
        #[test]
        fn no_session_of_small_patterns_breaks_an_invariant(
            lines in proptest::collection::vec("[\\x00-\\x0d][ab*>. $1{}]{0,6}", 0..40),
        ) {
            super::patterns(lines.join("\n").as_bytes());
        }

        #[test]
        fn no_bytes_break_an_invariant(data in proptest::collection::vec(any::<u8>(), 0..200)) {
            super::patterns(&data);
        }
    }
}
