//! [`Listener`]: accepts TCP connections.

use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

use amqp_proto::client::{Acceptor, Result};
use amqp_proto::driver;

use crate::connection::Connection;

/// Accepts TCP connections of clients.
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
    /// Listens on an address, such as `127.0.0.1:5672`, and accepts every client with default options. Port 0 picks a
    /// free port.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the address cannot be bound.
    pub fn bind(address: impl ToSocketAddrs) -> Result<Self> {
        Self::bind_with(address, Acceptor::default())
    }

    /// Listens on an address, and accepts clients as `acceptor` says.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the address cannot be bound.
    pub fn bind_with(address: impl ToSocketAddrs, acceptor: Acceptor) -> Result<Self> {
        Ok(Self::new(TcpListener::bind(address)?, acceptor))
    }

    /// Takes connections from a socket that listens already.
    pub fn new(listener: TcpListener, acceptor: Acceptor) -> Self {
        Self { listener, acceptor }
    }

    /// Returns the local address of the socket.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) from the operating system.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Waits for the next client.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io). It concerns one client, or is temporary: call this again after a while.
    pub fn accept(&self) -> Result<Incoming> {
        let (stream, peer) = self.listener.accept()?;
        Ok(Incoming { stream, peer, acceptor: self.acceptor.clone() })
    }
}

driver::skin::incoming!(TcpStream);

impl Incoming {
    fn connect(self) -> Result<Connection> {
        Connection::accept(self.stream, &self.acceptor)
    }
}
