//! The flags that say where and as whom to connect, and the connection they lead to.
//!
//! Not here: the contexts of the nats CLI. Its files hold credentials, and the flags and variables say the same.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use async_nats::{Client, ConnectOptions, Event, ServerAddr, ServerError};
use clap::Args;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time;

use crate::{duration, show};

/// Flags and variables under the names of the nats CLI.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ConnectionArgs {
    /// Server addresses, separated by commas
    #[arg(
        short,
        long,
        global = true,
        env = "NATS_URL",
        hide_env_values = true,
        value_name = "URL",
        default_value = "nats://127.0.0.1:4222"
    )]
    pub(crate) server: String,

    /// User name, or a token if there is no password
    #[arg(long, global = true, env = "NATS_USER", hide_env_values = true, value_name = "USER")]
    user: Option<String>,

    /// Password of the user
    #[arg(
        long,
        global = true,
        env = "NATS_PASSWORD",
        hide_env_values = true,
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    password: Option<String>,

    /// Token
    #[arg(long, global = true, env = "NATS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,

    /// File with a user's JWT and its seed
    #[arg(long, global = true, env = "NATS_CREDS", hide_env_values = true, value_name = "FILE")]
    creds: Option<PathBuf>,

    /// File with the seed of a user's nkey
    #[arg(long, global = true, env = "NATS_NKEY", hide_env_values = true, value_name = "FILE")]
    nkey: Option<PathBuf>,

    /// Certificate to show the server
    #[arg(long, global = true, env = "NATS_CERT", hide_env_values = true, value_name = "FILE")]
    tlscert: Option<PathBuf>,

    /// Private key of that certificate
    #[arg(long, global = true, env = "NATS_KEY", hide_env_values = true, value_name = "FILE")]
    tlskey: Option<PathBuf>,

    /// Authorities to trust beside those of the system
    #[arg(long, global = true, env = "NATS_CA", hide_env_values = true, value_name = "FILE")]
    tlsca: Option<PathBuf>,

    /// Begin with TLS, before the server's greeting
    #[arg(long, global = true)]
    tlsfirst: bool,

    /// How long to wait for the server or for a reply
    #[arg(long, global = true, env = "NATS_TIMEOUT", hide_env_values = true, value_name = "DURATION")]
    #[arg(default_value = "5s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,

    /// Name of the connection, as the server shows it
    #[arg(long, global = true, value_name = "NAME", default_value = "firn")]
    connection_name: String,

    /// First tokens of inbox subjects
    #[arg(long, global = true, value_name = "PREFIX")]
    inbox_prefix: Option<String>,

    /// Domain whose JetStream is spoken to
    #[arg(long, global = true, value_name = "DOMAIN")]
    pub(crate) js_domain: Option<String>,

    /// What the subjects of JetStream's API begin with, in place of `$JS.API`
    #[arg(long, global = true, value_name = "PREFIX")]
    pub(crate) js_api_prefix: Option<String>,

    /// A context of the nats CLI; refused, its settings are flags and variables here
    #[arg(long, global = true, env = "NATS_CONTEXT", hide_env_values = true, value_name = "NAME")]
    context: Option<String>,
}

/// A client, and what the server reproaches it with.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) timeout: Duration,
    /// `-ERR` texts, in their order.
    reproaches: UnboundedReceiver<String>,
}

