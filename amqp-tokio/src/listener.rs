//! [`Listener`]: accepts TCP connections.

use std::net::SocketAddr;

use amqp_proto::client::{Acceptor, Peer, Result};
use amqp_proto::driver;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use crate::connection::Connection;
use crate::tcp::Tcp;

/// Accepts TCP connections of clients.
///
/// ```no_run
/// use amqp_tokio::{Listener, OfferedLink};
///
/// # async fn serve() -> amqp_tokio::Result<()> {
/// let listener = Listener::bind("127.0.0.1:5672").await?;
/// loop {
///     let incoming = listener.accept().await?;
///     tokio::spawn(async move {
///         // A slow client keeps no other waiting.
///         let connection = incoming.open().await?;
///         while let Some(session) = connection.next_session().await? {
///             let session = session.accept()?;
///             while let Some(link) = session.next_link().await? {
///                 if let OfferedLink::Receiver(link) = link {
///                     let receiver = link.accept()?;
///                     while let Some(delivery) = receiver.recv().await? {
///                         println!("{:?}", delivery.message()?.body()?);
///                     }
///                 }
///             }
///         }
///         Ok::<(), amqp_tokio::Error>(())
///     });
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    acceptor: Acceptor,
}

impl Listener {
    /// Listens on an address, and accepts every client with default options.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the address cannot be bound.
    ///
    /// # Cancel safety
    ///
    /// A dropped future listens on nothing.
    pub async fn bind(address: impl ToSocketAddrs) -> Result<Self> {
        Self::bind_with(address, Acceptor::default()).await
    }

    /// Listens on an address, and accepts clients as `acceptor` says.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) if the address cannot be bound.
    ///
    /// # Cancel safety
    ///
    /// A dropped future listens on nothing.
    pub async fn bind_with(address: impl ToSocketAddrs, acceptor: Acceptor) -> Result<Self> {
        Ok(Self::new(TcpListener::bind(address).await?, acceptor))
    }

    /// Wraps a socket that is already listening.
    pub fn new(listener: TcpListener, acceptor: Acceptor) -> Self {
        Self { listener, acceptor }
    }

    /// Returns the local address of the socket.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// Waits for the next client.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io). It concerns one client, or is temporary: call this again after a while.
    ///
    /// # Cancel safety
    ///
    /// A dropped future accepts no client.
    pub async fn accept(&self) -> Result<Incoming> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Incoming { stream, peer, acceptor: self.acceptor.clone() })
    }
}

driver::skin::incoming!(TcpStream, async);

impl Incoming {
    async fn connect(self) -> Result<Connection> {
        let (stream, write_here) = Tcp::new(self.stream);
        Connection::accept_from(stream, Some(write_here), &Peer::at(self.peer), &self.acceptor).await
    }
}
