//! The listener of an adapter, and the clients that have connected to it.

/// Writes the methods of an adapter's `Listener`, and its `Incoming`, over types of its runtime: the listening socket,
/// its stream, and the addresses that it binds. The adapter's own is the method `connect` of `Incoming`.
#[doc(hidden)]
#[macro_export]
macro_rules! __listener {
    ($listener:ident $stream:ident $addresses:ident $(, $async:ident)?) => {
        impl Listener {
            /// Listens on an address, such as `127.0.0.1:5672`, and accepts every client with default options. Port 0
            /// picks a free port.
            ///
            /// # Errors
            ///
            /// [`Error::Io`](crate::Error::Io) if the address cannot be bound.
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future listens on nothing.")]
            pub $($async)? fn bind(address: impl $addresses) -> $crate::client::Result<Self> {
                $crate::driver::skin::call!($($async)? Self::bind_with(address, $crate::client::Acceptor::default()))
            }

            /// Listens on an address, and accepts clients as `acceptor` says.
            ///
            /// # Errors
            ///
            /// [`Error::Io`](crate::Error::Io) if the address cannot be bound.
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future listens on nothing.")]
            pub $($async)? fn bind_with(
                address: impl $addresses,
                acceptor: $crate::client::Acceptor,
            ) -> $crate::client::Result<Self> {
                let listener = $crate::driver::skin::call!($($async)? $listener::bind(address))?;
                Ok(Self::new(listener, acceptor))
            }

            /// Takes connections from a socket that listens already.
            pub fn new(listener: $listener, acceptor: $crate::client::Acceptor) -> Self {
                Self { listener, acceptor }
            }

            /// Returns the local address of the socket.
            ///
            /// # Errors
            ///
            /// [`Error::Io`](crate::Error::Io) from the operating system.
            pub fn local_addr(&self) -> $crate::client::Result<::core::net::SocketAddr> {
                Ok(self.listener.local_addr()?)
            }

            /// Waits for the next client.
            ///
            /// # Errors
            ///
            /// [`Error::Io`](crate::Error::Io). It concerns one client, or is temporary: call this again after a while.
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future accepts no client.")]
            pub $($async)? fn accept(&self) -> $crate::client::Result<Incoming> {
                let (stream, peer) = $crate::driver::skin::call!($($async)? self.listener.accept())?;
                stream.set_nodelay(true)?;
                Ok(Incoming { stream, peer, acceptor: self.acceptor.clone() })
            }
        }

        /// A client that has connected over TCP. Its connection is not yet open.
        #[derive(Debug)]
        pub struct Incoming {
            stream: $stream,
            peer: ::core::net::SocketAddr,
            acceptor: $crate::client::Acceptor,
        }

        impl Incoming {
            /// Returns the address of the client.
            pub fn peer_addr(&self) -> ::core::net::SocketAddr {
                self.peer
            }

            /// Negotiates TLS and SASL, and opens the connection. A client on this machine counts as private.
            ///
            /// This waits for the client, so call it where it does not delay the next [`Listener::accept`].
            ///
            /// # Errors
            ///
            /// TLS, SASL, the peer or the transport has failed, or the client took too long.
            #[doc = $crate::driver::skin::cancel!($($async)? "A dropped future closes the transport.")]
            pub $($async)? fn open(self) -> $crate::client::Result<Connection> {
                $crate::driver::skin::call!($($async)? self.connect())
            }
        }
    };
}

pub use __listener as listener;
