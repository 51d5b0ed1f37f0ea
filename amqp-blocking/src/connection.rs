//! [`Connection`]: the way to a peer.

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

/// An open connection. Clones are handles to the same one, for any thread.
///
/// It is closed by [`close`](Self::close), or when the last handle to it, or to anything on it, is dropped. Dropping
/// the last handle writes what was sent before, and the close, for at most the
/// [close time-out](ConnectionOptions::with_close_timeout), and does not wait for the peer's answer: so a program that
/// returns early from `main` loses nothing that was queued. One that calls [`exit`](std::process::exit) does.
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
    /// Connects to a broker, `amqp://user:password@host:port`, and opens the connection. The URL's path is not looked
    /// at.
    pub fn open(url: &str) -> Result<Self> {
        Self::open_with(url, ConnectionOptions::new())
    }

    /// Connects as [`open`](Self::open) does, with options.
    pub fn open_with(url: &str, options: ConnectionOptions) -> Result<Self> {
        Self::connect(&url.parse()?, options)
    }

    /// Connects as [`open`](Self::open) does, to an address that was parsed before.
    pub fn connect(address: &Address, options: ConnectionOptions) -> Result<Self> {
        let options = options.for_address(address)?;
        Self::over(connect::reach(address, &options)?, options)
    }

    /// Opens a connection as a client over any transport.
    pub fn over(transport: impl Transport, options: ConnectionOptions) -> Result<Self> {
        let engine = options.client(&transport::peer(&transport), Moment::START)?;
        Self::start(transport, engine, &options)
    }

    /// Opens a connection by TLS, which is spoken first, with the server that has a certificate for this host:
    /// over any transport what `amqps://host` is over TCP. Behind the feature `tls`.
    ///
    /// [`ConnectionOptions::with_tls`] says who is trusted, and what certificate is shown. On the other side an [`Acceptor`]
    /// with TLS takes any transport, too.
    #[cfg(feature = "tls")]
    pub fn over_tls(transport: impl Transport, host: &str, options: ConnectionOptions) -> Result<Self> {
        let options = options.for_tls(host);
        Self::over(tls::connect(transport, host, &options)?, options)
    }

    /// Takes a connection that a client makes over any transport, and waits until it is open.
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

    /// Drives an engine over a transport, and waits until both ends have opened the connection. How long that may take
    /// is up to the engine.
    fn start(transport: impl Transport, engine: Engine, options: &ConnectionOptions) -> Result<Self> {
        let connection = Self(driver::Connection::new(drive(transport, engine, options)?));
        ready(driver::Connection::opened(&connection))?;
        Ok(connection)
    }

    /// Begins a session. Links that need none of their own have the connection's.
    pub fn session(&self) -> Result<Session> {
        self.session_with(SessionOptions::new())
    }

    /// Begins a session, as the options say.
    pub fn session_with(&self, options: SessionOptions) -> Result<Session> {
        let session = driver::Connection::begin(self, &options)?;
        ready(driver::Session::begun(&session))?;
        Ok(Session(session))
    }

    driver::link_builders!(Connection);

    /// Waits for the peer to begin a session; `None` when the connection is over without an error.
    pub fn next_session(&self) -> Result<Option<OfferedSession>> {
        ready(driver::Connection::next_session(self))
    }

    /// Waits for the peer to begin a session or attach a link, on any session; `None` when the connection is over
    /// without an error.
    pub fn next_offer(&self) -> Result<Option<Offer>> {
        ready(driver::Connection::next_offer(self))
    }

    /// Closes the connection, and waits until the peer has answered. What was sent before is written before the close.
    /// Returns `Ok` if the connection was over already without an error.
    ///
    /// # Errors
    ///
    /// How the connection ended, if that was not by this; and that not all was written that was sent before, where the
    /// peer did not take it within the [close time-out](ConnectionOptions::with_close_timeout).
    pub fn close(&self) -> Result<()> {
        ready(driver::Connection::close(self))
    }

    /// Closes the connection at once, saying why: what is not written yet is given up. Waits until the peer has
    /// answered.
    ///
    /// # Errors
    ///
    /// How the connection ended, if that was not by this.
    pub fn close_with(&self, error: impl Into<wire::AmqpError>) -> Result<()> {
        ready(driver::Connection::close_with(self, error.into()))
    }

    /// Waits until the connection is over and all that can be written is, and returns how it ended.
    pub fn closed(&self) -> CloseReason {
        ready(driver::Connection::closed(self))
    }
}

/// How long dropping the last handle may take where the options set no time: nobody is kept for ever.
const LONGEST_DROP: Duration = Duration::from_secs(10);

/// Begins to drive a connection over a transport: one thread reads, another one writes and keeps the time.
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
            // What cannot be written in time is not going to be.
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

/// Returns the time of now on an engine's clock.
fn now(start: Instant) -> Moment {
    Moment::START + start.elapsed()
}
