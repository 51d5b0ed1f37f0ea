//! The methods of requesters and responders that wait.

/// Writes the methods of an adapter's `Requester`.
#[doc(hidden)]
#[macro_export]
macro_rules! __requester {
    ($($async:ident)?) => {
        impl Connection {
            /// Returns a requester that sends requests to this address and receives replies at a
            /// [dynamic](crate::ReceiverBuilder::with_dynamic) node.
            ///
            /// Both links are on a session of their own, which a peer without dynamic nodes ends; see
            /// [`Requester::new`] for such a peer.
            ///
            /// # Errors
            ///
            /// The end of the session or of a link, if the peer refuses it; the end of the connection.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future closes what it has opened.")]
            pub $($async)? fn requester(
                &self,
                address: impl Into<$crate::types::Str>,
            ) -> $crate::client::Result<Requester> {
                let session = $crate::driver::skin::call!($($async)? self.session())?;
                // No other receiver could take a released reply.
                let receiver = session.dynamic_receiver().with_auto_accept(true);
                let receiver = $crate::driver::skin::call!($($async)? receiver.attach())?;
                Requester::new($crate::driver::skin::call!($($async)? session.sender(address).attach())?, receiver)
            }
        }

        $crate::driver::handles! { Waiter: Requester }

        impl Requester {
            /// Returns a requester over two links on one connection: it sends requests on the sender, and receives
            /// replies on the receiver, which it has for itself.
            ///
            /// # Errors
            ///
            /// [`Error::Request`](crate::Error::Request) if the peer has not told the address of the receiver's source.
            pub fn new(sender: Sender, receiver: Receiver) -> $crate::client::Result<Self> {
                $crate::driver::Requester::new((*sender).clone(), (*receiver).clone()).map(Self)
            }

            /// Sends a request, and waits for its reply. Sets the message-id and the correlation-id of the request, and
            /// its reply-to if it has none.
            ///
            /// The reply is accepted when it is dropped, unless the receiver's options differ.
            ///
            /// # Errors
            ///
            /// [`Error::NotAccepted`](crate::Error::NotAccepted) if the service, or a broker in between, has not
            /// accepted the request, so that no reply will come; the end of the link, if it ends before the reply;
            /// [`Error::Lost`](crate::Error::Lost) if the connection was lost meanwhile, with the address for the reply;
            /// [`Error::Interrupted`](crate::Error::Interrupted) if the request was not sent by then;
            /// [`Error::Request`](crate::Error::Request) if too many requests are waiting.
            #[doc = $crate::driver::skin::cancel!(
                $($async)? "A dropped future may have sent the request; its reply is accepted when it arrives."
            )]
            pub $($async)? fn request(
                &self,
                message: impl Into<$crate::message::Message>,
            ) -> $crate::client::Result<Delivery> {
                if let Some(renewed) = $crate::driver::Requester::renewed(self) {
                    $crate::driver::skin::wait!($($async)? renewed)?;
                }
                let (message, mut question) = $crate::driver::Requester::ask(self, message)?;
                question.set_sent(match $crate::driver::Requester::queue(self, &question, message)? {
                    $crate::driver::Queued::Sent(sent) => sent,
                    $crate::driver::Queued::Waiting(queued) => $crate::driver::skin::wait!($($async)? queued)?,
                });
                let mut reply = question.answer();
                $crate::driver::skin::poll!($($async)? |waiter| reply(waiter))
            }

            /// Closes both links, and waits until the peer has closed them, too. Requests without a reply end with an
            /// error.
            ///
            /// # Errors
            ///
            /// The end of the links, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future early may leave the links open.")]
            pub $($async)? fn close(&self) -> $crate::client::Result<()> {
                let sender = Sender::from($crate::driver::Requester::sender(self).clone());
                $crate::driver::skin::call!($($async)? sender.close())?;
                let receiver = Receiver::from($crate::driver::Requester::receiver(self).clone());
                $crate::driver::skin::call!($($async)? receiver.close())
            }
        }
    };
}

