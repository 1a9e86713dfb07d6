//! What a configuration text says, as values.

use std::{path::Path, time::Duration};

use firn_config::{
    Checks, HandshakeFirst, MappingDestination, Options, PermissionsOptions, ResponsesOptions, Secret, Source,
    SubjectsOptions, TlsCertificate, TlsMinVersion, TlsOptions, UserAccount, WriteTimeout,
};

/// One file.
struct Text<'a>(&'a str);

impl Source for Text<'_> {
    fn read(&self, _: &Path) -> Result<Vec<u8>, String> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn options(text: &str) -> Options {
    match firn_config::read("c", &Text(text), &Checks::FORM) {
        Ok(read) => read.options,
        Err(rejection) => panic!("{text}: {rejection}"),
    }
}

/// The text changes the options without a file just so.
fn check(text: &str, change: impl Fn(&mut Options)) {
    let mut expected = Options::default();
    change(&mut expected);
    assert!(options(text) == expected, "{text}");
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn top_level_options_set_their_values() {
    check("listen: \"h:1\"", |o| (o.host, o.port) = ("h".to_owned(), 1));
    check("listen: 1", |o| o.port = 1);
    check("host: h", |o| o.host = "h".to_owned());
    check("net: h", |o| o.host = "h".to_owned());
    check("port: -1", |o| o.port = -1);
    check("server_name: n", |o| o.server_name = text("n"));
    check("client_advertise: a", |o| o.client_advertise = text("a"));
    check("max_connections: 5", |o| o.max_connections = 5);
    check("max_connections: -1", |o| o.max_connections = 0);
    check("max_subs: 5", |o| o.max_subscriptions = 5);
    check("max_sub_tokens: 5", |o| o.max_sub_tokens = 5);
    check("max_control_line: 2KB", |o| o.max_control_line = 2048);
    check("max_payload: 2k", |o| o.max_payload = 2000);
    check("max_pending: 5", |o| o.max_pending = 5);
    check("max_closed_clients: 5", |o| o.max_closed_clients = 5);
    check("ping_interval: \"5s\"", |o| o.ping_interval = Duration::from_secs(5));
    check("ping_interval: 5", |o| o.ping_interval = Duration::from_secs(5));
    check("ping_max: 5", |o| o.ping_max = 5);
    check("write_deadline: \"50ms\"", |o| o.write_deadline = Duration::from_millis(50));
    check("write_timeout: close", |o| o.write_timeout = WriteTimeout::Close);
    check("write_timeout: retry", |o| o.write_timeout = WriteTimeout::Retry);
    check("lame_duck_duration: \"30s\"", |o| o.lame_duck_duration = Duration::from_secs(30));
    check("lame_duck_grace_period: \"5s\"", |o| o.lame_duck_grace_period = Duration::from_secs(5));
    check("no_header_support: true", |o| o.no_header_support = true);
    check("disable_sublist_cache: true", |o| o.disable_sublist_cache = true);
    check("no_fast_producer_stall: true", |o| o.no_fast_producer_stall = true);
    check("allow_non_tls: true", |o| o.allow_non_tls = true);
    check("no_auth_user: u", |o| o.no_auth_user = text("u"));
    check("no_system_account: true", |o| o.no_system_account = true);
    check("pidfile: p", |o| o.pid_file = text("p"));
    check("ports_file_dir: p", |o| o.ports_file_dir = text("p"));
    check("connect_error_reports: 5", |o| o.connect_error_reports = 5);
    check("reconnect_error_reports: 5", |o| o.reconnect_error_reports = 5);
    check("server_tags: [ A, \" b\", a ]", |o| o.server_tags = texts(&["a", "b"]));
    check("server_metadata { K: V }", |o| o.server_metadata = [("K".to_owned(), "V".to_owned())].into());
    check("feature_flags { K: true }", |o| o.feature_flags = [("K".to_owned(), true)].into());
}

#[test]
fn logging_options_set_their_values() {
    check("debug: true", |o| o.log.debug = true);
    check("trace: true", |o| o.log.trace = true);
    check("trace_verbose: true", |o| (o.log.trace, o.log.trace_verbose) = (true, true));
    check("trace_headers: true", |o| (o.log.trace, o.log.trace_headers) = (true, true));
    check("logtime: false", |o| o.log.logtime = false);
    check("logtime_utc: true", |o| o.log.logtime_utc = true);
    check("log_file: f", |o| o.log.file = text("f"));
    check("log_size_limit: 5", |o| o.log.size_limit = 5);
    check("log_max_num: 5", |o| o.log.max_files = 5);
    check("max_traced_msg_len: 5", |o| o.log.max_traced_msg_len = 5);
}

#[test]
fn monitoring_options_set_their_values() {
    check("http: 1", |o| o.monitor.http_port = 1);
    check("http: \"h:1\"", |o| (o.monitor.host, o.monitor.http_port) = (text("h"), 1));
    check("https: \"h:1\"", |o| (o.monitor.host, o.monitor.https_port) = (text("h"), 1));
    check("monitor_port: 1", |o| o.monitor.http_port = 1);
    check("https_port: 1", |o| o.monitor.https_port = 1);
    check("http_base_path: b", |o| o.monitor.base_path = "b".to_owned());
    assert_eq!(options("host: h").monitor_host(), "h");
    assert_eq!(options("host: h, http: \"i:1\"").monitor_host(), "i");
}

#[test]
fn a_single_user_or_token() {
    check("authorization { user: u, password: p, timeout: 1.5 }", |o| {
        o.authorization.user = text("u");
        o.authorization.password = Some(Secret::new("p"));
        o.authorization.timeout = Some(Duration::from_millis(1500));
    });
    check("authorization { token: t }", |o| o.authorization.token = Some(Secret::new("t")));
}

#[test]
fn the_time_to_present_oneself_follows_that_of_tls() {
    let check = |text: &str, seconds: f64| assert_eq!(options(text).auth_timeout().as_secs_f64(), seconds, "{text}");
    check("", 2.0);
    check("tls {}", 3.0);
    check("tls { timeout: 5 }", 6.0);
    check("tls { timeout: 5 }, authorization { timeout: 1 }", 1.0);
    check("authorization { timeout: 0 }", 2.0);
}

#[test]
fn users_of_all_kinds() {
    let read = options(
        "authorization { users: [
           { user: a, password: $2a$11$hash, clients: [ standard, mqtt ] }
           { nkey: UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDRON, permissions { publish: x } }
         ], default_permissions { subscribe: y } }
         accounts { $SYS { users: [ { user: s, password: t } ] } }",
    );
    let users = read.authorization.users.expect("users");
    let [a, nkey, system] = users.as_slice() else { panic!("three users") };
    assert_eq!((a.name.as_str(), a.identity(), a.account), ("a", "a", UserAccount::Global));
    assert_eq!(a.password.as_ref().expect("a password").expose(), "$2a$11$hash");
    assert_eq!(a.connection_types, ["STANDARD", "MQTT"]);
    assert_eq!(a.permissions.as_ref().expect("those of all").subscribe.allow, Some(texts(&["y"])));
    assert_eq!(a.position.as_ref().expect("a position").to_string(), "c:2:75");
    assert_eq!(nkey.identity(), "UBO2MQV67TQTVIRV3XFTEZOACM4WLOCMCDMAWN5QVN5PI2N6JHTVDRON");
    assert_eq!(nkey.permissions.as_ref().expect("its own").subscribe.allow, None);
    assert_eq!((system.name.as_str(), system.account), ("s", UserAccount::System));
    assert!(system.permissions.is_none(), "the defaults of one account are not those of another");
}

