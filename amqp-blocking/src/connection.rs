//! [`Connection`]: opens a connection, begins sessions, and closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use amqp_proto::Connection as Engine;
use amqp_proto::client::{
    Acceptor, Address, AddressError, CloseReason, ConnectionOptions, Result, random_name,
};
use amqp_proto::config::SessionOptions;
use amqp_proto::driver::{self, Clock, Hub, HubOptions, LastWords};
use amqp_proto::types::Moment;
use amqp_proto::wire;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::connect;
use crate::handles::{Offer, OfferedSession};
use crate::reading;
use crate::session::Session;
#[cfg(feature = "tls")]
use crate::tls;
use crate::transport::{self, Transport};
use crate::wait::{ready, ready_by};
use crate::writing::{self, Way, Writer};

/// A handle of a connection. Clones are cheap handles of the same connection, for any thread.
///
/// [`close`](Self::close) closes the connection; so does dropping the last handle of the connection, its sessions,
/// links and deliveries. Dropping writes all output and the close for at most the [close
/// timeout](ConnectionOptions::with_close_timeout), and does not wait for the peer's answer. So a program that
/// returns early from `main` loses no queued message, but one that calls [`exit`](std::process::exit) does.
///
/// ```
/// # let listener = amqp_blocking::Listener::bind("127.0.0.1:0")?;
/// # let url = format!("amqp://{}", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let connection = listener.accept()?.open()?;
/// #     while let Some(offer) = connection.next_offer()? {
/// #         if let amqp_blocking::Accepted::Receiver(receiver) = offer.accept()? {
/// #             receiver.for_each(1, |_| Ok::<(), amqp_blocking::Error>(()))?;
/// #         }
/// #     }
/// #     Ok::<(), amqp_blocking::Error>(())
/// # });
/// use amqp_blocking::Connection;
/// use amqp_blocking::wire::Outcome;
///
/// let connection = Connection::open(&url)?; // such as amqp://localhost:5672
/// let outcome = connection.sender("jobs").attach()?.send("job-content")?;
/// assert_eq!(outcome, Outcome::Accepted);
/// connection.close()?;
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Connection(pub(crate) driver::Connection<Thread>);

impl Connection {
    /// Connects to a URL such as `amqp://user:password@host:port`, and opens the connection. The path of the URL is
    /// ignored.
    ///
    /// # Errors
    ///
    /// The URL or its user is wrong; the host cannot be reached; TLS, SASL or the peer's open has failed; or one of
    /// them took too long. See [`Error::kind`](crate::Error::kind).
    pub fn open(url: &str) -> Result<Self> {
        Self::open_with(url, ConnectionOptions::new())
    }

    /// Connects like [`open`](Self::open), with options.
    ///
    /// # Errors
    ///
    /// See [`open`](Self::open).
    pub fn open_with(url: &str, options: ConnectionOptions) -> Result<Self> {
        Self::connect(&url.parse()?, options)
    }

    /// Connects like [`open`](Self::open), to a parsed address.
    ///
    /// # Errors
    ///
    /// See [`open_with`](Self::open_with).
    pub fn connect(address: &Address, options: ConnectionOptions) -> Result<Self> {
        let options = options.for_address(address)?;
        Self::over(connect::reach(address, &options)?, options)
    }

    /// Opens a connection as the client on any transport.
    ///
    /// # Errors
    ///
    /// SASL, the peer's open or the transport has failed, or the peer took too long.
    pub fn over(transport: impl Transport, options: ConnectionOptions) -> Result<Self> {
        let engine = options.client(&transport::peer(&transport), Moment::START)?;
        Self::start(transport, engine, &options)
    }

    /// Opens a connection as the client on any transport, with TLS first. The server must have a certificate for
    /// `host`. Needs the feature `tls`.
    ///
    /// [`ConnectionOptions::with_tls`] sets the trusted certificates and the client's own. A server accepts such a
    /// transport with an [`Acceptor`] that has TLS.
    ///
    /// # Errors
    ///
    /// TLS, SASL, the peer's open or the transport has failed, or the peer took too long.
    #[cfg(feature = "tls")]
    pub fn over_tls(transport: impl Transport, host: &str, options: ConnectionOptions) -> Result<Self> {
        let options = options.for_tls(host);
        Self::over(tls::connect(transport, host, &options)?, options)
    }

    /// Opens a connection as the server on any transport.
    ///
    /// # Errors
    ///
    /// TLS, SASL, the peer's open or the transport has failed, or the client took too long.
    pub fn accept(transport: impl Transport, acceptor: &Acceptor) -> Result<Self> {
        #[cfg(feature = "tls")]
        if let Some(tls) = acceptor.server_tls() {
            let (transport, peer) = tls::accept(transport, tls, acceptor)?;
            return Self::start(transport, acceptor.server(&peer, Moment::START)?, acceptor.options());
        }
        if acceptor.needs_tls() {
            return Err(AddressError::NoTls.into());
        }
        let engine = acceptor.server(&transport::peer(&transport), Moment::START)?;
        Self::start(transport, engine, acceptor.options())
    }

