//! Connecting to a host.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Instant;

use amqp_proto::client::{Address, AddressError, ConnectionOptions, Result, take_turns, unreachable};

use crate::race::race;

/// Connects to the first of the host's addresses that answers, within the connect timeout, unless it is stopped.
pub(crate) fn reach(
    address: &Address,
    options: &ConnectionOptions,
    is_stopped: &dyn Fn() -> bool,
) -> Result<TcpStream> {
    if address.is_websocket() {
        return Err(AddressError::NoWebSocket.into());
    }
    if address.is_encrypted() && !cfg!(feature = "tls") {
        return Err(AddressError::NoTls.into());
    }
    let by = options.connect_timeout().and_then(|span| Instant::now().checked_add(span));
    let found = (address.host(), address.port()).to_socket_addrs();
    let reached = found.and_then(|found| {
        race(take_turns(found), by, is_stopped, |address, left| match left {
            None => TcpStream::connect(address),
            Some(left) => TcpStream::connect_timeout(&address, left),
        })
    });
    reached.map_err(|error| unreachable(address, &error).into())
}
