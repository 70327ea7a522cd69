//! Where connections come in.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// The port unless another one is said.
const PORT: u16 = 8081;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Listens on all addresses of both families, by one socket; of IPv4 alone where there is no IPv6.
///
/// # Errors
/// The port is taken, or may not be had.
pub(crate) fn bind_all() -> io::Result<TcpListener> {
    match bind((Ipv6Addr::UNSPECIFIED, PORT).into()) {
        Err(error) if has_no_ipv6(&error) => bind((Ipv4Addr::UNSPECIFIED, PORT).into()),
        bound => bound,
    }
}

/// Listens on an address; on `[::]` for IPv4 too, whatever the system's default.
///
/// # Errors
/// The address is not one of this host, the port is taken, or may not be had.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Else it could not be started again while connections of the one before are in TIME-WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether a kernel without IPv6, or one where it is disabled, refused.
fn has_no_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}
