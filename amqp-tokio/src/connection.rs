//! [`Connection`]: the handle of one.

use std::sync::Arc;
use std::task::Waker;

use amqp_proto::Connection as Engine;
use amqp_proto::client::{
    Acceptor, Address, AddressError, CloseReason, ConnectionOptions, Peer, Result, random,
};
use amqp_proto::config::SessionOptions;
use amqp_proto::driver::{self, Clock, Hub, HubOptions};
use amqp_proto::sasl::TransportSecurity;
use amqp_proto::types::Moment;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::connect;
use crate::driver::Driver;
use crate::handles::{Offer, OfferedSession};
use crate::session::Session;
#[cfg(feature = "tls")]
use crate::tls;

/// A connection, and the task that drives it. Cheap to clone: all clones are the same connection.
///
/// It is closed by [`close`](Self::close), which waits until all is written and the peer has answered, or when the last
/// handle of it, of its sessions, links and deliveries is dropped. Dropping waits for nothing: the task writes what was
/// sent before and the close, as long as the runtime lives. With the runtime go the task and what could not be written
/// at once. So a program calls `close().await` on every path that leads out of it, also after an error.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> amqp_tokio::Result<()> {
/// # let broker = amqp_tokio::broker::Broker::new()?;
/// # let url = broker.listen("127.0.0.1:0").await?;
/// use amqp_tokio::Connection;
/// use amqp_tokio::wire::Outcome;
///
/// let connection = Connection::open(&url).await?; // such as amqp://localhost
/// let jobs = connection.sender("jobs").await?;
/// assert_eq!(jobs.send("job-content").await?, Outcome::Accepted);
/// connection.close().await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Connection(pub(crate) driver::Connection<Waker>);

