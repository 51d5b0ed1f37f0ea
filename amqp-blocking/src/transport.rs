//! [`Transport`]: what carries the octets.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use amqp_proto::client::Peer;
use amqp_proto::sasl::TransportSecurity;

/// A stream of octets in both directions, of which one thread reads while another writes.
///
/// [`TcpStream`] is one, and so are the sockets of Unix. Anything else that can be read and written is one once it can
/// be cloned and shut down.
pub trait Transport: Read + Write + Send + Sized + 'static {
    /// Another handle to the same stream.
    fn try_clone(&self) -> io::Result<Self>;

    /// Called once, before anything is read or written: from now on a read waits without end, and a write at most so
    /// long; then it fails with [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut),
    /// and will be tried again. That is how deadlines are kept to while the peer takes nothing.
    fn prepare(&self, write_timeout: Duration) -> io::Result<()>;

    /// Ends one direction or both. A read or write that waits, at whichever handle, returns.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Returns whether somebody on the way can read the octets. Then no password is sent as it is, unless that is
    /// asked for.
    fn security(&self) -> TransportSecurity {
        TransportSecurity::Clear
    }

    /// Returns where it leads, for those who trace what happens.
    fn peer_addr(&self) -> Option<SocketAddr> {
        None
    }
}

/// What is known of whom a transport leads to.
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
        // Output is written when there is no more to be had, so nothing is gained by waiting for more.
        self.set_nodelay(true)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }

    /// What goes to the same machine leaves it for nobody to read.
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
