//! The methods of connections and sessions that wait.

/// Writes the methods of an adapter's `Connection`, for transports with these bounds. The adapter's own are `connect_to`,
/// `open_on`, `open_secured` and `accept_on`.
#[doc(hidden)]
#[macro_export]
macro_rules! __connection {
    ($($async:ident)?; $($transport:tt)+) => {
        $crate::driver::handles! { Waiter: Connection }

        impl Connection {
            /// Connects to a URL such as `amqp://user:password@host:port`, and opens the connection. The path of the URL
            /// is ignored, unless it is that of a WebSocket (`ws://`). Of several hosts, as in `amqp://a,b,c`, each is
            /// tried once, in order.
            ///
            /// # Errors
            ///
            /// The URL or its user is wrong; the host cannot be reached; TLS, SASL or the peer's open has failed; or one
            /// of them took too long. See [`Error::kind`](crate::Error::kind).
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future closes the transport.")]
            pub $($async)? fn open(url: &str) -> $crate::client::Result<Self> {
                $crate::driver::skin::call!($($async)? Self::open_with(url, $crate::client::ConnectionOptions::new()))
            }

            /// Connects like [`open`](Self::open), with options.
            ///
            /// # Errors
            ///
            /// See [`open`](Self::open).
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future closes the transport.")]
            pub $($async)? fn open_with(
                url: &str,
                options: $crate::client::ConnectionOptions,
            ) -> $crate::client::Result<Self> {
                $crate::driver::skin::call!($($async)? Self::connect(url.parse::<$crate::client::Addresses>()?, options))
            }

            /// Connects like [`open`](Self::open), to a parsed address, or to the first of several that is reached.
            ///
            /// # Errors
            ///
            /// See [`open`](Self::open).
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future closes the transport.")]
            pub $($async)? fn connect(
                addresses: impl Into<$crate::client::Addresses>,
                options: $crate::client::ConnectionOptions,
            ) -> $crate::client::Result<Self> {
                let mut plan = $crate::client::DialPlan::new(addresses.into(), options);
                loop {
                    let (address, options) = plan.first()?;
                    match $crate::driver::skin::call!($($async)? Self::connect_to(&address, &options)) {
                        Err(error) => plan.failed($crate::types::Moment::START, error),
                        connected => return connected,
                    }
                }
            }

            /// Opens a connection as the client on any transport. Unless it says otherwise, the transport counts as one
            /// that others can read.
            ///
            /// # Errors
            ///
            /// SASL, the peer's open or the transport has failed, or the peer took too long.
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future closes the transport.")]
            pub $($async)? fn over(
                transport: impl $($transport)+,
                options: $crate::client::ConnectionOptions,
            ) -> $crate::client::Result<Self> {
                $crate::driver::skin::call!($($async)? Self::open_on(transport, &options))
            }

            /// Opens a connection as the client on any transport, with TLS first. The server must have a certificate for
            /// `host`. Needs the feature `tls`.
            ///
            /// [`ConnectionOptions::with_tls`](crate::ConnectionOptions::with_tls) sets the trusted certificates and the
            /// client's own. A server accepts such a transport with an [`Acceptor`](crate::Acceptor) that has TLS.
            ///
            /// # Errors
            ///
            /// TLS, SASL, the peer's open or the transport has failed, or the peer took too long.
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future closes the transport.")]
            #[cfg(feature = "tls")]
            pub $($async)? fn over_tls(
                transport: impl $($transport)+,
                host: &str,
                options: $crate::client::ConnectionOptions,
            ) -> $crate::client::Result<Self> {
                $crate::driver::skin::call!($($async)? Self::open_secured(transport, host, &options.for_tls(host)))
            }

            /// Opens a connection as the server on any transport. Unless it says otherwise, the transport counts as one
            /// that others can read.
            ///
            /// # Errors
            ///
            /// TLS, SASL, the peer's open or the transport has failed, or the client took too long.
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future closes the transport.")]
            pub $($async)? fn accept(
                transport: impl $($transport)+,
                acceptor: &$crate::client::Acceptor,
            ) -> $crate::client::Result<Self> {
                $crate::driver::skin::call!($($async)? Self::accept_on(transport, acceptor))
            }

            $crate::driver::link_builders!(Connection);

            /// Begins a session with the default options, and waits until the peer has begun it, too.
            ///
            /// # Errors
            ///
            /// See [`session_with`](Self::session_with).
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future ends the session.")]
            pub $($async)? fn session(&self) -> $crate::client::Result<Session> {
                $crate::driver::skin::call!($($async)? self.session_with($crate::config::SessionOptions::new()))
            }

            /// Begins a session with options, and waits until the peer has begun it, too.
            ///
            /// # Errors
            ///
            /// [`Error::Begin`](crate::Error::Begin) if the connection allows no more sessions;
            /// [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not answer within the reply timeout; the end
            /// of the session or the connection.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future ends the session.")]
            pub $($async)? fn session_with(
                &self,
                options: $crate::config::SessionOptions,
            ) -> $crate::client::Result<Session> {
                let session = $crate::driver::Connection::begin(self, options)?;
                $crate::driver::skin::wait!($($async)? $crate::driver::Session::begun(&session))?;
                Ok(Session(session))
            }

            /// Waits for the next session that the peer begins; `None` if the connection has ended without an error.
            ///
            /// The options must accept offers, as the options of a [`Listener`](crate::Listener) do.
            ///
            /// # Errors
            ///
            /// The end of the connection, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no session.")]
            pub $($async)? fn next_session(&self) -> $crate::client::Result<Option<OfferedSession>> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Connection::next_session(self))
            }

            /// Waits for the next session or link of the peer, on any session; `None` if the connection has ended
            /// without an error.
            ///
            /// The options must accept offers, as the options of a [`Listener`](crate::Listener) do.
            ///
            /// # Errors
            ///
            /// The end of the connection, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no offer.")]
            pub $($async)? fn next_offer(&self) -> $crate::client::Result<Option<Offer>> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Connection::next_offer(self))
            }

            /// Waits for the next link of the peer whose address has a handler, on any session, and returns both; `None` if
            /// the connection has ended without an error.
            ///
            /// Sessions are accepted with default options. Links without a handler are refused with `amqp:not-found`. The
            /// options must accept offers, as the options of a [`Listener`](crate::Listener) do.
            ///
            /// # Errors
            ///
            /// The end of the connection, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no link.")]
            pub $($async)? fn next_routed<'a, H>(
                &self,
                router: &'a $crate::policy::Router<H>,
            ) -> $crate::client::Result<Option<(&'a H, OfferedLink)>> {
                while let Some(offer) = $crate::driver::skin::call!($($async)? self.next_offer())? {
                    if let Some(routed) = offer.route(router) {
                        return Ok(Some(routed));
                    }
                }
                Ok(None)
            }

            /// Closes the connection, and waits until the peer has closed it, too. Sent messages are written before the
            /// close. Returns `Ok` if the connection had ended without an error.
            ///
            /// Only the outcome of a message tells whether it arrived.
            ///
            /// # Errors
            ///
            /// The end of the connection, if it was an error; or that not all sent messages were written, if the peer
            /// did not take them within the [close timeout](crate::ConnectionOptions::with_close_timeout).
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future does not stop the close.")]
            pub $($async)? fn close(&self) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Connection::close(self))
            }

            /// Closes the connection at once with an error for the peer, and waits until the peer has closed it, too.
            /// Messages that are not yet written are dropped.
            ///
            /// # Errors
            ///
            /// The end of the connection, if it had another reason.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future does not stop the close.")]
            pub $($async)? fn close_with(
                &self,
                error: impl Into<$crate::wire::AmqpError>,
            ) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Connection::close_with(self, error.into()))
            }

            /// Returns the changes of the connection from this call on, beginning with its present state: open, lost, opened
            /// again.
            ///
            /// [`ConnectionOptions::with_reconnect`](crate::ConnectionOptions::with_reconnect) opens a lost connection
            /// again.
            pub fn status(&self) -> StatusChanges {
                StatusChanges($crate::driver::Connection::changes(self))
            }

            /// Waits until the connection is over and its output is written, and returns the reason.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future has no effect.")]
            pub $($async)? fn closed(&self) -> $crate::client::CloseReason {
                $crate::driver::skin::wait!($($async)? $crate::driver::Connection::closed(self))
            }
        }
    };
}

