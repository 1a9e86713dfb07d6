//! Cipher suites and curves by the names Go gives them.

use rustls::{
    CipherSuite, ProtocolVersion, SupportedCipherSuite,
    crypto::{
        SupportedKxGroup,
        aws_lc_rs::{ALL_CIPHER_SUITES, kx_group},
    },
};

/// Suites with Go's names; Go has had two names for some.
const SUITES: [(&str, CipherSuite); 11] = [
    ("TLS_AES_128_GCM_SHA256", CipherSuite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Curves, or whatever else agrees on a key, the preferred first.
const CURVES: [(&str, &dyn SupportedKxGroup); 5] = [
    ("X25519MLKEM768", kx_group::X25519MLKEM768),
    ("SecP256r1MLKEM768", kx_group::SECP256R1MLKEM768),
    ("X25519", kx_group::X25519),
    ("CurveP256", kx_group::SECP256R1),
    ("CurveP384", kx_group::SECP384R1),
];

/// The suites with these names, in the order of preference that rustls has; all for none. As with Go, the names choose
/// among the suites of TLS 1.2, and those of TLS 1.3 are always there.
///
/// # Errors
/// A name that rustls has no suite for.
pub(super) fn cipher_suites(names: &[String]) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut chosen = Vec::new();
    for name in names {
        let known = SUITES.iter().find(|(known, _)| known == name);
        let (_, suite) = known.ok_or_else(|| format!("cipher suite {name} is not available here: {}", available()))?;
        chosen.push(*suite);
    }
    let is_chosen = |suite: &SupportedCipherSuite| {
        chosen.is_empty() || suite.version().version == ProtocolVersion::TLSv1_3 || chosen.contains(&suite.suite())
    };
    Ok(ALL_CIPHER_SUITES.iter().filter(|suite| is_chosen(suite)).copied().collect())
}

fn available() -> String {
    let names: Vec<&str> = SUITES.iter().map(|&(name, _)| name).collect();
    format!("use any of {}", names.join(", "))
}

/// The curves with these names, in their order; all for none.
///
/// # Errors
/// A name that rustls has no curve for.
pub(super) fn curves(names: &[String]) -> Result<Vec<&'static dyn SupportedKxGroup>, String> {
    if names.is_empty() {
        return Ok(CURVES.iter().map(|&(_, curve)| curve).collect());
    }
    let find = |name: &String| {
        let known = CURVES.iter().find(|(known, _)| known == name);
        known.map(|&(_, curve)| curve).ok_or_else(|| {
            let names: Vec<&str> = CURVES.iter().map(|&(name, _)| name).collect();
            format!("curve {name} is not available here: use any of {}", names.join(", "))
        })
    };
    names.iter().map(find).collect()
}

/// Go's name of a suite.
pub(super) fn suite_name(suite: CipherSuite) -> &'static str {
    SUITES.iter().find(|(_, known)| *known == suite).map_or("unknown", |&(name, _)| name)
}

/// A version as monitoring shows it.
pub(super) fn version_name(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_2 => "1.2",
        ProtocolVersion::TLSv1_3 => "1.3",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn every_suite_of_rustls_has_a_name_here() {
        for suite in ALL_CIPHER_SUITES {
            assert_ne!(suite_name(suite.suite()), "unknown", "{suite:?}");
        }
    }

    #[test]
    fn names_choose_among_the_suites_of_tls_1_2() {
        let suites = cipher_suites(&owned(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"])).unwrap();
        let names: Vec<&str> = suites.iter().map(|suite| suite_name(suite.suite())).collect();
        assert_eq!(
            names,
            [
                "TLS_AES_256_GCM_SHA384",
                "TLS_AES_128_GCM_SHA256",
                "TLS_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
            ]
        );
        assert_eq!(cipher_suites(&[]).unwrap().len(), ALL_CIPHER_SUITES.len());
        let error = cipher_suites(&owned(&["TLS_RSA_WITH_AES_128_CBC_SHA"])).unwrap_err();
        assert!(error.starts_with("cipher suite TLS_RSA_WITH_AES_128_CBC_SHA is not available here"), "{error}");
    }

    #[test]
    fn curves_keep_the_operators_order() {
        let chosen = curves(&owned(&["CurveP384", "X25519"])).unwrap();
        let names: Vec<_> = chosen.iter().map(|curve| curve.name()).collect();
        assert_eq!(names, [rustls::NamedGroup::secp384r1, rustls::NamedGroup::X25519]);
        assert!(curves(&owned(&["CurveP521"])).unwrap_err().starts_with("curve CurveP521 is not available here"));
        assert_eq!(curves(&[]).unwrap()[0].name(), rustls::NamedGroup::X25519MLKEM768);
    }
}