#[test]
fn permissions_of_all_kinds() {
    let check = |text: &str, expected: PermissionsOptions| {
        let read = options(&format!("authorization {{ default_permissions {{ {text} }} }}"));
        assert_eq!(read.authorization.default_permissions, Some(expected), "{text}");
    };
    let none = PermissionsOptions::default;
    let allow = |subjects: &[&str]| SubjectsOptions { allow: Some(texts(subjects)), deny: Vec::new() };
    check("", none());
    check("publish: a", PermissionsOptions { publish: allow(&["a"]), ..none() });
    check("pub: [ a, \"b.>\" ]", PermissionsOptions { publish: allow(&["a", "b.>"]), ..none() });
    check("sub: \"a q.*\"", PermissionsOptions { subscribe: allow(&["a q.*"]), ..none() });
    check("publish: []", none());
    check("publish {}", none());
    check("publish { allow: [] }", none());
    let deny = SubjectsOptions { allow: None, deny: texts(&["a"]) };
    check("publish { deny: a }", PermissionsOptions { publish: deny.clone(), ..none() });
    let responses = |max, expires| Some(ResponsesOptions { max, expires });
    let usual = responses(Some(1), Some(Duration::from_secs(120)));
    let answers = |publish, allow_responses| PermissionsOptions { publish, allow_responses, ..none() };
    check("allow_responses: true", answers(allow(&[]), usual));
    check("allow_responses: false", none());
    check("allow_responses {}", answers(allow(&[]), usual));
    check("allow_responses: true, publish: a", answers(allow(&["a"]), usual));
    check(
        "allow_responses: true, publish { deny: a }",
        answers(SubjectsOptions { allow: Some(vec![]), ..deny }, usual),
    );
    check(
        "allow_responses { max: 5, ttl: \"1s\" }",
        answers(allow(&[]), responses(Some(5), Some(Duration::from_secs(1)))),
    );
    check("allow_responses { max_msgs: -1, expires: \"-1s\" }", answers(allow(&[]), responses(None, None)));
    check("allow_responses { max: 0, expires: \"0s\" }", answers(allow(&[]), usual));
}

