//! The methods of clients that have connected to a listener.

/// Writes an adapter's `Incoming`, over its type of stream. The adapter's own is the method `connect`.
#[doc(hidden)]
#[macro_export]
macro_rules! __incoming {
    ($stream:ty $(, $async:ident)?) => {
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

pub use __incoming as incoming;
