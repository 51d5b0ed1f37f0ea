//! [`TcpTransport`]: a socket of TCP, encrypted or not.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use amqp_proto::client::{Acceptor, Address, AddressError, ConnectionOptions, Peer, Result};
use amqp_proto::sasl::TransportSecurity;

use crate::connect;
#[cfg(feature = "tls")]
use crate::tls::{self, Secured};
use crate::transport::{self, Transport};

/// Connects to a host, with TLS if its address requires it.
pub(super) fn reach(address: &Address, options: &ConnectionOptions) -> Result<TcpTransport> {
    let stream = connect::reach(address, options, &|| false)?;
    #[cfg(feature = "tls")]
    if address.is_encrypted() {
        return Ok(TcpTransport::Secured(tls::connect(stream, address.hostname(), options)?));
    }
    Ok(TcpTransport::Clear(stream))
}

/// Accepts a connection, with TLS if the acceptor requires it, and returns the peer.
pub(super) fn accept(stream: TcpStream, acceptor: &Acceptor) -> Result<(TcpTransport, Peer)> {
    if acceptor.needs_websocket() {
        return Err(AddressError::NoWebSocket.into());
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = acceptor.server_tls() {
        let (stream, peer) = tls::accept(stream, tls, acceptor)?;
        return Ok((TcpTransport::Secured(stream), peer));
    }
    if acceptor.needs_tls() {
        return Err(AddressError::NoTls.into());
    }
    let peer = transport::peer(&stream);
    Ok((TcpTransport::Clear(stream), peer))
}

/// A socket of TCP, encrypted or not.
pub(super) enum TcpTransport {
    Clear(TcpStream),
    #[cfg(feature = "tls")]
    Secured(Secured<TcpStream>),
}

/// Does the same with either.
macro_rules! either {
    ($self:ident, $stream:ident => $does:expr) => {
        match $self {
            Self::Clear($stream) => $does,
            #[cfg(feature = "tls")]
            Self::Secured($stream) => $does,
        }
    };
}

impl Read for TcpTransport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(buffer))
    }
}

impl Write for TcpTransport {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.write(octets))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => stream.write_vectored(pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        either!(self, stream => stream.flush())
    }
}

impl Transport for TcpTransport {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Clear(stream) => Self::Clear(stream.try_clone()?),
            #[cfg(feature = "tls")]
            Self::Secured(stream) => Self::Secured(stream.try_clone()?),
        })
    }

    fn prepare(&self, write_timeout: Duration) -> io::Result<()> {
        either!(self, stream => stream.prepare(write_timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        either!(self, stream => Transport::shutdown(stream, how))
    }

    fn security(&self) -> TransportSecurity {
        either!(self, stream => stream.security())
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        either!(self, stream => Transport::peer_addr(stream))
    }
}
