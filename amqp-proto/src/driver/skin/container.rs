//! The methods of containers that do not depend on the adapter.

/// Writes the setters of an adapter's `Container`, and its requests from outside of the handler. The adapter's own are
/// the method `with`, and the fields `auto_stop` and `core` with its `all`, a dispatcher, and its `network`.
#[doc(hidden)]
#[macro_export]
macro_rules! __container {
    () => {
        impl<H: $crate::handler::Handler> Container<H> {
            /// Sets the options of connections. With
            /// [`with_reconnect`](crate::ConnectionOptions::with_reconnect), a lost connection is opened again, and the
            /// handler gets `on_connection_lost`, `on_reconnecting` and `on_reconnected`.
            #[must_use]
            pub fn with_options(mut self, options: $crate::client::ConnectionOptions) -> Self {
                self.core.network.options = options;
                self
            }

            /// Sets the options of connections that peers make.
            #[must_use]
            pub fn with_acceptor(mut self, acceptor: $crate::client::Acceptor) -> Self {
                self.core.network.acceptor = acceptor;
                self
            }

            /// Sets the most octets of messages that each sender queues while they cannot be sent. Default: 1 MiB. See
            /// [`Dispatcher::set_send_queue`](crate::handler::Dispatcher::set_send_queue).
            #[must_use]
            pub fn with_send_queue(mut self, octets: usize) -> Self {
                self.core.all.set_send_queue(octets);
                self
            }

            /// Sets whether the container stops when no connection, listener or timer is left. Default: true. If false,
            /// [`Injector::stop`] stops it.
            #[must_use]
            pub fn with_auto_stop(mut self, automatic: bool) -> Self {
                self.auto_stop = automatic;
                self
            }

            /// Requests a connection; see [`Context::connect`].
            pub fn connect(
                &mut self,
                url: impl Into<$crate::types::Str>,
            ) -> $crate::handler::ConnectionToken {
                self.with(|cx| cx.connect(url))
            }

            /// Requests a listener; see [`Context::listen`].
            pub fn listen(
                &mut self,
                address: impl Into<$crate::types::Str>,
            ) -> $crate::handler::ListenerToken {
                self.with(|cx| cx.listen(address))
            }
        }
    };
}

pub use __container as container;
