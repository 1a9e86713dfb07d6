//! The matrix of TLS: who comes first, who must show what, and what becomes of those who do not.

use std::{sync::Arc, time::Duration};

use firn_config::{HandshakeFirst, TlsCertificate, TlsMinVersion, TlsOptions};
use firn_server::{Options, Running, Server};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::client::{Client, Folder, soon};

/// An authority with a server's certificate and one of a client, made on the spot so that none of them expires.
struct Keys {
    folder: Folder,
    authority: CertifiedIssuer<'static, KeyPair>,
    client: (String, String),
    client_key_sum: String,
    options: TlsOptions,
}

impl Keys {
    fn new(name: &str) -> Keys {
        let folder = Folder::new(name);
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let (certificate, key) = issue(&authority, server_params());
        let options = TlsOptions {
            certificates: vec![TlsCertificate {
                cert_file: folder.write("server.pem", &certificate),
                key_file: folder.write("server.key", &key.serialize_pem()),
            }],
            ca_file: Some(folder.write("ca.pem", &authority.pem())),
            ..TlsOptions::default()
        };
        let (certificate, key) = issue(&authority, client_params());
        let client_key_sum =
            data_encoding::HEXLOWER.encode(&Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key)));
        Keys { folder, authority, client: (certificate, key.serialize_pem()), client_key_sum, options }
    }

    /// For a client that trusts this authority, and shows this certificate with its key.
    fn connector(
        &self,
        shown: Option<&(String, String)>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match shown {
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        TlsConnector::from(Arc::new(config))
    }
}

fn issue(authority: &CertifiedIssuer<'static, KeyPair>, params: CertificateParams) -> (String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key)
}

fn server_params() -> CertificateParams {
    CertificateParams::new(["localhost".to_owned()]).unwrap()
}

fn client_params() -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.subject_alt_names = vec![
        SanType::DnsName("client.example.org".try_into().unwrap()),
        SanType::Rfc822Name("client@example.org".try_into().unwrap()),
    ];
    params.distinguished_name.push(DnType::OrganizationName, "Acme");
    params.distinguished_name.push(DnType::CommonName, "client");
    params
}

async fn start(tls: TlsOptions, change: impl Fn(&mut Options) + Send + Sync + 'static) -> Running {
    let builder = Server::builder().host("127.0.0.1").port(-1);
    let builder = builder.options(move |options| options.tls = Some(tls.clone())).options(change);
    builder.start().await.unwrap()
}

/// The client's side of a handshake on a socket.
async fn secure(connector: &TlsConnector, stream: TcpStream) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let name = ServerName::try_from("localhost").unwrap();
    soon(connector.connect(name, stream)).await.map(Client::new)
}

/// Whether a client comes in that waits for `INFO` first.
async fn comes_in(server: &Running, connector: &TlsConnector, fields: &str) -> bool {
    let mut plain = Client::connect(server.client_address()).await;
    plain.info().await;
    let Ok(mut client) = secure(connector, plain.into_inner()).await else { return false };
    client.send(&format!("CONNECT {{\"verbose\":false{fields}}}\r\nPING\r\n")).await;
    client.line().await.as_deref() == Some("PONG")
}

