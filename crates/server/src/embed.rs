//! The server as a value in somebody's program.

use std::{net::SocketAddr, sync::Arc};

use firn_config::{Options, Rejection};
use tokio::{io::DuplexStream, task::JoinSet};

use crate::{
    accept, boot, lame_duck, reload,
    source::ConfigSource,
    state::{Phase, State},
};

/// Where a server begins: see [`Server::builder`].
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A server with nats-server's defaults, to be changed before its start.
    pub fn builder() -> Builder {
        Builder { file: None, changes: Vec::new(), outbox_bytes_max: None }
    }
}

type Change = Box<dyn Fn(&mut Options) + Send + Sync>;

/// A server before its start. What is set here beats the configuration file, also when that is read again.
#[must_use = "nothing runs until it is started"]
pub struct Builder {
    file: Option<String>,
    changes: Vec<Change>,
    outbox_bytes_max: Option<usize>,
}

impl Builder {
    /// Reads this configuration file.
    pub fn config_file(mut self, path: impl Into<String>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Listens for clients on this address.
    pub fn host(self, host: impl Into<String>) -> Self {
        let host = host.into();
        self.options(move |options| options.host.clone_from(&host))
    }

    /// Listens for clients on this port; −1 is any free one.
    pub fn port(self, port: i64) -> Self {
        self.options(move |options| options.port = port)
    }

    /// What operators know the server by.
    pub fn server_name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.options(move |options| options.server_name = Some(name.clone()))
    }

    /// Changes any option; called again whenever the configuration is read again.
    pub fn options(mut self, change: impl Fn(&mut Options) + Send + Sync + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Most bytes that may wait for all clients together; half of the memory that the process may use without it.
    pub fn outbox_bytes_max(mut self, bytes: usize) -> Self {
        self.outbox_bytes_max = Some(bytes);
        self
    }

    /// Starts the server on the current Tokio runtime.
    ///
    /// # Errors
    /// The options cannot be, or the system refuses what they need; nothing runs then.
    pub async fn start(self) -> Result<Running, StartError> {
        let changes = self.changes;
        let source = ConfigSource::new(self.file, move |options| {
            changes.iter().for_each(|change| change(options));
            Ok(())
        });
        let loaded = source.load()?;
        boot::boot(source, loaded, self.outbox_bytes_max).await
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The operator's fault: the configuration file cannot be read or used.
    #[error(transparent)]
    Configuration(#[from] Rejection),
    /// The operator's fault: an option is of the right form and still cannot be.
    #[error("{0}")]
    Option(String),
    /// The operator's fault, seen while starting.
    #[error("{0}")]
    Fatal(String),
    /// Somebody else listens there, or it is no address of this machine.
    #[error("Error listening on port: {address}, {:?}", source.to_string())]
    Listen {
        /// Host and port.
        address: String,
        /// What cannot be done, and the system's reason.
        source: std::io::Error,
    },
    /// The system gives no threads or no entropy.
    #[error("cannot start: {0}")]
    System(String),
}

/// A server that runs, until it is shut down or dropped.
pub struct Running {
    pub(crate) state: Arc<State>,
    pub(crate) tasks: JoinSet<()>,
}

impl Running {
    /// Where clients connect.
    pub fn client_address(&self) -> SocketAddr {
        self.state.client_address
    }

    /// Where monitoring is served, if it is.
    pub fn monitor_address(&self) -> Option<SocketAddr> {
        self.state.monitoring.as_ref().map(|monitoring| monitoring.address)
    }

    /// The server's id: its public nkey.
    pub fn server_id(&self) -> &str {
        &self.state.keys.id
    }

    /// Connects a client without a socket: the stream carries the NATS protocol, beginning with the server's `INFO`.
    /// `None` when the server takes no clients any more.
    pub fn connect_in_process(&self) -> Option<DuplexStream> {
        accept::arrive_in_process(&self.state)
    }

    /// Ends the server: what was received is delivered, clients are disconnected.
    pub async fn shutdown(mut self) {
        self.stop().await;
    }

    /// Ends the server slowly: clients are told, and let go one by one over `lame_duck_duration`.
    pub async fn lame_duck(mut self) {
        lame_duck::run(Arc::clone(&self.state)).await;
        self.stop().await;
    }

    /// Reads the configuration again and takes over what has changed.
    ///
    /// # Errors
    /// Why everything stays as it was.
    pub fn reload(&self) -> Result<(), String> {
        reload::reload(&self.state, None)
    }

    pub(crate) async fn stop(&mut self) {
        tracing::info!("Initiating Shutdown...");
        boot::stop(&self.state).await;
        while self.tasks.join_next().await.is_some() {}
        self.state.ports_file.store(None);
        tracing::info!("Server Exiting..");
    }
}

impl Drop for Running {
    /// Who is dropped without a shutdown still takes nobody with it: tasks end by themselves.
    fn drop(&mut self) {
        self.state.advance(Phase::Stopping);
        boot::disconnect_all(&self.state);
        self.state.ports_file.store(None);
    }
}
