//! [`Connection`]: opens a connection, begins sessions, and closes.

use std::sync::Arc;
use std::task::Waker as Waiter;

use amqp_proto::Connection as Engine;
use amqp_proto::client::{Acceptor, Address, AddressError, ConnectionOptions, Peer, Result};
use amqp_proto::driver::{self, Clock, Hub, HubOptions, WriteHere};
use amqp_proto::sasl::TransportSecurity;
use amqp_proto::types::Moment;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::driver::Driver;
use crate::host::HOST;
use crate::redial::{self, Reached, StatusChanges};
use crate::session::{Offer, OfferedLink, OfferedSession, Session};
#[cfg(feature = "tls")]
use crate::tls;
#[cfg(feature = "websocket")]
use crate::websocket;

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
pub struct Connection(pub(crate) driver::Connection<Waiter>);

impl Connection {
    async fn connect_to(address: &Address, options: &ConnectionOptions) -> Result<Self> {
        match redial::reach(address, options).await? {
            Reached::Plain(stream, write_here, peer) => {
                Self::client(stream, Some(write_here), &peer, options).await
            }
            #[cfg(feature = "tls")]
            Reached::Secured(stream, peer) => Self::client(stream, None, &peer, options).await,
            #[cfg(feature = "websocket")]
            Reached::WebSocket(stream, peer) => Self::client(stream, None, &peer, options).await,
        }
    }

    async fn open_on(stream: impl Stream, options: &ConnectionOptions) -> Result<Self> {
        Self::client(stream, None, &Peer::new(TransportSecurity::Clear), options).await
    }

    #[cfg(feature = "tls")]
    async fn open_secured(stream: impl Stream, host: &str, options: &ConnectionOptions) -> Result<Self> {
        let peer = Peer::new(TransportSecurity::Clear);
        let (stream, peer) = tls::connect(stream, &peer, host, options).await?;
        Self::client(stream, None, &peer, options).await
    }

    async fn client(
        stream: impl Stream,
        write_here: Option<WriteHere>,
        peer: &Peer,
        options: &ConnectionOptions,
    ) -> Result<Self> {
        let engine = options.client(&HOST, peer, Moment::START)?;
        Self::start(stream, write_here, engine, options).await
    }

    async fn accept_on(stream: impl Stream, acceptor: &Acceptor) -> Result<Self> {
        Self::accept_from(stream, None, &Peer::new(TransportSecurity::Clear), acceptor).await
    }

    pub(crate) async fn accept_from(
        stream: impl Stream,
        write_here: Option<WriteHere>,
        peer: &Peer,
        acceptor: &Acceptor,
    ) -> Result<Self> {
        #[cfg(feature = "tls")]
        if let Some(tls) = acceptor.server_tls() {
            let (stream, peer) = tls::accept(stream, peer, tls, acceptor).await?;
            return Self::serve(stream, None, &peer, acceptor).await;
        }
        if acceptor.needs_tls() {
            return Err(AddressError::NoTls.into());
        }
        Self::serve(stream, write_here, peer, acceptor).await
    }

    async fn serve(
        stream: impl Stream,
        write_here: Option<WriteHere>,
        peer: &Peer,
        acceptor: &Acceptor,
    ) -> Result<Self> {
        #[cfg(feature = "websocket")]
        if let Some(websocket) = acceptor.websocket() {
            let stream = websocket::accept(stream, websocket, acceptor).await?;
            let engine = acceptor.server(&HOST, peer, Moment::START)?;
            return Self::start(stream, None, engine, acceptor.options()).await;
        }
        if acceptor.needs_websocket() {
            return Err(AddressError::NoWebSocket.into());
        }
        let engine = acceptor.server(&HOST, peer, Moment::START)?;
        Self::start(stream, write_here, engine, acceptor.options()).await
    }

    /// Opens an engine's connection on a stream, to which waiting tasks write with `write_here`.
    async fn start(
        stream: impl Stream,
        write_here: Option<WriteHere>,
        engine: Engine,
        options: &ConnectionOptions,
    ) -> Result<Self> {
        let start = Instant::now();
        #[cfg(feature = "tracing")]
        let span = engine.span().clone();
        let clock = Clock::new(move || Moment::START + start.elapsed());
        let mut hub_options = HubOptions::new(clock, HOST.random_name()?, options);
        hub_options.write_here = write_here;
        let hub = Hub::new(engine, hub_options);
        let connection = Self(driver::Connection::new(Arc::clone(&hub)));
        if options.is_redialled() {
            let driver = redial::drive(hub, start, stream);
            #[cfg(feature = "tracing")]
            let driver = tracing::Instrument::instrument(driver, span);
            tokio::spawn(driver);
        } else {
            let driver = Driver::new(hub, start, stream);
            #[cfg(feature = "tracing")]
            let driver = tracing::Instrument::instrument(driver, span);
            tokio::spawn(driver);
        }
        driver::Connection::opened(&connection).await?;
        Ok(connection)
    }
}

driver::skin::connection!(async; AsyncRead + AsyncWrite + Send + Unpin + 'static);

/// A stream that a connection can be opened on.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}