impl ConnectionArgs {
    /// Connects to the first server that answers.
    ///
    /// # Errors
    /// The flags contradict each other, a file cannot be read, or no server takes us.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        if let Some(name) = &self.context {
            bail!("context {name}: contexts are not read; use --server, --user, --creds and their variables");
        }
        let addresses = self.addresses()?;
        let shown = self.shown()?;
        let (tell, reproaches) = unbounded_channel();
        let options = self.identity(ConnectOptions::new(), addresses.first()).await?;
        let options = self.tls(options)?.name(&self.connection_name).connection_timeout(self.timeout).event_callback(
            move |event| {
                if let Some(reproach) = note(event) {
                    // A command at its end no longer listens.
                    tell.send(reproach).unwrap_or_default();
                }
                async {}
            },
        );
        let options = match &self.inbox_prefix {
            Some(prefix) => options.custom_inbox_prefix(prefix),
            None => options,
        };
        // The text of the library's error holds its sources already.
        let client = time::timeout(self.timeout, options.connect(addresses))
            .await
            .map_err(|_| anyhow!("no answer within {}", duration::show(self.timeout)))
            .and_then(|connected| connected.map_err(|error| anyhow!(error.to_string())))
            .with_context(|| format!("cannot connect to {shown}"))?;
        Ok(Connection { client, timeout: self.timeout, reproaches })
    }

    /// The same flags for one of the addresses alone.
    pub(crate) fn only(&self, server: &ServerAddr) -> Self {
        Self { server: server.as_url_str().to_owned(), ..self.clone() }
    }

    /// The addresses of `--server`, each with a scheme.
    ///
    /// # Errors
    /// One is not an address.
    pub(crate) fn addresses(&self) -> Result<Vec<ServerAddr>> {
        let addresses = self.server.split(',').map(str::trim).filter(|address| !address.is_empty());
        let addresses: Vec<ServerAddr> = addresses
            .map(|address| address.parse().with_context(|| format!("`{address}` is not a server address")))
            .collect::<Result<_>>()?;
        ensure!(!addresses.is_empty(), "no server address");
        Ok(addresses)
    }

    /// The addresses for people, without the credentials that may stand in them.
    ///
    /// # Errors
    /// One is not an address.
    pub(crate) fn shown(&self) -> Result<String> {
        let addresses = self.addresses()?;
        let shown = addresses.iter().map(|it| format!("{}://{}:{}", it.scheme(), it.host(), it.port()));
        Ok(shown.collect::<Vec<_>>().join(", "))
    }

    /// Flags first, then what the address carries.
    async fn identity(&self, options: ConnectOptions, address: Option<&ServerAddr>) -> Result<ConnectOptions> {
        let options = match &self.creds {
            Some(file) => {
                options.credentials_file(file).await.with_context(|| format!("cannot read {}", file.display()))?
            }
            None => options,
        };
        let options = match &self.nkey {
            Some(file) => {
                let seed = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                options.nkey(seed.trim().to_owned())
            }
            None => options,
        };
        if let Some(token) = &self.token {
            return Ok(options.token(token.clone()));
        }
        let address_user = address.and_then(ServerAddr::username).map(str::to_owned);
        let address_password = address.and_then(ServerAddr::password).map(str::to_owned);
        let (user, password) = match &self.user {
            Some(user) => (Some(user.clone()), self.password.clone()),
            None => (address_user, address_password),
        };
        Ok(match (user, password) {
            (Some(user), Some(password)) => options.user_and_password(user, password),
            (Some(token), None) => options.token(token),
            (None, Some(_)) => bail!("--password without --user"),
            (None, None) => options,
        })
    }

    fn tls(&self, options: ConnectOptions) -> Result<ConnectOptions> {
        let options = match &self.tlsca {
            Some(file) => options.add_root_certificates(file.clone()),
            None => options,
        };
        let options = match (&self.tlscert, &self.tlskey) {
            (Some(certificate), Some(key)) => options.add_client_certificate(certificate.clone(), key.clone()),
            (None, None) => options,
            _ => bail!("--tlscert and --tlskey go together"),
        };
        Ok(if self.tlsfirst { options.tls_first() } else { options })
    }
}

impl Connection {
    /// Waits until the server has worked through everything sent before, and returns how long it took.
    ///
    /// The client library's flush ends at our own socket, and a message to ourselves would be seen by whoever listens to
    /// everything. So we ask for a subscription that any server refuses: the refusal comes after whatever it had to say
    /// about what came before, and nobody else notices.
    ///
    /// # Errors
    /// The server objected to something, or does not answer.
    pub(crate) async fn sync(&mut self) -> Result<Duration> {
        // `>` stands only at the end of a valid subject.
        let refused = format!("_SYNC.>.{}", nuid::next());
        let begin = Instant::now();
        let subscriber = self.client.subscribe(refused.clone()).await?;
        let reproach = time::timeout(self.timeout, self.reproaches.recv())
            .await
            .map_err(|_| anyhow!("no answer from the server within {}", duration::show(self.timeout)))?
            .context("the connection is closed")?;
        let took = begin.elapsed();
        drop(subscriber);
        // A user who may subscribe to nothing hears of that instead, with the subject.
        let is_refusal = reproach.eq_ignore_ascii_case("Invalid Subject") || reproach.contains(&refused);
        if is_refusal { Ok(took) } else { Err(anyhow!(reproach)) }
    }

    /// The next thing the server objects to.
    pub(crate) async fn reproach(&mut self) -> anyhow::Error {
        match self.reproaches.recv().await {
            Some(reproach) => anyhow!(reproach),
            None => anyhow!("the connection is closed"),
        }
    }

    /// Sends what is left and closes.
    ///
    /// # Errors
    /// The connection is gone, or the server has objected to something.
    pub(crate) async fn close(self) -> Result<()> {
        let Self { client, timeout, mut reproaches } = self;
        client.drain().await?;
        drop(client);
        // The library reports by a task of its own, which lags behind the messages and ends after its last report.
        match time::timeout(timeout, reproaches.recv()).await {
            Ok(Some(reproach)) => bail!("{reproach}"),
            Ok(None) => Ok(()),
            Err(_) => bail!("the connection does not close within {}", duration::show(timeout)),
        }
    }
}

/// Tells people what happens to the connection; returns what the server objects to.
fn note(event: Event) -> Option<String> {
    match event {
        Event::ServerError(ServerError::Other(text)) => Some(text),
        Event::ServerError(error) => Some(error.to_string()),
        Event::Disconnected => {
            show::note("Disconnected, will attempt to reconnect");
            None
        }
        Event::SlowConsumer(_) => {
            show::note("Messages were dropped: this command is slower than its subscription");
            None
        }
        Event::LameDuckMode => {
            show::note("The server is about to shut down");
            None
        }
        Event::ClientError(error) => {
            show::note(error);
            None
        }
        Event::Connected | Event::Draining | Event::Closed => None,
    }
}