impl Connection {
    /// Connects to a broker, `amqp://user:password@host:port`, and opens the connection. The URL's path is not looked
    /// at.
    ///
    /// Like everything that opens one, this needs a tokio runtime with IO and time enabled.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, ConnectionOptions::new()).await
    }

    /// Connects as [`open`](Self::open) does, with options.
    pub async fn open_with(url: &str, options: ConnectionOptions) -> Result<Self> {
        Self::connect(&url.parse()?, options).await
    }

    /// Connects as [`open`](Self::open) does, to an address that was parsed before.
    pub async fn connect(address: &Address, options: ConnectionOptions) -> Result<Self> {
        let options = options.for_address(address)?;
        let (stream, peer) = connect::reach(address, &options).await?;
        #[cfg(feature = "tls")]
        if address.is_encrypted() {
            let (stream, peer) = tls::connect(stream, &peer, address.host(), &options).await?;
            return Self::client(stream, &peer, &options).await;
        }
        Self::client(stream, &peer, &options).await
    }

    /// Opens a connection as a client over any stream. It is taken for one that others can listen to.
    pub async fn over<S>(stream: S, options: ConnectionOptions) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::client(stream, &Peer::new(TransportSecurity::Clear), &options).await
    }

    /// Opens a connection by TLS, which is spoken first, with the server that has a certificate for this host:
    /// over any stream what `amqps://host` is over TCP. Behind the feature `tls`.
    ///
    /// [`ConnectionOptions::with_tls`] says who is trusted, and what certificate is shown. On the other side an [`Acceptor`]
    /// with TLS takes any stream, too.
    #[cfg(feature = "tls")]
    pub async fn over_tls<S>(stream: S, host: &str, options: ConnectionOptions) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let options = options.for_tls(host);
        let (stream, peer) =
            tls::connect(stream, &Peer::new(TransportSecurity::Clear), host, &options).await?;
        Self::client(stream, &peer, &options).await
    }

    async fn client<S>(stream: S, peer: &Peer, options: &ConnectionOptions) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let engine = options.client(peer, Moment::START)?;
        Self::start(stream, engine, options).await
    }

    /// Takes a connection that a client makes over any stream, and waits until it is open. It is taken for one that
    /// others can listen to.
    pub async fn accept<S>(stream: S, acceptor: &Acceptor) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::accept_from(stream, &Peer::new(TransportSecurity::Clear), acceptor).await
    }

    pub(crate) async fn accept_from<S>(stream: S, peer: &Peer, acceptor: &Acceptor) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        #[cfg(feature = "tls")]
        if let Some(tls) = acceptor.server_tls() {
            let (stream, peer) = tls::accept(stream, peer, tls, acceptor).await?;
            return Self::start(stream, acceptor.server(&peer, Moment::START)?, acceptor.options()).await;
        }
        if acceptor.needs_tls() {
            return Err(AddressError::NoTls.into());
        }
        let engine = acceptor.server(peer, Moment::START)?;
        Self::start(stream, engine, acceptor.options()).await
    }

    /// Drives an engine over a stream, until it is open.
    async fn start<S>(stream: S, engine: Engine, options: &ConnectionOptions) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let start = Instant::now();
        #[cfg(feature = "tracing")]
        let span = engine.span().clone();
        let hub = Hub::new(
            engine,
            HubOptions {
                clock: Clock::new(move || now(start)),
                url: options.url().cloned(),
                prefix: format!("{:016x}", u64::from_ne_bytes(random()?)),
                takes_offers: options.accept_offers(),
                reply_timeout: options.reply_timeout(),
                write_here: None,
                last_words: None,
            },
        );
        let connection = Self(driver::Connection::new(Arc::clone(&hub)));
        let driver = Driver::new(hub, start, stream);
        #[cfg(feature = "tracing")]
        let driver = tracing::Instrument::instrument(driver, span);
        tokio::spawn(driver);
        driver::Connection::opened(&connection).await?;
        Ok(connection)
    }

    /// Begins a session, with the default options.
    pub async fn session(&self) -> Result<Session> {
        self.session_with(SessionOptions::new()).await
    }

    /// Begins a session, and waits until the peer has answered.
    pub async fn session_with(&self, options: SessionOptions) -> Result<Session> {
        let session = driver::Connection::begin(self, &options)?;
        driver::Session::begun(&session).await?;
        Ok(Session(session))
    }

    driver::link_builders!(Connection);

    /// Returns the next session that the peer begins; `None` when the connection is over without an error.
    ///
    /// Only where the options say that offers are taken, as those of a [`Listener`](crate::Listener) do.
    pub async fn next_session(&self) -> Result<Option<OfferedSession>> {
        driver::Connection::next_session(self).await
    }

    /// Waits for the peer to begin a session or attach a link, on any session; `None` once the connection is over without
    /// an error. Only where the options say that offers are taken, as those of a [`Listener`](crate::Listener) do.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has taken nothing.
    pub async fn next_offer(&self) -> Result<Option<Offer>> {
        driver::Connection::next_offer(self).await
    }

    /// Closes the connection, and waits until the peer has answered. What was sent before is written before the close.
    /// Returns `Ok` if the connection was over already without an error.
    ///
    /// Whether a message arrived only its outcome tells.
    ///
    /// # Errors
    ///
    /// How the connection ended, if that was not by this; and that not all was written that was sent before, where the
    /// peer did not take it within the [close time-out](ConnectionOptions::with_close_timeout).
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, this has begun to close the connection.
    pub async fn close(&self) -> Result<()> {
        driver::Connection::close(self).await
    }

    /// Closes the connection at once, saying why: what is not written yet is given up. Waits until the peer has
    /// answered.
    ///
    /// # Errors
    ///
    /// How the connection ended, if that was not by this.
    pub async fn close_with(&self, error: impl Into<amqp_proto::wire::AmqpError>) -> Result<()> {
        driver::Connection::close_with(self, error.into()).await
    }

    /// Waits until the connection is over and all that can be written is, and returns how it ended.
    pub async fn closed(&self) -> CloseReason {
        driver::Connection::closed(self).await
    }
}

/// Returns the time of now on an engine's clock.
fn now(start: Instant) -> Moment {
    Moment::START + start.elapsed()
}
