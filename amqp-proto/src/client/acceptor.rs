//! [`Acceptor`]: the configuration of a server.

use std::fmt;
use std::sync::Arc;

use super::error::Result;
use super::frame_log::log_frames;
use super::host::Host;
use super::memory_pool::MemoryPool;
use super::options::ConnectionOptions;
use super::peer::Peer;
use super::terminus_store::TerminusStore;
#[cfg(feature = "tls")]
use super::tls::ServerTls;
#[cfg(feature = "tls")]
use super::tls_headers::TlsHeaders;
#[cfg(feature = "websocket")]
use super::websocket::WebSocketOptions;
use crate::connection::Connection;
use crate::sasl::{AnonymousServer, Credentials, ExternalServer, ServerSasl};
use crate::types::Moment;

/// The configuration of a server: connection options, SASL, TLS and WebSocket.
///
/// ```
/// use amqp_proto::client::{Acceptor, ConnectionOptions};
/// use amqp_proto::sasl::{Credentials, PlainServer, ServerSasl};
///
/// #[derive(Clone)]
/// struct OneUser;
///
/// impl Credentials for OneUser {
///     fn check_password(&self, user: &str, password: &str) -> bool {
///         // A real server compares hashes, in constant time.
///         user == "user" && password == "pencil"
///     }
/// }
///
/// let options = ConnectionOptions::new().with_container_id("router");
/// let acceptor = Acceptor::new(options).with_sasl(|peer| {
///     let plain = PlainServer::new(OneUser);
///     ServerSasl::new(peer.security()).with_mechanism(plain)
/// });
/// ```
#[derive(Clone)]
#[must_use]
pub struct Acceptor {
    options: ConnectionOptions,
    /// `None` for connections without SASL.
    sasl: Option<Arc<Offers>>,
    /// `None` if only the limits of each connection bound the memory.
    memory: Option<MemoryPool>,
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
    #[cfg(feature = "websocket")]
    websocket: Option<WebSocketOptions>,
}

/// The memory of a connection that is refused.
const REFUSED: u64 = 256 << 10;

type Offers = dyn Fn(&Peer) -> ServerSasl + Send + Sync;

impl Acceptor {
    /// Returns the configuration of a server that accepts every client.
    ///
    /// Clients may authenticate by EXTERNAL, if the layer below has authenticated them, or by ANONYMOUS, or
    /// not at all. Sessions and links that clients begin are kept until the application accepts them,
    /// whatever [`with_accept_offers`](ConnectionOptions::with_accept_offers) says.
    pub fn new(options: ConnectionOptions) -> Self {
        Self {
            options: options.with_accept_offers(true),
            sasl: Some(Arc::new(offer_to_anybody)),
            memory: None,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "websocket")]
            websocket: None,
        }
    }

    /// Sets the SASL mechanisms; `offer` is called for each client.
    pub fn with_sasl(mut self, offer: impl Fn(&Peer) -> ServerSasl + Send + Sync + 'static) -> Self {
        self.sasl = Some(Arc::new(offer));
        self
    }

    /// Makes clients speak AMQP at once, without SASL.
    pub fn without_sasl(mut self) -> Self {
        self.sasl = None;
        self
    }

    /// Makes connections take their memory from a pool, which bounds the memory of all of them. A client for whom too
    /// little is left is refused.
    pub fn with_memory_pool(mut self, pool: &MemoryPool) -> Self {
        self.memory = Some(pool.clone());
        self
    }

    /// Keeps the ends of links in a store, so that clients resume links on their next connection. The handles of amqp-tokio
    /// and amqp-blocking do so; a container does not. Default: nothing is kept, and [`TerminusStore`] says why.
    pub fn with_termini(mut self, termini: impl Into<Arc<TerminusStore>>) -> Self {
        self.options = self.options.with_termini(termini.into());
        self
    }

    /// Requires TLS of clients, after a protocol header that asks for it [5.2] or from the first octet [5.2.1]. A client
    /// that sends another header is told so by the header of TLS.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Returns the TLS configuration, if the server requires TLS.
    #[cfg(feature = "tls")]
    pub fn server_tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// Returns the exchange of headers before TLS. There is none before a WebSocket.
    #[cfg(feature = "tls")]
    pub fn tls_headers(&self) -> TlsHeaders {
        if self.needs_websocket() { TlsHeaders::none() } else { TlsHeaders::server() }
    }

    /// Returns `true` if the server requires TLS; a driver without TLS must then accept no connection.
    pub fn needs_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Requires a WebSocket of clients, over TLS if [`with_tls`](Self::with_tls) requires TLS, at any path.
    #[cfg(feature = "websocket")]
    pub fn with_websocket(mut self, options: WebSocketOptions) -> Self {
        self.websocket = Some(options);
        self
    }

    /// Returns the options of WebSockets, if the server requires WebSockets.
    #[cfg(feature = "websocket")]
    pub fn websocket(&self) -> Option<&WebSocketOptions> {
        self.websocket.as_ref()
    }

    /// Returns `true` if the server requires WebSockets; a driver without WebSocket must then accept no connection.
    pub fn needs_websocket(&self) -> bool {
        #[cfg(feature = "websocket")]
        return self.websocket.is_some();
        #[cfg(not(feature = "websocket"))]
        false
    }

    /// Returns the options of accepted connections.
    pub fn options(&self) -> &ConnectionOptions {
        &self.options
    }

    /// Returns the engine of a server for this client, with the frame log of [`log_frames`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`](super::Error::Io) if the system has no random numbers for a container id.
    pub fn server(&self, host: &Host, peer: &Peer, now: Moment) -> Result<Connection> {
        let mut options = self.options.to_engine(host)?;
        let limits = self.options.limits();
        let share = self.memory.as_ref().map(|pool| pool.take(limits.memory()));
        if let Some(None) = share {
            options = options.with_limits(limits.clone().with_memory(limits.memory().min(REFUSED)));
        }
        let mut connection = match self.sasl.as_ref().map(|offer| offer(peer)) {
            Some(sasl) => Connection::server_with_sasl(options, sasl, now),
            None => Connection::server(options, now),
        };
        match share {
            None => {}
            Some(None) => connection.refuse(limits.memory()),
            Some(Some(share)) => connection.keep(Box::new(share)),
        }
        log_frames(&mut connection, host, peer.address());
        self.options.termini().into_iter().for_each(|termini| termini.set_clock(host.clock()));
        Ok(connection)
    }
}

impl Default for Acceptor {
    fn default() -> Self {
        Self::new(ConnectionOptions::new())
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

fn offer_to_anybody(peer: &Peer) -> ServerSasl {
    let sasl = ServerSasl::new(peer.security());
    match peer.user() {
        Some(user) => sasl.with_mechanism(ExternalServer::new(user.clone(), Itself)),
        None => sasl,
    }
    .with_mechanism(AnonymousServer::new())
    .with_optional()
}

/// Credentials that let a user act as itself, and know no passwords.
struct Itself;

impl Credentials for Itself {}
