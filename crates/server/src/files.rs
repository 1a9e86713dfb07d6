//! Files by which others find the process: its number, and the ports that it opened.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process,
};

use serde_json::{Map, Value};

use crate::source::cannot_open;

/// Writes the process's number. The file stays when the process ends, as nats-server's does.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_pid(path: &str) -> Result<(), String> {
    fs::write(path, process::id().to_string()).map_err(|error| cannot_open(path, &error))
}

/// What is listening, for the ports file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listening {
    /// `nats` or `monitoring`.
    pub(crate) role: &'static str,
    /// Of the URLs.
    pub(crate) scheme: &'static str,
    pub(crate) address: SocketAddr,
}

/// A ports file, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct PortsFile(PathBuf);

impl PortsFile {
    /// Writes `<program>_<pid>.ports` into a folder.
    ///
    /// # Errors
    /// The file cannot be written: its path, and why.
    pub(crate) fn write(folder: &str, listening: &[Listening]) -> Result<PortsFile, String> {
        let program = std::env::args_os().next().unwrap_or_default();
        let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = Path::new(folder).join(format!("{program}_{}.ports", process::id()));
        fs::write(&path, text(listening, &own_addresses()))
            .map_err(|error| format!("({}): {}", path.display(), cannot_open(&path, &error)))?;
        Ok(PortsFile(path))
    }
}

impl Drop for PortsFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::error!("Error removing ports file {}: {error}", self.0.display());
        }
    }
}

/// `{"nats":["nats://127.0.0.1:4222"]}`; who listens everywhere is reached at each of the machine's own addresses.
fn text(listening: &[Listening], own: &[IpAddr]) -> String {
    let mut urls: Map<String, Value> = Map::new();
    for Listening { role, scheme, address } in listening {
        let own = if address.ip().is_unspecified() { own } else { &[address.ip()][..] };
        let of_role = own.iter().map(|&ip| format!("{scheme}://{}", SocketAddr::new(ip, address.port())));
        if let Value::Array(list) = urls.entry(*role).or_insert_with(|| Value::Array(Vec::new())) {
            list.extend(of_role.map(Value::from));
        }
    }
    Value::Object(urls).to_string()
}

/// The addresses of the machine's interfaces, as far as the system's files tell: IPv4 from the local routes, IPv6 from
/// its list.
fn own_addresses() -> Vec<IpAddr> {
    let v4 = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let v6 = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    local_v4(&v4).into_iter().chain(listed_v6(&v6)).collect()
}

/// Addresses are leaves (`|-- 127.0.0.1`) whose next line says `/32 host LOCAL`; each is in several tables.
fn local_v4(fib_trie: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut leaf = None;
    for line in fib_trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = leaf.filter(|address| !found.contains(address))
        {
            found.push(address);
        }
    }
    found
}

/// Each line begins with the 32 digits of an address.
fn listed_v6(if_inet6: &str) -> Vec<IpAddr> {
    let digits = if_inet6.lines().filter_map(|line| line.split_whitespace().next());
    digits.filter_map(|digits| u128::from_str_radix(digits, 16).ok()).map(|bits| IpAddr::V6(bits.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: &str) {
        let own = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        let listening = [
            Listening { role: "nats", scheme: "nats", address: address.parse().unwrap() },
            Listening { role: "monitoring", scheme: "http", address: "127.0.0.1:8222".parse().unwrap() },
        ];
        assert_eq!(text(&listening, &own), expected);
    }

    #[test]
    fn ports_are_urls_by_role() {
        check("127.0.0.1:4222", r#"{"monitoring":["http://127.0.0.1:8222"],"nats":["nats://127.0.0.1:4222"]}"#);
        check(
            "[::]:4222",
            r#"{"monitoring":["http://127.0.0.1:8222"],"nats":["nats://127.0.0.1:4222","nats://[::1]:4222"]}"#,
        );
    }

    #[test]
    fn own_addresses_are_read_from_the_systems_files() {
        let fib_trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
                        |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 127.255.255.255\n        \
                        /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(local_v4(fib_trie), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
        let if_inet6 = "00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(listed_v6(if_inet6), ["::1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_ports_file_is_there_as_long_as_it_is_held() {
        let folder = std::env::temp_dir();
        let file = PortsFile::write(folder.to_str().unwrap(), &[]).unwrap();
        let path = file.0.clone();
        assert!(path.to_string_lossy().ends_with(&format!("_{}.ports", process::id())));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
        drop(file);
        assert!(!path.exists());
    }
}
