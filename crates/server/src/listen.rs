//! Listening sockets.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

use crate::source::reason;

/// Connections that may wait to be accepted; the system has a limit of its own.
const BACKLOG: i32 = 4096;

/// Listens on a host and port; port −1 is any free one. An address of "everywhere" takes IPv4 and IPv6, as it does for
/// nats-server.
///
/// # Errors
/// The host is no address of this machine, or somebody listens there; with Go's text.
pub(crate) async fn listen(host: &str, port: i64) -> io::Result<TcpListener> {
    let port = match port {
        -1 => 0,
        port => u16::try_from(port).map_err(|_| invalid_port(port))?,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut failure = no_such_host(host);
    for address in resolve(host, port).await? {
        if address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            && let Ok(listener) = bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port))
        {
            return Ok(listener);
        }
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => {
                failure = io::Error::new(error.kind(), format!("listen tcp {address}: bind: {}", reason(&error)))
            }
        }
    }
    Err(failure)
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    // No name looks like that, so nobody has to be asked.
    let is_misspelt = host.contains(':') || host.rsplit('.').next().is_some_and(|last| last.parse::<u64>().is_ok());
    if is_misspelt {
        return Err(no_such_host(host));
    }
    lookup_host((host, port)).await.map(Iterator::collect).map_err(|_| no_such_host(host))
}

fn no_such_host(host: &str) -> io::Error {
    io::Error::new(io::ErrorKind::AddrNotAvailable, format!("listen tcp: lookup {host}: no such host"))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the connections of the server before.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn invalid_port(port: i64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("listen tcp: address {port}: invalid port"))
}

/// An address as peers have it: a peer by IPv4 on a socket for both families is an IPv4 peer.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn everywhere_is_both_families_and_peers_keep_their_own() {
        let listener = listen("0.0.0.0", -1).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(canonical(peer).ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error() {
        let first = listen("127.0.0.1", -1).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let error = listen("127.0.0.1", port.into()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), format!("listen tcp 127.0.0.1:{port}: bind: address already in use"));
        for host in ["::zz", "256.1.1.1"] {
            let error = listen(host, -1).await.unwrap_err();
            assert_eq!(error.to_string(), format!("listen tcp: lookup {host}: no such host"));
        }
        assert_eq!(listen("127.0.0.1", 65536).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
