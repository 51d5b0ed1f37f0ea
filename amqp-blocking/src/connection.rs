//! [`Connection`]: the way to a peer.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use amqp_proto::config::SessionOptions;
use amqp_proto::endpoint::{
    Acceptor, Address, AddressError, ConnectionOptions, Ended, Error, ReceiverSettings, Result,
    SenderSettings,
};
use amqp_proto::machine::sasl::Identity;
use amqp_proto::types::{Moment, Str, Symbol};
use amqp_proto::wire::{self, Open};
use amqp_proto::{Connection as Engine, Origin};

use crate::dial;
use crate::link::Home;
use crate::offered::{Offer, OfferedSession};
use crate::receiver_builder::ReceiverBuilder;
use crate::sender_builder::SenderBuilder;
use crate::session::Session;
use crate::shared::Shared;
use crate::state::{Stage, State, Wish};
#[cfg(feature = "tls")]
use crate::tls;
use crate::transport::{self, Transport};
use crate::waiters::On;

/// An open connection. Clones are handles to the same one, for any thread.
///
/// It is closed by [`close`](Self::close), or when the last handle to it, or to anything on it, is dropped. Dropping
/// the last handle writes what was sent before, and the close, for at most the
/// [close time-out](ConnectionOptions::close_timeout), and does not wait for the peer's answer: so a program that
/// returns early from `main` loses nothing that was queued. One that calls [`exit`](std::process::exit) does.
///
/// ```
/// # let listener = amqp_blocking::Listener::bind("127.0.0.1:0")?;
/// # let url = format!("amqp://{}", listener.local_addr()?);
/// # std::thread::spawn(move || {
/// #     let connection = listener.accept()?.open()?;
/// #     while let Some(offer) = connection.next_offer()? {
/// #         if let amqp_blocking::Accepted::Receiver(receiver) = offer.accept()? {
/// #             receiver.iter().for_each(drop);
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
#[derive(Clone)]
pub struct Connection {
    handle: Arc<Handle>,
}

/// What keeps a connection open.
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.act(|state| state.connection.close());
        let by = Instant::now().checked_add(self.shared.close_timeout);
        self.shared.wait(On::Written, by, |state| state.is_written().then_some(()));
    }
}

impl Connection {
    /// Connects to a broker, `amqp://user:password@host:port`, and opens the connection. The URL's path is not looked
    /// at.
    pub fn open(url: &str) -> Result<Self> {
        Self::open_with(url, ConnectionOptions::new())
    }

    /// The same, with options.
    pub fn open_with(url: &str, options: ConnectionOptions) -> Result<Self> {
        Self::connect(&url.parse()?, options)
    }

    /// The same, to an address that was parsed before.
    pub fn connect(address: &Address, options: ConnectionOptions) -> Result<Self> {
        let options = options.for_address(address)?;
        Self::over(dial::reach(address, &options)?, options)
    }

    /// Opens a connection as a client over any transport.
    pub fn over(transport: impl Transport, options: ConnectionOptions) -> Result<Self> {
        let engine = options.client(&transport::peer(&transport), Moment::START)?;
        Self::start(transport, engine, &options)
    }

    /// The same by TLS, which is spoken first, with the server that has a certificate for this host: over any
    /// transport what `amqps://host` is over TCP. Behind the feature `tls`.
    ///
    /// [`ConnectionOptions::tls`] says who is trusted, and what certificate is shown. On the other side an [`Acceptor`]
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
        let shared = Shared::start(transport, options, engine)?;
        let connection = Self { handle: Arc::new(Handle { shared }) };
        let look = |state: &mut State| match &state.end {
            Some(ended) => Some(Err(Error::Connection(ended.clone()))),
            None => state.connection.is_open().then_some(Ok(())),
        };
        connection.shared().wait(On::Connection, None, look).unwrap_or(Err(Error::TimedOut))?;
        Ok(connection)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Begins a session. Links that need none of their own have the connection's.
    pub fn session(&self) -> Result<Session> {
        self.session_with(SessionOptions::new())
    }

    /// The same, as the options say.
    pub fn session_with(&self, options: SessionOptions) -> Result<Session> {
        Session::begin(&self.handle, &options)
    }

    /// A link to the node with this address, on the connection's own session; to be attached.
    pub fn sender(&self, address: impl Into<Str>) -> SenderBuilder {
        SenderBuilder::new(self.home(), SenderSettings::to(address))
    }

