//! [`Listener`]: the end that is dialled.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use amqp_proto::Connection as Engine;
use amqp_proto::endpoint::observe;
use amqp_proto::machine::sasl::{AnonymousServer, LinkSecurity, ServerSasl};
use amqp_proto::types::Moment;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use crate::connection::Connection;
use crate::error::Result;
use crate::options::ConnectionOptions;

/// How connections are taken that others make: options, and how clients have to say who they are.
///
/// ```no_run
/// use amqp_tokio::{Acceptor, ConnectionOptions};
/// use amqp_tokio::sasl::{Credentials, PlainServer, ServerSasl};
///
/// #[derive(Clone)]
/// struct OneUser;
///
/// impl Credentials for OneUser {
///     fn check_password(&self, user: &str, password: &str) -> bool {
///         user == "user" && password == "pencil" // a real one compares hashes, in constant time
///     }
/// }
///
/// let acceptor = Acceptor::new(ConnectionOptions::new().container_id("router"))
///     .with_sasl(|link| ServerSasl::new(link).with_mechanism(PlainServer::new(OneUser)));
/// ```
#[derive(Clone)]
pub struct Acceptor {
    options: ConnectionOptions,
    sasl: Option<Arc<dyn Fn(LinkSecurity) -> ServerSasl + Send + Sync>>,
}

impl Acceptor {
    /// Takes clients that are anonymous, or do not authenticate at all.
    pub fn new(options: ConnectionOptions) -> Self {
        let sasl = |link| ServerSasl::new(link).with_mechanism(AnonymousServer::new()).with_optional();
        Self { options, sasl: None }.with_sasl(sasl)
    }

    /// Sets what is offered to each client to authenticate with.
    #[must_use]
    pub fn with_sasl(mut self, offer: impl Fn(LinkSecurity) -> ServerSasl + Send + Sync + 'static) -> Self {
        self.sasl = Some(Arc::new(offer));
        self
    }

    /// Has clients speak AMQP at once.
    #[must_use]
    pub fn without_sasl(mut self) -> Self {
        self.sasl = None;
        self
    }

    /// Takes a connection over any stream, and waits until it is open. It is taken for one that others can listen to.
    pub async fn accept<S>(&self, stream: S) -> Result<Connection>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.accept_over(stream, LinkSecurity::Clear, None).await
    }

    async fn accept_over<S>(
        &self,
        stream: S,
        link: LinkSecurity,
        peer: Option<SocketAddr>,
    ) -> Result<Connection>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Connection::start(stream, self.server(link, peer, Moment::START)?, true).await
    }

    /// An engine for a server.
    pub(crate) fn server(&self, link: LinkSecurity, peer: Option<SocketAddr>, now: Moment) -> Result<Engine> {
        let options = self.options.to_engine()?;
        let mut engine = match &self.sasl {
            Some(offer) => Engine::server_with_sasl(options, offer(link), now),
            None => Engine::server(options, now),
        };
        observe(&mut engine, peer);
        Ok(engine)
    }

    /// What comes from this machine counts as private.
    pub(crate) fn security(peer: SocketAddr) -> LinkSecurity {
        if peer.ip().is_loopback() { LinkSecurity::Encrypted } else { LinkSecurity::Clear }
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("options", &self.options)
            .field("has_sasl", &self.sasl.is_some())
            .finish()
    }
}

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
///         let connection = incoming.open().await?; // a slow client keeps nobody else waiting
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
        Self::bind_with(address, Acceptor::new(ConnectionOptions::new())).await
    }

    /// Listens, taking connections as the acceptor does.
    pub async fn bind_with(address: impl ToSocketAddrs, acceptor: Acceptor) -> Result<Self> {
        Ok(Self::new(TcpListener::bind(address).await?, acceptor))
    }

    /// Takes over a socket that listens already.
    pub fn new(listener: TcpListener, acceptor: Acceptor) -> Self {
        Self { listener, acceptor }
    }

    /// The address that it listens on.
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
    /// Where it comes from.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Waits until the connection is open. What comes from this machine counts as private.
    pub async fn open(self) -> Result<Connection> {
        self.acceptor.accept_over(self.stream, Acceptor::security(self.peer), Some(self.peer)).await
    }
}
