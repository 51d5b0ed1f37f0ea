//! [`Listener`]: accepts TCP connections.

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

driver::skin::listener!(TcpListener TcpStream ToSocketAddrs, async);

impl Incoming {
    async fn connect(self) -> Result<Connection> {
        let (stream, write_here) = Tcp::new(self.stream);
        Connection::accept_from(stream, Some(write_here), &Peer::at(self.peer), &self.acceptor).await
    }
}
