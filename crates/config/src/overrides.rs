//! What the command line says, laid over what the file says. The same again at every reload.
//!
//! Not here: the spelling of flags. `-DV` and its kin arrive as the fields they set.

use crate::{
    Options, Problem, Secret,
    options::{PORT, TlsCertificate, TlsMinVersion, or, some},
};

/// All flags that set an option; `None` leaves the file's value. An empty text takes the file's value away.
#[derive(Clone, Default, PartialEq)]
pub struct Overrides {
    /// `-a`, `-addr`, `-net`
    pub host: Option<String>,
    /// `-p`, `-port`
    pub port: Option<i64>,
    /// `-n`, `-name`, `-server_name`
    pub server_name: Option<String>,
    /// `-client_advertise`
    pub client_advertise: Option<String>,
    /// `-m`, `-http_port`
    pub http_port: Option<i64>,
    /// `-ms`, `-https_port`
    pub https_port: Option<i64>,
    /// `-P`, `-pid`
    pub pid_file: Option<String>,
    /// `-ports_file_dir`
    pub ports_file_dir: Option<String>,
    /// `-l`, `-log`
    pub log_file: Option<String>,
    /// `-log_size_limit`
    pub log_size_limit: Option<i64>,
    /// `-T`, `-logtime`
    pub logtime: Option<bool>,
    /// `-logtime_utc`
    pub logtime_utc: Option<bool>,
    /// `-D`, `-debug`, `-DV`, `-DVV`
    pub debug: Option<bool>,
    /// `-V`, `-trace`, `-VV`, `-DV`, `-DVV`
    pub trace: Option<bool>,
    /// `-VV`, `-DVV`
    pub trace_verbose: Option<bool>,
    /// `-max_traced_msg_len`
    pub max_traced_msg_len: Option<i64>,
    /// `-s`, `-syslog`
    pub syslog: Option<bool>,
    /// `-r`, `-remote_syslog`
    pub remote_syslog: Option<String>,
    /// `-user`
    pub user: Option<String>,
    /// `-pass`
    pub password: Option<Secret>,
    /// `-auth`
    pub token: Option<Secret>,
    /// `-tls` and the flags that begin with it
    pub tls: TlsOverrides,
    /// `-js`, `-jetstream`
    pub jetstream: Option<bool>,
    /// `-sd`, `-store_dir`
    pub store_dir: Option<String>,
    /// `-cluster`, `-cluster_listen`
    pub cluster: Option<String>,
    /// `-routes`
    pub routes: Option<String>,
    /// `-cluster_name`
    pub cluster_name: Option<String>,
    /// `-cluster_advertise`
    pub cluster_advertise: Option<String>,
    /// `-no_advertise`
    pub no_advertise: Option<bool>,
    /// `-connect_retries`
    pub connect_retries: Option<i64>,
    /// `-profile`
    pub profile: Option<i64>,
}

/// Flags about TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsOverrides {
    /// `-tls`; `false` takes the file's TLS away, whatever the other flags say
    pub enabled: Option<bool>,
    /// `-tlsverify`
    pub verify: Option<bool>,
    /// `-tlscert`
    pub cert_file: Option<String>,
    /// `-tlskey`
    pub key_file: Option<String>,
    /// `-tlscacert`
    pub ca_file: Option<String>,
}

impl Overrides {
    /// Lays the flags over the options of the file, or over the defaults if there is no file.
    ///
    /// # Errors
    ///
    /// The first flag that cannot work, as the line to print.
    pub fn apply(&self, options: &mut Options) -> Result<(), Problem> {
        self.check_support()?;
        if let Some(host) = &self.host {
            options.host = some(host).unwrap_or_else(|| Options::default().host);
        }
        if let Some(port) = self.port {
            options.port = or(port, PORT);
        }
        put_text(&mut options.server_name, self.server_name.as_deref());
        put_text(&mut options.client_advertise, self.client_advertise.as_deref());
        put(&mut options.monitor.http_port, self.http_port);
        put(&mut options.monitor.https_port, self.https_port);
        put_text(&mut options.pid_file, self.pid_file.as_deref());
        put_text(&mut options.ports_file_dir, self.ports_file_dir.as_deref());
        put_text(&mut options.log.file, self.log_file.as_deref());
        put(&mut options.log.size_limit, self.log_size_limit);
        put(&mut options.log.logtime, self.logtime);
        put(&mut options.log.logtime_utc, self.logtime_utc);
        put(&mut options.log.debug, self.debug);
        put(&mut options.log.trace, self.trace);
        put(&mut options.log.trace_verbose, self.trace_verbose);
        put(&mut options.log.max_traced_msg_len, self.max_traced_msg_len);
        put_text(&mut options.authorization.user, self.user.as_deref());
        put_secret(&mut options.authorization.password, self.password.as_ref());
        put_secret(&mut options.authorization.token, self.token.as_ref());
        self.tls.apply(options)
    }

