//! Subjects as bytes: validity and tokens. What matches what is `pattern`'s business.

/// True when no token is empty, `>` is at most the last token, and no byte is a space, tab, CR or LF.
pub fn is_valid_pattern(bytes: &[u8]) -> bool {
    let mut ended = false;
    for token in tokens(bytes) {
        if ended || token.is_empty() || token.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            return false;
        }
        ended = token == b">";
    }
    true
}

/// True when `bytes` is a pattern without wildcard tokens (`foo.b*r` is literal, `foo.*` is not).
pub fn is_valid_literal(bytes: &[u8]) -> bool {
    is_valid_pattern(bytes) && is_literal(bytes)
}

/// True when no token is exactly `*` or `>`; says nothing of validity.
pub fn is_literal(bytes: &[u8]) -> bool {
    // Most subjects hold neither byte, and this is asked for each subscription and publish.
    memchr::memchr2(b'*', b'>', bytes).is_none() || tokens(bytes).all(|token| token != b"*" && token != b">")
}

/// The tokens between the dots; an empty subject has one empty token.
pub fn tokens(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'.')
}

/// How many tokens there are, empty ones included.
pub fn token_count(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'.', bytes).count() + 1
}

/// The first token, and what follows its dot, if there is a dot.
pub(crate) fn split_first(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'.', bytes).and_then(|dot| bytes.split_at_checked(dot)) {
        Some((token, rest)) => (token, rest.get(1..)),
        None => (bytes, None),
    }
}

/// Nobody can subscribe to such a subject, and no wildcard stands for nothing: it matches no pattern at all.
pub(crate) fn has_empty_token(bytes: &[u8]) -> bool {
    let mut last = b'.';
    for &byte in bytes {
        if byte == b'.' && last == b'.' {
            return true;
        }
        last = byte;
    }
    last == b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_valid_or_not_as_for_the_reference_server() {
        // Each row was sent as SUB to nats-server 2.15.1.
        let table: &[(&[u8], bool)] = &[
            (b"a", true),
            (b"a.b.c", true),
            (b"*", true),
            (b">", true),
            (b"a.*.>", true),
            (b"**", true),
            (b"foo.b*r", true),
            (b"foo>", true),
            (b"foo.>x.y", true),
            (b"a.>>.b", true),
            (b"a.\x0c", true),
            (b"\x0c", true),
            (b"b\x0bb", true),
            (b"a\x00", true),
            (b"\xff\xfe.b", true),
            (b"", false),
            (b".", false),
            (b"..", false),
            (b"a.", false),
            (b".a", false),
            (b"a..b", false),
            (b"a.>.b", false),
            (b">.>", false),
            (b"a b", false),
            (b"a\tb", false),
            (b"a\r", false),
            (b"\na", false),
        ];
        for &(bytes, expected) in table {
            assert_eq!(is_valid_pattern(bytes), expected, "{}", bytes.escape_ascii());
            assert_eq!(has_empty_token(bytes), tokens(bytes).any(<[u8]>::is_empty), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn only_a_whole_token_is_a_wildcard() {
        for bytes in [&b"a"[..], b"a.b*", b"*a", b"a>.b", b"**.>>", b""] {
            assert!(is_literal(bytes), "{}", bytes.escape_ascii());
        }
        for bytes in [&b"*"[..], b">", b"a.*", b"*.a", b"a.*.b", b"a.>"] {
            assert!(!is_literal(bytes), "{}", bytes.escape_ascii());
            assert!(!is_valid_literal(bytes), "{}", bytes.escape_ascii());
        }
        assert!(is_valid_literal(b"a.b*"));
        assert!(!is_valid_literal(b"a."));
    }

    #[test]
    fn tokens_are_counted_and_split() {
        for (bytes, count) in [(&b""[..], 1), (b"a", 1), (b"a.b", 2), (b"a..b.", 4)] {
            assert_eq!(token_count(bytes), count);
            assert_eq!(tokens(bytes).count(), count);
        }
        assert_eq!(split_first(b"a.b.c"), (&b"a"[..], Some(&b"b.c"[..])));
        assert_eq!(split_first(b"a."), (&b"a"[..], Some(&b""[..])));
        assert_eq!(split_first(b"a"), (&b"a"[..], None));
    }
}
