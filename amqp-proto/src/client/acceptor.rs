//! [`Acceptor`]: how connections are taken that others make.

use std::fmt;
use std::sync::Arc;

use super::error::Result;
use super::frame_log::log_frames;
use super::options::ConnectionOptions;
use super::peer::Peer;
#[cfg(feature = "tls")]
use super::tls::ServerTls;
use crate::connection::Connection;
use crate::sasl::{AnonymousServer, Credentials, ExternalServer, ServerSasl};
use crate::types::Moment;

/// How connections are taken that others make: what their open says, and how clients show who they are.
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
///         user == "user" && password == "pencil" // a real one compares hashes, in constant time
///     }
/// }
///
/// let acceptor = Acceptor::new(ConnectionOptions::new().with_container_id("router"))
///     .with_sasl(|peer| ServerSasl::new(peer.security()).with_mechanism(PlainServer::new(OneUser)));
/// ```
#[derive(Clone)]
#[must_use]
pub struct Acceptor {
    options: ConnectionOptions,
    /// `None`: there is no layer for it.
    sasl: Option<Arc<Offers>>,
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
}

type Offers = dyn Fn(&Peer) -> ServerSasl + Send + Sync;

impl Acceptor {
    /// Takes clients whom the layer below knows by EXTERNAL, those that are anonymous, and those that do not
    /// authenticate at all. Sessions and links that they begin are kept to be accepted, whatever
    /// [`with_accept_offers`](ConnectionOptions::with_accept_offers) says.
    pub fn new(options: ConnectionOptions) -> Self {
        Self {
            options: options.with_accept_offers(true),
            sasl: Some(Arc::new(offer_to_anybody)),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Sets what each client is offered to authenticate with.
    pub fn with_sasl(mut self, offer: impl Fn(&Peer) -> ServerSasl + Send + Sync + 'static) -> Self {
        self.sasl = Some(Arc::new(offer));
        self
    }

    /// Has clients speak AMQP at once, without the layer for authentication.
    pub fn without_sasl(mut self) -> Self {
        self.sasl = None;
        self
    }

    /// Has clients speak TLS first. None is taken that does not.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How TLS is spoken, if it is.
    #[cfg(feature = "tls")]
    pub fn server_tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// Returns whether TLS is spoken; a driver that cannot must take no connection.
    pub fn needs_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Returns the options that connections are opened with.
    pub fn options(&self) -> &ConnectionOptions {
        &self.options
    }

    /// Returns the engine of a server, for this client. It is [logged](log_frames), where that is wanted.
    pub fn server(&self, peer: &Peer, now: Moment) -> Result<Connection> {
        let options = self.options.to_engine()?;
        let mut connection = match self.sasl.as_ref().map(|offer| offer(peer)) {
            Some(sasl) => Connection::server_with_sasl(options, sasl, now),
            None => Connection::server(options, now),
        };
        log_frames(&mut connection, peer.address());
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

/// A user may act as itself, and there are no passwords.
struct Itself;

impl Credentials for Itself {}
