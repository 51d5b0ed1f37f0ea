//! The methods of receivers that wait.

/// Writes the methods of an adapter's `Receiver`.
#[doc(hidden)]
#[macro_export]
macro_rules! __receiver {
    ($($async:ident)?) => {
        impl Receiver {
            /// Waits for the next message; `None` if the link has ended without an error and all messages were taken.
            ///
            /// # Errors
            ///
            /// The end of the link, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no message.")]
            pub $($async)? fn recv(&self) -> $crate::client::Result<Option<Delivery>> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::recv(self))
            }

            /// Waits for the first frame of the next message on a streaming link, and returns a reader of the message;
            /// `None` if the link has ended without an error.
            ///
            /// # Errors
            ///
            /// The end of the link, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no message.")]
            pub $($async)? fn recv_reader(&self) -> $crate::client::Result<Option<MessageReader>> {
                Ok($crate::driver::skin::wait!($($async)? $crate::driver::Receiver::read(self))?.map(MessageReader))
            }

            /// Waits until a delivery is settled at both ends. With the receiver settle mode `second`, the sender
            /// settles first.
            ///
            /// # Errors
            ///
            /// The end of the link; [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not settle within the
            /// reply timeout.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future has no effect.")]
            pub $($async)? fn settled(&self, delivery: $crate::types::DeliveryKey) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::settled(self, delivery))
            }

            /// Asks the sender to use its credit or return it, and waits until it has. Messages that arrive meanwhile
            /// can be taken afterwards. The link grants no credit by itself until credit is set again.
            ///
            /// # Errors
            ///
            /// The end of the link; [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not answer within the
            /// reply timeout.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future does not stop the drain.")]
            pub $($async)? fn drain(&self) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::drain(self)?)
            }

            /// Closes the link, and waits until the peer has closed it, too.
            ///
            /// Before the close, the receiver withdraws its credit and releases the messages that were not taken, so
            /// that they go elsewhere at once. Messages that the sender has settled can still be taken. Messages that
            /// were taken without an outcome go back to their queue.
            ///
            /// # Errors
            ///
            /// The end of the link, if it was an error; [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not
            /// answer within the reply timeout.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future early may leave the link open, without credit.")]
            pub $($async)? fn close(&self) -> $crate::client::Result<()> {
                if let Ok(stopping) = $crate::driver::Receiver::stop_before_close(self) {
                    // A sender that does not stop in time may have sent more, which the close returns to its queue.
                    let _ = $crate::driver::skin::wait!($($async)? stopping);
                }
                $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::end(self, $crate::driver::Ending::Close(None)))
            }

            /// Closes the link at once with an error for the peer, and waits until the peer has closed it, too. Messages
            /// that were not taken are released.
            ///
            /// # Errors
            ///
            /// See [`close`](Self::close).
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future does not stop the close.")]
            pub $($async)? fn close_with(
                &self,
                error: impl Into<$crate::wire::AmqpError>,
            ) -> $crate::client::Result<()> {
                let ending = $crate::driver::Ending::Close(Some(error.into()));
                $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::end(self, ending))
            }

            /// Detaches the link. It can be attached again by its name while a handle of it exists.
            ///
            /// # Errors
            ///
            /// See [`close`](Self::close).
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future does not stop the detach.")]
            pub $($async)? fn detach(&self) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::end(self, $crate::driver::Ending::Detach))
            }

            /// Waits for the next news about a delivery of the state that the link was attached or accepted with. Each
            /// delivery of a sender is told to be over once, with its outcome if it has one.
            ///
            /// # Errors
            ///
            /// The end of the link.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no news.")]
            pub $($async)? fn next_resumed(&self) -> $crate::client::Result<$crate::driver::Resumed> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::next_resumed(self))
            }

            /// Waits for new properties of the link's state from the peer [2.7.4]; `None` if the link has ended without an
            /// error.
            ///
            /// Newer properties replace those that were not taken.
            ///
            /// # Errors
            ///
            /// The end of the link, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no properties.")]
            pub $($async)? fn next_flow_properties(
                &self,
            ) -> $crate::client::Result<Option<$crate::types::Fields>> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::next_flow_properties(self))
            }

            /// Waits until the link is over, and returns the reason.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future has no effect.")]
            pub $($async)? fn closed(&self) -> $crate::client::Error {
                $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::closed(self))
            }
        }
    };
}

pub use __receiver as receiver;