/// Writes the methods of an adapter's `Responder` and `Request`.
#[doc(hidden)]
#[macro_export]
macro_rules! __responder {
    ($($async:ident)?) => {
        impl Connection {
            /// Returns a responder to the requests that arrive at this address.
            ///
            /// # Errors
            ///
            /// The end of the link, if the peer refuses it; the end of the connection.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future closes what it has opened.")]
            pub $($async)? fn responder(
                &self,
                address: impl Into<$crate::types::Str>,
            ) -> $crate::client::Result<Responder> {
                let receiver = $crate::driver::skin::call!($($async)? self.receiver(address).attach())?;
                $crate::driver::skin::call!($($async)? Responder::new(self, receiver))
            }
        }

        $crate::driver::handles! { Waiter: Responder Request }

        impl Responder {
            /// Returns a responder to the requests that arrive on this link.
            ///
            /// Replies go out on a session of their own: by the anonymous relay if the peer offers it, else on a link
            /// for each address. The last 64 of these links are kept.
            ///
            /// # Errors
            ///
            /// The end of the session or of the relay's link, if the peer refuses it; the end of the connection.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future closes what it has opened.")]
            pub $($async)? fn new(connection: &Connection, receiver: Receiver) -> $crate::client::Result<Self> {
                let session = $crate::driver::skin::call!($($async)? connection.session())?;
                let relay = if connection.offers(&$crate::wire::ANONYMOUS_RELAY) {
                    let relay = $crate::driver::skin::call!($($async)? session.anonymous_sender().attach())?;
                    Some((*relay).clone())
                } else {
                    None
                };
                Ok(Self($crate::driver::Responder::new((*receiver).clone(), (*session).clone(), relay)))
            }

            /// Waits for the next request; `None` if the link has ended without an error and all requests were taken.
            /// A message that cannot be decoded is rejected.
            ///
            /// # Errors
            ///
            /// The end of the link, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future takes no request.")]
            pub $($async)? fn recv(&self) -> $crate::client::Result<Option<Request>> {
                let receiver = $crate::driver::Responder::receiver(self);
                while let Some(delivery) = $crate::driver::skin::wait!($($async)? $crate::driver::Receiver::recv(receiver))? {
                    if let Some(request) = $crate::driver::Responder::take(self, delivery)? {
                        return Ok(Some(Request(request)));
                    }
                }
                Ok(None)
            }

            /// Closes the link, and waits until the peer has closed it, too. Replies can still be sent.
            ///
            /// # Errors
            ///
            /// The end of the link, if it was an error.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future early may leave the link open.")]
            pub $($async)? fn close(&self) -> $crate::client::Result<()> {
                let receiver = Receiver::from($crate::driver::Responder::receiver(self).clone());
                $crate::driver::skin::call!($($async)? receiver.close())
            }
        }

        impl Request {
            /// Sends the reply, accepts the request, and waits for the outcome of the reply. A reply that is not
            /// accepted has not reached the requester. [`answer_to`](crate::policy::answer_to) sets its properties.
            ///
            /// The request is accepted when the reply is sent, or cannot be sent.
            ///
            /// # Errors
            ///
            /// [`Error::Request`](crate::Error::Request) if the request does not ask for a reply; the end of the reply's
            /// link, which may have ended with the requester.
            #[doc = $crate::driver::skin::cancel!($($async)? "Dropping the future before the reply is sent releases the request.")]
            pub $($async)? fn reply(
                self,
                message: impl Into<$crate::message::Message>,
            ) -> $crate::client::Result<$crate::wire::Outcome> {
                let sent = $crate::driver::skin::call!($($async)? send(&self.0, message));
                let accepted = self.accept();
                let sent = sent?;
                let outcome = $crate::driver::skin::call!($($async)? sent.outcome())?;
                accepted.map(|()| outcome)
            }

            /// Accepts the request without a reply [3.4.2].
            ///
            /// # Errors
            ///
            /// See [`Delivery::accept`](crate::Delivery::accept).
            pub fn accept(self) -> $crate::client::Result<()> {
                $crate::driver::Request::into_delivery(self.0).accept()
            }

            /// Rejects the request: it is invalid [3.4.3].
            ///
            /// # Errors
            ///
            /// See [`Delivery::accept`](crate::Delivery::accept).
            pub fn reject(self, error: impl Into<Option<$crate::wire::AmqpError>>) -> $crate::client::Result<()> {
                $crate::driver::Request::into_delivery(self.0).reject(error)
            }

            /// Releases the request unchanged, for another responder [3.4.4].
            ///
            /// # Errors
            ///
            /// See [`Delivery::accept`](crate::Delivery::accept).
            pub fn release(self) -> $crate::client::Result<()> {
                $crate::driver::Request::into_delivery(self.0).release()
            }
        }

        /// Sends a reply on the link that leads to its address, and attaches that link first if there is none.
        $($async)? fn send(
            request: &$crate::driver::Request<Waiter>,
            message: impl Into<$crate::message::Message>,
        ) -> $crate::client::Result<Sent> {
            let answer = $crate::driver::Request::answer(request, message)?;
            if let Some(sender) = answer.sender() {
                let sender = Sender::from(sender);
                match $crate::driver::skin::call!($($async)? sender.send_queued(answer.message())) {
                    Err(error) if answer.is_stale(&error) => {}
                    sent => return sent,
                }
            }
            let (home, settings) = answer.way();
            let sender = $crate::driver::skin::call!($($async)? SenderBuilder { home, settings }.attach())?;
            let sent = $crate::driver::skin::call!($($async)? sender.send_queued(answer.message()));
            answer.keep((*sender).clone());
            sent
        }
    };
}

pub use {__requester as requester, __responder as responder};
