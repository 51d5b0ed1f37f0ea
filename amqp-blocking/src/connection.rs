//! [`Connection`]: opens a connection, begins sessions, and closes.

use std::sync::Arc;
use std::thread::{self, Thread as Waiter};
use std::time::{Duration, Instant};

use amqp_proto::Connection as Engine;
use amqp_proto::client::{Acceptor, Address, AddressError, ConnectionOptions, Result};
use amqp_proto::driver::{self, Clock, Dialer, Hub, HubOptions, LastWords};
use amqp_proto::types::Moment;

use crate::builders::{ReceiverBuilder, SenderBuilder};
use crate::connect;
use crate::host::HOST;
use crate::redial::{StatusChanges, redial};
use crate::session::{Offer, OfferedLink, OfferedSession, Session};
#[cfg(feature = "tls")]
use crate::tls;
use crate::transport::{self, Transport};
use crate::wait::{ready, ready_by};
use crate::writing::{Way, carry};

/// A handle of a connection. Clones are cheap handles of the same connection, for any thread.
///
/// [`close`](Self::close) closes the connection; so does dropping the last handle of the connection, its sessions,
/// links and deliveries. Dropping writes all output and the close for at most the [close
/// timeout](ConnectionOptions::with_close_timeout), and does not wait for the peer's answer. So a program that
/// returns early from `main` loses no queued message, but one that calls [`exit`](std::process::exit) does.
///
/// ```
#[doc = include_str!("../docs/server.md")]
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
pub struct Connection(pub(crate) driver::Connection<Waiter>);

impl Connection {
    fn connect_to(address: &Address, options: &ConnectionOptions) -> Result<Self> {
        let stream = connect::reach(address, options, &|| false)?;
        #[cfg(feature = "tls")]
        if address.is_encrypted() {
            return Self::open_secured(stream, address.hostname(), options);
        }
        Self::open_on(stream, options)
    }

    fn open_on(transport: impl Transport, options: &ConnectionOptions) -> Result<Self> {
        let engine = options.client(&HOST, &transport::peer(&transport), Moment::START)?;
        Self::start(transport, engine, options)
    }

    #[cfg(feature = "tls")]
    fn open_secured(transport: impl Transport, host: &str, options: &ConnectionOptions) -> Result<Self> {
        Self::open_on(tls::connect(transport, host, options)?, options)
    }

    fn accept_on(transport: impl Transport, acceptor: &Acceptor) -> Result<Self> {
        if acceptor.needs_websocket() {
            return Err(AddressError::NoWebSocket.into());
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = acceptor.server_tls() {
            let (transport, peer) = tls::accept(transport, tls, acceptor)?;
            return Self::start(transport, acceptor.server(&HOST, &peer, Moment::START)?, acceptor.options());
        }
        if acceptor.needs_tls() {
            return Err(AddressError::NoTls.into());
        }
        let engine = acceptor.server(&HOST, &transport::peer(&transport), Moment::START)?;
        Self::start(transport, engine, acceptor.options())
    }

    /// Opens an engine's connection on a transport. The engine keeps the deadline.
    fn start(transport: impl Transport, engine: Engine, options: &ConnectionOptions) -> Result<Self> {
        let connection = Self(driver::Connection::new(drive(transport, engine, options)?));
        ready(driver::Connection::opened(&connection))?;
        Ok(connection)
    }
}

driver::skin::connection!(; Transport);

/// The longest time that dropping the last handle takes, without a close timeout.
const LONGEST_DROP: Duration = Duration::from_secs(10);

/// Starts the threads of a connection: one writes and keeps deadlines, the other, which it starts, reads.
fn drive<T: Transport>(
    transport: T,
    engine: Engine,
    options: &ConnectionOptions,
) -> Result<Arc<Hub<Waiter>>> {
    let way = Way::to(&transport)?;
    #[cfg(feature = "tracing")]
    let span = engine.span().clone();
    let longest_drop = options.close_timeout().unwrap_or(LONGEST_DROP);
    let start = Instant::now();
    let clock = Clock::new(move || Moment::START + start.elapsed());
    let mut hub_options = HubOptions::new(clock, HOST.random_name()?, options);
    hub_options.write_here = Some(way.write_here());
    hub_options.last_words = Some(LastWords::new(move |hub: &Hub<Waiter>| {
        // Output that cannot be written in time is lost.
        let _ = ready_by(hub.written(), Instant::now().checked_add(longest_drop));
    }));
    let hub = Hub::new(engine, hub_options);
    let writer_hub = Arc::clone(&hub);
    thread::Builder::new().name("amqp-write".into()).spawn(move || {
        #[cfg(feature = "tracing")]
        let _span = span.enter();
        let dialer = Dialer::new(&writer_hub);
        carry(&writer_hub, start, transport, way);
        redial(&writer_hub, &dialer, start);
    })?;
    Ok(hub)
}
