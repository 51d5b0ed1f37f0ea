//! Reaching a host.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use amqp_proto::endpoint::{Address, AddressError, ConnectionOptions, Result};

/// Connects to the first of the host's addresses that answers, in the time that the options give it.
pub(crate) fn reach(address: &Address, options: &ConnectionOptions) -> Result<TcpStream> {
    if address.is_encrypted() {
        return Err(AddressError::NoTls.into());
    }
    let by = options.longest_connect().and_then(|span| Instant::now().checked_add(span));
    let reached = reach_any((address.host(), address.port()), by);
    Ok(reached.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?)
}

fn reach_any(host: (&str, u16), by: Option<Instant>) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for socket in host.to_socket_addrs()? {
        let reached = match by.map(|by| by.saturating_duration_since(Instant::now())) {
            None => TcpStream::connect(socket),
            Some(Duration::ZERO) => return Err(io::ErrorKind::TimedOut.into()),
            Some(left) => TcpStream::connect_timeout(&socket, left),
        };
        match reached {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
