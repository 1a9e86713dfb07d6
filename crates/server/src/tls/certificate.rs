//! What stands in a certificate: names, the sum of its key, its end.

use data_encoding::HEXLOWER;
use firn_auth::authenticate::{CertificateNames, DistinguishedName};
use firn_id::Timestamp;
use sha2::{Digest, Sha256};
use x509_parser::{
    certificate::X509Certificate,
    der_parser::oid::Oid,
    extensions::GeneralName,
    oid_registry::{self as oids, asn1_rs::oid},
    prelude::FromDer,
};

/// The names in a client's certificate; `None` when it cannot be read.
pub(super) fn names(der: &[u8]) -> Option<CertificateNames> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(CertificateNames {
        names: alternative_names(&certificate),
        subject: distinguished_name(&certificate),
        subject_texts: subject_texts(&certificate),
    })
}

/// SHA-256 of the public key in its `SubjectPublicKeyInfo`, in lower-case hexadecimals.
pub(crate) fn key_sum(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(HEXLOWER.encode(&Sha256::digest(certificate.public_key().raw)))
}

/// SHA-256 of the whole certificate, in lower-case hexadecimals.
pub(crate) fn sum(der: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(der))
}

/// The subject as Go prints it whole: attributes without a short name there stand last, in reverse order, by
/// their numbers.
pub(crate) fn subject(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut rdns = vec![common_subject(&certificate)];
    let attributes: Vec<_> = certificate.subject().iter_attributes().collect();
    for attribute in attributes.into_iter().rev() {
        let kind = attribute.attr_type();
        if short_name(kind).is_none_or(|_| *kind == DOMAIN_COMPONENT)
            && let Ok(value) = attribute.as_str()
        {
            rdns.push(format!("{}={}", kind.to_id_string(), escaped(value)));
        }
    }
    rdns.retain(|rdn| !rdn.is_empty());
    Some(rdns.join(","))
}

/// When it ends.
pub(super) fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    // A certificate that is made for thousands of years ends at the last moment that a time stamp holds.
    let nanos = certificate.validity().not_after.timestamp().saturating_mul(1_000_000_000);
    Some(Timestamp::from_unix_nanos(nanos))
}

/// Each email address, then each DNS name, then each URI.
fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map_or(&[][..], |extension| &extension.value.general_names);
    let of_kind = |pick: fn(&GeneralName<'_>) -> Option<String>| names.iter().filter_map(pick);
    let emails = of_kind(|name| match name {
        GeneralName::RFC822Name(text) => Some((*text).to_owned()),
        _ => None,
    });
    let hosts = of_kind(|name| match name {
        GeneralName::DNSName(text) => Some((*text).to_owned()),
        _ => None,
    });
    let uris = of_kind(|name| match name {
        GeneralName::URI(text) => Some((*text).to_owned()),
        _ => None,
    });
    emails.chain(hosts).chain(uris).collect()
}

