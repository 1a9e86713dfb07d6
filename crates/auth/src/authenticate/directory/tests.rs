//! Who is let in, as seen from nats-server 2.15, and the advisories about who must not be.

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::permission::RulesSpec;

/// Of `s3cret`, at the lowest cost.
const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuLZYjhNQAOdpbzt4WxWlUHjv1wsyH5DG";
const NONCE: &str = "10nr30A6DA4ewSQ";
const ACCOUNT: AccountId = AccountId(7);

/// The outcome, with bcrypt run: account and user, or the reason. A wrong bcrypt password has no reason but itself.
fn run(directory: &Directory, credentials: &Credentials<'_>) -> Result<(AccountId, String), Rejection> {
    let identity = match directory.authenticate(credentials) {
        Outcome::Accepted(identity) => identity,
        Outcome::Anonymous => return Ok((AccountId::GLOBAL, String::new())),
        Outcome::Rejected(rejection) => return Err(rejection),
        Outcome::VerifyPassword(check) => check.run().ok_or(Rejection::WrongPassword)?,
    };
    Ok((identity.account, identity.name.to_string()))
}

fn check(directory: &Directory, credentials: Credentials<'_>, expected: Result<&str, Rejection>) {
    let actual = run(directory, &credentials).map(|(_, user)| user);
    assert_eq!(actual, expected.map(str::to_owned));
}

fn check_error(spec: &DirectorySpec, expected: &str) {
    assert_eq!(Directory::new(spec).unwrap_err().to_string(), expected);
}

const fn nothing() -> Credentials<'static> {
    Credentials {
        user: None,
        password: None,
        token: None,
        nkey: None,
        signature: None,
        proxy_signature: None,
        jwt: None,
        nonce: Some(NONCE),
        certificate: None,
        connection_type: ConnectionType::Standard,
    }
}

fn password<'a>(user: &'a str, pass: &'a str) -> Credentials<'a> {
    Credentials { user: Some(user), password: Some(pass), ..nothing() }
}

fn user(name: &str, password: &str) -> UserSpec {
    let password = Some(password).filter(|text| !text.is_empty()).map(Secret::from);
    spec_of(Login::Password { user: name.to_owned(), password })
}

fn spec_of(login: Login) -> UserSpec {
    UserSpec { login, permissions: None, connection_types: ConnectionTypes::NONE, proxy_required: false }
}

fn users(users: impl IntoIterator<Item = UserSpec>) -> DirectorySpec {
    let users = Some(users.into_iter().collect());
    DirectorySpec {
        authorization: Some(AuthorizationSpec { users, ..AuthorizationSpec::default() }),
        ..DirectorySpec::default()
    }
}

fn account(account: AccountId, users: impl IntoIterator<Item = UserSpec>) -> AccountSpec {
    AccountSpec { account, users: users.into_iter().collect(), default_permissions: None }
}

fn single(name: &str, password: &str) -> AuthorizationSpec {
    let single = Some(SingleUserSpec { user: name.to_owned(), password: password.into() });
    AuthorizationSpec { single, ..AuthorizationSpec::default() }
}

fn token(token: &str) -> AuthorizationSpec {
    AuthorizationSpec { token: Some(token.into()), ..AuthorizationSpec::default() }
}

fn authorization(authorization: AuthorizationSpec) -> DirectorySpec {
    DirectorySpec { authorization: Some(authorization), ..DirectorySpec::default() }
}

fn directory(spec: &DirectorySpec) -> Directory {
    Directory::new(spec).unwrap()
}

/// A key pair, its public nkey and its signature of the nonce.
fn nkey(seed: u8) -> (String, String) {
    let signer = SigningKey::from_bytes(&[seed; 32]);
    let key = PublicKey::new(Role::User, signer.verifying_key().to_bytes());
    (key.to_string(), BASE64URL_NOPAD.encode(&signer.sign(NONCE.as_bytes()).to_bytes()))
}

fn certificate(names: &[&str], subject: &str) -> CertificateNames {
    CertificateNames {
        names: names.iter().map(|&name| name.to_owned()).collect(),
        subject: DistinguishedName::parse(subject),
        subject_texts: vec![subject.to_owned()],
    }
}

#[test]
fn without_users_everybody_is_let_in_and_credentials_are_ignored() {
    for spec in [
        DirectorySpec::default(),
        authorization(AuthorizationSpec::default()),
        users([]),
        authorization(single("", "password without user")),
        DirectorySpec { accounts: vec![account(ACCOUNT, [])], ..DirectorySpec::default() },
    ] {
        let directory = directory(&spec);
        check(&directory, nothing(), Ok(""));
        check(&directory, password("whoever", "x"), Ok(""));
        assert!(!directory.is_required() && !directory.announces_auth() && !directory.needs_nonce());
    }
}

