//! [`Listener`]: takes connections that others make.

use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use amqp_proto::client::{Acceptor, Result};

use crate::connection::Connection;

/// Takes connections over TCP.
///
/// ```
/// use amqp_blocking::wire::Outcome;
/// use amqp_blocking::{Accepted, Connection, Listener};
///
/// let listener = Listener::bind("127.0.0.1:0")?;
/// let url = format!("amqp://{}", listener.local_addr()?);
/// let server = std::thread::spawn(move || {
///     let connection = listener.accept()?.open()?;
///     while let Some(offer) = connection.next_offer()? {
///         if let Accepted::Receiver(receiver) = offer.accept()? {
///             for delivery in &receiver {
///                 let delivery = delivery?;
///                 println!("{:?}", delivery.message()?.body()?);
///                 delivery.accept()?;
///             }
///         }
///     }
///     Ok::<(), amqp_blocking::Error>(())
/// });
///
/// let connection = Connection::open(&url)?;
/// let jobs = connection.sender("jobs").attach()?;
/// assert_eq!(jobs.send("hello")?, Outcome::Accepted);
/// connection.close()?;
/// server.join().unwrap()?;
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    acceptor: Acceptor,
}

impl Listener {
    /// Listens at an address such as `127.0.0.1:5672`; at a free port, if that is 0.
    pub fn bind(address: impl ToSocketAddrs) -> Result<Self> {
        Self::bind_with(address, Acceptor::default())
    }

    /// Listens as [`bind`](Self::bind) does, and takes connections as the acceptor says.
    pub fn bind_with(address: impl ToSocketAddrs, acceptor: Acceptor) -> Result<Self> {
        Ok(Self { listener: TcpListener::bind(address)?, acceptor })
    }

    /// Returns where it listens.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Waits for somebody to connect.
    pub fn accept(&self) -> Result<Incoming> {
        let (stream, peer) = self.listener.accept()?;
        Ok(Incoming { stream, peer, acceptor: self.acceptor.clone() })
    }
}

/// Somebody who has connected, and may not even speak AMQP.
#[derive(Debug)]
pub struct Incoming {
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Acceptor,
}

impl Incoming {
    /// Returns where it comes from.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Opens the connection. It waits for the client: others are better taken by another thread meanwhile.
    pub fn open(self) -> Result<Connection> {
        Connection::accept(self.stream, &self.acceptor)
    }
}
