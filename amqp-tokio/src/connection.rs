//! [`Connection`]: opens a connection, begins sessions, and closes.

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

/// A handle of a connection. Clones are cheap handles of the same connection. A task drives the connection.
///
/// [`close`](Self::close) closes the connection: it waits until all output is written and the peer has answered.
/// Dropping the last handle of the connection, its sessions, links and deliveries closes it, too, but does not wait:
/// the task writes the output and the close while the runtime lives, and what cannot be written at once is lost with
/// the runtime. So call `close().await` on every path out of a program, also after an error.
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
    /// Connects to a URL such as `amqp://user:password@host:port`, and opens the connection. The path of the URL is
    /// ignored.
    ///
    /// Needs a tokio runtime with IO and time enabled.
    ///
    /// # Errors
    ///
    /// The URL or its user is wrong; the host cannot be reached; TLS, SASL or the peer's open has failed; or one of
    /// them took too long. See [`Error::kind`](crate::Error::kind).
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the transport.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(url, ConnectionOptions::new()).await
    }

    /// Connects like [`open`](Self::open), with options.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the transport.
    pub async fn open_with(url: &str, options: ConnectionOptions) -> Result<Self> {
        Self::connect(&url.parse()?, options).await
    }

    /// Connects like [`open`](Self::open), to a parsed address.
    ///
    /// # Errors
    ///
    /// See [`open_with`](Self::open_with).
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the transport.
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

    /// Opens a connection as the client on any stream. The stream counts as one that others can read.
    ///
    /// # Errors
    ///
    /// SASL, the peer's open or the stream has failed, or the peer took too long.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the stream.
    pub async fn over<S>(stream: S, options: ConnectionOptions) -> Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self::client(stream, &Peer::new(TransportSecurity::Clear), &options).await
    }

    /// Opens a connection as the client on any stream, with TLS first. The server must have a certificate for `host`.
    /// Needs the feature `tls`.
    ///
    /// [`ConnectionOptions::with_tls`] sets the trusted certificates and the client's own. A server accepts such a
    /// stream with an [`Acceptor`] that has TLS.
    ///
    /// # Errors
    ///
    /// TLS, SASL, the peer's open or the stream has failed, or the peer took too long.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the stream.
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

    /// Opens a connection as the server on any stream. The stream counts as one that others can read.
    ///
    /// # Errors
    ///
    /// TLS, SASL, the peer's open or the stream has failed, or the client took too long.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the stream.
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

    /// Opens an engine's connection on a stream.
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

    /// Begins a session with default options.
    ///
    /// # Errors
    ///
    /// See [`session_with`](Self::session_with).
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the session.
    pub async fn session(&self) -> Result<Session> {
        self.session_with(SessionOptions::new()).await
    }

    /// Begins a session, and waits until the peer has begun it, too.
    ///
    /// # Errors
    ///
    /// [`Error::Begin`](crate::Error::Begin) if no session can be begun, [`Error::Session`](crate::Error::Session) if
    /// the peer refuses it, [`Error::Connection`](crate::Error::Connection) if the connection is over,
    /// [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not answer in time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the session.
    pub async fn session_with(&self, options: SessionOptions) -> Result<Session> {
        let session = driver::Connection::begin(self, &options)?;
        driver::Session::begun(&session).await?;
        Ok(Session(session))
    }

    driver::link_builders!(Connection);

    /// Waits for the next session that the peer begins; `None` if the connection has ended without an error.
    ///
    /// The options must [accept offers](ConnectionOptions::with_accept_offers), as those of a
    /// [`Listener`](crate::Listener) do.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the connection has ended with an error.
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes no session.
    pub async fn next_session(&self) -> Result<Option<OfferedSession>> {
        driver::Connection::next_session(self).await
    }

    /// Waits for the next session that the peer begins, or the next link that it attaches on any session; `None` if
    /// the connection has ended without an error.
    ///
    /// The options must [accept offers](ConnectionOptions::with_accept_offers), as those of a
    /// [`Listener`](crate::Listener) do.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the connection has ended with an error.
    ///
    /// # Cancel safety
    ///
    /// A dropped future takes nothing.
    pub async fn next_offer(&self) -> Result<Option<Offer>> {
        driver::Connection::next_offer(self).await
    }

    /// Closes the connection after all sent messages are written, and waits until the peer has answered. Returns `Ok`
    /// if the connection has ended before without an error.
    ///
    /// Only its outcome says that a message has arrived.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the connection ended for another reason, or if the peer did
    /// not read all messages within the [close timeout](ConnectionOptions::with_close_timeout).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has begun to close the connection.
    pub async fn close(&self) -> Result<()> {
        driver::Connection::close(self).await
    }

    /// Closes the connection at once, with an error for the peer, and waits until the peer has answered. Output that
    /// is not yet written is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the connection ended for another reason.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has closed the connection.
    pub async fn close_with(&self, error: impl Into<amqp_proto::wire::AmqpError>) -> Result<()> {
        driver::Connection::close_with(self, error.into()).await
    }

    /// Waits until the connection is over and its output is written, and returns the reason.
    ///
    /// # Cancel safety
    ///
    /// A dropped future changes nothing.
    pub async fn closed(&self) -> CloseReason {
        driver::Connection::closed(self).await
    }
}

/// Returns the current time of an engine's clock.
fn now(start: Instant) -> Moment {
    Moment::START + start.elapsed()
}