#[test]
fn users_prove_themselves_by_password() {
    let directory = directory(&users([user("a", "p"), user("hashed", HASH), user("open", "")]));
    check(&directory, password("a", "p"), Ok("a"));
    check(&directory, password("hashed", "s3cret"), Ok("hashed"));
    check(&directory, password("open", ""), Ok("open"));
    for (name, pass) in [("a", "x"), ("a", ""), ("b", "p"), ("hashed", "x"), ("hashed", HASH), ("open", "x")] {
        check(&directory, password(name, pass), Err(Rejection::WrongPassword));
    }
    check(&directory, nothing(), Err(Rejection::NoCredentials));
    check(&directory, Credentials { token: Some("p"), ..nothing() }, Err(Rejection::NoCredentials));
    assert!(directory.announces_auth() && !directory.needs_nonce());
}

#[test]
fn a_single_user_or_a_token_is_in_the_global_account() {
    let single_user = directory(&authorization(single("a", "p")));
    assert_eq!(run(&single_user, &password("a", "p")), Ok((AccountId::GLOBAL, "a".to_owned())));
    check(&single_user, password("a", "x"), Err(Rejection::WrongPassword));
    check(&single_user, password("b", "p"), Err(Rejection::UnknownUser));
    check(&single_user, nothing(), Err(Rejection::UnknownUser));
    for secret in ["s3cret", HASH] {
        let directory = directory(&authorization(token(secret)));
        check(&directory, Credentials { token: Some("s3cret"), ..nothing() }, Ok("[REDACTED]"));
        check(&directory, Credentials { token: Some("s3cret"), user: Some("x"), ..nothing() }, Ok("[REDACTED]"));
        check(&directory, Credentials { token: Some("x"), ..nothing() }, Err(Rejection::WrongPassword));
        check(&directory, password("s3cret", "s3cret"), Err(Rejection::WrongPassword));
        check(&directory, nothing(), Err(Rejection::WrongPassword));
    }
}

#[test]
fn what_begins_like_a_hash_and_is_none_matches_nothing() {
    let directory = directory(&authorization(token("$2a$10$xx")));
    for text in ["$2a$10$xx", ""] {
        check(&directory, Credentials { token: Some(text), ..nothing() }, Err(Rejection::WrongPassword));
    }
}

#[test]
fn nkeys_prove_themselves_by_signing_the_nonce() {
    let ((key, signature), (other_key, other_signature)) = (nkey(1), nkey(2));
    let directory = directory(&users([spec_of(Login::Nkey(key.clone())), user("a", "p")]));
    assert!(directory.needs_nonce());
    let with = |nkey, signature| Credentials { nkey: Some(nkey), signature, ..nothing() };
    check(&directory, with(&key, Some(&signature)), Ok(&key));
    check(&directory, with(&key, None), Err(Rejection::SignatureMissing));
    check(&directory, with(&key, Some("")), Err(Rejection::SignatureMissing));
    check(&directory, with(&key, Some("%%")), Err(Rejection::SignatureInvalid));
    check(&directory, with(&key, Some(&other_signature)), Err(Rejection::SignatureInvalid));
    check(
        &directory,
        Credentials { nonce: Some("another"), ..with(&key, Some(&signature)) },
        Err(Rejection::SignatureInvalid),
    );
    let signer = SigningKey::from_bytes(&[1; 32]);
    let of_nothing = BASE64URL_NOPAD.encode(&signer.sign(b"").to_bytes());
    for nonce in [None, Some("")] {
        let credentials = Credentials { nonce, ..with(&key, Some(&of_nothing)) };
        check(&directory, credentials, Err(Rejection::SignatureInvalid));
    }
    check(&directory, with(&other_key, Some(&other_signature)), Err(Rejection::UnknownNkey));
    // An nkey that is sent decides, whatever else is.
    check(&directory, Credentials { nkey: Some(&other_key), ..password("a", "p") }, Err(Rejection::UnknownNkey));
    check(&directory, password("a", "p"), Ok("a"));
}

