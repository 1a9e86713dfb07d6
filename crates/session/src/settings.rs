//! What a session knows of its server: replaced whole on reload, never edited.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use firn_auth::{
    account::AccountId,
    authenticate::{CertificateNames, ConnectionType, Directory},
};
use firn_router::{Account, Port};
use firn_subject::mapping::Mappings;
use firn_wire::client::info::Info;

/// The server's settings that clients notice.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `INFO` without the fields that differ by client.
    pub info: Info,
    /// Who may sign in.
    pub directory: Arc<Directory>,
    /// Subject mappings of `$G`.
    pub mappings: Mappings,
    /// Longest header and payload together.
    pub payload_bytes_max: usize,
    /// Longest control line.
    pub control_line_bytes_max: usize,
    /// Subscriptions per connection.
    pub subscriptions_max: Option<usize>,
    /// Tokens in the subject of a subscription.
    pub subject_tokens_max: Option<usize>,
    /// Whether messages may have headers.
    pub headers: bool,
    /// Time from accept until a `CONNECT` was taken.
    pub authentication_timeout: Duration,
    /// Silence before the server asks.
    pub ping_interval: Duration,
    /// Unanswered pings before the connection is stale.
    pub pings_out_max: u32,
}

/// Where a client comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its number.
    pub client_id: u64,
    /// Its address; none for a connection within the process.
    pub address: Option<SocketAddr>,
    /// What it is asked to sign, when the server takes nkeys.
    pub nonce: Option<Box<str>>,
    /// What its TLS certificate calls it.
    pub certificate: Option<Arc<CertificateNames>>,
    /// How it is connected.
    pub connection_type: ConnectionType,
}

impl Settings {
    /// `INFO` for one client.
    pub fn info_for(&self, origin: &Origin) -> Info {
        let mut info = self.info.clone();
        info.client_id = origin.client_id;
        info.client_ip = origin.address.map(|address| address.ip().to_string()).unwrap_or_default();
        info.nonce = origin.nonce.as_deref().unwrap_or_default().to_owned();
        // There is nobody to listen within the process.
        info.tls_required &= origin.connection_type != ConnectionType::InProcess;
        info
    }
}

/// The accounts of a server, by number.
#[derive(Debug)]
pub struct Accounts<P> {
    accounts: Box<[Arc<Account<P>>]>,
}

impl<P: Port> Accounts<P> {
    /// `$G` and `$SYS`. `seed` is random; `on_half_change` ends the process, see [`Account::new`].
    pub fn new(seed: u64, on_half_change: fn()) -> Self {
        let account = |id: AccountId, name| Arc::new(Account::new(id, name, seed, on_half_change));
        Accounts { accounts: [account(AccountId::GLOBAL, "$G"), account(AccountId::SYSTEM, "$SYS")].into() }
    }

    /// The account with this number.
    pub fn by_id(&self, id: AccountId) -> Option<&Arc<Account<P>>> {
        self.accounts.get(id.0 as usize)
    }

    /// `$G`.
    pub fn global(&self) -> &Arc<Account<P>> {
        &self.accounts[0]
    }

    /// `$SYS`.
    pub fn system(&self) -> &Arc<Account<P>> {
        &self.accounts[1]
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Account<P>>> {
        self.accounts.iter()
    }
}
