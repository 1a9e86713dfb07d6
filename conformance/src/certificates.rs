//! Certificates for the TLS suites: an authority, a server, a client, and a client of another authority.
//!
//! | file | subject |
//! |---|---|
//! | `ca.pem` | the authority of `server` and `client` |
//! | `server.pem`, `server-key.pem` | `localhost`, `127.0.0.1` |
//! | `client.pem`, `client-key.pem` | `CN=client,O=Acme`, name `app.acme.test` |
//! | `stranger.pem`, `stranger-key.pem` | the same names from an authority of its own |

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

use crate::environment::{self, LeftOut};

/// The folder with the files above, which are made on first use.
///
/// # Errors
/// If they cannot be made.
pub fn folder() -> Result<PathBuf, LeftOut> {
    let folder = environment::cache().join("certificates");
    environment::exclusively(|| {
        // Written last, so its presence says that all others are complete.
        if !folder.join("stranger.pem").exists() {
            generate(&folder).map_err(|error| LeftOut(format!("generating certificates: {error}")))?;
        }
        Ok(())
    })?;
    Ok(folder)
}

fn generate(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(folder)?;
    let (authority, authority_pem) = authority("Acme Authority")?;
    fs::write(folder.join("ca.pem"), authority_pem)?;
    write_leaf(folder, "server", &authority, &["localhost", "127.0.0.1"], "server")?;
    write_leaf(folder, "client", &authority, &["app.acme.test"], "client")?;
    let (other_authority, _) = self::authority("Other Authority")?;
    write_leaf(folder, "stranger", &other_authority, &["app.acme.test"], "client")
}

fn authority(name: &str) -> Result<(Issuer<'static, KeyPair>, String), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), pem))
}

fn write_leaf(
    folder: &Path,
    file: &str,
    issuer: &Issuer<'_, KeyPair>,
    names: &[&str],
    common_name: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Acme");
    params.distinguished_name.push(DnType::CommonName, common_name);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    fs::write(folder.join(format!("{file}-key.pem")), key.serialize_pem())?;
    fs::write(folder.join(format!("{file}.pem")), certificate.pem())?;
    Ok(())
}