#[test]
fn a_no_auth_user_stands_in_where_nothing_was_sent() {
    let (key, _) = nkey(1);
    for name in ["a", "hashed", key.as_str()] {
        let all = [user("a", "p"), user("hashed", HASH), spec_of(Login::Nkey(key.clone()))];
        let directory = directory(&DirectorySpec { no_auth_user: Some(name.to_owned()), ..users(all) });
        check(&directory, nothing(), Ok(name));
        check(&directory, Credentials { user: Some(""), password: Some(""), ..nothing() }, Ok(name));
        check(&directory, password("a", "p"), Ok("a"));
        check(&directory, password("a", "x"), Err(Rejection::WrongPassword));
        check(&directory, Credentials { password: Some("x"), ..nothing() }, Err(Rejection::NoCredentials));
        check(&directory, Credentials { token: Some("x"), ..nothing() }, Err(Rejection::NoCredentials));
        assert!(directory.is_required() && !directory.announces_auth());
    }
}

#[test]
fn users_of_accounts_are_in_their_account() {
    let spec = DirectorySpec {
        accounts: vec![account(ACCOUNT, [user("a", "p")]), account(AccountId::SYSTEM, [user("s", "p")])],
        ..users([user("g", "p")])
    };
    let directory = directory(&spec);
    assert_eq!(run(&directory, &password("a", "p")), Ok((ACCOUNT, "a".to_owned())));
    assert_eq!(run(&directory, &password("s", "p")), Ok((AccountId::SYSTEM, "s".to_owned())));
    assert_eq!(run(&directory, &password("g", "p")), Ok((AccountId::GLOBAL, "g".to_owned())));
}

#[test]
fn default_permissions_are_for_users_without_their_own() {
    let permissions = |deny: &str| PermissionsSpec {
        publish: Some(RulesSpec { allow: None, deny: vec![deny.to_owned()] }),
        ..PermissionsSpec::default()
    };
    let own = UserSpec { permissions: Some(permissions("own")), ..user("own", "") };
    let spec = DirectorySpec {
        authorization: Some(AuthorizationSpec {
            users: Some(vec![own, user("other", "")]),
            default_permissions: Some(permissions("default")),
            ..AuthorizationSpec::default()
        }),
        accounts: vec![account(ACCOUNT, [user("elsewhere", "")])],
        ..DirectorySpec::default()
    };
    let directory = directory(&spec);
    let may = |name: &str, subject: &str| {
        let Outcome::Accepted(identity) = directory.authenticate(&password(name, "")) else { panic!("{name}") };
        identity.permissions.as_ref().map(|permissions| permissions.may_publish(subject.as_bytes()))
    };
    assert_eq!((may("own", "own"), may("own", "default")), (Some(false), Some(true)));
    assert_eq!((may("other", "own"), may("other", "default")), (Some(true), Some(false)));
    assert_eq!(may("elsewhere", "default"), None);
}

#[test]
fn users_may_be_restricted_to_ways_of_connecting() {
    let only = ConnectionTypes::NONE.with(ConnectionType::Websocket);
    let (key, signature) = nkey(1);
    let nkey_user = UserSpec { connection_types: only, ..spec_of(Login::Nkey(key.clone())) };
    let directory = directory(&users([UserSpec { connection_types: only, ..user("a", "p") }, nkey_user]));
    let by_nkey = Credentials { nkey: Some(&key), signature: Some(&signature), ..nothing() };
    check(&directory, password("a", "p"), Err(Rejection::UnknownUser));
    check(&directory, by_nkey, Err(Rejection::UnknownNkey));
    let connection_type = ConnectionType::Websocket;
    check(&directory, Credentials { connection_type, ..password("a", "p") }, Ok("a"));
    check(&directory, Credentials { connection_type, ..by_nkey }, Ok(&key));
}

#[test]
fn users_may_be_restricted_to_trusted_proxies() {
    let ((proxy, signature), (_, other_signature)) = (nkey(1), nkey(2));
    let mut spec = users([UserSpec { proxy_required: true, ..user("a", "p") }, user("b", "p")]);
    check(&directory(&spec), password("a", "p"), Err(Rejection::ProxyRequired));
    // Nobody's signature matters while no proxy is trusted.
    check(&directory(&spec), Credentials { proxy_signature: Some("%"), ..password("b", "p") }, Ok("b"));
    spec.trusted_proxies = vec![proxy];
    let directory = directory(&spec);
    assert!(directory.needs_nonce());
    check(&directory, password("a", "p"), Err(Rejection::ProxyRequired));
    check(&directory, password("b", "p"), Ok("b"));
    check(&directory, Credentials { proxy_signature: Some(&signature), ..password("a", "p") }, Ok("a"));
    for bad in ["%", other_signature.as_str()] {
        check(
            &directory,
            Credentials { proxy_signature: Some(bad), ..password("b", "p") },
            Err(Rejection::ProxyNotTrusted),
        );
    }
    let single = AuthorizationSpec { proxy_required: true, ..single("a", "p") };
    check(&self::directory(&authorization(single)), password("a", "p"), Err(Rejection::ProxyRequired));
}

