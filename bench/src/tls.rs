//! A certificate made for one comparison, for the servers' listener and the load generator's trust.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{CertificateParams, KeyPair, SanType};
use rustls::crypto::aws_lc_rs;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};

/// A self-signed certificate for 127.0.0.1 (ECDSA P-256), and a client that trusts it and speaks TLS 1.3 only.
pub(crate) struct Tls {
    pub(crate) client: Arc<ClientConfig>,
    /// A server configuration that names the certificate; understood by both servers.
    pub(crate) server_config: PathBuf,
}

impl Tls {
    /// Makes the certificate and writes the server's files into `directory`.
    pub(crate) fn generate(directory: &Path) -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST))];
        let certificate = params.self_signed(&key)?;

        let certificate_file = directory.join("certificate.pem");
        let key_file = directory.join("key.pem");
        let server_config = directory.join("tls.conf");
        let config = format!(
            "tls {{\n  cert_file: \"{}\"\n  key_file: \"{}\"\n  timeout: 10\n}}\n",
            certificate_file.display(),
            key_file.display()
        );
        for (file, text) in
            [(&certificate_file, certificate.pem()), (&key_file, key.serialize_pem()), (&server_config, config)]
        {
            std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
        }

        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone())?;
        let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { client: Arc::new(client), server_config })
    }
}
