//! The methods of senders that wait.

/// Writes the methods of an adapter's `Sender`. The adapter's own are `send_by`, `queue`, which bounds the wait for credit, and
/// `send_within`, which bounds the wait for the outcome, too.
#[doc(hidden)]
#[macro_export]
macro_rules! __sender {
    ($($async:ident)?) => {
        impl Sender {
            /// Sends a message, and waits for its outcome.
            ///
            /// This waits for credit first. Both waits can last, as when a broker is short of memory or its replicas
            /// have no majority; [`with_send_timeout`](crate::SenderBuilder::with_send_timeout) bounds them together. A
            /// message that is sent settled has no outcome, and counts as accepted once it is queued.
            ///
            /// # Errors
            ///
            /// [`Error::TimedOut`](crate::Error::TimedOut) if there was no credit in time, and nothing was sent;
            /// [`Error::Unconfirmed`](crate::Error::Unconfirmed) if the message was sent but its outcome is not known in
            /// time; [`Error::Lost`](crate::Error::Lost) if the link ended before the outcome was known.
            #[doc = $crate::driver::skin::cancel!(
                $($async)? "A dropped future may have sent the message; then its outcome stays unknown."
            )]
            pub $($async)? fn send(
                &self,
                message: impl Into<$crate::client::Outgoing>,
            ) -> $crate::client::Result<$crate::wire::Outcome> {
                $crate::driver::skin::call!($($async)? self.send_within(message, self.send_by()))
            }

            /// Sends a message as soon as there is credit, and does not wait for its outcome.
            ///
            /// # Errors
            ///
            /// [`Error::TimedOut`](crate::Error::TimedOut) if there was no credit within the
            /// [send timeout](crate::SenderBuilder::with_send_timeout): nothing was sent. The end of the link.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future before it is ready sends nothing.")]
            pub $($async)? fn send_queued(
                &self,
                message: impl Into<$crate::client::Outgoing>,
            ) -> $crate::client::Result<Sent> {
                $crate::driver::skin::call!($($async)? self.queue(message, self.send_by()))
            }

            /// Sends a message if there is credit and no other sender waits for it.
            ///
            /// # Errors
            ///
            /// [`Error::Send`](crate::Error::Send) if the message cannot be sent now: nothing was sent. The end of the
            /// link.
            pub fn try_send(&self, message: impl Into<$crate::client::Outgoing>) -> $crate::client::Result<Sent> {
                $crate::driver::Sender::try_send(self, message).map(Sent)
            }

            /// Begins a message of any length, to be written in pieces, as soon as there is credit. The link sends no
            /// other message until this one is finished or aborted.
            ///
            /// # Errors
            ///
            /// The end of the link.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future before it is ready sends nothing.")]
            pub $($async)? fn writer(
                &self,
                options: $crate::config::SendOptions,
            ) -> $crate::client::Result<MessageWriter> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::begin(self, options)).map(MessageWriter)
            }

            /// Waits until a message can be sent: there is credit, and no other sender waits for it.
            ///
            /// # Errors
            ///
            /// The end of the link.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future has no effect.")]
            pub $($async)? fn sendable(&self) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::sendable(self))
            }

            /// Returns the outcomes of all messages sent on the link, for a program that handles the whole link in one
            /// place.
            pub fn outcomes(&self) -> SentOutcomes {
                SentOutcomes($crate::driver::Sender::outcomes(self))
            }

            /// Closes the link after its messages are written, and waits until the peer has closed it, too. Unsettled
            /// messages get no outcome.
            ///
            /// # Errors
            ///
            /// The end of the link, if it was an error; [`Error::TimedOut`](crate::Error::TimedOut) if the peer does not
            /// answer within the reply timeout.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future early may leave the link open.")]
            pub $($async)? fn close(&self) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::written(self))?;
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::end(self, $crate::driver::Ending::Close(None)))
            }

            /// Closes the link at once with an error for the peer, and waits until the peer has closed it, too.
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
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::end(self, ending))
            }

            /// Detaches the link after its messages are written. It can be attached again by its name while a handle of
            /// it exists.
            ///
            /// # Errors
            ///
            /// See [`close`](Self::close).
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future early may leave the link attached.")]
            pub $($async)? fn detach(&self) -> $crate::client::Result<()> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::written(self))?;
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::end(self, $crate::driver::Ending::Detach))
            }

            /// Waits for the next news about a delivery of the state that the link was attached or accepted with. Each
            /// delivery of a sender is told to be over once, with its outcome if it has one.
            ///
            /// # Errors
            ///
            /// The end of the link.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no news.")]
            pub $($async)? fn next_resumed(&self) -> $crate::client::Result<$crate::driver::Resumed> {
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::next_resumed(self))
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
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::next_flow_properties(self))
            }

            /// Waits until the link is over, and returns the reason.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future has no effect.")]
            pub $($async)? fn closed(&self) -> $crate::client::Error {
                $crate::driver::skin::wait!($($async)? $crate::driver::Sender::closed(self))
            }
        }
    };
}

/// Writes the methods of an adapter's `Sent`.
#[doc(hidden)]
#[macro_export]
macro_rules! __sent {
    ($($async:ident)?) => {
        impl Sent {
            /// Waits for the outcome, which stays known: a second call returns it again. A message that was sent settled
            /// counts as accepted.
            ///
            /// # Errors
            ///
            /// [`Error::Lost`](crate::Error::Lost) if the link ended before the outcome was known;
            /// [`Error::Undecided`](crate::Error::Undecided) if the receiver has settled without an outcome.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future has no effect.")]
            pub $($async)? fn outcome(&self) -> $crate::client::Result<$crate::wire::Outcome> {
                $crate::driver::skin::poll!($($async)? |waiter| $crate::driver::Sent::poll_outcome(self, waiter))
            }
        }
    };
}

pub use {__sender as sender, __sent as sent};
