//! The methods of messages that are read and written in pieces.

/// Writes the methods of an adapter's `MessageReader`.
#[doc(hidden)]
#[macro_export]
macro_rules! __message_reader {
    ($($async:ident)?) => {
        $crate::driver::handles! { Waiter: MessageReader }

        impl MessageReader {
            /// Waits for more of the message; `None` after its end.
            ///
            /// # Errors
            ///
            /// [`Error::Aborted`](crate::Error::Aborted) if the sender has aborted the message; the end of the link, if
            /// the message is incomplete.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes nothing.")]
            pub $($async)? fn read(&mut self) -> $crate::client::Result<Option<$crate::message::Payload>> {
                $crate::driver::skin::poll!($($async)? |waiter| $crate::driver::MessageReader::poll_read(&mut self.0, waiter))
            }

            /// Waits for more octets of the body's data sections, without the encoding around them; `None` after the
            /// end of the message. Use either this or [`read`](Self::read) on a message.
            ///
            /// # Errors
            ///
            /// [`Error::Message`](crate::Error::Message) if the body is not data; the errors of [`read`](Self::read).
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no data.")]
            pub $($async)? fn read_data(&mut self) -> $crate::client::Result<Option<$crate::message::Payload>> {
                $crate::driver::skin::poll!($($async)? |waiter| $crate::driver::MessageReader::poll_data(&mut self.0, waiter))
            }

            /// Waits for the rest of the message.
            ///
            /// # Errors
            ///
            /// See [`read`](Self::read).
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future loses what it has read.")]
            pub $($async)? fn read_to_end(&mut self) -> $crate::client::Result<$crate::message::Payload> {
                let mut all = $crate::message::Payload::new();
                while let Some(part) = $crate::driver::skin::call!($($async)? self.read())? {
                    all.append(part);
                }
                Ok(all)
            }

            /// Accepts the message: it was processed [3.4.2].
            ///
            /// # Errors
            ///
            /// See [`dispose`](Self::dispose).
            pub fn accept(self) -> $crate::client::Result<()> {
                self.dispose(&$crate::wire::Outcome::Accepted.into())
            }

            /// Rejects the message: it is invalid [3.4.3]. The message may be incomplete.
            ///
            /// # Errors
            ///
            /// See [`dispose`](Self::dispose).
            pub fn reject(self, error: impl Into<Option<$crate::wire::AmqpError>>) -> $crate::client::Result<()> {
                self.dispose(&$crate::driver::rejected(error.into()))
            }

            /// Releases the message, unprocessed and unchanged [3.4.4].
            ///
            /// # Errors
            ///
            /// See [`dispose`](Self::dispose).
            pub fn release(self) -> $crate::client::Result<()> {
                self.dispose(&$crate::wire::Outcome::Released.into())
            }

            /// Releases the message, unprocessed and changed [3.4.5].
            ///
            /// # Errors
            ///
            /// See [`dispose`](Self::dispose).
            pub fn modify(self, modified: $crate::wire::Modified) -> $crate::client::Result<()> {
                self.dispose(&$crate::wire::Outcome::from(modified).into())
            }

            /// Sends an outcome. The rest of the message is dropped when it arrives.
            ///
            /// # Errors
            ///
            /// [`Error::Settle`](crate::Error::Settle) if the delivery is settled; the end of the link.
            pub fn dispose(self, state: &$crate::wire::DeliveryState) -> $crate::client::Result<()> {
                $crate::driver::MessageReader::dispose(self.0, state)
            }
        }
    };
}

/// Writes the methods of an adapter's `MessageWriter`.
#[doc(hidden)]
#[macro_export]
macro_rules! __message_writer {
    ($($async:ident)?) => {
        impl MessageWriter {
            /// Adds octets to the message, in the standard's encoding; waits while too much of it is not yet written.
            ///
            /// # Errors
            ///
            /// The end of the link.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future before it is ready adds nothing.")]
            pub $($async)? fn write(
                &mut self,
                octets: impl Into<$crate::driver::Bytes>,
            ) -> $crate::client::Result<()> {
                let octets = octets.into();
                $crate::driver::skin::poll!(
                    $($async)? |waiter| $crate::driver::MessageWriter::poll_write(&mut self.0, waiter, &octets)
                )
            }

            /// Adds a data section with these octets to the message; waits while too much of it is not yet written. A
            /// message may have any number of data sections; a reader gets their octets as one body.
            ///
            /// The sections before the body, such as the properties, come first, by [`write`](Self::write): those of a
            /// message with an empty body, `Message::from(b"")`.
            ///
            /// # Errors
            ///
            /// The end of the link.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future before it is ready adds nothing.")]
            pub $($async)? fn write_data(
                &mut self,
                octets: impl Into<$crate::driver::Bytes>,
            ) -> $crate::client::Result<()> {
                let octets = octets.into();
                $crate::driver::skin::poll!(
                    $($async)? |waiter| $crate::driver::MessageWriter::poll_data(&mut self.0, waiter, &octets)
                )
            }

            /// Completes the message.
            ///
            /// # Errors
            ///
            /// The end of the link.
            pub fn finish(self) -> $crate::client::Result<Sent> {
                $crate::driver::MessageWriter::finish(self.0).map(Sent)
            }

            /// Aborts the message: the receiver drops what has arrived of it.
            ///
            /// # Errors
            ///
            /// The end of the link.
            pub fn abort(self) -> $crate::client::Result<()> {
                $crate::driver::MessageWriter::abort(self.0)
            }
        }
    };
}

pub use {__message_reader as message_reader, __message_writer as message_writer};