/// An attribute type with its short name, in the order in which Go prints a subject.
const ATTRIBUTES: [(Oid<'static>, &str); 10] = [
    (oids::OID_X509_SERIALNUMBER, "SERIALNUMBER"),
    (oids::OID_X509_COMMON_NAME, "CN"),
    (oids::OID_X509_ORGANIZATIONAL_UNIT, "OU"),
    (oids::OID_X509_ORGANIZATION_NAME, "O"),
    (oids::OID_X509_POSTAL_CODE, "POSTALCODE"),
    (oids::OID_X509_STREET_ADDRESS, "STREET"),
    (oids::OID_X509_LOCALITY_NAME, "L"),
    (oids::OID_X509_STATE_OR_PROVINCE_NAME, "ST"),
    (oids::OID_X509_COUNTRY_NAME, "C"),
    (DOMAIN_COMPONENT, "DC"),
];
const DOMAIN_COMPONENT: Oid<'static> = oid!(0.9.2342.19200300.100.1.25);

fn short_name(oid: &Oid<'_>) -> Option<&'static str> {
    ATTRIBUTES.iter().find(|(known, _)| known == oid).map(|&(_, name)| name)
}

/// The subject, last RDN first; `None` when it has an attribute without a short name or that is no text.
fn distinguished_name(certificate: &X509Certificate<'_>) -> Option<DistinguishedName> {
    let mut rdns = Vec::new();
    for rdn in certificate.subject().iter_rdn() {
        let attributes = rdn.iter().map(|attribute| {
            Some((short_name(attribute.attr_type())?.to_owned(), attribute.as_str().ok()?.as_bytes().to_vec()))
        });
        rdns.push(attributes.collect::<Option<Vec<_>>>()?);
    }
    rdns.reverse();
    Some(DistinguishedName::new(rdns))
}

/// The subject as Go prints it, with domain components behind it if it has any, and without.
fn subject_texts(certificate: &X509Certificate<'_>) -> Vec<String> {
    let plain = common_subject(certificate);
    let components: Vec<String> =
        values(certificate, &DOMAIN_COMPONENT).iter().map(|value| format!("DC={value}")).collect();
    let mut texts = Vec::new();
    if !components.is_empty() {
        texts.push(format!("{plain},{}", components.join(",")));
    }
    texts.push(plain);
    texts
}

/// The values of an attribute of the subject.
fn values(certificate: &X509Certificate<'_>, oid: &Oid<'_>) -> Vec<String> {
    let found = certificate.subject().iter_attributes().filter(|attribute| attribute.attr_type() == oid);
    found.filter_map(|attribute| attribute.as_str().ok().map(str::to_owned)).collect()
}

/// The attributes of the subject that have a short name in Go, as it prints them.
fn common_subject(certificate: &X509Certificate<'_>) -> String {
    let mut rdns = Vec::new();
    for (oid, name) in ATTRIBUTES.iter().filter(|(oid, _)| *oid != DOMAIN_COMPONENT) {
        let mut values = values(certificate, oid);
        // Of these two Go keeps only the last.
        if matches!(*name, "CN" | "SERIALNUMBER") {
            values.drain(..values.len().saturating_sub(1));
        }
        if !values.is_empty() {
            let parts: Vec<String> = values.iter().map(|value| format!("{name}={}", escaped(value))).collect();
            rdns.push(parts.join("+"));
        }
    }
    rdns.join(",")
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (index, char) in value.chars().enumerate() {
        let must_escape = match char {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            '#' => index == 0,
            ' ' => index == 0 || index == last,
            _ => false,
        };
        if must_escape {
            text.push('\\');
        }
        text.push(char);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signed by itself; its subject has every kind of attribute, some twice.
    const CERTIFICATE: &str = "MIIDDjCCArWgAwIBAgIUcr5pT2esxwxgVGHLdFMNo8gwUX0wCgYIKoZIzj0EAwIwgdwxEzARBgoJkiaJk/IsZAEZFgNjb20xFTAT\
        BgoJkiaJk/IsZAEZFgVhYyptZTELMAkGA1UEBhMCREUxEzARBgNVBAoMCkFjbWUsIEluYy4xDzANBgNVBAoMBlNlY29uZDERMA8G\
        CgmSJomT8ixkAQEMATcxFDASBgkqhkiG9w0BCQEWBWFAYi5jMQowCAYDVQQIDAFTMQowCAYDVQQHDAFMMQswCQYDVQQJDAJTdDEO\
        MAwGA1UEAwwFZmlyc3QxCzAJBgNVBAUTAjEyMRAwDgYDVQQDDAdncsO2w59lMB4XDTI2MTEyMTE1MTQyNloXDTI2MTIwMTE1MTQy\
        NlowgdwxEzARBgoJkiaJk/IsZAEZFgNjb20xFTATBgoJkiaJk/IsZAEZFgVhYyptZTELMAkGA1UEBhMCREUxEzARBgNVBAoMCkFj\
        bWUsIEluYy4xDzANBgNVBAoMBlNlY29uZDERMA8GCgmSJomT8ixkAQEMATcxFDASBgkqhkiG9w0BCQEWBWFAYi5jMQowCAYDVQQI\
        DAFTMQowCAYDVQQHDAFMMQswCQYDVQQJDAJTdDEOMAwGA1UEAwwFZmlyc3QxCzAJBgNVBAUTAjEyMRAwDgYDVQQDDAdncsO2w59l\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMSMavTTTab2tTKY0FD4DXNoqmoJqP6JvuzxLU5Y+aMVx3Xd7Ez0EbMWdxsgN9X7H\
        y1SnNHd/M/wfWrcvzfO2xaNTMFEwHQYDVR0OBBYEFAYv+ov8GdNi0M403c2Qyr6shth0MB8GA1UdIwQYMBaAFAYv+ov8GdNi0M40\
        3c2Qyr6shth0MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgQvBYCYE+eXJESBr7zSQYvpNhq98b9GQhH4xTBElL\
        twwCIHvefg7I06S8ZXrcyQOtuAo9zg6ReK73Gl0+OoVSM0kX";

    #[test]
    fn a_certificate_is_shown_as_nats_server_shows_it() {
        let der = data_encoding::BASE64.decode(CERTIFICATE.as_bytes()).unwrap();
        assert_eq!(
            subject(&der).as_deref(),
            Some(
                "SERIALNUMBER=12,CN=größe,O=Acme\\, Inc.+O=Second,STREET=St,L=L,ST=S,C=DE,1.2.840.113549.1.9.1=a@b.c,\
                 0.9.2342.19200300.100.1.1=7,0.9.2342.19200300.100.1.25=ac*me,0.9.2342.19200300.100.1.25=com"
            )
        );
        let key = "007813b6adf3b0eabae48da62caaeac0004a8483f55658fc674f8df52ad8f907";
        assert_eq!(key_sum(&der).as_deref(), Some(key));
        assert_eq!(sum(&der), "fc0e9bf89546e14c2abc74a93042f89543e09fbb948ca59c2bec7cf6d64d21bf");
        assert_eq!(subject(b"no certificate"), None);
    }
}