    /// Opens an engine's connection on a transport. The engine keeps the deadline.
    fn start(transport: impl Transport, engine: Engine, options: &ConnectionOptions) -> Result<Self> {
        let connection = Self(driver::Connection::new(drive(transport, engine, options)?));
        ready(driver::Connection::opened(&connection))?;
        Ok(connection)
    }

    /// Begins a session with default options. Links that are not attached to a session share one of the connection.
    ///
    /// # Errors
    ///
    /// See [`session_with`](Self::session_with).
    pub fn session(&self) -> Result<Session> {
        self.session_with(SessionOptions::new())
    }

    /// Begins a session, and waits until the peer has begun it, too.
    ///
    /// # Errors
    ///
    /// [`Error::Begin`](crate::Error::Begin) if no session can be begun, [`Error::Session`](crate::Error::Session) if
    /// the peer refuses it, [`Error::Connection`](crate::Error::Connection) if the connection is over,
    /// [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not answer in time.
    pub fn session_with(&self, options: SessionOptions) -> Result<Session> {
        let session = driver::Connection::begin(self, &options)?;
        ready(driver::Session::begun(&session))?;
        Ok(Session(session))
    }

    driver::link_builders!(Connection);

    /// Waits for the next session that the peer begins; `None` if the connection has ended without an error.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the connection has ended with an error.
    pub fn next_session(&self) -> Result<Option<OfferedSession>> {
        ready(driver::Connection::next_session(self))
    }

    /// Waits for the next session that the peer begins, or the next link that it attaches on any session; `None` if
    /// the connection has ended without an error.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the connection has ended with an error.
    pub fn next_offer(&self) -> Result<Option<Offer>> {
        ready(driver::Connection::next_offer(self))
    }

    /// Closes the connection after all sent messages are written, and waits until the peer has answered. Returns `Ok`
    /// if the connection has ended before without an error.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the connection ended for another reason, or if the peer did
    /// not read all messages within the [close timeout](ConnectionOptions::with_close_timeout).
    pub fn close(&self) -> Result<()> {
        ready(driver::Connection::close(self))
    }

    /// Closes the connection at once, with an error for the peer, and waits until the peer has answered. Output that
    /// is not yet written is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Connection`](crate::Error::Connection) if the connection ended for another reason.
    pub fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(driver::Connection::close_with(self, error.into()))
    }

    /// Waits until the connection is over and its output is written, and returns the reason.
    pub fn closed(&self) -> CloseReason {
        ready(driver::Connection::closed(self))
    }
}

/// The longest time that dropping the last handle takes, if the options set no close timeout.
const LONGEST_DROP: Duration = Duration::from_secs(10);

/// Starts the threads of a connection: one reads, the other writes and keeps deadlines.
fn drive<T: Transport>(
    transport: T,
    engine: Engine,
    options: &ConnectionOptions,
) -> Result<Arc<Hub<Thread>>> {
    transport.prepare(writing::LONGEST_WRITE)?;
    let way = Way::new(transport.try_clone()?);
    #[cfg(feature = "tracing")]
    let (writer_span, reader_span) = (engine.span().clone(), engine.span().clone());
    let longest_drop = options.close_timeout().unwrap_or(LONGEST_DROP);
    let start = Instant::now();
    let hub_options = HubOptions {
        clock: Clock::new(move || now(start)),
        url: options.url().cloned(),
        prefix: random_name()?,
        takes_offers: options.accept_offers(),
        reply_timeout: options.reply_timeout(),
        write_here: Some(way.write_here()),
        last_words: Some(LastWords::new(move |hub: &Hub<Thread>| {
            let by = Instant::now().checked_add(longest_drop);
            // Output that is not written in time is lost.
            let _ = ready_by(hub.written(), by);
        })),
    };
    let hub = Hub::new(engine, hub_options);
    let is_read = Arc::new(AtomicBool::new(false));
    let writer = Writer { hub: Arc::clone(&hub), way, start, is_read: Arc::clone(&is_read) };
    let writing = thread::Builder::new().name("amqp-write".into()).spawn(move || {
        #[cfg(feature = "tracing")]
        let _span = writer_span.enter();
        writer.run();
    })?;
    let writer = writing.thread().clone();
    let (read_hub, done) = (Arc::clone(&hub), Arc::clone(&is_read));
    let reads = thread::Builder::new().name("amqp-read".into()).spawn({
        let writer = writer.clone();
        move || {
            #[cfg(feature = "tracing")]
            let _span = reader_span.enter();
            reading::run(&read_hub, transport);
            done.store(true, Ordering::Release);
            writer.unpark();
        }
    });
    if let Err(error) = reads {
        // The writing thread ends the transport.
        is_read.store(true, Ordering::Release);
        hub.drive(|state| state.give_up());
        writer.unpark();
        return Err(error.into());
    }
    Ok(hub)
}

/// Returns the current time of an engine's clock.
fn now(start: Instant) -> Moment {
    Moment::START + start.elapsed()
}
