//! Reaching a host.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use amqp_proto::endpoint::{Acceptor, Address, AddressError, ConnectionOptions, Peer, Result};

use crate::dialled::Dialled;
#[cfg(feature = "tls")]
use crate::tls;
use crate::transport;

/// Connects to the first of the host's addresses that answers, in the time that the options give it; encrypted, if
/// that is wanted.
pub(crate) fn reach(address: &Address, options: &ConnectionOptions) -> Result<Dialled> {
    if address.is_encrypted() && !cfg!(feature = "tls") {
        return Err(AddressError::NoTls.into());
    }
    let by = options.longest_connect().and_then(|span| Instant::now().checked_add(span));
    let reached = reach_any((address.host(), address.port()), by);
    let stream = reached.map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    #[cfg(feature = "tls")]
    if address.is_encrypted() {
        return Ok(Dialled::Secured(tls::connect(stream, address.host(), options)?));
    }
    Ok(Dialled::Clear(stream))
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

/// What has become of a socket that somebody has dialled: encrypted, if that is wanted, and who it is.
pub(crate) fn taken(stream: TcpStream, acceptor: &Acceptor) -> Result<(Dialled, Peer)> {
    #[cfg(feature = "tls")]
    if let Some(tls) = acceptor.server_tls() {
        let (stream, peer) = tls::accept(stream, tls, acceptor)?;
        return Ok((Dialled::Secured(stream), peer));
    }
    if acceptor.needs_tls() {
        return Err(AddressError::NoTls.into());
    }
    let peer = transport::peer(&stream);
    Ok((Dialled::Clear(stream), peer))
}
