//! [`Responder`]: receives requests, and replies to them.

use std::thread::Thread;
use std::time::Duration;

use amqp_proto::client::Result;
use amqp_proto::driver;
use amqp_proto::message::Message;
use amqp_proto::types::Str;
use amqp_proto::wire::{self, ANONYMOUS_RELAY, Outcome};

use crate::builders::SenderBuilder;
use crate::connection::Connection;
use crate::handles::Delivery;
use crate::receiver::Receiver;
use crate::sender::Sender;
use crate::sent::Sent;

/// Receives requests, and sends the replies. Clones are cheap, for any thread; each request goes to one of the
/// waiting threads.
///
/// ```no_run
/// use amqp_blocking::Connection;
///
/// let connection = Connection::open("amqp://localhost")?;
/// let responder = connection.responder("service")?;
/// while let Some(request) = responder.recv()? {
///     let answer = format!("{:?}, too", request.message().body()?);
///     request.reply(answer)?;
/// }
/// # Ok::<(), amqp_blocking::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Responder(pub(crate) driver::Responder<Thread>);

impl Connection {
    /// Returns a responder for the requests at this address.
    ///
    /// # Errors
    ///
    /// The link cannot be attached; see [`ReceiverBuilder::attach`](crate::ReceiverBuilder::attach).
    pub fn responder(&self, address: impl Into<Str>) -> Result<Responder> {
        let receiver = self.receiver(address).attach()?;
        Responder::new(self, receiver)
    }
}

impl Responder {
    /// Returns a responder on an existing link.
    ///
    /// Replies go out on a session of their own: over the anonymous relay if the peer offers it, else over a link for
    /// each address, of which the 64 last used are kept.
    ///
    /// # Errors
    ///
    /// The session or the link to the relay cannot be had; see [`Connection::session_with`] and
    /// [`SenderBuilder::attach`].
    pub fn new(connection: &Connection, receiver: Receiver) -> Result<Self> {
        let session = connection.session()?;
        let relay = match connection.offers(&ANONYMOUS_RELAY) {
            true => Some(session.anonymous_sender().attach()?.0),
            false => None,
        };
        Ok(Self(driver::Responder::new(receiver.0, session.0, relay)))
    }

    /// Waits for the next request; `None` if the link has ended without an error and all requests are taken. Messages
    /// of another format are rejected.
    ///
    /// # Errors
    ///
    /// See [`Receiver::recv`].
    pub fn recv(&self) -> Result<Option<Request>> {
        self.take(Receiver::recv)
    }

    /// Waits for the next request for at most this time.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`](crate::Error::TimedOut) if no request has arrived in time; also those of
    /// [`recv`](Self::recv).
    pub fn recv_timeout(&self, span: Duration) -> Result<Option<Request>> {
        self.take(|receiver| receiver.recv_timeout(span))
    }

    fn take(&self, recv: impl Fn(&Receiver) -> Result<Option<Delivery>>) -> Result<Option<Request>> {
        let receiver = Receiver(self.0.receiver().clone());
        while let Some(delivery) = recv(&receiver)? {
            if let Some(request) = driver::Responder::take(self, delivery)? {
                return Ok(Some(Request(request)));
            }
        }
        Ok(None)
    }

    /// Closes the link for requests, and waits until the peer has closed it, too. Replies that are being sent are not
    /// affected.
    ///
    /// # Errors
    ///
    /// See [`Receiver::close`].
    pub fn close(&self) -> Result<()> {
        Receiver(self.0.receiver().clone()).close()
    }
}

/// A request that waits for its reply. Dropping it without an outcome releases it, like a [`Delivery`].
#[derive(Debug)]
#[must_use = "a request that is dropped with nothing decided is released"]
pub struct Request(pub(crate) driver::Request<Thread>);

impl Request {
    /// Sends the reply, accepts the request, and waits for the outcome of the reply: if the reply is not accepted, it
    /// has not reached the requester. [`answer_to`](crate::policy::answer_to) sets its properties.
    ///
    /// The request is accepted once the reply is sent, or cannot be sent.
    ///
    /// # Errors
    ///
    /// [`Error::Request`](crate::Error::Request) if the request has no reply-to; that of the link for the reply,
    /// which may have ended with its requester.
    pub fn reply(self, message: impl Into<Message>) -> Result<Outcome> {
        let sent = send(&self.0, message);
        let accepted = self.accept();
        let outcome = sent?.outcome()?;
        accepted.map(|()| outcome)
    }

    /// Accepts the request without a reply: it was processed [3.4.2].
    ///
    /// # Errors
    ///
    /// See [`Delivery::dispose`].
    pub fn accept(self) -> Result<()> {
        driver::Request::accept(self.0)
    }

    /// Rejects the request: it is invalid [3.4.3].
    ///
    /// # Errors
    ///
    /// See [`Delivery::dispose`].
    pub fn reject(self, error: impl Into<Option<wire::AmqpError>>) -> Result<()> {
        driver::Request::reject(self.0, error.into())
    }

    /// Releases the request unchanged, for another responder [3.4.4].
    ///
    /// # Errors
    ///
    /// See [`Delivery::dispose`].
    pub fn release(self) -> Result<()> {
        driver::Request::release(self.0)
    }
}

/// Sends a reply on the link to its address, which may have to be attached first.
fn send(request: &driver::Request<Thread>, message: impl Into<Message>) -> Result<Sent> {
    let answer = driver::Request::answer(request, message)?;
    if let Some(sender) = answer.sender() {
        match Sender(sender).send_queued(answer.message()) {
            Err(error) if answer.is_stale(&error) => {}
            sent => return sent,
        }
    }
    let (home, settings) = answer.way();
    let sender = SenderBuilder { home, settings }.attach()?;
    let sent = sender.send_queued(answer.message());
    answer.keep(sender.0);
    sent
}
