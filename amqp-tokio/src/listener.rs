//! [`Listener`]: the end that is dialled.

use std::io;
use std::net::SocketAddr;

use amqp_proto::client::{Acceptor, Peer, Result};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use crate::connection::Connection;

/// Waits for clients on a TCP port.
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
    /// Listens with the default options, to anybody.
    pub async fn bind(address: impl ToSocketAddrs) -> Result<Self> {
        Self::bind_with(address, Acceptor::default()).await
    }

    /// Listens, taking connections as the acceptor does.
    pub async fn bind_with(address: impl ToSocketAddrs, acceptor: Acceptor) -> Result<Self> {
        Ok(Self::new(TcpListener::bind(address).await?, acceptor))
    }

    /// Takes over a socket that listens already.
    pub fn new(listener: TcpListener, acceptor: Acceptor) -> Self {
        Self { listener, acceptor }
    }

    /// Returns the address that it listens on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Waits for the next client. An error is of that client, or passes: try again, after a while.
    pub async fn accept(&self) -> Result<Incoming> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Incoming { stream, peer, acceptor: self.acceptor.clone() })
    }
}

/// A client that has connected, and has not said anything yet.
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

    /// Waits until the connection is open. What comes from this machine counts as private.
    pub async fn open(self) -> Result<Connection> {
        Connection::accept_from(self.stream, &Peer::at(self.peer), &self.acceptor).await
    }
}
