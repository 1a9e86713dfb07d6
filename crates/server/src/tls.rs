//! TLS for clients: certificates and rules from files, and the handshake.
//!
//! What rustls does not have (TLS below 1.2, cipher suites without forward secrecy or authenticated encryption, curves
//! out of use) is refused by name when the configuration is read, never silently left out.
//!
//! Not here: who a certificate's holder is; the directory of users decides by the names that are taken out here.

mod algorithms;
pub(crate) mod certificate;
mod handshake;
mod rate;

use std::{fs, path::Path, sync::Arc, time::Duration};

use firn_config::{HandshakeFirst, TlsMinVersion, TlsOptions};
use firn_id::Timestamp;
use rustls::{
    RootCertStore, ServerConfig,
    client::verify_server_name,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsAcceptor;

pub(crate) use self::handshake::{Failure, Opened, open};
use self::rate::RateLimit;

/// From how long before its end on an operator is told of a certificate.
const EXPIRES_SOON: Duration = Duration::from_hours(14 * 24);

/// TLS as the listener does it; a reload makes another.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    https: TlsAcceptor,
    timeout: Duration,
    handshake_first: HandshakeFirst,
    allow_non_tls: bool,
    maps_certificates: bool,
    /// Hexadecimal, sorted; empty is any key.
    pinned: Vec<String>,
    rate: Option<RateLimit>,
    /// The end of the certificate that ends first.
    pub(crate) not_after: Option<Timestamp>,
}

impl Tls {
    /// Opens the files of the options.
    ///
    /// # Errors
    /// The operator's fault, with its place in the configuration.
    pub(crate) fn load(options: &TlsOptions, allow_non_tls: bool) -> Result<Tls, String> {
        Tls::build(options, allow_non_tls).map_err(|problem| match &options.position {
            Some(position) => format!("{position}: {problem}"),
            None => problem,
        })
    }

    fn build(options: &TlsOptions, allow_non_tls: bool) -> Result<Tls, String> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: algorithms::cipher_suites(&options.cipher_suites)?,
            kx_groups: algorithms::curves(&options.curve_preferences)?,
            ..rustls::crypto::aws_lc_rs::default_provider()
        });
        let versions: &[_] = match options.min_version {
            TlsMinVersion::V1_2 => &[&TLS13, &TLS12],
            TlsMinVersion::V1_3 => &[&TLS13],
        };
        let certificates = Certificates::load(options, &provider)?;
        let not_after = certificates.not_after();
        let resolver = Arc::new(certificates);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?;
        let https = builder.clone().with_no_client_auth().with_cert_resolver(resolver.clone());
        let clients = if options.verify {
            let roots = Arc::new(load_roots(options)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| error.to_string())?)
        } else {
            builder.with_no_client_auth()
        };
        Ok(Tls {
            acceptor: TlsAcceptor::from(Arc::new(clients.with_cert_resolver(resolver))),
            https: TlsAcceptor::from(Arc::new(https)),
            timeout: options.timeout,
            handshake_first: options.handshake_first,
            allow_non_tls,
            maps_certificates: options.verify_and_map,
            pinned: options.pinned_certs.clone(),
            rate: RateLimit::new(options.connection_rate_limit),
            not_after,
        })
    }

    /// Whether a client with this certificate may stay.
    pub(crate) fn admits(&self, certificate: Option<&[u8]>) -> bool {
        let sum = || certificate.and_then(certificate::key_sum);
        self.pinned.is_empty() || sum().is_some_and(|sum| self.pinned.binary_search(&sum).is_ok())
    }

    /// For HTTPS, which demands no certificates of clients.
    pub(crate) fn https(&self) -> TlsAcceptor {
        self.https.clone()
    }

    /// Warns of a certificate that ends soon or has ended.
    pub(crate) fn warn_of_end(&self, now: Timestamp) {
        let Some(end) = self.not_after else { return };
        if end <= now {
            tracing::warn!("The TLS certificate expired at {end}");
        } else if end.since(now) < EXPIRES_SOON {
            tracing::warn!("The TLS certificate expires at {end}");
        }
    }
}

/// The server's certificates with their keys.
#[derive(Debug)]
struct Certificates(Vec<Arc<CertifiedKey>>);

impl Certificates {
    fn load(options: &TlsOptions, provider: &CryptoProvider) -> Result<Self, String> {
        let invalid = |error: &dyn std::fmt::Display| format!("error parsing X509 certificate/key pair: {error}");
        let mut keys = Vec::new();
        for files in &options.certificates {
            let chain = pem_certificates(&read(&files.cert_file).map_err(|error| invalid(&error))?);
            let key = read(&files.key_file).map_err(|error| invalid(&error))?;
            let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| invalid(&error))?;
            if chain.is_empty() {
                return Err(invalid(&format!("no certificate in {}", files.cert_file)));
            }
            let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| invalid(&error))?;
            keys.push(Arc::new(certified));
        }
        if keys.is_empty() {
            return Err("TLS needs a certificate: cert_file and key_file".to_owned());
        }
        Ok(Certificates(keys))
    }

    fn not_after(&self) -> Option<Timestamp> {
        self.0.iter().filter_map(|key| certificate::not_after(key.cert.first()?)).min()
    }
}

impl ResolvesServerCert for Certificates {
    /// The first that the client can verify, preferably one for the name it asks for.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let usable = || self.0.iter().filter(|key| key.key.choose_scheme(schemes).is_some());
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| usable().find(|key| is_for(key, &name)));
        named.or_else(|| usable().next()).cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    key.cert
        .first()
        .and_then(|certificate| ParsedCertificate::try_from(certificate).ok())
        .is_some_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

fn load_roots(options: &TlsOptions) -> Result<RootCertStore, String> {
    let Some(file) = &options.ca_file else {
        return Err("verify needs a ca_file with the authorities that sign the clients' certificates".to_owned());
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(pem_certificates(&read(file)?));
    if added == 0 {
        return Err("failed to parse root ca certificate".to_owned());
    }
    Ok(roots)
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(Path::new(path)).map_err(|error| crate::source::cannot_read(path, &error))
}

/// The certificates of a PEM file, up to the first that is none.
fn pem_certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).map_while(Result::ok).collect()
}
