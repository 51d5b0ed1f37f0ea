//! [`Dialled`]: a socket, encrypted or not.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use amqp_proto::sasl::LinkSecurity;

#[cfg(feature = "tls")]
use crate::tls::Secured;
use crate::transport::Transport;

/// A socket of TCP, encrypted or not.
pub(crate) enum Dialled {
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

impl Read for Dialled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(buffer))
    }
}

impl Write for Dialled {
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

impl Transport for Dialled {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Clear(stream) => Self::Clear(stream.try_clone()?),
            #[cfg(feature = "tls")]
            Self::Secured(stream) => Self::Secured(stream.try_clone()?),
        })
    }

    fn prepare(&self, write_time_out: Duration) -> io::Result<()> {
        either!(self, stream => stream.prepare(write_time_out))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        either!(self, stream => Transport::shutdown(stream, how))
    }

    fn security(&self) -> LinkSecurity {
        either!(self, stream => stream.security())
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        either!(self, stream => Transport::peer_addr(stream))
    }
}