/// Writes the methods of an adapter's `Session`.
#[doc(hidden)]
#[macro_export]
macro_rules! __session {
    ($($async:ident)?) => {
        $crate::driver::handles! { Waiter: Session }

        impl Session {
            $crate::driver::link_builders!(Session);

            /// Waits for the next link that the peer attaches; `None` if the session has ended without an error.
            ///
            /// # Errors
            ///
            /// The end of the session, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no link.")]
            pub $($async)? fn next_link(&self) -> $crate::client::Result<Option<OfferedLink>> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Session::next_link(self))
            }

            /// Ends the session, and waits until the peer has ended it, too. Returns `Ok` if the session had ended
            /// without an error.
            ///
            /// # Errors
            ///
            /// The end of the session, if it was an error; [`Error::TimedOut`](crate::Error::TimedOut) if the peer does
            /// not answer within the reply timeout.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future does not stop the end.")]
            pub $($async)? fn end(&self) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Session::end(self, None))
            }

            /// Ends the session with an error for the peer, and waits until the peer has ended it, too.
            ///
            /// # Errors
            ///
            /// See [`end`](Self::end).
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future does not stop the end.")]
            pub $($async)? fn end_with(
                &self,
                error: impl Into<$crate::wire::AmqpError>,
            ) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Session::end(self, Some(error.into())))
            }
        }
    };
}

/// Writes the type that names an adapter's handles, and the offers of the peer that become such handles.
#[doc(hidden)]
#[macro_export]
macro_rules! __adapter {
    ($adapter:ident) => {
        /// Names the handles of this crate.
        #[derive(Debug)]
        pub enum $adapter {}

        impl $crate::driver::Adapter for $adapter {
            type Waiter = Waiter;
            type Session = Session;
            type Sender = Sender;
            type Receiver = Receiver;
            type Coordinator = Coordinator;
        }

        /// A session or a link of the peer. Dropping it refuses it.
        pub type Offer = $crate::driver::Offer<$adapter>;
        /// A session or a link that was accepted.
        pub type Accepted = $crate::driver::Accepted<$adapter>;
        /// A session that the peer has begun. Dropping it refuses it.
        pub type OfferedSession = $crate::driver::OfferedSession<$adapter>;
        /// A link that the peer has attached. Dropping it refuses it.
        pub type OfferedLink = $crate::driver::OfferedLink<$adapter>;
        /// A link on which the peer receives. Dropping it refuses it.
        pub type OfferedSender = $crate::driver::OfferedSender<$adapter>;
        /// A link on which the peer sends. Dropping it refuses it.
        pub type OfferedReceiver = $crate::driver::OfferedReceiver<$adapter>;
    };
}

pub use {__adapter as adapter, __connection as connection, __session as session};