#[tokio::test]
async fn both_versions_are_spoken_and_the_old_one_can_be_refused() {
    let keys = Keys::new("tls-versions");
    let (old, new) = (keys.connector(None, &[&TLS12]), keys.connector(None, &[&TLS13]));
    let server = start(keys.options.clone(), |_| ()).await;
    let mut plain = Client::connect(server.client_address()).await;
    assert!(plain.info().await.contains("\"tls_required\":true"));
    assert!(comes_in(&server, &old, "").await);
    assert!(comes_in(&server, &new, "").await);
    soon(server.shutdown()).await;

    let server = start(TlsOptions { min_version: TlsMinVersion::V1_3, ..keys.options.clone() }, |_| ()).await;
    assert!(!comes_in(&server, &old, "").await);
    assert!(comes_in(&server, &new, "").await);
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn who_does_not_speak_tls_is_dropped_unless_it_is_allowed() {
    let keys = Keys::new("tls-plain");
    let server = start(keys.options.clone(), |_| ()).await;
    let mut client = Client::connect(server.client_address()).await;
    client.info().await;
    client.send("CONNECT {\"verbose\":false}\r\nPING\r\n").await;
    while let Some(line) = client.line().await {
        assert!(!line.contains("PONG"));
    }
    soon(server.shutdown()).await;

    let server = start(keys.options.clone(), |options| options.allow_non_tls = true).await;
    let mut client = Client::connect(server.client_address()).await;
    let info = client.info().await;
    assert!(info.contains("\"tls_available\":true") && !info.contains("tls_required"), "{info}");
    client.sign_in("").await;
    assert!(comes_in(&server, &keys.connector(None, &[&TLS13]), "").await);
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn certificates_of_clients_are_verified_and_pinned() {
    let keys = Keys::new("tls-verify");
    let (with, without) = (keys.connector(Some(&keys.client), &[&TLS13]), keys.connector(None, &[&TLS13]));
    let verify = TlsOptions { verify: true, ..keys.options.clone() };
    let server = start(verify.clone(), |_| ()).await;
    assert!(comes_in(&server, &with, "").await);
    assert!(!comes_in(&server, &without, "").await);
    let stranger = Keys::new("tls-stranger");
    let foreign = keys.connector(Some(&stranger.client), &[&TLS13]);
    assert!(!comes_in(&server, &foreign, "").await, "signed by somebody else");
    soon(server.shutdown()).await;

    for (sum, expected) in [(keys.client_key_sum.clone(), true), ("0".repeat(64), false)] {
        let server = start(TlsOptions { pinned_certs: vec![sum], ..verify.clone() }, |_| ()).await;
        assert_eq!(comes_in(&server, &with, "").await, expected);
        soon(server.shutdown()).await;
    }
}

#[tokio::test]
async fn a_certificate_says_which_user_its_holder_is() {
    let keys = Keys::new("tls-map");
    let with = keys.connector(Some(&keys.client), &[&TLS13]);
    for (user, expected) in [
        ("client@example.org", true),
        ("client.example.org", true),
        ("CN=client,O=Acme", true),
        ("O=Acme,CN=client", true),
        ("CN=client", false),
        ("other@example.org", false),
    ] {
        let files = keys.options.certificates[0].clone();
        let config = format!(
            "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify_and_map: true }}\n\
             authorization {{ users: [ {{user: {user:?}}} ] }}",
            files.cert_file,
            files.key_file,
            keys.options.ca_file.as_ref().unwrap()
        );
        let file = keys.folder.write("map.conf", &config);
        let server = Server::builder().config_file(file).host("127.0.0.1").port(-1).start().await.unwrap();
        assert_eq!(comes_in(&server, &with, "").await, expected, "{user}");
        soon(server.shutdown()).await;
    }
}

#[tokio::test]
async fn the_handshake_may_come_first() {
    let keys = Keys::new("tls-first");
    let connector = keys.connector(None, &[&TLS13]);
    let first = TlsOptions { handshake_first: HandshakeFirst::Yes, ..keys.options.clone() };
    let auto =
        TlsOptions { handshake_first: HandshakeFirst::Fallback(Duration::from_millis(50)), ..keys.options.clone() };
    for (options, waits_are_served) in [(first, false), (auto, true)] {
        let server = start(options, |_| ()).await;
        let stream = TcpStream::connect(server.client_address()).await.unwrap();
        let mut client = secure(&connector, stream).await.unwrap();
        client.info().await;
        client.sign_in("").await;
        if waits_are_served {
            assert!(comes_in(&server, &connector, "").await);
        }
        soon(server.shutdown()).await;
    }
}

#[tokio::test]
async fn too_many_handshakes_in_a_second_are_refused_by_name() {
    let keys = Keys::new("tls-rate");
    let timeout = Duration::from_millis(20);
    let server = start(TlsOptions { connection_rate_limit: 1, timeout, ..keys.options.clone() }, |_| ()).await;
    // One is let in and says nothing, until it is dropped; a further one in the same second is told.
    soon(async {
        loop {
            let mut client = Client::connect(server.client_address()).await;
            client.info().await;
            if let Some(line) = client.line().await {
                assert_eq!(line, "-ERR 'Connection throttling is active. Please try again later.'");
                return client.expect_end().await;
            }
        }
    })
    .await;
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn a_silent_client_is_dropped_at_the_handshakes_timeout() {
    let keys = Keys::new("tls-silent");
    let server = start(TlsOptions { timeout: Duration::from_millis(50), ..keys.options.clone() }, |_| ()).await;
    let mut client = Client::connect(server.client_address()).await;
    client.info().await;
    client.expect_end().await;
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn a_reload_takes_the_new_certificate() {
    let keys = Keys::new("tls-reload");
    let files = keys.options.certificates[0].clone();
    let config = format!("tls {{ cert_file: {:?}, key_file: {:?} }}", files.cert_file, files.key_file);
    let file = keys.folder.write("server.conf", &config);
    let server = Server::builder().config_file(file).host("127.0.0.1").port(-1).start().await.unwrap();
    let connector = keys.connector(None, &[&TLS13]);
    assert!(comes_in(&server, &connector, "").await);
    let stranger = Keys::new("tls-reload-other");
    let (certificate, key) = issue(&stranger.authority, server_params());
    keys.folder.write("server.pem", &certificate);
    keys.folder.write("server.key", &key.serialize_pem());
    server.reload().unwrap();
    assert!(!comes_in(&server, &connector, "").await, "the old certificate is shown no more");
    assert!(comes_in(&server, &stranger.connector(None, &[&TLS13]), "").await);
    soon(server.shutdown()).await;
}