#[test]
fn certificates_name_users_by_san_then_by_subject() {
    let subject = "CN=client,O=Acme";
    let spec = DirectorySpec {
        certificate_mapped: ConnectionTypes::NONE.with(ConnectionType::Standard).with(ConnectionType::InProcess),
        ..users([user("me@acme.test", ""), user("host.acme.test", ""), user(subject, ""), user("CN=x,OU=y", "p")])
    };
    let directory = directory(&spec);
    let check = |names: &[&str], subject: &str, expected: Result<&str, Rejection>| {
        let certificate = certificate(names, subject);
        check(&directory, Credentials { certificate: Some(&certificate), ..nothing() }, expected);
    };
    check(&["me@acme.test", "host.acme.test"], subject, Ok("me@acme.test"));
    check(&["other@acme.test", "host.acme.test"], subject, Ok("host.acme.test"));
    check(&["other@acme.test"], subject, Ok(subject));
    check(&[], "O=Acme,CN=client", Ok(subject));
    check(&[], r"cn=\63lient , O=Acme", Ok(subject));
    check(&[], "CN=client", Err(Rejection::CertificateUnknown));
    check(&[], "CN=client,O=Acme,OU=extra", Err(Rejection::CertificateUnknown));
    // A configured password is asked for all the same.
    check(&[], "CN=x,OU=y", Err(Rejection::WrongPassword));
}

#[test]
fn a_mapped_listener_takes_nothing_but_certificates() {
    let spec = DirectorySpec {
        certificate_mapped: ConnectionTypes::NONE.with(ConnectionType::Standard),
        no_auth_user: Some("b".to_owned()),
        ..users([user("a", ""), user("b", ""), user("c", "p")])
    };
    let directory = directory(&spec);
    check(&directory, nothing(), Err(Rejection::CertificateMissing));
    check(&directory, password("a", ""), Err(Rejection::CertificateMissing));
    let nameless = CertificateNames::default();
    check(&directory, Credentials { certificate: Some(&nameless), ..nothing() }, Err(Rejection::CertificateUnknown));
    // Elsewhere, a user for whom a certificate stands is not let in by an empty password.
    let connection_type = ConnectionType::Websocket;
    check(&directory, Credentials { connection_type, ..password("a", "") }, Err(Rejection::CertificateRequired));
    check(&directory, Credentials { connection_type, ..password("b", "") }, Ok("b"));
    check(&directory, Credentials { connection_type, ..password("c", "p") }, Ok("c"));
}

#[test]
fn unknown_users_cost_a_bcrypt_where_known_ones_do() {
    let hashed = directory(&users([user("hashed", HASH), user("plain", "p")]));
    let is_work = |credentials| matches!(hashed.authenticate(&credentials), Outcome::VerifyPassword(_));
    for (name, pass) in [("hashed", "s3cret"), ("hashed", "x"), ("nobody", "s3cret"), ("plain", "s3cret")] {
        assert!(is_work(password(name, pass)), "{name} {pass}");
    }
    check(&hashed, password("nobody", "s3cret"), Err(Rejection::WrongPassword));
    check(&hashed, password("plain", "s3cret"), Err(Rejection::WrongPassword));
    let plain = directory(&users([user("plain", "p")]));
    check(&plain, password("nobody", "s3cret"), Err(Rejection::UnknownUser));
}

