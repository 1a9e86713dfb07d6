//! Listening sockets.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

/// Connections that may wait to be accepted; the system has a limit of its own.
const BACKLOG: i32 = 4096;

/// Listens on a host and port; port −1 is any free one. An address of "everywhere" takes IPv4 and IPv6, as it does for
/// nats-server.
///
/// # Errors
/// The host is no address of this machine, or somebody listens there.
pub(crate) async fn listen(host: &str, port: i64) -> io::Result<TcpListener> {
    let port = match port {
        -1 => 0,
        port => u16::try_from(port).map_err(|_| invalid_port(port))?,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut failure = io::ErrorKind::AddrNotAvailable.into();
    for address in lookup_host((host, port)).await? {
        if address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
            && let Ok(listener) = bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port))
        {
            return Ok(listener);
        }
        match bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
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
    io::Error::new(io::ErrorKind::InvalidInput, format!("invalid port {port}"))
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
        assert_eq!(listen("127.0.0.1", 65536).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