    /// Flags of features that do not exist yet, unless their value switches nothing on.
    fn check_support(&self) -> Result<(), Problem> {
        let is_text = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let has_cluster = is_text(&self.cluster);
        if is_text(&self.routes) && !has_cluster {
            return Err(Problem::nowhere("solicited routes require cluster capabilities, e.g. --cluster"));
        }
        let flags = [
            ("-cluster", has_cluster),
            ("-cluster_name", is_text(&self.cluster_name)),
            ("-cluster_advertise", is_text(&self.cluster_advertise)),
            ("-jetstream", self.jetstream == Some(true)),
            ("-store_dir", is_text(&self.store_dir)),
            ("-syslog", self.syslog == Some(true)),
            ("-remote_syslog", is_text(&self.remote_syslog)),
            ("-profile", self.profile.is_some_and(|port| port != 0)),
        ];
        match flags.iter().find(|(_, is_asked)| *is_asked) {
            Some((flag, _)) => Err(Problem::nowhere(format!("not supported yet: {flag}"))),
            None => Ok(()),
        }
    }
}

impl TlsOverrides {
    fn apply(&self, options: &mut Options) -> Result<(), Problem> {
        if *self == TlsOverrides::default() {
            return Ok(());
        }
        if self.enabled == Some(false) {
            options.tls = None;
            return Ok(());
        }
        let file = |name: &Option<String>, missing: &str| {
            name.as_deref().and_then(some).ok_or_else(|| Problem::nowhere(missing))
        };
        let cert_file = file(&self.cert_file, "TLS Server certificate must be present and valid")?;
        let key_file = file(&self.key_file, "TLS Server private key must be present and valid")?;
        // Timeouts, pins and the order of the handshake stay those of the file.
        let tls = options.tls.get_or_insert_default();
        tls.certificates = vec![TlsCertificate { cert_file, key_file }];
        tls.ca_file = self.ca_file.as_deref().and_then(some);
        tls.verify = self.verify.unwrap_or_default();
        tls.insecure = false;
        tls.cipher_suites.clear();
        tls.curve_preferences.clear();
        tls.min_version = TlsMinVersion::V1_2;
        tls.position = None;
        Ok(())
    }
}

fn put<T: Copy>(target: &mut T, value: Option<T>) {
    *target = value.unwrap_or(*target);
}

fn put_text(target: &mut Option<String>, text: Option<&str>) {
    if let Some(text) = text {
        *target = some(text);
    }
}

fn put_secret(target: &mut Option<Secret>, secret: Option<&Secret>) {
    if let Some(secret) = secret {
        *target = Some(secret.clone()).filter(|secret| !secret.expose().is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(overrides: Overrides, expected: impl Fn(&mut Options)) {
        let mut found = Options::default();
        overrides.apply(&mut found).unwrap();
        let mut options = Options::default();
        expected(&mut options);
        assert!(found == options);
    }

    fn refused(overrides: Overrides) -> String {
        overrides.apply(&mut Options::default()).unwrap_err().text
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn flags_beat_the_file() {
        check(Overrides::default(), |_| {});
        check(Overrides { port: Some(-1), ..Overrides::default() }, |options| options.port = -1);
        check(Overrides { port: Some(0), ..Overrides::default() }, |options| options.port = 4222);
        check(Overrides { server_name: text("a"), ..Overrides::default() }, |options| options.server_name = text("a"));
        check(Overrides { logtime: Some(false), ..Overrides::default() }, |options| options.log.logtime = false);
        let mut options = Options::default();
        options.log.trace = true;
        options.server_name = text("a");
        let overrides = Overrides { trace: Some(false), server_name: text(""), ..Overrides::default() };
        overrides.apply(&mut options).unwrap();
        assert!(options == Options::default(), "a flag can take a value of the file away");
    }

    #[test]
    fn flags_of_missing_features_are_refused_unless_they_ask_for_nothing() {
        assert_eq!(
            refused(Overrides { jetstream: Some(true), ..Overrides::default() }),
            "not supported yet: -jetstream"
        );
        check(
            Overrides { jetstream: Some(false), cluster: text(""), routes: text(""), ..Overrides::default() },
            |_| {},
        );
        assert_eq!(
            refused(Overrides { routes: text("nats://127.0.0.1:1"), ..Overrides::default() }),
            "solicited routes require cluster capabilities, e.g. --cluster"
        );
    }

    #[test]
    fn tls_flags_need_certificate_and_key_and_tls_false_beats_them() {
        let tls = |tls: TlsOverrides| Overrides { tls, ..Overrides::default() };
        let on = TlsOverrides { enabled: Some(true), ..TlsOverrides::default() };
        assert_eq!(refused(tls(on.clone())), "TLS Server certificate must be present and valid");
        let with_certificate = TlsOverrides { cert_file: text("c"), ..on };
        assert_eq!(refused(tls(with_certificate.clone())), "TLS Server private key must be present and valid");
        let complete = TlsOverrides { key_file: text("k"), ..with_certificate };
        let certificate = TlsCertificate { cert_file: "c".to_owned(), key_file: "k".to_owned() };
        check(tls(complete.clone()), |options| {
            options.tls.get_or_insert_default().certificates = vec![certificate.clone()];
        });
        check(tls(TlsOverrides { enabled: Some(false), ..complete }), |_| {});
    }
}
