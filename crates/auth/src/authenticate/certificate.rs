//! Names in a client certificate, by which it may stand for a user.
//!
//! Not here: the certificate itself. Who verified it also took it apart.

/// What names its holder, in the order in which users are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateNames {
    /// Each email address, then each DNS name, then each URI.
    pub names: Vec<String>,
    /// The subject, last RDN first as in its text; `None` when it has an attribute that no user name can spell.
    pub subject: Option<DistinguishedName>,
    /// The subject as text in other orders, as Go prints it: with domain components behind it if there are any, and
    /// without them.
    pub subject_texts: Vec<String>,
}

/// A distinguished name: a sequence of RDNs, each a set of attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName(Vec<Rdn>);

/// A relative distinguished name: types in upper case with values, sorted, so that equal sets are equal.
type Rdn = Vec<(String, Vec<u8>)>;

impl DistinguishedName {
    /// From attributes, each a type as `CN` and a value.
    pub fn new(rdns: impl IntoIterator<Item = Vec<(String, Vec<u8>)>>) -> DistinguishedName {
        DistinguishedName(rdns.into_iter().map(normalise).collect())
    }

    /// From a text as RFC 4514 has it: `CN=client+UID=7,O=Acme\, Inc.`. `None` when it is not such a text, or has a
    /// value in BER.
    pub fn parse(text: &str) -> Option<DistinguishedName> {
        let mut rdns = Vec::new();
        for rdn in split_unescaped(text.as_bytes(), b',')? {
            let attributes = split_unescaped(rdn, b'+')?.into_iter().map(parse_attribute);
            rdns.push(normalise(attributes.collect::<Option<Rdn>>()?));
        }
        Some(DistinguishedName(rdns))
    }

    /// The same RDNs in whatever order.
    pub fn is_reordering_of(&self, other: &DistinguishedName) -> bool {
        let sorted = |name: &DistinguishedName| {
            let mut rdns = name.0.clone();
            rdns.sort_unstable();
            rdns
        };
        sorted(self) == sorted(other)
    }
}

fn normalise(mut rdn: Rdn) -> Rdn {
    for (kind, _) in &mut rdn {
        kind.make_ascii_uppercase();
    }
    rdn.sort_unstable();
    rdn
}

/// The parts between separators that no backslash stands before; at least one. `None` when a backslash is last.
fn split_unescaped(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let (mut start, mut is_escaped) = (0, false);
    for (index, &byte) in text.iter().enumerate() {
        if is_escaped {
            is_escaped = false;
        } else if byte == b'\\' {
            is_escaped = true;
        } else if byte == separator {
            parts.push(text.get(start..index)?);
            start = index + 1;
        }
    }
    parts.push(text.get(start..)?);
    (!is_escaped).then_some(parts)
}

/// `type=value`, with blanks around either.
fn parse_attribute(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let equals = text.iter().position(|&byte| byte == b'=')?;
    let kind = str::from_utf8(text.get(..equals)?).ok()?.trim_matches(' ');
    if kind.is_empty() {
        return None;
    }
    let value = unescape(text.get(equals + 1..)?)?;
    Some((kind.to_owned(), value))
}

/// A value without its escapes and the unescaped blanks around it. `None` for BER (`#…`) and broken escapes.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let blanks = text.iter().take_while(|&&byte| byte == b' ').count();
    let mut rest = text.get(blanks..)?;
    if rest.first() == Some(&b'#') {
        return None;
    }
    let mut value = Vec::with_capacity(rest.len());
    let mut kept = 0;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            value.push(byte);
            kept = if byte == b' ' { kept } else { value.len() };
            continue;
        }
        let (&escaped, after) = rest.split_first()?;
        if b" \"#+,;<=>\\".contains(&escaped) {
            value.push(escaped);
            rest = after;
        } else {
            let (digits, after) = rest.split_first_chunk::<2>()?;
            let digits = str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
            value.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        }
        kept = value.len();
    }
    value.truncate(kept);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dn(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).unwrap_or_else(|| panic!("no DN: {text}"))
    }

    fn check(left: &str, right: &str, same: bool, reordered: bool) {
        assert_eq!(dn(left) == dn(right), same, "{left} | {right}");
        assert_eq!(dn(left).is_reordering_of(&dn(right)), reordered, "{left} | {right}");
        assert_eq!(dn(right).is_reordering_of(&dn(left)), reordered, "{right} | {left}");
    }

    #[test]
    fn names_are_equal_in_order_or_reordered() {
        check("CN=client,O=Acme", "CN=client,O=Acme", true, true);
        check("CN=client,O=Acme", "O=Acme,CN=client", false, true);
        check("cn=client, o = Acme ", "CN=client,O=Acme", true, true);
        check("CN=client", "CN=Client", false, false);
        check("CN=client,O=Acme", "CN=client", false, false);
        check("CN=a+UID=1,O=x", "UID=1+CN=a,O=x", true, true);
        check("CN=a+UID=1,O=x", "O=x,UID=1+CN=a", false, true);
    }

    #[test]
    fn escapes_are_undone() {
        check(r"CN=a\,b\+c\\", r"CN=a\2Cb\2bc\5C", true, true);
        check(r"CN=\ a\ ", r"CN=\20a\20", true, true);
        check(r"CN=a=b", r"CN=a\=b", true, true);
        check("CN=é", r"CN=\C3\A9", true, true);
        check("CN=a b  ", "CN=a b", true, true);
        check("CN=", "CN= ", true, true);
    }

    #[test]
    fn other_texts_are_no_names() {
        for text in ["", "client", "CN=a,", "=a", "CN=a,b", r"CN=a\", r"CN=\4", r"CN=\zz", r"CN=\+1x,", "CN=#0401", ","]
        {
            assert_eq!(DistinguishedName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_from_attributes_equal_those_from_text() {
        let attribute = |kind: &str, value: &str| (kind.to_owned(), value.as_bytes().to_vec());
        let name = DistinguishedName::new([
            vec![attribute("CN", "client"), attribute("uid", "7")],
            vec![attribute("O", "Acme, Inc.")],
        ]);
        assert_eq!(name, dn(r"UID=7+CN=client,O=Acme\, Inc."));
    }

    /// A name was accepted that only had some of the attributes, or one of them twice.
    #[test]
    fn cve_2026_33248_sets_of_attributes_are_compared_as_wholes() {
        check("CN=a+CN=a", "CN=a+CN=b", false, false);
        check("CN=a+CN=b", "CN=a", false, false);
        check("CN=a,CN=b", "CN=a+CN=b", false, false);
        check("CN=a,CN=a,CN=b", "CN=a,CN=b,CN=b", false, false);
        check("CN=a,O=x", "CN=a+O=x", false, false);
    }
}
