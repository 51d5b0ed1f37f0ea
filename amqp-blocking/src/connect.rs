//! Connections to a host; and [`TcpTransport`]: a socket with or without TLS.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use amqp_proto::client::{
    Acceptor, Address, AddressError, ConnectionOptions, Peer, Result, STAGGER, take_turns, unreachable,
};
use amqp_proto::sasl::TransportSecurity;

#[cfg(feature = "tls")]
use crate::tls::{self, Secured};
use crate::transport::{self, Transport};

/// Connects to the first of the host's addresses that answers within the options' timeout, with TLS if the address
/// asks for it.
pub(crate) fn reach(address: &Address, options: &ConnectionOptions) -> Result<TcpTransport> {
    if address.is_encrypted() && !cfg!(feature = "tls") {
        return Err(AddressError::NoTls.into());
    }
    let by = options.connect_timeout().and_then(|span| Instant::now().checked_add(span));
    let reached = reach_any((address.host(), address.port()), by);
    let stream = reached.map_err(|error| unreachable(address, &error))?;
    #[cfg(feature = "tls")]
    if address.is_encrypted() {
        return Ok(TcpTransport::Secured(tls::connect(stream, address.host(), options)?));
    }
    Ok(TcpTransport::Clear(stream))
}

fn reach_any(host: (&str, u16), by: Option<Instant>) -> io::Result<TcpStream> {
    race(take_turns(host.to_socket_addrs()?), by, |address, left| match left {
        None => TcpStream::connect(address),
        Some(left) => TcpStream::connect_timeout(&address, left),
    })
}

/// Tries addresses in order, each in a thread of its own. Each attempt starts when the one before has failed, or has
/// not answered for a while. Returns the first connection, or the error of the last attempt.
fn race<T: Send + 'static>(
    addresses: Vec<SocketAddr>,
    by: Option<Instant>,
    connect: impl Fn(SocketAddr, Option<Duration>) -> io::Result<T> + Copy + Send + 'static,
) -> io::Result<T> {
    let time_left = move || by.map(|by| by.saturating_duration_since(Instant::now()));
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let (tell, told) = mpsc::channel();
    let (mut addresses, mut running) = (addresses.into_iter(), 0);
    loop {
        let next = addresses.next();
        if let Some(address) = next {
            let (tell, left) = (tell.clone(), time_left().map(|left| left.max(SHORTEST)));
            let attempt = move || drop(tell.send(connect(address, left)));
            thread::Builder::new().name("amqp-connect".into()).spawn(attempt)?;
            running += 1;
        } else if running == 0 {
            return Err(failure);
        }
        let pause = Some(STAGGER).filter(|_| addresses.len() > 0);
        let wait = pause.into_iter().chain(time_left()).min();
        match told.recv_timeout(wait.unwrap_or(Duration::MAX)) {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                failure = error;
                running -= 1;
            }
            Err(_) if time_left() == Some(Duration::ZERO) => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
}

/// The shortest timeout of an attempt, since a timeout of 0 is an error.
const SHORTEST: Duration = Duration::from_millis(1);

/// Prepares an accepted socket: handshakes if TLS is on, and returns the peer's identity.
pub(crate) fn taken(stream: TcpStream, acceptor: &Acceptor) -> Result<(TcpTransport, Peer)> {
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

/// A TCP socket, with or without TLS.
pub(crate) enum TcpTransport {
    Clear(TcpStream),
    #[cfg(feature = "tls")]
    Secured(Secured<TcpStream>),
}

/// Calls a method of either variant.
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::race;

    fn addresses(count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| ([127, 0, 0, 1], port).into()).collect()
    }

    /// RFC 8305, section 5: an address that does not answer does not delay the others.
    #[test]
    fn an_address_that_does_not_answer_does_not_delay_the_others() {
        let start = Instant::now();
        let reached = race(addresses(3), None, |address, _| match address.port() {
            1 => {
                thread::sleep(Duration::from_secs(60));
                Err(io::ErrorKind::TimedOut.into())
            }
            2 => Err(io::ErrorKind::ConnectionRefused.into()),
            port => Ok(port),
        });
        assert_eq!(reached.unwrap(), 3);
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    }

    #[test]
    fn a_host_of_which_no_address_answers_is_an_error() {
        let refused = |_, _| Err::<(), _>(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(race(addresses(2), None, refused).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(race(addresses(0), None, refused).unwrap_err().kind(), io::ErrorKind::NotFound);
        let by = Instant::now() + Duration::from_millis(50);
        let slow = |_, _| {
            thread::sleep(Duration::from_secs(60));
            Ok(())
        };
        assert_eq!(race(addresses(2), Some(by), slow).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