    /// Makes the builder of a link that sends each message to where it is addressed `to`, by a peer that can do that
    /// (the anonymous relay).
    pub fn anonymous_sender(&self) -> SenderBuilder {
        SenderBuilder::new(self.home(), SenderSettings::to_anybody())
    }

    /// A link from the node with this address, on the connection's own session; to be attached.
    pub fn receiver(&self, address: impl Into<Str>) -> ReceiverBuilder {
        ReceiverBuilder::new(self.home(), ReceiverSettings::from(address))
    }

    /// Makes the builder of a link that receives from a node that the peer makes for it.
    pub fn dynamic_receiver(&self) -> ReceiverBuilder {
        ReceiverBuilder::new(self.home(), ReceiverSettings::from_dynamic())
    }

    fn home(&self) -> Home {
        Home { connection: Arc::clone(&self.handle), session: None }
    }

    /// Waits for the peer to begin a session; `None` when the connection is over without an error.
    pub fn next_session(&self) -> Result<Option<OfferedSession>> {
        let offer = self.next_offer_of(|state| {
            let at = state.offers.iter().position(|wish| matches!(wish, Wish::Session(_)))?;
            state.offers.remove(at)
        })?;
        Ok(match offer {
            Some(Offer::Session(session)) => Some(session),
            _ => None,
        })
    }

    /// Waits for the peer to begin a session or attach a link, on any session; `None` when the connection is over
    /// without an error.
    pub fn next_offer(&self) -> Result<Option<Offer>> {
        self.next_offer_of(|state| state.offers.pop_front())
    }

    fn next_offer_of(&self, mut take: impl FnMut(&mut State) -> Option<Wish>) -> Result<Option<Offer>> {
        let look = |state: &mut State| match take(state) {
            Some(wish) => Some(Ok(wish)),
            None => state.end.clone().map(|ended| Err(Error::Connection(ended))),
        };
        let wish = self.shared().wait(On::Offer, None, look).unwrap_or(Err(Error::TimedOut));
        wish.map(|wish| Some(Offer::new(&self.handle, wish))).or_else(Error::or_end)
    }

    /// What the peer's open says.
    pub fn peer_open(&self) -> Option<Open> {
        self.shared().act(|state| state.connection.peer_open())
    }

    /// Whether the peer offers this extension.
    pub fn offers(&self, capability: &Symbol) -> bool {
        self.peer_open().is_some_and(|open| open.offered_capabilities.contains(capability))
    }

    /// Who the client is, to a server that has asked.
    pub fn identity(&self) -> Option<Identity> {
        self.shared().act(|state| state.connection.identity().cloned())
    }

    /// Whether it is open at both ends.
    pub fn is_open(&self) -> bool {
        self.shared().act(|state| state.connection.is_open())
    }

    /// Closes the connection, and waits until the peer has answered. What was sent before is written before the close.
    /// Returns `Ok` if the connection was over already without an error.
    ///
    /// # Errors
    ///
    /// How the connection ended, if that was not by this; and that not all was written that was sent before, where the
    /// peer did not take it within the [close time-out](ConnectionOptions::close_timeout).
    pub fn close(&self) -> Result<()> {
        self.shared().act(|state| state.connection.close());
        let ended = self.closed();
        let is_cut = ended.origin() == Origin::Local && self.shared().lock().is_cut;
        match ended {
            ended if ended.is_failure() => Err(Error::Connection(ended)),
            _ if is_cut => Err(Error::Connection(Ended::unwritten())),
            _ => Ok(()),
        }
    }

    /// Closes the connection at once, saying why: what is not written yet is given up. Waits until the peer has
    /// answered.
    ///
    /// # Errors
    ///
    /// How the connection ended, if that was not by this.
    pub fn close_with(&self, error: impl Into<wire::Error>) -> Result<()> {
        let error = error.into();
        let is_ours = self.shared().act(|state| state.connection.close_with(error));
        let ended = self.closed();
        if is_ours || !ended.is_failure() { Ok(()) } else { Err(Error::Connection(ended)) }
    }

    /// Waits until the connection is over, and all that can be written is; tells how it ended.
    pub fn closed(&self) -> Ended {
        let look =
            |state: &mut State| state.end.as_ref().filter(|_| state.transport == Stage::Written).cloned();
        loop {
            if let Some(ended) = self.shared().wait(On::Connection, None, look) {
                return ended;
            }
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_open() { "connection, open" } else { "connection, not open" })
    }
}
