//! [`Listener`]: takes connections that others make.

use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::Arc;

use amqp_proto::endpoint::observe;
use amqp_proto::machine::sasl::{AnonymousServer, LinkSecurity, ServerSasl};
use amqp_proto::types::Moment;

use crate::connection::Connection;
use crate::error::Result;
use crate::options::ConnectionOptions;
use crate::shared::Shared;
use crate::transport::Transport;

/// How connections are taken: what their open says, and how clients show who they are.
#[derive(Clone)]
#[must_use]
pub struct Acceptor {
    options: ConnectionOptions,
    /// `None`: there is no layer for it.
    sasl: Option<Arc<Offers>>,
}

type Offers = dyn Fn(LinkSecurity) -> ServerSasl + Send + Sync;

impl Default for Acceptor {
    fn default() -> Self {
        Self {
            options: ConnectionOptions::new(),
            sasl: Some(Arc::new(|security| {
                ServerSasl::new(security).with_mechanism(AnonymousServer::new()).with_optional()
            })),
        }
    }
}

impl Acceptor {
    /// With these options. Takes clients that do not show who they are, and those that do not even say so.
    pub fn new(options: ConnectionOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Sets what clients are to authenticate with: it is made for each, and told whether somebody on the way can read
    /// what is said.
    pub fn with_sasl(mut self, offer: impl Fn(LinkSecurity) -> ServerSasl + Send + Sync + 'static) -> Self {
        self.sasl = Some(Arc::new(offer));
        self
    }

    /// Does without authentication, and without the layer for it.
    pub fn without_sasl(mut self) -> Self {
        self.sasl = None;
        self
    }

    /// Opens a connection over a transport that a client has made, and waits until the client has done so too.
    pub fn accept(&self, transport: impl Transport) -> Result<Connection> {
        let connection = self.server(&transport, Moment::START)?;
        Connection::opened(Shared::start(transport, self.options.reply_timeout, connection)?)
    }

    /// An engine for a server.
    pub(crate) fn server(&self, over: &impl Transport, now: Moment) -> Result<amqp_proto::Connection> {
        let options = self.options.to_engine()?;
        let mut connection = match self.sasl.as_ref().map(|offer| offer(over.security())) {
            Some(sasl) => amqp_proto::Connection::server_with_sasl(options, sasl, now),
            None => amqp_proto::Connection::server(options, now),
        };
        observe(&mut connection, over.peer_addr());
        Ok(connection)
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").field("options", &self.options).finish_non_exhaustive()
    }
}

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
///                 println!("{:?}", delivery?.message()?.body()?);
///             } // each is accepted
///         }
///     }
///     Ok::<(), amqp_blocking::Error>(())
/// });
///
/// let connection = Connection::open(&url)?;
/// assert_eq!(connection.sender("jobs").attach()?.send("hello")?, Outcome::Accepted);
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

    /// The same, for connections that are taken as the acceptor says.
    pub fn bind_with(address: impl ToSocketAddrs, acceptor: Acceptor) -> Result<Self> {
        Ok(Self { listener: TcpListener::bind(address)?, acceptor })
    }

    /// Where it listens.
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
    /// Where it comes from.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Opens the connection. It waits for the client: others are better taken by another thread meanwhile.
    pub fn open(self) -> Result<Connection> {
        self.acceptor.accept(self.stream)
    }
}
