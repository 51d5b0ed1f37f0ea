//! [`Transport`]: a stream of octets under a connection.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use amqp_proto::client::Peer;
use amqp_proto::sasl::TransportSecurity;

/// A stream of octets in both directions. One thread reads it while another writes.
///
/// [`TcpStream`] and Unix sockets implement it. Other streams can, if they can be read, written, cloned and shut
/// down.
pub trait Transport: Read + Write + Send + Sized + 'static {
    /// Returns another handle to the same stream.
    ///
    /// # Errors
    ///
    /// The stream cannot be cloned.
    fn try_clone(&self) -> io::Result<Self>;

    /// Prepares the stream, once, before it is read or written: reads have no timeout; a write fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut) after `write_timeout`, and
    /// is then tried again. So the adapter meets its deadlines although the peer does not read.
    ///
    /// # Errors
    ///
    /// The timeout cannot be set.
    fn prepare(&self, write_timeout: Duration) -> io::Result<()>;

    /// Shuts down one direction or both. Waiting reads and writes of all handles return.
    ///
    /// # Errors
    ///
    /// The stream is already shut down, or cannot be.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Returns whether others can read the octets on their way. If they can, no password is sent in clear, unless the
    /// options allow it.
    fn security(&self) -> TransportSecurity {
        TransportSecurity::Clear
    }

    /// Returns the address of the peer, for traces.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }
}

/// Returns the description of the transport's peer.
pub(crate) fn peer(over: &impl Transport) -> Peer {
    Peer::new(over.security()).with_address(over.peer_addr())
}

impl Transport for TcpStream {
    fn try_clone(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn prepare(&self, write_timeout: Duration) -> io::Result<()> {
        self.set_nonblocking(false)?;
        self.set_read_timeout(None)?;
        self.set_write_timeout(Some(write_timeout))?;
        // Output is written in large pieces, so Nagle's delay gains nothing.
        self.set_nodelay(true)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    /// A connection to the same machine is private.
    fn security(&self) -> TransportSecurity {
        self.peer_addr().map_or(TransportSecurity::Clear, |peer| Peer::at(peer).security())
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }
}

#[cfg(unix)]
impl Transport for std::os::unix::net::UnixStream {
    fn try_clone(&self) -> io::Result<Self> {
        self.try_clone()
    }

    fn prepare(&self, write_timeout: Duration) -> io::Result<()> {
        self.set_nonblocking(false)?;
        self.set_read_timeout(None)?;
        self.set_write_timeout(Some(write_timeout))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    fn security(&self) -> TransportSecurity {
        TransportSecurity::Encrypted
    }
}