#[test]
fn contradictions_are_told_as_nats_server_does() {
    let both = AuthorizationSpec { token: Some("t".into()), ..single("a", "p") };
    check_error(&authorization(both), "Cannot have a user/pass and token");
    let both = AuthorizationSpec { users: Some(Vec::new()), ..single("a", "p") };
    check_error(&authorization(both), "Can not have a single user/pass and a users array");
    let both = AuthorizationSpec { users: Some(Vec::new()), ..token("t") };
    check_error(&authorization(both), "Can not have a token and a users array");
    let accounts = vec![account(ACCOUNT, [user("a", "p")])];
    check_error(
        &DirectorySpec { accounts: accounts.clone(), ..authorization(single("b", "p")) },
        "Can not have a single user/pass and a users array",
    );
    check_error(
        &DirectorySpec { accounts: accounts.clone(), ..authorization(token("t")) },
        "Can not have a token and a users array",
    );
    let (key, _) = nkey(1);
    check_error(&users([user("a", ""), user("a", "")]), r#"Duplicate user "a" detected"#);
    check_error(&DirectorySpec { accounts, ..users([user("a", "")]) }, r#"Duplicate user "a" detected"#);
    let twice = [spec_of(Login::Nkey(key.clone())), spec_of(Login::Nkey(key.clone()))];
    check_error(&users(twice), &format!("Duplicate nkey {key:?} detected"));
    check_error(&users([user("", "p")]), "User entry requires a user");
    let account_key = PublicKey::new(Role::Account, [7; 32]).to_string();
    for text in ["abc".to_owned(), account_key] {
        check_error(&users([spec_of(Login::Nkey(text))]), "Not a valid public nkey for a user");
    }
    let no_auth_user = Some("b".to_owned());
    check_error(
        &DirectorySpec { no_auth_user: no_auth_user.clone(), ..authorization(single("b", "p")) },
        "no_auth_user: \"b\" present, but users/nkeys are not defined",
    );
    check_error(
        &DirectorySpec { no_auth_user, ..users([user("a", "")]) },
        "no_auth_user: \"b\" not present as user or nkey in authorization block or account configuration",
    );
    let spec = DirectorySpec { trusted_proxies: vec!["xx".to_owned()], ..DirectorySpec::default() };
    check_error(&spec, r#"invalid proxy key "xx""#);
    let publish = Some(RulesSpec { allow: Some(vec!["a b".to_owned()]), deny: Vec::new() });
    let permissions = Some(PermissionsSpec { publish, ..PermissionsSpec::default() });
    check_error(&users([UserSpec { permissions, ..user("a", "") }]), r#"subject "a b" is not a valid subject"#);
}

#[test]
fn users_of_the_system_account_alone_leave_the_server_open() {
    let system = account(AccountId::SYSTEM, [user("s", "p")]);
    let alone = directory(&DirectorySpec { accounts: vec![system], ..DirectorySpec::default() });
    assert_eq!(run(&alone, &nothing()), Ok((AccountId::GLOBAL, String::new())));
    assert_eq!(run(&alone, &password("s", "p")), Ok((AccountId::SYSTEM, "s".to_owned())));
    check(&alone, password("x", ""), Err(Rejection::UnknownUser));
    check(&alone, Credentials { password: Some("x"), ..nothing() }, Err(Rejection::NoCredentials));
    check(&alone, Credentials { nkey: Some("U"), ..nothing() }, Ok(""));
    assert!(alone.announces_auth());
}

/// Users of the system account let everybody else in, where the configuration asked for credentials.
#[test]
fn cve_2023_47090_system_users_open_no_server_that_asks_for_credentials() {
    let system = || account(AccountId::SYSTEM, [user("s", "p")]);
    for spec in [
        DirectorySpec { accounts: vec![system()], ..users([user("a", "p")]) },
        DirectorySpec { accounts: vec![system()], ..authorization(AuthorizationSpec::default()) },
        DirectorySpec { accounts: vec![system(), account(ACCOUNT, [])], ..DirectorySpec::default() },
    ] {
        check(&directory(&spec), nothing(), Err(Rejection::NoCredentials));
    }
}

/// The stand-in user was taken without asking how it may connect.
#[test]
fn advisory_2026_24_a_no_auth_user_keeps_its_restrictions() {
    let (key, _) = nkey(1);
    let restricted = |spec| UserSpec { connection_types: ConnectionTypes::NONE.with(ConnectionType::Mqtt), ..spec };
    let proxied = |spec| UserSpec { proxy_required: true, ..spec };
    let nkey_user = || spec_of(Login::Nkey(key.clone()));
    for (spec, name, expected) in [
        (restricted(user("a", "")), "a", Rejection::UnknownUser),
        (proxied(user("a", "")), "a", Rejection::ProxyRequired),
        (restricted(nkey_user()), key.as_str(), Rejection::UnknownNkey),
        (proxied(nkey_user()), key.as_str(), Rejection::ProxyRequired),
    ] {
        let spec = DirectorySpec { no_auth_user: Some(name.to_owned()), ..users([spec]) };
        check(&directory(&spec), nothing(), Err(expected));
    }
}

#[test]
fn nothing_printed_holds_a_secret() {
    let spec = users([user("a", "s3cret"), user("b", HASH)]);
    let directory = directory(&spec);
    let outcome = directory.authenticate(&password("b", "s3cret"));
    let printed = format!("{spec:?} {directory:?} {outcome:?} {:?}", authorization(token("s3cret")));
    assert!(!printed.contains("s3cret") && !printed.contains(HASH), "{printed}");
}
