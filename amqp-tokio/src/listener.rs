//! [`Listener`]: accepts TCP connections.

use amqp_proto::client::{Acceptor, Peer, Result};
use amqp_proto::driver;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use crate::connection::Connection;
use crate::tcp::Tcp;

/// Accepts TCP connections of clients.
///
/// ```no_run
/// use amqp_tokio::policy::Router;
/// use amqp_tokio::{Listener, OfferedLink, Receiver, Result};
///
/// async fn work(jobs: Receiver) -> Result<()> {
///     jobs.for_each(8, async |job| job.message().map(drop)).await
/// }
///
/// # async fn serve() -> Result<()> {
/// let listener = Listener::bind("127.0.0.1:5672").await?;
/// loop {
///     let incoming = listener.accept().await?;
///     tokio::spawn(async move {
///         // A slow client keeps no other waiting.
///         let connection = incoming.open().await?;
///         let router = Router::new().with_address("jobs", work);
///         while let Some((work, link)) = connection.next_routed(&router).await? {
///             // A link that is dropped is refused.
///             if let OfferedLink::Receiver(link) = link {
///                 tokio::spawn(work(link.accept()?));
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
