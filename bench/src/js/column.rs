//! A server as a column of the comparison: its program, how it syncs, and its store.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::connection::SILENCE_MAX;
use crate::server::{Program, Server};

use super::api::{Answer, Api, Request, count};
use super::store::Store;

/// How long a server may take until it answers for a stream.
const RECOVERY_MAX: Duration = Duration::from_secs(120);
const ASK_EVERY: Duration = Duration::from_micros(500);

/// The counter of Firn's metrics from which messages per sync are computed.
const SYNCS: &str = "firn_jetstream_log_syncs_total";

/// A server with JetStream.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) program: Program,
    pub(crate) syncing: Syncing,
}

/// When a server syncs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Syncing {
    /// As it does when nobody says anything.
    Default,
    /// Each message, before it is acknowledged.
    Always,
}

/// A server that runs on a store.
pub(super) struct Running {
    // Dropped in this order: the store goes when nobody writes to it any more.
    pub(super) server: Server,
    store: Store,
    monitor: SocketAddr,
    started: Instant,
}

impl Column {
    /// Starts on a store, which may hold something.
    pub(super) fn start(&self, store: Store) -> Result<Running> {
        let monitor = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let config = store.path.join("server.conf");
        let folder = store.path.join("js");
        let sync = match self.syncing {
            Syncing::Default => "",
            Syncing::Always => "  sync_interval: always\n",
        };
        let text = format!("http: \"{monitor}\"\njetstream {{\n  store_dir: {:?}\n{sync}}}\n", folder.display());
        fs::write(&config, text).with_context(|| format!("writing {}", config.display()))?;
        let started = Instant::now();
        let server = self.program.start(Some(&config))?;
        Ok(Running { server, store, monitor, started })
    }

    /// The same server as it fills a store fastest: what is stored does not depend on when it is synced.
    pub(super) fn to_fill(&self) -> Self {
        Self { syncing: Syncing::Default, ..self.clone() }
    }
}

impl Running {
    /// Ends the server as an operator does; answers what it leaves.
    pub(super) fn stop(self) -> Result<Store> {
        self.server.stop()?;
        Ok(self.store)
    }

    /// Kills the server; answers what it leaves.
    pub(super) fn crash(self) -> Store {
        self.store
    }

    pub(super) fn api(&self) -> Result<Api> {
        Api::open(self.server.address)
    }

    /// The time from the start of the process until it says that the stream holds so many messages.
    pub(super) fn recovered(&self, stream: &str, messages: u64) -> Result<Duration> {
        let mut api = self.api()?;
        loop {
            let answer = api.ask(&Request::stream_info(stream))?;
            let took = self.started.elapsed();
            match answer {
                Answer::Json(info) => {
                    let found = count(&info, &["state", "messages"])?;
                    ensure!(found == messages, "stream {stream} holds {found} messages, not {messages}");
                    return Ok(took);
                }
                Answer::Refused(reason) => {
                    ensure!(took < RECOVERY_MAX, "no word of stream {stream} after {RECOVERY_MAX:?}: {reason}");
                }
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    /// How often the server has synced its log; `None` where it does not say.
    pub(super) fn syncs(&self) -> Option<f64> {
        metric(&self.page("/metrics").ok()?, SYNCS)
    }

    fn page(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.monitor)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}

/// The value of a metric without labels.
fn metric(page: &str, name: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let page = "HTTP/1.1 200 OK\r\n\r\n# TYPE syncs_total counter\nsyncs_total_x 1\nsyncs_total 7\nother 2\n";
        assert_eq!(metric(page, "syncs_total"), Some(7.0));
        assert_eq!(metric(page, "syncs"), None);
        assert_eq!(metric("404 page not found", "syncs_total"), None);
    }
}
