//! What every input must satisfy, as plain functions that a mutation driver calls. They panic where it does not.

use crate::{
    authenticate::DistinguishedName,
    nkey::{PublicKey, decode_signature},
    permission::{Permissions, PermissionsSpec, RulesSpec, SubscribeVerdict},
};

/// A text is no nkey, or exactly what the nkey prints.
pub fn nkeys(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(key) = PublicKey::parse(text) {
        assert_eq!(key.to_string(), text, "one text a key");
        assert!(!key.verifies(b"never signed", &[0; 64]));
    }
    decode_signature(text);
}

/// A distinguished name is itself and a reordering of itself.
pub fn distinguished_names(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Some(name) = DistinguishedName::parse(text) {
        assert!(name.is_reordering_of(&name));
    }
}

/// Lines: a subject, a queue group, then rules that begin with `+` (allow) or `-` (deny). A delivery that is refused
/// belongs to a subscription that is refused or filtered, and without any deny nothing is filtered.
pub fn permissions(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let (Some(subject), Some(queue)) = (lines.next(), lines.next()) else { return };
    let (mut allow, mut deny) = (Vec::new(), Vec::new());
    for line in lines {
        match line.split_at_checked(1) {
            Some(("+", rule)) => allow.push(rule.to_owned()),
            Some(("-", rule)) => deny.push(rule.to_owned()),
            _ => {}
        }
    }
    let rules = RulesSpec { allow: Some(allow), deny };
    let publish = PermissionsSpec { publish: Some(rules.clone()), ..PermissionsSpec::default() };
    if let Ok(permissions) = Permissions::compile(&publish) {
        assert!(
            rules.allow.as_ref().is_some_and(|allow| !allow.is_empty()) || !permissions.may_publish(subject.as_bytes())
        );
    }
    let is_deny_free = rules.deny.is_empty();
    let subscribe = PermissionsSpec { subscribe: Some(rules), ..PermissionsSpec::default() };
    let Ok(permissions) = Permissions::compile(&subscribe) else { return };
    let queue = Some(queue.as_bytes()).filter(|queue| !queue.is_empty());
    let verdict = permissions.may_subscribe(subject.as_bytes(), queue);
    let is_delivered = permissions.may_deliver(subject.as_bytes(), queue);
    assert!(is_delivered || verdict == SubscribeVerdict::Denied, "a denied subject is not subscribed to");
    assert!(!is_deny_free || (is_delivered && verdict != SubscribeVerdict::AllowedFiltered));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_satisfy_the_invariants(data in prop::collection::vec(any::<u8>(), 0..100)) {
            super::nkeys(&data);
            super::distinguished_names(&data);
            super::permissions(&data);
        }

        #[test]
        fn likely_texts_satisfy_the_invariants(
            name in "([A-C]{1,2}=[a-c\\\\,+ #]{0,4}[,+]){0,3}C=a",
            rules in "[ab*>]\\.[ab*>]\n[q*>]?\n([+-][ab*>]\\.[ab*>]( [q*>])?\n){0,4}",
        ) {
            super::distinguished_names(name.as_bytes());
            super::permissions(rules.as_bytes());
        }
    }
}