#[test]
fn mappings_of_all_kinds() {
    let read = options(
        "mappings { b: c, a { dest: d, weight: 50 }
           e: [ { destination: f, weight: \"30%\" }, { destination: g, weight: 100, cluster: x } ] }",
    );
    let to = |subject: &str, weight, cluster: &str| MappingDestination {
        subject: subject.to_owned(),
        weight,
        cluster: cluster.to_owned(),
    };
    let found: Vec<_> = read.mappings.iter().map(|m| (m.source.as_str(), m.destinations.clone())).collect();
    let expected = vec![
        ("b", vec![to("c", 100, "")]),
        ("a", vec![to("d", 50, "")]),
        ("e", vec![to("f", 30, ""), to("g", 100, "x")]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn tls_of_all_kinds() {
    let check = |text: &str, change: &dyn Fn(&mut TlsOptions)| {
        let found = options(&format!("tls {{ {text} }}")).tls.expect("TLS");
        let mut expected = TlsOptions { position: found.position.clone(), ..TlsOptions::default() };
        change(&mut expected);
        assert_eq!(found, expected, "{text}");
    };
    let pair = |cert: &str, key: &str| TlsCertificate { cert_file: cert.to_owned(), key_file: key.to_owned() };
    check("", &|_| {});
    check("cert_file: c, key_file: k", &|t| t.certificates = vec![pair("c", "k")]);
    check("certs: [ { cert_file: c, key_file: k }, { cert_file: d, key_file: l } ]", &|t| {
        t.certificates = vec![pair("c", "k"), pair("d", "l")];
    });
    check("ca_file: c, verify: true", &|t| (t.ca_file, t.verify) = (text("c"), true));
    check("verify_and_map: true", &|t| (t.verify, t.verify_and_map) = (true, true));
    check("verify: true, verify_and_map: false", &|t| t.verify = true);
    check("insecure: true", &|t| t.insecure = true);
    check("timeout: \"1500ms\"", &|t| t.timeout = Duration::from_millis(1500));
    check("timeout: 0", &|_| {});
    check("handshake_first: true", &|t| t.handshake_first = HandshakeFirst::Yes);
    check("first: off", &|_| {});
    check("immediate: auto", &|t| t.handshake_first = HandshakeFirst::Fallback(Duration::from_millis(50)));
    check("first: \"1s\"", &|t| t.handshake_first = HandshakeFirst::Fallback(Duration::from_secs(1)));
    check("cipher_suites: [ TLS_AES_128_GCM_SHA256 ]", &|t| t.cipher_suites = texts(&["TLS_AES_128_GCM_SHA256"]));
    check("curve_preferences: [ X25519 ]", &|t| t.curve_preferences = texts(&["X25519"]));
    check("min_version: \"1.3\"", &|t| t.min_version = TlsMinVersion::V1_3);
    check("connection_rate_limit: 5", &|t| t.connection_rate_limit = 5);
    let (low, high) = ("ab".repeat(32), "CD".repeat(32));
    check(&format!("pinned_certs: [ \"{high}\", \"{low}\" ]"), &|t| {
        t.pinned_certs = vec![low.clone(), high.to_lowercase()]
    });
    assert_eq!(options("\n tls {}").tls.expect("TLS").position.expect("a position").to_string(), "c:2:2");
}

#[test]
fn a_start_fails_for_the_recorded_reasons() {
    let start = |text: &str| firn_config::check_start(&options(text)).err().unwrap_or_default();
    assert_eq!(start("port: -1, http: -1, client_advertise: \"a:1\""), "");
    assert_eq!(
        start("http: -1, https: -1"),
        "Can't start monitoring: can't specify both HTTP (-1) and HTTPs (-1) ports"
    );
    assert_eq!(start("https: -1"), "Can't start monitoring: TLS cert and key required for HTTPS");
    assert_eq!(
        start("http: 99999"),
        "Can't start monitoring: can't listen to the monitor port: listen tcp: address 99999: invalid port"
    );
    assert_eq!(
        start("port: 99999"),
        "Error listening on port: 0.0.0.0:99999, \"listen tcp: address 99999: invalid port\""
    );
    let advertise = "Error setting server INFO with ClientAdvertise value of";
    assert_eq!(
        start("client_advertise: \"a:b:c\""),
        format!("{advertise} a:b:c, err=address a:b:c: too many colons in address")
    );
    assert_eq!(
        start("client_advertise: \"a:x\""),
        format!("{advertise} a:x, err=strconv.Atoi: parsing \"x\": invalid syntax")
    );
    assert_eq!(
        start("client_advertise: \"[::1\""),
        format!("{advertise} [::1, err=address [::1: missing ']' in address")
    );
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let errors = |text: &str| match firn_config::validate(&options(text)) {
        Ok(warnings) => warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        Err(errors) => errors.iter().map(|error| format!("error: {error}")).collect(),
    };
    let none: [&str; 0] = [];
    assert_eq!(errors(""), none);
    assert_eq!(
        errors("lame_duck_duration: \"30s\", lame_duck_grace_period: \"30s\""),
        ["error: lame duck grace period (30s) should be strictly lower than lame duck duration (30s)"]
    );
    assert_eq!(
        errors("max_payload: 100MB"),
        ["error: max_payload (104857600) cannot be higher than max_pending (67108864)"]
    );
    assert_eq!(
        errors("max_payload: 20MB"),
        ["Maximum payloads over 8.00 MB are generally discouraged and could lead to poor performance"]
    );
    assert_eq!(errors("no_auth_user: x"), ["error: no_auth_user: \"x\" present, but users/nkeys are not defined"]);
    let plain = "Plaintext passwords detected, use nkeys or bcrypt";
    let users = "authorization { users [ { user: a, password: b } ] }";
    assert_eq!(
        errors(&format!("no_auth_user: x, {users}")),
        ["error: no_auth_user: \"x\" not present as user or nkey in authorization block or account configuration"]
    );
    assert_eq!(errors(&format!("no_auth_user: a, {users}")), [plain]);
    assert_eq!(errors("authorization { user: a, password: b }"), [plain]);
    assert_eq!(errors("authorization { token: b }"), none);
    assert_eq!(errors("authorization { users [ { user: a, password: \"$2b$11$x\" } ] }"), none);
    assert_eq!(errors("authorization { users [ { user: a } ] }"), [plain]);
    assert_eq!(errors("tls { verify_and_map: true }, authorization { users [ { user: a } ] }"), none);
    assert_eq!(
        errors("tls { handshake_first: true }"),
        ["Clients that are not using \"TLS Handshake First\" option will fail to connect"]
    );
    assert_eq!(errors("tls { handshake_first: auto }"), none);
}

#[test]
fn only_the_outermost_key_of_a_missing_feature_is_refused() {
    let refused = |text: &str| match firn_config::read("c", &Text(text), &Checks::FORM) {
        Ok(_) => panic!("{text} was taken"),
        Err(rejection) => rejection.to_string(),
    };
    assert_eq!(refused("leafnodes { port: 1 }"), "not supported yet: leafnodes (c:1:0)");
    assert_eq!(
        refused("cluster { name: a, port: 1 }\njetstream: { store_dir: a }"),
        "not supported yet: cluster (c:1:0)\nnot supported yet: jetstream (c:2:1)"
    );
    assert_eq!(refused("accounts { A { jetstream: enabled } }"), "not supported yet: accounts.A (c:1:11)");
    assert_eq!(refused("accounts { $SYS { jetstream: enabled } }"), "not supported yet: jetstream (c:1:18)");
    assert_eq!(refused("accounts: [A, B]"), "not supported yet: accounts (c:1:0)");
    // What is wrong with values inside is said all the same, also after a block that was refused.
    assert_eq!(
        refused("leafnodes { port: a }\ngateway { port: 1 }"),
        "not supported yet: leafnodes (c:1:0)\nc:1:12: interface conversion: interface {} is string, not int64\n\
         not supported yet: gateway (c:2:1)"
    );
}
