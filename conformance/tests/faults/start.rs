//! Servers that cannot start say so: exit code 1, and a text that names the culprit.

use std::net::{Ipv4Addr, TcpListener};

use firn_conformance::certificates;
use firn_conformance::server::Binary;

use crate::Checked;
use crate::process::{Launch, refuse};

pub(crate) fn a_port_in_use_is_named(binary: &Binary) -> Checked {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port().to_string();
    for flag in ["-p", "-m"] {
        // The last of several equal flags counts.
        let refusal = refuse(binary, &Launch::default(), &[flag.to_owned(), port.clone()]);
        assert_eq!(refusal.code, Some(1), "{flag}: {}", refusal.output);
        assert!(refusal.output.contains(&address.to_string()), "{flag}: {}", refusal.output);
        assert!(refusal.output.to_lowercase().contains("address already in use"), "{flag}: {}", refusal.output);
    }
    Ok(2)
}

pub(crate) fn a_certificate_that_cannot_be_used_is_named(binary: &Binary) -> Checked {
    let cases = [
        ("missing.pem", "server-key.pem"),
        ("server.pem", "missing.pem"),
        // A key is no certificate, and a certificate no key.
        ("server-key.pem", "server-key.pem"),
        ("server.pem", "server.pem"),
        ("server.pem", "stranger-key.pem"),
    ];
    let folder = certificates::folder()?;
    for (certificate, key) in cases {
        let config = format!("tls {{ cert_file: \"<certs>/{certificate}\", key_file: \"<certs>/{key}\" }}");
        let refusal = refuse(binary, &Launch { config, ..Launch::default() }, &[]);
        assert_eq!(refusal.code, Some(1), "{certificate} with {key}: {}", refusal.output);
        // What lies in a file is only known by the place that names it.
        let is_named = refusal.output.contains("server.conf:1:")
            || [certificate, key].iter().any(|&file| refusal.output.contains(&*folder.join(file).to_string_lossy()));
        assert!(is_named, "{certificate} with {key}: {}", refusal.output);
    }
    Ok(cases.len())
}

pub(crate) fn a_mistake_in_the_configuration_is_shown_at_its_place(binary: &Binary) -> Checked {
    // Whitespace before a mistake shows whether columns are counted.
    let cases = [
        ("max_payload: 1MB\n  no_such_option: 1\n", "server.conf:2:3: "),
        ("max_payload: 1MB\n  no_such_option: 1\n", "no_such_option"),
        ("authorization {\n  user: a\n  pasword: b\n}\n", "server.conf:3:3: "),
        ("max_payload: [\n", "line 2"),
        ("max_payload: \"many\"\n", "server.conf:1:0: "),
        ("include \"missing.conf\"\n", "missing.conf"),
        ("jetstream: enabled\n", "not supported yet: jetstream"),
        ("cluster {\n  port: 6222\n}\n", "not supported yet: cluster"),
    ];
    for (config, expected) in cases {
        let refusal = refuse(binary, &Launch { config: config.to_owned(), ..Launch::default() }, &[]);
        assert_eq!(refusal.code, Some(1), "{config}{}", refusal.output);
        assert!(refusal.output.contains(expected), "{config}expected {expected}, got {}", refusal.output);
    }
    Ok(cases.len())
}
